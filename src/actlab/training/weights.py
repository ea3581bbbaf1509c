"""The weights that a run leaves: at its end, and at every evaluation where it is asked to keep them."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax

from actlab.actions.parse import code_text
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.registry import AGENTS
from actlab.training.checkpoint import load_tree
from actlab.training.plain import from_plain
from actlab.training.runs import Run, read_run

LEARNER = "learner.safetensors"
WEIGHTS = "weights"
"""Folder of what a run keeps of its evaluations: `STEPS.safetensors`, the learner's state."""


def weights_path(folder: Path, steps: int) -> Path:
    """Where the learner's state at an evaluation after that many steps is kept."""
    return folder / WEIGHTS / f"{steps}.safetensors"


def kept_steps(run: Run) -> list[int]:
    """After how many steps a run kept its weights (`train(..., keep=True)`), in order."""
    return sorted(int(path.stem) for path in (run.folder / WEIGHTS).glob("*.safetensors") if path.stem.isdigit())


def shapes(agent: Any, task: Task) -> Any:
    """The shapes of an agent's trained state on a task, without computing it."""
    return jax.eval_shape(lambda a, key: a.init(task.spec, key), agent, jax.random.key(0))


def learner_of(run: Run, steps: int | None = None) -> Any:
    """The trained state of a finished run, or the one that it kept at an evaluation (`train(..., keep=True)`).

    Args:
        steps: of that evaluation, one of `kept_steps(run)`.

    Raises:
        ActlabError: the run is not finished, nothing was kept at that evaluation, or the file is damaged.
    """
    if steps is not None:
        if steps not in kept_steps(run):
            raise ActlabError(f"{run.folder} kept no weights after {steps} steps; it did after {kept_steps(run)}.")
        return load_tree(weights_path(run.folder, steps), shapes(run.agent, run.task))[0]
    if not run.finished:
        raise ActlabError(f"{run.folder} is not finished; go on with: actlab resume {run.folder}")
    if not run.agent.compiled:
        return from_plain(json.loads((run.folder / "learner.json").read_text()))
    return load_tree(run.folder / LEARNER, shapes(run.agent, run.task))[0]


def start_of(start: Run | str | Path, agent: Any, task: Task) -> Any:
    """The trained state of a run, for another run to begin with.

    Raises:
        ActlabError: it is another kind of agent's, it is not finished, or its weights have other shapes.
    """
    source = start if isinstance(start, Run) else read_run(start)
    name, own = AGENTS.name_of(type(source.agent)), AGENTS.name_of(type(agent))
    if name != own:
        raise ActlabError(f"{source.folder} was trained by {name}; {own} cannot begin with its weights.")
    state = learner_of(source)
    if not agent.compiled:
        return state
    begun, fresh = None, [leaf.shape for leaf in jax.tree.leaves(shapes(agent, task))]
    with suppress(TypeError, ValueError):  # what JAX raises where shapes do not fit together
        begun = jax.eval_shape(lambda a, s, k: a.init(task.spec, k, s), agent, state, jax.random.key(0))
    if begun is None or [leaf.shape for leaf in jax.tree.leaves(begun)] != fresh:
        raise ActlabError(
            f"The weights of {source.folder} (task {source.config['task']}, code {source.config['code']}) do not fit: "
            f"{own} with these options on {task.spec.name}, code {code_text(task.spec.codec)}, has other shapes."
        )
    return state
