"""Videos: play a trained run, choose its best, median and worst episode, and film them with what was decided.

The episodes are played as an evaluation plays them, by the host's collector, which is told of every native step
(`training.host_collect`). Pictures come afterwards and for three episodes only: a Gymnasium environment plays the
recorded actions again, and has to give the recorded rewards again; a task in the graph is drawn from its states.

Axis letters: E episodes, T native steps of an episode, N native steps of all filmed episodes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

from actlab.actions.flatten import needs_solver
from actlab.actions.parse import code_text
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.keys import fold
from actlab.core.sources import Rollout
from actlab.core.spaces import Space
from actlab.core.steps import Batch
from actlab.reports.film import check_path, side_by_side, write_film
from actlab.reports.panel import Reading, Row, Section, draw_panel, legal, rows
from actlab.reports.pictures import scene
from actlab.tasks.gymnasium import HostEnvironment
from actlab.tasks.snapshots import row
from actlab.training.api import playable
from actlab.training.cameras import Take, camera_for
from actlab.training.compilation import enable_compilation_cache
from actlab.training.host_collect import Collector
from actlab.training.patience import PATIENCE, patient
from actlab.training.progress import Progress
from actlab.training.runs import Run

Tree = Any


@dataclass(frozen=True)
class Filmed:
    """One episode of a video."""

    title: str
    """"best of 10"."""
    index: int
    """Its number among those played."""
    total: float
    """Undiscounted return."""
    steps: int
    """Native steps."""


@dataclass(frozen=True)
class Video:
    """A video file, and what it shows."""

    path: Path
    frames: int
    """For each episode one a native step, and one of its end."""
    fps: int
    pictures: str
    """Where the pictures come from, in words."""
    episodes: list[Filmed]


@patient
def video(
    policy: Run | str | Path | Any,
    task: Task | str | None = None,
    *,
    episodes: int = 10,
    out: str | Path | None = None,
    fps: int | None = None,
    height: int = 320,
    sampled: bool = False,
    seed: int = 0,
    patience: float = PATIENCE,
    quiet: bool = False,
) -> Video:
    """Film the best, median and worst of some episodes, with the chosen code and action beside the picture.

    Args:
        policy: a run, a run's folder, or a `Policy` without state.
        task: another task than the run's; needed for a bare policy.
        episodes: played, and chosen from by their return; of one or two, all are filmed.
        out: an .mp4 or .gif file; `video.mp4` in the run's folder by default.
        fps: frames a second; by default what the environment declares, else 30.
        height: of the video in pixels, at least 120.
        sampled: play the sampling policy in place of the greedy one.
        seed: of the episodes: the same seed gives the same video.
        patience: most seconds that a simulator may take for one step or reset.
        quiet: no progress bar.

    Raises:
        MissingExtra: an .mp4 is asked for and ffmpeg is not installed.
        ActlabError: the run is not finished, or a simulator does not repeat what it did.
    """
    if height < 120 or episodes < 1 or (fps is not None and fps < 1):
        raise ActlabError(
            f"A video needs a height of at least 120, and an episode and a frame a second at least; received "
            f"height {height}, episodes {episodes}, fps {fps}."
        )
    if out is None and not isinstance(policy, Run | str | Path):
        raise ActlabError("A bare policy has no folder for its video: say where, as in out='video.mp4'.")
    folder = policy.folder if isinstance(policy, Run) else policy
    path = Path(folder) / "video.mp4" if out is None else Path(out)
    check_path(path)
    enable_compilation_cache()
    agent, state, task = playable(policy, task, seed)
    takes = chosen(record(task, agent, state, episodes, sampled, seed))
    camera = camera_for(task)
    rate = fps or camera.fps
    total = sum(len(take.steps) for _, take in takes)
    kind = "sampling policy" if sampled else "greedy policy"

    def frames() -> Iterator[Image.Image]:
        with Progress(total, f"{path.name}", quiet, unit="frames") as progress:
            sections = _sections(task, [take for _, take in takes])
            count = 0
            for title, take in takes:
                subtitle = f"{task.spec.name}, episode {take.index}, {kind}"
                totals = np.cumsum(take.rewards)
                for t, picture in enumerate(camera.pictures(take, height)):
                    at, last = min(t, len(take.native) - 1), take.steps[-1]
                    end = "terminated" if last.terminated else "truncated"
                    reading = Reading(at + 1, take.rewards[at], totals[at], end if t == len(take.native) else "")
                    panel = draw_panel(height, title, subtitle, reading, sections[take.index][at])
                    yield side_by_side(picture, panel)
                    count += 1
                    progress.update(count, 0.0)

    try:
        write_film(path, frames(), rate)
    finally:
        camera.close()
    shown = [Filmed(title, take.index, take.total, len(take.native)) for title, take in takes]
    return Video(path, total, rate, camera.told, shown)


# --- recording ---------------------------------------------------------------------------------------


def record(task: Task, agent: Any, state: Tree, episodes: int, sampled: bool, seed: int) -> list[Take]:
    """Play whole episodes and keep everything; episode i depends on (seed, i) alone."""
    if isinstance(task.environment, HostEnvironment):  # one simulator a lane, which can be played again alone
        single = task.environment.fresh()
        single.vector = None
        task = Task(task.spec, single, task.constraint, task.score)
    arrivals: list[tuple[Tree, Any, Tree, np.ndarray]] = []
    drawn = task.environment.compiled and scene(task.environment) is not None

    def watch(native: Tree, step: Any, where: np.ndarray) -> None:
        held = jax.device_get(collector.lanes.state) if drawn else ()
        arrivals.append((native, jax.device_get(step), held, where.copy()))

    collector = Collector(task, agent, episodes, explore=sampled, watch=watch)
    key = fold(jax.random.key(seed), "video")
    source = Rollout(episodes=1, environments=episodes)
    batch = collector.roll_out(agent, source, state, None, key, 0, discount=1.0)[0]
    batch = jax.device_get(batch._replace(memory=(), extras=()))
    host = isinstance(task.environment, HostEnvironment)
    seeds = collector.lanes.snapshot()["seeds"] if host else np.zeros(episodes, np.int64)
    takes = [_take(arrivals, batch, e, int(seeds[e])) for e in range(episodes)]
    collector.lanes.close()
    return takes


def _take(arrivals: Sequence[tuple], batch: Batch, e: int, seed: int) -> Take:
    """Episode e of what was recorded for all lanes."""
    mine = [(native, step, held) for native, step, held, where in arrivals if where[e]]
    count = int(np.sum(batch.valid[e]))  # whole episodes: the rows that are not valid come last
    lasted = np.asarray(batch.next.elapsed[e][:count])
    return Take(
        e,
        seed,
        row(row(batch.context, e), 0),
        [row(step, e) for _, step, _ in mine],
        [row(held, e) for _, _, held in mine],
        [row(native, e) for native, _, _ in mine[1:]],
        np.repeat(np.arange(count), lasted),
        jax.tree.map(lambda leaf: leaf[e][:count], batch.code),
        [row(row(batch.step.allowed, e), t) for t in range(count)],
    )


def chosen(takes: Sequence[Take]) -> list[tuple[str, Take]]:
    """Best, median (of an even number the lower one) and worst by return, each with its title."""
    order = sorted(takes, key=lambda take: take.total)
    of = f"of {len(takes)}"
    if len(takes) == 1:
        return [("the one episode", order[0])]
    picked = [(f"best {of}", order[-1])]
    if len(takes) > 2:
        picked.append((f"median {of}", order[(len(takes) - 1) // 2]))
    return [*picked, (f"worst {of}", order[0])]


# --- the panel ---------------------------------------------------------------------------------------


def _sections(task: Task, takes: Sequence[Take]) -> dict[int, list[list[Section]]]:
    """For every filmed episode and native step: the code that was chosen, and the native action."""
    codec, text = task.spec.codec, code_text(task.spec.codec)
    assert codec.native is not None
    codes = [row(take.code, t) for take in takes for t in range(len(take.asked))]
    natives = [native for take in takes for native in take.native]
    asked = [allowed for take in takes for allowed in take.asked]
    sets = [step.allowed for take in takes for step in take.steps[:-1]]
    coded = _rows(task.spec.code, codec.restrict, asked, codes)
    played = _rows(codec.native, lambda allowed: allowed, sets, natives)
    panels: dict[int, list[list[Section]]] = {}
    for take in takes:
        mine, coded = coded[: len(take.asked)], coded[len(take.asked) :]
        actions, played = played[: len(take.native)], played[len(take.native) :]
        begun = np.searchsorted(take.decisions, take.decisions)  # the native step at which each step's code began
        panels[take.index] = [
            _beside(text, mine[d], action, t - int(begun[t]), codec.length)
            for t, (d, action) in enumerate(zip(take.decisions, actions, strict=True))
        ]
    return panels


def _rows(space: Space, restrict: Any, allowed: list, values: list) -> list[list[Row]]:
    """The rows of N values; what was legal is asked in one compiled call, unless a solver has to answer."""

    def one(allowed: Any, value: Tree) -> Tree:
        return legal(space, restrict(allowed), value)

    if needs_solver(allowed[0]):
        shown = [jax.tree.map(np.asarray, one(a, value)) for a, value in zip(allowed, values, strict=True)]
    else:
        stacked = [jax.tree.map(lambda *leaves: np.stack(leaves), *trees) for trees in (allowed, values)]
        table = jax.device_get(jax.jit(jax.vmap(one))(*stacked))
        shown = [row(table, n) for n in range(len(values))]
    return [rows(space, value, seen) for value, seen in zip(values, shown, strict=True)]


def _beside(text: str, code: list[Row], action: list[Row], i: int, length: int) -> list[Section]:
    """Code and action; one of them where they are the same."""
    if text == "identity":
        return [Section("action", action)]
    part = f" ({i + 1} of at most {length})" if length > 1 else ""
    return [Section(f"code: {text}", code), Section(f"action{part}", action)]
