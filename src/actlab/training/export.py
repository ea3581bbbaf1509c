"""What leaves the laboratory: a trained policy as weights with a description, and as one ONNX file.

```
policy.safetensors   the weights that the deterministic policy reads, by their paths in the agent's state
policy.json          agent and options, code with its statistics, spaces, inputs and outputs, versions
policy.onnx          with `format="onnx"`: observation -> native action; code and normaliser are inside
```

The policy is the one of `explore=False`: what `actlab evaluate` calls deterministic. One call is one decision; where a
code lasts several native steps, it returns all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save

from actlab.actions.parse import code_text
from actlab.actions.save import codec_from_json, codec_to_json, space_from_json, space_to_json
from actlab.core.codec import Codec
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.files import write_atomically
from actlab.core.keys import fold
from actlab.core.options import OptionError
from actlab.core.registry import AGENTS
from actlab.core.spaces import Space
from actlab.core.steps import TimeStep
from actlab.training.api import learner_of
from actlab.training.checkpoint import read_json, write_json
from actlab.training.graph import RUN_ONCE
from actlab.training.linear import Program, inputs_used, linearise
from actlab.training.play import begin_episode
from actlab.training.runs import Run, make_agent, read_run, versions

FORMAT = "actlab policy 1"
FORMATS = ("safetensors", "onnx")
TOLERANCE = 1e-5
"""Largest difference to the policy itself that an ONNX file may have (relative, for numbers above 1)."""
CHECKS = 32
"""Observations that an ONNX file is compared on when it is written."""

Tree = Any


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    files: tuple[str, ...]
    description: Mapping[str, Any]
    """What `policy.json` holds."""


class Policy(NamedTuple):
    """A policy that was loaded from an exported folder; it decides as the run did."""

    agent: Any
    state: Tree
    """What acting reads; the rest of the agent's state is zero."""
    codec: Codec
    observation: Space


def export(run: Run | str | Path, out: str | Path, *, format: str = "safetensors") -> Exported:
    """Write the deterministic policy of a finished run into a folder.

    Args:
        format: "safetensors", or "onnx" for an ONNX file beside it (extra `onnx`). Where ONNX Runtime is installed,
            the file is compared with the policy.

    Raises:
        ActlabError: the run is not finished, or its policy cannot be written so (the sentence says why).
        MissingExtra: `onnx` is not installed.
    """
    if format not in FORMATS:
        raise OptionError(f"A policy is exported as {' or '.join(FORMATS)}; received {format!r}.")
    run = run if isinstance(run, Run) else read_run(run)
    if not run.agent.compiled:
        raise ActlabError(f"{AGENTS.name_of(type(run.agent))} runs on the host; only agents in the graph are exported.")
    folder, state = Path(out), learner_of(run)
    deciding = Deciding(run.agent, run.task)
    model = deciding.to_onnx(state) if format == "onnx" else None  # first: what fails leaves nothing behind
    checked = None if model is None else deciding.check(state, model.SerializeToString())
    files = ["policy.safetensors", "policy.json"]
    weights = deciding.weights(state)
    arrays = {name: np.ascontiguousarray(leaf).reshape(leaf.shape) for name, leaf in weights.items()}
    write_atomically(folder / files[0], save(arrays, metadata={"format": FORMAT}))
    codec = run.task.spec.codec
    description = {
        "format": FORMAT,
        "agent": AGENTS.name_of(type(run.agent)),
        "options": dict(run.config["options"]),
        "task": run.task.spec.name,
        "code": code_text(codec),
        "codec": codec_to_json(codec),
        "observation": space_to_json(run.task.spec.observation),
        "action": space_to_json(run.task.environment.action),
        "native steps of a decision": codec.length,
        "seed": run.seed,
        "steps": run.result["steps"],
        "inputs": deciding.described(deciding.inputs),
        "outputs": deciding.described(deciding.outputs),
        "memory": {name: np.asarray(leaf).tolist() for name, leaf in deciding.first_memory.items()},
        "weights": {name: [leaf.dtype.name, *leaf.shape] for name, leaf in weights.items()},
        "onnx": None if model is None else {"file": "policy.onnx", "largest difference": checked},
        "versions": dict(run.config["versions"]) | {"exported by": versions()},
    }
    if model is not None:
        files.append("policy.onnx")
        write_atomically(folder / files[-1], model.SerializeToString())
    write_json(folder / "policy.json", description)
    return Exported(folder, tuple(files), description)


def load_policy(folder: str | Path, task: Task) -> Policy:
    """The policy of an exported folder, to act in actlab again.

    Args:
        task: with the spaces that the policy was trained on (its code does not matter: the exported one is used).

    Raises:
        ActlabError: the folder holds no exported policy, or the task has other spaces.
    """
    folder = Path(folder)
    description = read_json(folder / "policy.json")
    if description.get("format") != FORMAT:
        raise ActlabError(f"{folder} holds no policy that this version of actlab can read.")
    codec, observation = codec_from_json(description["codec"]), space_from_json(description["observation"])
    if observation != task.spec.observation:
        raise ActlabError(f"The policy sees {observation}; {task.spec.name} shows {task.spec.observation}.")
    agent, spec = make_agent(description["agent"], description["options"]), task.with_bound(codec).spec
    shapes = jax.eval_shape(lambda a, key: a.init(spec, key), agent, jax.random.key(0))
    arrays = load_file(folder / "policy.safetensors")
    paths, structure = jax.tree_util.tree_flatten_with_path(shapes)
    names = [_path(path) for path, _ in paths]
    held = {name: jnp.asarray(array) for name, array in arrays.items()}
    if unknown := sorted(held.keys() - set(names)):
        raise ActlabError(f"{folder} does not fit {description['agent']}: unexpected {unknown[:3]}.")
    leaves = [held[n] if n in held else _nothing(leaf) for n, (_, leaf) in zip(names, paths, strict=True)]
    return Policy(agent, jax.tree_util.tree_unflatten(structure, leaves), codec, observation)


def _path(path: Any) -> str:
    """A leaf's path as text: `networks.policy.layers.0.weight`."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _nothing(leaf: Any) -> jax.Array:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), leaf.shape) if leaf.shape else jax.random.key(0)
    return jnp.zeros(leaf.shape, leaf.dtype)


# --- the function ------------------------------------------------------------------------------------


class Deciding:
    """The deterministic policy as a function of flat arrays with names.

    Inputs are what it reads of: `observation`, `allowed` (the set, where the task restricts its actions), `reward`,
    `elapsed`, `first`, and `memory`. Outputs are `action` (native; with a leading axis where the code lasts several
    native steps), `steps` (how many of these are meant, for such codes) and `next_memory`. Parts of a compound value
    have their path behind the name: `observation/arm/0`.
    """

    def __init__(self, agent: Any, task: Task):
        """
        Raises:
            ActlabError: the policy draws random numbers, or its code looks at the state between its native steps.
        """
        self.agent, self.task = agent, task
        self.key = jax.random.key(0)
        context = task.spec.contexts(fold(self.key, "context"))
        compiled = task.environment.compiled and (task.constraint is None or task.constraint.compiled)
        once = partial(jax.jit, compiler_options=RUN_ONCE)
        begin = once(partial(begin_episode, task)) if compiled else partial(begin_episode, task)
        _, step, _ = begin(fold(self.key, "episode"), context)
        self.step = step._replace(info=())
        shapes = jax.eval_shape(lambda a, key: a.init(task.spec, key), agent, self.key)
        zeros = jax.tree.map(_nothing, shapes)
        memory = agent.begin(zeros, context, fold(self.key, "begin"))
        self.first_memory = _named("memory", memory)
        self.state_paths = [_path(path) for path, _ in jax.tree_util.tree_flatten_with_path(shapes)[0]]
        values, self.structure = jax.tree.flatten((memory, self.step))
        self.names = [*self.first_memory, *(n for name, x in self.step._asdict().items() for n in _named(name, x))]
        self.values = [jnp.asarray(value) for value in values]
        self.state_structure = jax.tree.structure(shapes)
        self._check_code()
        self.outputs: dict[str, Any] = {}
        # with the state among the inputs: which weights are read, and what else
        state_shapes = jax.tree.leaves(shapes)
        count = len(state_shapes)
        used = inputs_used(lambda *flat: self._decide(flat, count), *state_shapes, *self.values, self.key)
        if count + len(self.values) in used:
            raise ActlabError("The policy draws random numbers even where it does not explore; it cannot be exported.")
        self.read_weights = [number for number in range(count) if number in used]
        self.read = [number for number in range(len(self.values)) if count + number in used]
        self.inputs = {self.names[number]: self.values[number] for number in self.read}

    def _decide(self, flat: Any, count: int) -> list[jax.Array]:
        state = jax.tree.unflatten(self.state_structure, flat[:count])
        memory, step = jax.tree.unflatten(self.structure, flat[count:-1])
        outputs = self.decide(state, memory, step, flat[-1])
        self.outputs = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in outputs.items()}
        return list(outputs.values())

    def decide(self, state: Tree, memory: Tree, step: TimeStep, key: jax.Array) -> dict[str, jax.Array]:
        """One decision, as named outputs."""
        code, memory, _ = self.agent.act(state, memory, step, key, explore=False)
        codec = self.task.spec.codec
        if codec.length == 1:
            native = codec.decode(code, step, jnp.zeros((), jnp.int32), None)
            outputs = _named("action", native)
        else:
            native, steps = self._native(code, step)
            outputs = {**_named("action", native), "steps": steps}
        return {name: jnp.asarray(leaf) for name, leaf in {**outputs, **_named("next_memory", memory)}.items()}

    def _native(self, code: Tree, step: TimeStep) -> tuple[Tree, jax.Array]:
        """All native actions of a code `[L, ...]`, and how many are meant."""
        codec, alive = self.task.spec.codec, jnp.ones((), bool)
        rows, steps = [], jnp.zeros((), jnp.int32)
        for i in range(codec.length):
            number = jnp.asarray(i, jnp.int32)
            rows.append(codec.decode(code, step, number, None))
            steps = steps + alive.astype(jnp.int32)
            alive = alive & ~codec.finished(code, step, number)
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows), steps

    def _check_code(self) -> None:
        """Native actions after the first are decoded without seeing the state: does the code need it?"""
        codec = self.task.spec.codec
        if codec.length == 1:
            return
        codes, structure = jax.tree.flatten(self.task.spec.code.zeros())
        steps, step_structure = jax.tree.flatten(self.step)

        def later(*flat: Any) -> list[Any]:
            code = jax.tree.unflatten(structure, flat[: len(codes)])
            step = jax.tree.unflatten(step_structure, flat[len(codes) :])
            native, count = self._native(code, step)
            return [*(leaf[1:] for leaf in jax.tree.leaves(native)), count]

        used = inputs_used(later, *codes, *map(jnp.asarray, steps))
        if any(number >= len(codes) for number in used):
            raise ActlabError(
                f"The code {code_text(codec)} looks at the state at each of its native steps; one decision cannot be "
                "exported as one list of actions."
            )

    def weights(self, state: Tree) -> dict[str, jax.Array]:
        """Path -> array, of the leaves of the state that a decision reads."""
        leaves = jax.tree.leaves(state)
        return {self.state_paths[number]: jnp.asarray(leaves[number]) for number in self.read_weights}

    def described(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Name -> type and shape."""
        return {name: {"dtype": value.dtype.name, "shape": list(value.shape)} for name, value in values.items()}

    def to_onnx(self, state: Tree) -> Any:
        """The ONNX model (an `onnx.ModelProto`).

        Raises:
            MissingExtra: `onnx` is not installed.
            ActlabError: the policy uses a primitive that has no translation.
        """
        from actlab.training import onnx_places, onnx_rules  # noqa: F401 (they register the translations)
        from actlab.training.onnx_graph import to_model

        leaves = jax.tree.leaves(state)
        program: Program = linearise(lambda *flat: self._decide([*leaves, *flat], len(leaves)), *self.values, self.key)
        notes = {"task": self.task.spec.name, "code": code_text(self.task.spec.codec)}
        names = {number: self.names[number] for number in range(len(self.values)) if number in program.used}
        self.inputs = {name: self.values[number] for number, name in names.items()}
        return to_model(program, names, list(self.outputs), notes)

    def check(self, state: Tree, model: bytes) -> float | None:
        """The largest difference between the file and the policy over random observations; None without ONNX Runtime.

        Raises:
            ActlabError: it is larger than allowed.
        """
        try:
            import onnxruntime
        except ImportError:
            return None
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        leaves, once = jax.tree.leaves(state), partial(jax.jit, compiler_options=RUN_ONCE)
        act = once(lambda *flat: self._decide([*leaves, *flat], len(leaves)))
        largest = 0.0
        keys = jax.random.split(fold(self.key, "check"), CHECKS)
        samples = once(jax.vmap(self.task.spec.observation.sample))(keys)
        for number in range(CHECKS):
            seen = jax.tree.map(lambda leaf, number=number: leaf[number], jax.device_get(samples))
            memory, step = jax.tree.unflatten(self.structure, self.values)
            flat = jax.tree.leaves((memory, step._replace(observation=seen))) if number else self.values
            given = {
                name: np.asarray(value) for name, value in zip(self.names, flat, strict=True) if name in self.inputs
            }
            found = session.run(list(self.outputs), given)
            for name, mine, theirs in zip(self.outputs, act(*flat, self.key), found, strict=True):
                wanted, got = np.asarray(mine, np.float64), np.asarray(theirs, np.float64)
                difference = float(np.max(np.abs(wanted - got) / np.maximum(np.abs(wanted), 1.0), initial=0.0))
                if not difference <= TOLERANCE:
                    raise ActlabError(f"The ONNX file's {name} differs from the policy's by {difference:.2g}.")
                largest = max(largest, difference)
        return largest


def _named(name: str, tree: Tree) -> dict[str, Any]:
    """The leaves of a tree by name and path: `observation/arm/0`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    paths = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    return {f"{name}/{path}" if path else name: leaf for path, (_, leaf) in zip(paths, leaves, strict=True)}
