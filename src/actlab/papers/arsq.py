"""ARSQ against CQN: does it matter that a digit sees those before it? (arXiv 2502.00288)"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actlab.core.studies import Cell, Claim, Count, Study
from actlab.papers.card import Card, Paper, Reported, Scale

CARD = Card(
    slug="arsq",
    title="Learning from Suboptimal Data in Continuous Control via Auto-Regressive Soft Q-Network",
    date="2025-01-31",
    authors=5,
    arxiv="2502.00288",
    code="official release (MIT, PyTorch), of which mihir-chauhan/CQN-AS-Franka holds a copy (ARSQ-main)",
    summary=(
        "You have recordings of a robot that was often driven badly, and want a policy that is better than all of "
        "them, with few trials of its own. Coarse-to-fine Q-learning cuts every action dimension into bins, zooms "
        "in level by level and needs no actor, but values the dimensions one by one: where recordings disagree, the "
        "best values of the parts can add up to an action that nobody took. ARSQ values one dimension at a time "
        "given those already chosen, as a soft advantage that sums to one by construction, so that the critic is the "
        "policy and its state value the exact soft maximum. Shown on D4RL and RLBench with imperfect demonstrations. "
        "Worth a try where data are mixed and actions have few dimensions; a decision costs one small forward pass "
        "for every digit."
    ),
    here="the agents `arsq` and, as its baseline, `cqn`, over the code `coarse-to-fine`; SAC with recorded rows beside",
    tags=("discretisation", "value-based", "offline-to-online", "mixed-quality-data"),
    kinds=("agent",),
    symbols=(
        "actlab.agents.arsq:ARSQ",
        "actlab.agents.cqn:CQN",
        "actlab.actions.coarse_to_fine:CoarseToFine",
        "actlab.tasks.three_modes:three_modes",
    ),
    related=("dqc", "data-quality", "mo-dt", "camel"),
    switches=(
        "`imitation_mean=release` sums the imitation term over all rows, as a broadcast in the release does; the "
        "default is the mean over demonstrated rows.",
        "`ignore_termination=true` lets CQN bootstrap at terminations, as the release's baseline does; the default "
        "stops there.",
    ),
)

# --- the bandit: what the chain is for ---------------------------------------------------------------------

BANDIT, FIVE = "actlab/ThreeModes-v0", "coarse-to-fine:levels=1,bins=5"
OFFLINE = {"batch_size": 128, "recorded_rows": 128, "width": 32, "learning_rate": 3e-3}
"""Recorded rewards alone, no imitation."""
BANDIT_SEEDS = 20


def bandit_cell(cell: Cell, folder: Path, inputs: Mapping[str, Path], quiet: bool) -> dict[str, Any]:
    """Cell: how often each mode of the recorded behaviour occurs; the rows follow from the seed."""
    import numpy as np

    from actlab.tasks.catalogue import task
    from actlab.tasks.three_modes import PAYS

    paid = bandit_rows_of(cell.seed, cell.parameters["rows"], task(BANDIT)).next.reward
    return {"seed": cell.seed, "rows": int(paid.size), "best": float(np.mean(paid == PAYS.max()))}


def bandit_rows_of(seed: int, rows: int, task: Any) -> Any:
    """The recorded rows of a seed, in a task's code."""
    import jax

    from actlab.tasks.three_modes import recorded

    return recorded(task, rows, jax.random.key(seed))


def bandit_rows(folder: Path, task: Any) -> Any:
    """What a training reads of a `bandit_cell`."""
    from actlab.training.checkpoint import read_json

    made = read_json(folder / "result.json")
    return bandit_rows_of(made["seed"], made["rows"], task)


def bandit_arms(seeds: int, updates: int) -> dict[str, list[Cell]]:
    """The chain, the chain the other way round, the chain that sees nothing, and CQN."""
    from actlab.agents.arsq import ARSQ
    from actlab.agents.cqn import CQN
    from actlab.papers.arms import trained

    chain = ARSQ(**OFFLINE, layers=2, imitation_weight=0.0, alpha=0.02)
    zoom = CQN(**OFFLINE, features=16, lowest=-2.0, highest=2.0, dominance_weight=0.0, margin_weight=0.0)
    agents = {
        "bandit: ARSQ": chain,
        "bandit: ARSQ, other order": replace(chain, order=(1, 0)),
        "bandit: ARSQ, no conditioning": replace(chain, grouping="all"),
        "bandit: CQN": zoom,
        "bandit: CQN, scalar": replace(zoom, atoms=1),
    }
    data = {"data": (lambda seed: Cell(f"{__name__}:bandit_cell", {"rows": 2_000}, seed), f"{__name__}:bandit_rows")}
    return {
        name: trained(agent, BANDIT, FIVE, steps=updates, seeds=seeds, evaluations=1, episodes=1, data=data)
        for name, agent in agents.items()
    }


# --- robots ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Robot:
    """Recordings to begin with, and how they are imitated: the release's settings for sets of their kind."""

    task: str
    data: str
    code: str
    imitation: str
    weight: float
    least: float
    highest: float
    """Upper end of CQN's atoms: no discounted return of the task is larger (the release has 4,000 for all)."""


HOPPER = Robot(
    "Hopper-v5", "local/hopper-medium-replay-v0", "coarse-to-fine:levels=2,bins=7", "margin", 0.03, 1.0, 400.0
)
OTHERS = {
    "cheetah": Robot(
        "HalfCheetah-v5", "local/halfcheetah-medium-v0", "coarse-to-fine:levels=1,bins=41", "cql", 1.0, -1.0, 1_000.0
    ),
    "walker": Robot(
        "Walker2d-v5", "local/walker2d-medium-v0", "coarse-to-fine:levels=1,bins=41", "cql", 10.0, 0.0, 500.0
    ),
    # the release's settings for arms are those of RLBench, which has one reward at the end
    "cube": Robot(
        "ogbench/cube-single-v0",
        "local/ogbench-cube-single-noise20-random10-v0",
        "coarse-to-fine:levels=3,bins=5",
        "margin",
        1.0,
        -0.01,
        1.0,
    ),
    "puzzle": Robot(
        "ogbench/puzzle-3x3-v0",
        "local/ogbench-puzzle-3x3-noise20-random10-v0",
        "coarse-to-fine:levels=3,bins=5",
        "margin",
        1.0,
        -0.01,
        1.0,
    ),
}
SIZES: Mapping[Scale, Mapping[str, Any]] = {
    "smoke": {"steps": 64, "other_steps": 64, "seeds": 1, "more": 1, "width": 16, "batch_size": 16, "evaluations": 1},
    "small": {
        "steps": 50_000,
        "other_steps": 20_000,
        "seeds": 5,
        "more": 3,
        "width": 128,
        "batch_size": 128,
        "evaluations": 5,
    },
    "paper": {
        "steps": 500_000,
        "other_steps": 500_000,
        "seeds": 3,
        "more": 3,
        "width": 512,
        "batch_size": 512,
        "evaluations": 50,
    },
}
"""`more`: seeds of everything but the primary claim; `other_steps`: on the data sets of `OTHERS`."""
EPISODES = 10
"""Of an evaluation along the way (the release's); at the end twice as many."""


def learners(robot: Robot, scale: Scale) -> dict[str, Any]:
    """ARSQ and its baselines for one data set: half of every batch is recorded, half from the replay it began."""
    from actlab.agents.arsq import ARSQ
    from actlab.agents.bc import BC
    from actlab.agents.cqn import CQN
    from actlab.agents.sac import SAC
    from actlab.agents.td3_bc import TD3BC

    size = SIZES[scale]
    batch, width = size["batch_size"], size["width"]
    mixed = {"batch_size": batch, "recorded_rows": batch // 2, "width": width}
    atoms = {} if scale == "paper" else {"highest": robot.highest}
    return {
        "ARSQ": ARSQ(
            **mixed,
            layers=3 if scale == "paper" else 2,
            imitation=robot.imitation,
            imitation_weight=robot.weight,
            imitation_least=robot.least,
        ),
        "CQN": CQN(**mixed, **atoms),
        "SAC with data": SAC(**mixed, prefill="data", layer_norm=True),
        "BC": BC(batch_size=batch, width=width),
        "TD3 + BC": TD3BC(batch_size=batch, width=width),
    }


def robot_arm(robot: Robot, scale: Scale, agent: Any, *, steps: int, seeds: int, code: str, **data: str) -> list[Cell]:
    """Recorded episodes first, then online; `data`: name of a set of rows -> which of the recordings it takes."""
    from actlab.papers.arms import trained

    rows = {name: (recordings(robot, scale), f"actlab.training.datasets:{which}_rows") for name, which in data.items()}
    return trained(
        agent,
        robot.task,
        code,
        steps=steps,
        seeds=seeds,
        evaluations=SIZES[scale]["evaluations"],
        episodes=EPISODES,
        test_episodes=2 * EPISODES,
        data=rows,
    )


def recordings(robot: Robot, scale: Scale) -> Callable[[int], Cell]:
    """The cell that makes a robot's data set, the same for every seed."""
    return lambda seed: Cell("actlab.training.datasets:data_cell", {"name": robot.data, "scale": scale}, 0)


def robot_arms(scale: Scale) -> dict[str, list[Cell]]:
    """On Hopper ARSQ, its ablations and its baselines; on the other sets ARSQ, CQN and BC."""
    size, agents = SIZES[scale], learners(HOPPER, scale)
    arsq, cqn = agents["ARSQ"], agents["CQN"]

    def arm(agent: Any, seeds: int = size["more"], code: str = HOPPER.code, **data: str) -> list[Cell]:
        given = data or {"data": "data"}
        return robot_arm(HOPPER, scale, agent, steps=size["steps"], seeds=seeds, code=code, **given)

    offline = replace(arsq, recorded_rows=arsq.batch_size)
    arms = {
        "the data": [recordings(HOPPER, scale)(0)],
        "ARSQ": arm(arsq, size["seeds"]),
        "CQN": arm(cqn, size["seeds"]),
        "CQN, terminations ignored": arm(replace(cqn, ignore_termination=True)),
        "CQN, scalar": arm(replace(cqn, atoms=1)),
        "ARSQ, level at once": arm(replace(arsq, grouping="level")),
        "ARSQ, no conditioning": arm(replace(arsq, grouping="all")),
        "ARSQ, alpha 0.001": arm(replace(arsq, alpha=0.001)),
        "ARSQ, alpha 0.1": arm(replace(arsq, alpha=0.1)),
        "ARSQ, offline": arm(offline),
        "ARSQ, offline without imitation": arm(replace(offline, imitation_weight=0.0)),
        **{name: arm(agents[name], code="identity") for name in ("SAC with data", "BC", "TD3 + BC")},
    }
    for quality in ("top", "middle", "bottom"):
        arms[f"ARSQ, {quality} 30 % imitated"] = arm(replace(arsq, prefill="all"), data=quality, all="data")
    for name in ("ARSQ, offline", "ARSQ, offline without imitation"):
        trainings = [(cell.seed, cell.inputs["train"]) for cell in arms[name]]
        arms[f"values: {name}"] = [
            Cell(f"{__name__}:values_cell", {}, seed, {"train": train, "data": train.inputs["data"]})
            for seed, train in trainings
        ]
    for name, robot in OTHERS.items():
        agents = learners(robot, scale)
        for method, code in (("ARSQ", robot.code), ("CQN", robot.code), ("BC", "identity")):
            arms[f"{name}: {method}"] = robot_arm(
                robot, scale, agents[method], steps=size["other_steps"], seeds=size["more"], code=code, data="data"
            )
    return arms


def values_cell(cell: Cell, folder: Path, inputs: Mapping[str, Path], quiet: bool) -> dict[str, Any]:
    """Cell: what ARSQ believes recorded states to be worth, beside the largest discounted return in the recordings.

    Soft Q-learning bounds no bin that was never taken, so that V may rise above everything that was ever seen.
    """
    import equinox as eqx
    import jax
    import numpy as np

    from actlab.training.datasets import data_rows
    from actlab.training.runs import read_run
    from actlab.training.weights import learner_of

    run = read_run(inputs["train"])
    rows, state = data_rows(inputs["data"], run.task), learner_of(run)
    reward, elapsed = np.asarray(rows.next.reward[0], np.float64), np.asarray(rows.next.elapsed[0])
    discount = float(state.discount)
    ended, following, largest = np.asarray(rows.next.ended[0]), 0.0, -np.inf
    for i in range(len(reward) - 1, -1, -1):
        following = reward[i] + (0.0 if ended[i] else discount ** elapsed[i] * following)
        largest = max(largest, following)
    chosen = np.random.default_rng(cell.seed).choice(len(reward), min(len(reward), 2_000), replace=False)
    step, code = jax.tree.map(lambda leaf: leaf[0, chosen], (rows.step, rows.code))
    soft = eqx.filter_jit(eqx.filter_vmap(lambda s, c: run.agent.q_values(state, s, c)[1].min()))(step, code)
    value = float(np.mean(np.asarray(soft)))
    return {"value": value, "largest_return": float(largest), "excess": value - float(largest)}


def study(scale: Scale) -> Study:
    """The bandit, and the robots."""
    bandit = bandit_arms(2, 20) if scale == "smoke" else bandit_arms(BANDIT_SEEDS, 1_500)
    arms = {**bandit, **robot_arms(scale)}
    if scale == "smoke":
        arms = {name: arms[name] for name in ("bandit: ARSQ", "the data", "ARSQ", "CQN", "values: ARSQ, offline")}
    return Study("Does it matter that a digit sees those before it?", arms)


def _solves(name: str, arm: str, **bounds: int) -> Count:
    often = " and ".join(f"{bound.replace('_', ' ')} {count}" for bound, count in bounds.items())
    return Count(
        name=name,
        text=f"From recorded rewards alone, {arm.removeprefix('bandit: ')} takes the best pair on {often} of 20 seeds.",
        metric="return",
        task=f"{BANDIT}, ours after the paper's motivating example",
        arm=arm,
        seeds=BANDIT_SEEDS,
        threshold=0.9,
        **bounds,
    )


def _better(name: str, text: str, baseline: str, **more: Any) -> Claim:
    return Claim(name, text, "return", f"{HOPPER.task} with {HOPPER.data}, then online", "ARSQ", baseline, **more)


def _elsewhere(name: str) -> Claim:
    robot = OTHERS[name]
    metric = "success" if robot.task.startswith("ogbench") else "return"
    text = f"From mediocre recordings and its own trials, ARSQ learns more than CQN ({name})."
    where = f"{robot.task} with {robot.data}, then online"
    return Claim(f"arsq-beats-cqn-{name}", text, metric, where, f"{name}: ARSQ", f"{name}: CQN")


CLAIMS = (
    _better(
        "arsq-beats-cqn",
        "From mediocre recordings and its own trials, ARSQ learns more than CQN in the same steps.",
        "CQN",
        ratio=True,
        published="1.62 times, mean of nine D4RL sets, 3 seeds",
        source="abstract",
        primary=True,
    ),
    _solves("bandit-solved", "bandit: ARSQ", at_least=19),
    _solves("bandit-solved-in-the-other-order", "bandit: ARSQ, other order", at_least=19),
    _solves("bandit-needs-conditioning", "bandit: ARSQ, no conditioning", at_most=1),
    _solves("bandit-fools-cqn", "bandit: CQN", at_most=1),
    _better("conditioning-helps", "Digits that see each other learn more.", "ARSQ, no conditioning"),
    _better("conditioning-inside-a-level-helps", "Seeing earlier levels alone is not enough.", "ARSQ, level at once"),
    _better("arsq-beats-sac", "ARSQ learns more than SAC with the same recorded rows.", "SAC with data"),
    _better("arsq-beats-bc", "Own trials add to the recordings.", "BC"),
    Claim(
        name="better-recordings-help",
        text="Imitating the best third of the recordings gives more than imitating the worst.",
        metric="return",
        task=f"{HOPPER.task} with {HOPPER.data}, then online",
        candidate="ARSQ, top 30 % imitated",
        baseline="ARSQ, bottom 30 % imitated",
    ),
    Claim(
        name="unseen-bins-inflate",
        text="Offline and without imitation, the soft value of recorded states rises, for no row bounds unseen bins.",
        metric="excess",
        task=f"{HOPPER.data} alone; soft value of its states minus its largest discounted return",
        candidate="values: ARSQ, offline without imitation",
        baseline="values: ARSQ, offline",
    ),
    *map(_elsewhere, OTHERS),
    Reported(
        name="arms-from-demonstrations",
        text="From a hundred demonstrations of each task it is as good as the other methods, or better.",
        task="20 RLBench tasks from pixels; against CQN, DrQ-v2 and ACT",
        published="as good or better; no figure in the abstract",
        source="abstract",
    ),
    Reported(
        name="a-decision-takes-longer",
        text="A decision takes longer than one of CQN, because digits wait for each other.",
        task="time of a decision on D4RL, one RTX 3090",
        published="4.1 ms against 2.6 ms",
        source="a public summary, not checked against the paper",
    ),
)

PAPER = Paper(
    CARD,
    CLAIMS,
    study,
    budget=(
        "Small: networks of 128, batches of 128, 50,000 online steps on Hopper, 20,000 on the other sets, five seeds "
        "for the primary claim, three for all else. Chosen from one seed of the baseline, CQN, that is no part of the "
        "study (100), before any other arm was scored. Its five evaluations over 20,000 steps were 42, 238, 319, 374 "
        "and 267 with networks and batches of 256, and 381, 169, 276, 278 and 274 with 128, at a third of the time: "
        "the smaller ones learn alike. Over 50,000 steps they were 94, 229, 394, 556 and 304 (128): more steps still "
        "help. A seed of CQN takes 20 minutes of one core; all of it about seven hours of two cores."
    ),
)
