"""Data sets made on this machine: `local/...`, in Minari's format, with all that is needed to make them again.

| id | what it is |
|---|---|
| `local/BODY-LEVEL-v0` | hopper, halfcheetah or walker2d; random, medium, medium-replay, expert, medium-expert |
| `local/metaworld-TASK-QUALITY-v0` | Meta-World's scripted policies, such as `local/metaworld-door-open-expert-v0` |
| `local/ogbench-TASK-QUALITY-v0` | OGBench's oracles, such as `local/ogbench-cube-single-noise20-v0` |
| `local/pointmaze-SIZE-QUALITY-v0` | our waypoint controller; OGBench's mazes medium, large, giant |

Levels, after D4RL (Fu et al. 2020, arXiv 2004.07219, section 5): *random* is a uniform policy; *expert* the final
policy of one training of SAC, sampled; *medium* the policy, sampled, that the same training had at the evaluation
whose return is nearest a third of the expert's; *medium-replay* its replay buffer up to there; *medium-expert* the
first half of both. Deviations: the marks are evaluations of the training instead of a stop by hand; episodes are whole
(but for the last of a replay buffer, which is truncated); sizes are those of `SCALES`.

QUALITY is `expert`, or `noiseN`, `randomN` and `noiseN-randomN`: Gaussian noise of N per cent of half an action's
range, N per cent of uniform actions. The data of an expert are its successes; of a disturbed one, all that it played.

Every set holds the measured mean returns of a uniform policy and of the expert, so that a return has a *local score*
(`data.episodes.local_score`). These are not D4RL's sets, nor its scores.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actlab.agents.sac import SAC
from actlab.agents.simple import Random
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.steps import Batch
from actlab.core.studies import Cell
from actlab.data.episodes import Recordings, episodes_of, select, statistics
from actlab.data.episodes import rows as rows_of
from actlab.data.formats import minari, read
from actlab.tasks.catalogue import task as find_task
from actlab.tasks.suites.experts import play_expert
from actlab.training.api import train
from actlab.training.checkpoint import read_json, write_json
from actlab.training.loop import make_driver, read_replay
from actlab.training.metrics import read_metrics
from actlab.training.progress import Progress
from actlab.training.recording import record
from actlab.training.runs import Run, locked, machine, versions
from actlab.training.weights import kept_steps, learner_of

BODIES = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5", "walker2d": "Walker2d-v5"}
LEVELS = ("random", "medium", "medium-replay", "expert", "medium-expert")
WORKSHOP = ".training"
"""Folder below `local/` of the trainings that the levels come from; Minari's lists do not show it."""


@dataclass(frozen=True)
class Scale:
    """How much is made."""

    steps: int
    """Decisions of a data set, at least."""
    train_steps: int
    """Steps of the training that medium and expert come from."""
    marks: int
    """Its evaluations, among which the medium one is chosen."""
    evaluation_episodes: int
    """Episodes of one of them."""
    demonstrations: int
    """Episodes of a scripted expert."""
    reference_episodes: int
    """Episodes that random and expert are measured over."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of SAC, where they are not its defaults."""


SCALES = {
    "smoke": Scale(200, 400, 4, 1, 2, 2, {"width": 16, "batch_size": 16, "warmup": 100}),
    "small": Scale(100_000, 150_000, 30, 10, 100, 100),
    "paper": Scale(1_000_000, 1_000_000, 50, 10, 1_000, 100),
}
"""`small`: 150,000 steps of SAC (one update a step), then 100,000 decisions a level: about half an hour a body where a
machine makes 80 updates a second. `paper`: D4RL's million."""


@dataclass(frozen=True)
class Recipe:
    """What a data set's id stands for."""

    name: str
    """The id."""
    kind: str
    """"body" or "script"."""
    task: str
    level: str
    """Of a body; or the quality of a script."""
    noise: float = 0.0
    random: float = 0.0


def recipe(name: str) -> Recipe:
    """What an id stands for.

    Raises:
        ActlabError: it is no id of a data set that can be made here.
    """
    levels = "|".join(sorted(LEVELS, key=len, reverse=True))
    if found := re.fullmatch(rf"local/({'|'.join(BODIES)})-({levels})-v0", name):
        return Recipe(name, "body", BODIES[found[1]], found[2])
    quality = r"(?P<quality>expert|noise(?P<noise>\d{1,3})(?:-random(?P<both>\d{1,3}))?|random(?P<random>\d{1,3}))"
    found = re.fullmatch(rf"local/(?P<suite>metaworld|ogbench|pointmaze)-(?P<id>[-\w]+?)-{quality}-v0", name)
    if not found:
        raise ActlabError(
            f"{name!r} is no data set that can be made here; write local/BODY-LEVEL-v0 with one of "
            f"{', '.join(BODIES)} and one of {', '.join(LEVELS)}, or local/metaworld-TASK-QUALITY-v0, "
            "local/ogbench-TASK-QUALITY-v0 or local/pointmaze-SIZE-QUALITY-v0 with expert, noise20, random10 or "
            "noise20-random10."
        )
    task = {"metaworld": "metaworld/{}-v3", "ogbench": "ogbench/{}-v0", "pointmaze": "ogbench/pointmaze-{}-v0"}
    noise, random = int(found["noise"] or 0) / 100, int(found["random"] or found["both"] or 0) / 100
    return Recipe(name, "script", task[found["suite"]].format(found["id"]), found["quality"], noise, random)


def make_data(
    name: str,
    *,
    scale: str | Scale = "small",
    steps: int | None = None,
    train_steps: int | None = None,
    seed: int = 0,
    root: str | Path | None = None,
    quiet: bool = False,
) -> Path:
    """Make a data set, or find it made. What was interrupted goes on: a training from its checkpoint.

    Args:
        name: its id; see above.
        scale: "smoke", "small" or "paper".
        steps: decisions of the data set, instead of the scale's (of scripted experts: episodes are counted, not steps).
        train_steps: steps of the training, instead of the scale's.
        seed: all follows from it; the same seed gives the same content (and SHA-256) on the same kind of machine.
        root: see `data.formats.minari.root_folder`.
        quiet: no progress.

    Returns:
        Its folder, which `minari.load_dataset` and `data.formats.read` open.

    Raises:
        ActlabError: there is no such data set, or one of this id was made with other settings.
        MissingExtra: the extra `data`, or that of the simulators, is not installed.
    """
    asked = recipe(name)
    if isinstance(scale, str) and scale not in SCALES:
        raise ActlabError(f"The scale of a data set is one of {', '.join(SCALES)}; received {scale!r}.")
    size = SCALES[scale] if isinstance(scale, str) else scale
    changes = {"steps": steps, "train_steps": train_steps}
    size = replace(size, **{key: value for key, value in changes.items() if value is not None})
    settings = {"recipe": asdict(asked), "scale": asdict(size), "seed": seed}
    folder = minari.folder_of(name, root)
    if folder.exists():
        held = minari.provenance_of(folder).get("actlab", {})
        different = [key for key in settings if held.get(key) != settings[key]]
        if different:
            raise ActlabError(
                f"{folder} was made with another {different[0]} ({held.get(different[0])}); remove it, or choose "
                "another root."
            )
        return folder
    task = find_task(asked.task)
    workshop = minari.root_folder(root) / "local" / WORKSHOP
    made = (_body if asked.kind == "body" else _script)(asked, task, size, seed, workshop, quiet)
    environment = asked.task if asked.kind == "body" else None
    told = {
        **made.provenance,
        **settings,
        "id": name,
        "environment": asked.task,
        "description": f"{name}, made by actlab on one machine; not a set of D4RL, and its scores are not D4RL's.",
        "statistics": statistics(made),
        "versions": versions(),
        "machine": machine(),
    }
    made = replace(made, provenance=told)
    spaces = task.environment.observation, task.environment.action
    return minari.write(made, name, *spaces, root=root, environment=environment)


# --- robots trained by ourselves ---------------------------------------------------------------------------


def _body(asked: Recipe, task: Task, size: Scale, seed: int, workshop: Path, quiet: bool) -> Recordings:
    """A level of a body: one training serves all levels that follow from it."""
    agent = SAC(**size.options)
    folder = workshop / f"{asked.task}-s{seed}-{size.train_steps}"
    trained = train(
        agent,
        task,
        size.train_steps,
        seed=seed,
        out=folder,
        evaluations=size.marks,
        episodes=size.evaluation_episodes,
        keep=True,
        quiet=quiet,
    )
    assert isinstance(trained, Run)
    with locked(folder):
        reference = _references(trained, size.reference_episodes, seed)
    with Progress(size.steps, asked.name, quiet) as progress:

        def play(level: str, steps: int) -> Recordings:
            return _level(trained, level, reference, steps, seed, lambda done: progress.update(done, 0.0))

        if asked.level != "medium-expert":
            made = play(asked.level, size.steps)
        else:
            halves = [play(level, -(-size.steps // 2)) for level in ("medium", "expert")]
            told = {
                "policy": "half each of medium and expert",
                "halves": [{**half.provenance, "episodes": len(half)} for half in halves],
            }
            made = Recordings((*halves[0].episodes, *halves[1].episodes), told)
    return replace(made, provenance={**made.provenance, "reference": reference})


def _level(
    run: Run, level: str, reference: Mapping[str, float], steps: int, seed: int, report: Callable[[int], None]
) -> Recordings:
    agent, task = run.agent, run.task
    mark, score = medium_mark(run, reference["expert"])
    if level == "random":
        policy = Random()
        made = record(policy, policy.init(task.spec, jax.random.key(0)), task, steps, seed=seed, report=report)
        return replace(made, provenance={**made.provenance, "policy": "uniform"})
    if level == "medium-replay":
        (rows,) = read_replay(run.folder, agent, task, run.config["steps"]).values()
        most = mark // len(rows.valid)  # of each lane
        rows = jax.tree.map(lambda leaf: leaf[:, :most], rows._replace(extras=(), context=()))
        episodes = episodes_of(rows)
        cut = not (episodes[-1].terminated or episodes[-1].truncated)
        made = Recordings((*episodes[:-1], replace(episodes[-1], truncated=True)) if cut else tuple(episodes))
        report(steps)
        told = {"policy": f"SAC while it learned, up to step {mark}", "mark": mark, "mark_return": score}
        return replace(made, provenance=told)
    at = mark if level == "medium" else run.result["steps"]
    state = learner_of(run, mark if level == "medium" else None)
    made = record(agent, state, task, steps, seed=seed + LEVELS.index(level), report=report)
    told = {"policy": f"SAC after {at} steps, sampled", "mark": at}
    return replace(made, provenance={**made.provenance, **told})


def medium_mark(run: Run, expert: float) -> tuple[int, float]:
    """The evaluation, before the last one, whose return is nearest a third of the expert's: its steps and return."""
    rows = {row["steps"]: row["evaluation/return"] for row in read_metrics(run.folder) if "evaluation/return" in row}
    marks = [steps for steps in kept_steps(run) if steps in rows]
    steps = min(marks[:-1] or marks, key=lambda mark: abs(rows[mark] - expert / 3))
    return steps, rows[steps]


def _references(run: Run, episodes: int, seed: int) -> dict[str, float]:
    """Mean returns of a uniform policy and of the final one, as it would be shipped; measured once for a run."""
    path = run.folder / f"reference-{episodes}.json"
    if not path.exists():
        policy = Random()
        random = _mean_return(policy, policy.init(run.task.spec, jax.random.key(0)), run.task, episodes, seed)
        expert = _mean_return(run.agent, learner_of(run), run.task, episodes, seed)
        write_json(path, {"random": random, "expert": expert, "episodes": episodes})
    return read_json(path)


def _mean_return(policy: Any, state: Any, task: Task, episodes: int, seed: int) -> float:
    key = jax.random.key(seed)
    scores = make_driver(task, policy).evaluate(policy, state, key, episodes, False)
    return float(np.mean(np.asarray(scores["return"], np.float64)))


# --- scripted experts ----------------------------------------------------------------------------------------


def _script(asked: Recipe, task: Task, size: Scale, seed: int, workshop: Path, quiet: bool) -> Recordings:
    """Demonstrations; the expert's reference is its undisturbed return over other episodes."""
    disturbed = asked.level != "expert"
    with Progress(size.demonstrations, asked.name, quiet, unit="episodes") as progress:
        made = play_expert(
            task,
            size.demonstrations,
            seed=seed,
            noise=asked.noise,
            random=asked.random,
            failures=disturbed,
            report=lambda kept: progress.update(kept, 0.0),
        )
    expert = play_expert(task, size.reference_episodes, seed=seed + 1, failures=True)
    policy = Random()
    random = _mean_return(policy, policy.init(task.spec, jax.random.key(0)), task, size.reference_episodes, seed)
    reference = {"random": random, "expert": float(expert.returns.mean()), "episodes": size.reference_episodes}
    reference["expert_success"] = statistics(expert)["success"]
    return replace(made, provenance={**made.provenance, "reference": reference})


# --- as cells of a study -------------------------------------------------------------------------------------

SHELF = "data"
"""Folder beside the cells' own where they put their data sets: levels of one body share its training."""


def data_cell(cell: Cell, folder: Path, inputs: Mapping[str, Path], quiet: bool) -> dict[str, Any]:
    """Cell: make a data set; `parameters` are those of `make_data`, with `scale`. Its rows are read by `data_rows`."""
    parameters = dict(cell.parameters)
    name = parameters.pop("name")
    root = folder.parent / SHELF / parameters["scale"]
    made = read(make_data(name, seed=cell.seed, root=root, quiet=quiet, **parameters))
    reference, found = made.provenance["reference"], statistics(made)
    return {
        "name": name,
        "scale": parameters["scale"],
        "sha256": made.checksum,
        "steps": made.steps,
        "episodes": len(made),
        "return": found["return"]["mean"],
        "reference_random": reference["random"],
        "reference_expert": reference["expert"],
    }


def data_rows(folder: Path, task: Task) -> Batch:
    """The rows of the data set that a `data_cell` made in `folder`."""
    return rows_of(_made_in(folder), task)


def top_rows(folder: Path, task: Task) -> Batch:
    """Of its best 30 % of episodes."""
    return rows_of(select(_made_in(folder), "top", 0.3), task)


def middle_rows(folder: Path, task: Task) -> Batch:
    """Of its middle 30 %."""
    return rows_of(select(_made_in(folder), "middle", 0.3), task)


def bottom_rows(folder: Path, task: Task) -> Batch:
    """Of its worst 30 %."""
    return rows_of(select(_made_in(folder), "bottom", 0.3), task)


def _made_in(folder: Path) -> Recordings:
    made = read_json(folder / "result.json")
    return read(made["name"], root=folder.parent / SHELF / made["scale"])
