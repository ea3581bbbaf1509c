"""The one training loop: ticks, evaluations, metrics, checkpoints, progress; over any driver.

The loop cuts a budget of native steps (of updates, for learners from data sets alone) at fixed marks:
warm-up, log rows, evaluations. Everything between two marks is one call of the driver. Nothing that a
clock says ever reaches the learner, so a run that was killed and resumed has the same bits as one that
was not.
"""

import signal
import threading
import time
from collections.abc import Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.files import remove_temporaries
from actlab.core.keys import fold
from actlab.core.sources import Replay
from actlab.core.steps import Batch
from actlab.training.checkpoint import load_tree, read_header, save_tree
from actlab.training.compilation import CompileClock
from actlab.training.graph import Carry, GraphDriver, raise_for
from actlab.training.host import HostDriver
from actlab.training.metrics import Metrics
from actlab.training.progress import Progress
from actlab.training.segments import Segments
from actlab.training.weights import weights_path

Tree = Any
CHECKPOINT = "checkpoint.safetensors"
LOG_ROWS = 100
"""Rows of training metrics in a run, whatever its length."""


@dataclass(frozen=True)
class Settings:
    """How long to train and what to write down."""

    steps: int
    """Native environment steps (updates, where nothing is collected)."""
    evaluations: int = 10
    """Evaluations along the way, evenly spaced; the last one is at the end."""
    episodes: int = 20
    """Episodes of one evaluation."""
    checkpoint_seconds: float = 30.0
    """Seconds between checkpoints; one more is written at the end."""
    sinks: tuple[str, ...] = ()
    """Optional metric sinks: "tensorboard", "wandb"."""
    keep: bool = False
    """Write the learner's state at every evaluation into the run's folder, for compiled agents."""


@dataclass
class Outcome:
    """What a training run leaves in memory."""

    learner: Tree
    steps: int
    seconds: float
    """Wall time of this session's training, compilation excluded."""
    compile_seconds: float


class Interrupted(ActlabError):
    """Ctrl-C: the checkpoint is written, the run can be resumed."""

    exit_code = 130


def make_driver(task: Task, agent: Any) -> Any:
    """The driver that fits: in the graph if both task and agent are, else on the host."""
    constrained = task.constraint is None or task.constraint.compiled
    compiled = task.environment.compiled and agent.compiled and constrained
    return GraphDriver(task, agent) if compiled else HostDriver(task, agent)


@contextmanager
def _deferred_interrupt():
    """Ctrl-C sets a flag that the loop reads between two calls of the driver; a second one is immediate."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def handle(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class _Counters:
    """Where a run stands; part of every checkpoint."""

    steps: int = 0
    decisions: int = 0
    episodes: int = 0
    violations: int = 0
    next_log: int = 1
    next_evaluation: int = 1
    # of the episodes that ended since the last row
    ended: int = 0
    returns: float = 0.0
    lengths: int = 0


def _without_buffers(carry: Carry) -> Carry:
    """Replay buffers are kept in segments, and data sets are given again."""
    return replace(carry, buffers={})


def _replays(driver: Any) -> dict[str, Replay]:
    return {name: source for name, source in driver.sources.items() if isinstance(source, Replay)}


def _start(driver: Any, agent: Any, steps: int, key: Any, data: Mapping[str, Any] | None, start: Tree) -> Carry:
    """The carry before the first tick of a run of that many steps."""
    per_tick = max(driver.native_steps_of_tick(), 1)
    warmup = max([source.warmup for source in _replays(driver).values()], default=0)
    return driver.start(agent, fold(key, "train"), data or {}, start, steps + 2 * per_tick + warmup)


def read_replay(
    folder: Path, agent: Any, task: Task, steps: int, *, driver: Any = None, data: Mapping[str, Any] | None = None
) -> dict[str, Batch]:
    """The replay buffers of a run's last checkpoint: rows `[E, N]` by name, in the order of time, the oldest first.

    Args:
        steps: the budget that the run was trained with.
        data: what the run was given.

    Raises:
        ActlabError: there is no checkpoint, or it is not one of this agent on this task.
    """
    driver = driver or make_driver(task, agent)
    carry = _start(driver, agent, steps, jax.random.key(0), data, None)
    header = read_header(folder / CHECKPOINT)
    buffers = Segments(folder, list(_replays(driver))).load(carry.buffers, header["replay"])
    found = {}
    for name in _replays(driver):
        buffer = buffers[name]
        places = (int(buffer.cursor - buffer.size) + np.arange(int(buffer.size))) % buffer.capacity
        found[name] = jax.tree.map(lambda leaf, p=places: np.asarray(leaf)[:, p], buffer.rows)
    return found


def train(
    agent: Any,
    task: Task,
    settings: Settings,
    seed: int,
    folder: Path,
    *,
    driver: Any = None,
    data: Mapping[str, Any] | None = None,
    start: Tree = None,
    progress: Progress | None = None,
) -> Outcome:
    """Train `agent` on `task` into `folder`; goes on from the folder's checkpoint where there is one.

    Args:
        driver: one that was made before for the same task and structure of agent (shares its compilation).
        data: rows `[E, N]` (`Batch`) of every `Dataset` source, by name.
        start: another cell's learner state to start from.

    Raises:
        ActlabError: the agent does not fit the task; a step gave NaN; nothing was legal; the disk is full.
        Interrupted: Ctrl-C, after the checkpoint was written.
    """
    driver = driver or make_driver(task, agent)
    progress = progress or Progress(quiet=True)
    key = jax.random.key(seed)
    began, clock = time.perf_counter(), CompileClock()
    per_tick = max(driver.native_steps_of_tick(), 1)
    replays = _replays(driver)
    warmup = max([source.warmup for source in replays.values()], default=0)
    carry = _start(driver, agent, settings.steps, key, data, start)
    counters, path = _Counters(), folder / CHECKPOINT
    segments = Segments(folder, list(replays))
    offset = 0
    if path.exists():
        arrays, header, running = load_tree(path, _without_buffers(driver.snapshot(carry)[0]))
        buffers = segments.load(carry.buffers, header["replay"])
        carry = driver.restore(replace(arrays, buffers=buffers), running, header["host"])
        counters, offset = _Counters(**header["counters"]), header["metrics"]
    last_save = time.perf_counter()

    def save() -> None:
        arrays, running, host = driver.snapshot(carry)
        replay = segments.save(arrays.buffers)
        header = {"host": host, "counters": vars(counters), "metrics": metrics.flush(), "replay": replay}
        save_tree(path, _without_buffers(arrays), header, running)
        remove_temporaries(path)
        segments.prune()

    def evaluate() -> None:
        evaluation_key = fold(key, "evaluation", counters.next_evaluation)
        # the greedy policy alone: the sampling one costs another compilation and is scored at the end
        scores = driver.evaluate(agent, carry.learner, evaluation_key, settings.episodes, False)
        metrics.write(counters.steps, {f"evaluation/{name}": float(np.mean(x)) for name, x in scores.items()})
        if settings.keep and agent.compiled:
            save_tree(weights_path(folder, counters.steps), carry.learner, {})

    def mark(count: int, pieces: int) -> int:
        return -(-settings.steps * count // pieces)

    with closing(Metrics(folder, folder.name, settings.sinks, offset)) as metrics, _deferred_interrupt() as interrupted:
        while counters.steps < settings.steps:
            uniform = counters.decisions < warmup
            goal = min(mark(counters.next_log, LOG_ROWS), settings.steps)
            if settings.evaluations:
                goal = min(goal, mark(counters.next_evaluation, settings.evaluations))
            ticks = max((goal - counters.steps) // per_tick, 1)
            if uniform:
                ticks = min(ticks, max(-(-(warmup - counters.decisions) // max(driver.decisions_of_tick(), 1)), 1))
            carry, tally, learned = driver.run(agent, carry, ticks, uniform)
            raise_for(task, tally)
            counters.steps += int(tally.native_steps) or ticks
            counters.decisions += int(tally.decisions)
            counters.episodes += int(tally.episodes)
            counters.violations += int(tally.violations)
            counters.ended += int(tally.episodes)
            counters.returns += float(tally.returns)
            counters.lengths += int(tally.lengths)
            if counters.steps >= mark(counters.next_log, LOG_ROWS):
                row = {} if uniform else {f"learn/{name}": value for name, value in learned.items()}
                if counters.ended:
                    row["train/return"] = counters.returns / counters.ended
                    row["train/length"] = counters.lengths / counters.ended
                row |= {"train/episodes": counters.episodes, "train/violations": counters.violations}
                metrics.write(counters.steps, row)
                counters.ended, counters.returns, counters.lengths = 0, 0.0, 0
                counters.next_log = counters.steps * LOG_ROWS // settings.steps + 1
            if settings.evaluations and counters.steps >= mark(counters.next_evaluation, settings.evaluations):
                evaluate()
                counters.next_evaluation = counters.steps * settings.evaluations // settings.steps + 1
            progress.update(min(counters.steps, settings.steps), clock.seconds)
            if time.perf_counter() - last_save > settings.checkpoint_seconds:
                save()
                last_save = time.perf_counter()
            if interrupted.is_set():
                break
        save()
    if counters.steps < settings.steps:
        raise Interrupted(f"Stopped at {counters.steps} of {settings.steps} steps; go on with: actlab resume {folder}")
    seconds = time.perf_counter() - began - clock.seconds
    return Outcome(carry.learner, counters.steps, seconds, clock.seconds)
