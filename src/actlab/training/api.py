"""What a person calls: train, resume, evaluate, compare, load. The command line is a thin skin over these."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actlab.actions.parse import code_text, parse_code
from actlab.actions.save import codec_to_json
from actlab.core.codec import Codec
from actlab.core.contracts import Policy, Task
from actlab.core.errors import ActlabError
from actlab.core.keys import fold
from actlab.core.registry import AGENTS
from actlab.core.steps import Batch
from actlab.core.studies import Cell, Study
from actlab.tasks.catalogue import task as find_task
from actlab.training.checkpoint import load_tree, read_json, save_tree, write_json
from actlab.training.compilation import enable_compilation_cache
from actlab.training.loop import CHECKPOINT, Settings, make_driver
from actlab.training.loop import train as train_loop
from actlab.training.patience import PATIENCE, patient
from actlab.training.plain import to_plain
from actlab.training.progress import Progress
from actlab.training.recorded import check_rows, fingerprints, read_inputs
from actlab.training.runs import (
    RUNS,
    Run,
    describe,
    locked,
    make_agent,
    read_run,
    slug,
    static_options,
    versions,
    write_config,
)
from actlab.training.weights import LEARNER, learner_of, shapes, start_of

# --- training ----------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _driver(task: str, code: str, agent: str, static: str) -> Any:
    """One driver for all seeds (and all values of traced options) of an arm: they share its compilation."""
    bound = find_task(task).with_code(parse_code(code, own=True))
    return make_driver(bound, make_agent(agent, json.loads(static)))


def _driver_of(config: Mapping[str, Any]) -> Any:
    return _driver(*_arm_of(config))


def _arm_of(config: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """What the compiled programs of a run depend on: task, code, agent and its static options, as text."""
    static = static_options(config["agent"], config["options"])
    return config["task"], config["code"], config["agent"], json.dumps(static, sort_keys=True)


def _train_into(
    folder: Path,
    agent: Any,
    task: Task,
    settings: Settings,
    seed: int,
    driver: Any,
    quiet: bool,
    start: Any = None,
    data: Mapping[str, Batch] | None = None,
) -> dict[str, Any]:
    """Train one seed into its folder; goes on where a checkpoint is. Returns what `result.json` holds."""
    label = f"{task.spec.name} {AGENTS.name_of(type(agent))} {code_text(task.spec.codec)} seed {seed}"
    with Progress(settings.steps, label, quiet) as progress:
        outcome = train_loop(
            agent, task, settings, seed, folder, driver=driver, data=data, start=start, progress=progress
        )
    if agent.compiled:
        save_tree(folder / LEARNER, outcome.learner, {})
    else:
        write_json(folder / "learner.json", to_plain(outcome.learner))
    timing = {"seconds": outcome.seconds, "compile_seconds": outcome.compile_seconds}
    write_json(folder / "timing.json", timing)
    return {"steps": outcome.steps, **timing}


def _settings(config: Mapping[str, Any]) -> Settings:
    names = ("steps", "evaluations", "episodes")
    kept = config.get("keep", False)
    return Settings(**{name: config[name] for name in names}, sinks=tuple(config.get("sinks", ())), keep=kept)


def train_cell(cell: Cell, folder: Path, inputs: Mapping[str, Path], quiet: bool) -> dict[str, Any]:
    """Cell: train one seed of one arm. Its parameters are the run's configuration; its inputs may be data sets.

    `parameters["readers"]` names, for every input, the function that makes rows of it (`recorded.read_inputs`).
    """
    config = {**cell.parameters, "seed": cell.seed}
    write_config(folder, config)
    driver = _driver_of(config)
    agent = make_agent(config["agent"], config["options"])
    data = read_inputs(config.get("readers", {}), inputs, driver.task)
    return _train_into(folder, agent, driver.task, _settings(config), cell.seed, driver, quiet, data=data)


@patient
def train(
    agent: Any,
    task: Task | str,
    steps: int,
    *,
    seed: int = 0,
    seeds: int | None = None,
    out: str | Path | None = None,
    evaluations: int = 10,
    episodes: int = 20,
    sinks: Sequence[str] = (),
    start: Run | str | Path | None = None,
    data: Mapping[str, Batch] | None = None,
    keep: bool = False,
    patience: float = PATIENCE,
    quiet: bool = False,
) -> Run | list[Run]:
    """Train an agent; goes on where an earlier call was interrupted, and does nothing where it is finished.

    Args:
        agent: an agent of `actlab.agents`, or your own `Learner`.
        task: a task, or the name of one.
        steps: budget in native environment steps (in updates, for an agent that learns from data sets alone).
        seed: of the first run.
        seeds: number of runs (seeds `seed`, `seed + 1`, ...); None is one run, returned by itself.
        out: folder of the run (of several: their parent); default under `runs/`.
        evaluations: evaluations along the way, evenly spaced.
        episodes: episodes of one evaluation.
        sinks: "tensorboard", "wandb".
        start: a finished run of the same kind of agent whose weights this one begins with; settings that do not
            change the weights' shapes may differ, and the task may be another one with the same spaces.
        data: recorded decisions `[E, N]` (`core.steps.Batch`, in the task's code) for every data set that the agent
            asks for, by its name: `{"data": rows}` for `bc` and `td3-bc`. E lanes of N decisions, each in the
            order of time. Their fingerprint is written down; they are not kept in the folder as a data set.
        keep: keep the weights of every evaluation, for `learner_of(run, steps)`.
        patience: most seconds that a simulator on the host may take for one step or reset, before it is given up.
        quiet: no progress bar.

    Returns:
        The run, or a list of runs where `seeds` is given.

    Raises:
        ActlabError: the agent does not fit the task's code, a folder holds another run, the weights of `start` do
            not fit, the agent needs data that are missing or do not fit the task, or a simulator hangs.
    """
    enable_compilation_cache()
    task = find_task(task) if isinstance(task, str) else task
    weights = None if start is None else start_of(start, agent, task)
    if steps < 1:
        raise ActlabError(f"The budget must be at least one step; received {steps}.")
    check_rows(data or {}, task)
    driver = make_driver(task, agent)
    described = describe(agent, task)
    runs = []
    for number in range(seed, seed + (seeds or 1)):
        config = {
            **described,
            "codec": codec_to_json(task.spec.codec),  # with what `fit` measured
            "steps": steps,
            "evaluations": evaluations,
            "episodes": episodes,
            "sinks": list(sinks),
            **({"data": fingerprints(data)} if data else {}),
            **({"keep": True} if keep else {}),
        }
        if start is not None:
            config["from"] = str(start.folder if isinstance(start, Run) else start)
        cell = Cell(
            "actlab.training.api:train_cell", {k: v for k, v in config.items() if k not in ("sinks", "keep")}, number
        )
        name = f"{slug(task.spec.name, described['agent'], described['code'], f's{number}')}-{cell.address[:8]}"
        folder = RUNS / name if out is None else Path(out) if seeds is None else Path(out) / f"seed-{number}"
        with locked(folder):
            write_config(folder, {**config, "seed": number})
            if not (folder / "result.json").exists():
                settings = _settings(config)
                result = _train_into(folder, agent, task, settings, number, driver, quiet, weights, data)
                write_json(folder / "result.json", result)
        runs.append(read_run(folder, task))
    return runs[0] if seeds is None else runs


@patient
def resume(
    folder: str | Path,
    *,
    task: Task | None = None,
    data: Mapping[str, Batch] | None = None,
    patience: float = PATIENCE,
    quiet: bool = False,
) -> Run:
    """Go on with an interrupted run; the result is bit-equal to a run that was not interrupted.

    Args:
        task: where the run's task was made in Python and has no registered name.
        data: what the run was given (see `train`).
        patience: as in `train`.

    Raises:
        ActlabError: the folder holds no run, its checkpoint is damaged, or the run was given other data.
    """
    enable_compilation_cache()
    run = read_run(folder, task)
    if not run.finished:
        if fingerprints(data or {}) != run.config.get("data", {}):
            raise ActlabError(
                f"{run.folder} was trained from other data; resume it in Python with what it was given: "
                "al.resume(folder, data=...)."
            )
        with locked(run.folder):
            driver, begun = make_driver(run.task, run.agent), (run.folder / CHECKPOINT).exists()
            weights = None if begun or "from" not in run.config else start_of(run.config["from"], run.agent, run.task)
            settings = _settings(run.config)
            result = _train_into(run.folder, run.agent, run.task, settings, run.seed, driver, quiet, weights, data)
            write_json(run.folder / "result.json", result)
    return run


# --- evaluation --------------------------------------------------------------------------------------


def load(folder: str | Path, task: Task | None = None) -> Run:
    """A run folder, opened: its agent, task, configuration and (by `learner_of`) weights."""
    return read_run(folder, task)


@lru_cache(maxsize=8)
def _template(task: str, code: str, agent: str, static: str) -> Any:
    """Shapes of the trained state, traced once for all that share a driver."""
    bound = find_task(task).with_code(parse_code(code, own=True))
    return shapes(make_agent(agent, json.loads(static)), bound)


@patient
def evaluate(
    policy: Run | str | Path | Any,
    task: Task | str | None = None,
    *,
    episodes: int = 100,
    seed: int = 0,
    patience: float = PATIENCE,
) -> dict[str, dict[str, list[float]]]:
    """Play whole episodes and score them; episode i depends on (seed, i) alone, never on the training.

    Args:
        policy: a run, a run's folder, or a `Policy` that was not trained here (an oracle, a scripted or random
            policy; any Python function by `actlab.policy`).
        task: another task than the run's (by its name, it is played in the run's code); needed for a bare policy.
        patience: as in `train`.

    Returns:
        score -> {"deterministic": [one number an episode], "stochastic": [...]}.
    """
    enable_compilation_cache()
    agent, state, task = playable(policy, task, seed)
    return _evaluate(make_driver(task, agent), agent, state, episodes, seed)


def playable(policy: Run | str | Path | Any, task: Task | str | None, seed: int) -> tuple[Any, Any, Task]:
    """Agent, trained state and task of what may be evaluated (see `evaluate`).

    Raises:
        ActlabError: the run is not finished, a bare policy comes without a task, or the task's native space is not
            that of the run's code; or it is neither a run nor a policy.
    """
    named, task = isinstance(task, str), find_task(task) if isinstance(task, str) else task
    if isinstance(policy, str | Path):
        policy = read_run(policy)
    if isinstance(policy, Run):
        if task is not None and named:  # a name says no code: it is played in the run's own
            task = task.with_bound(policy.task.spec.codec)
        return policy.agent, learner_of(policy), task or policy.task
    if not isinstance(policy, Policy) or isinstance(policy, type):
        raise ActlabError(
            f"What is played is a run, the folder of one, or a policy; received {policy!r}. "
            "A function observation -> action becomes a policy by al.policy(function)."
        )
    if task is None:
        raise ActlabError("A bare policy is played on a task: name it as the second argument.")
    return policy, policy.init(task.spec, jax.random.key(seed)), task


def _evaluate(driver: Any, agent: Any, state: Any, episodes: int, seed: int) -> dict[str, dict[str, list[float]]]:
    key = fold(jax.random.key(seed), "final evaluation")
    scores: dict[str, dict[str, list[float]]] = {}
    for name, explore in (("deterministic", False), ("stochastic", True)):
        for score, values in driver.evaluate(agent, state, key, episodes, explore).items():
            scores.setdefault(score, {})[name] = np.asarray(values, np.float64).tolist()
    return scores


def evaluate_cell(cell: Cell, folder: Path, inputs: Mapping[str, Path], quiet: bool) -> dict[str, Any]:
    """Cell: score the policy that another cell trained."""
    config = read_json(inputs["train"] / "run.json")
    driver, agent = _driver_of(config), make_agent(config["agent"], config["options"])
    if agent.compiled:
        state = load_tree(inputs["train"] / LEARNER, _template(*_arm_of(config)))[0]
    else:
        state = learner_of(read_run(inputs["train"]))
    return {"scores": _evaluate(driver, agent, state, cell.parameters["episodes"], cell.seed)}


# --- comparison --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StudyRun:
    """A study that was run: its result, and where it lies."""

    study: Study
    result: Any
    folder: Path

    def report(self, path: str | Path | None = None) -> Path:
        """Write the HTML report (default: into the study's folder) and return its path."""
        from actlab.reports.compare import write_report

        folder = self.folder if path is None else Path(path).parent
        written = write_report(self.result, folder)
        return written if path is None else written.replace(Path(path))


def fits(agent: Any, task: Task) -> str | None:
    """None if the agent runs on the task's code, else the sentence why not. Traces shapes; computes nothing."""
    from actlab.training.fit import why_not

    return why_not(agent, task)


@patient
def compare(
    agents: Sequence[Any],
    tasks: Sequence[Task | str] | Task | str,
    codes: Sequence[Codec | str] = ("identity",),
    *,
    seeds: int = 5,
    seed: int = 0,
    steps: int = 100_000,
    out: str | Path | None = None,
    evaluations: int = 10,
    episodes: int = 20,
    workers: int | None = None,
    ray: str | None = None,
    patience: float = PATIENCE,
    question: str | None = None,
    command: str = "",
    quiet: bool = False,
) -> StudyRun:
    """Every agent with every code on every task, `seeds` seeds each; pairs that do not fit are listed.

    Cells that were computed before are kept: a second call runs nothing, an interrupted one goes on. A simulator that
    takes more than `patience` seconds for one step or reset fails its cell.

    `workers` processes compute (by default this one), or with `ray` a Ray cluster: its address, or "local" for one of
    this machine; `workers` is then the most cells at a time (by default as many as the cluster has CPUs).

    Raises:
        ActlabError: nothing fits, or the cluster is not there or cannot compute these cells.
    """
    from actlab.training.study import plan, run_plan

    enable_compilation_cache()
    names = [tasks] if isinstance(tasks, Task | str) else list(tasks)
    chosen = [find_task(name) if isinstance(name, str) else name for name in names]
    planned = plan(agents, chosen, codes, range(seed, seed + seeds), steps, evaluations, episodes, question)
    if not planned.study.arms:
        reasons = " ".join(f"{s.agent} with {s.code}: {s.reason}" for s in planned.skipped)
        raise ActlabError(f"No pair of agent and code fits. {reasons}")
    result, folder = run_plan(
        planned, "study", out, workers=workers, ray=ray, patience=patience, command=command, quiet=quiet
    )
    return StudyRun(planned.study, result, folder)


__all__ = ["Run", "StudyRun", "compare", "evaluate", "fits", "learner_of", "load", "resume", "train", "versions"]
