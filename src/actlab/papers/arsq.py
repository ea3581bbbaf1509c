"""ARSQ against CQN: does it matter that a digit sees those before it? (arXiv 2502.00288)"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from actlab.core.studies import Cell, Claim, Count, Study
from actlab.papers.card import Card, Paper, Scale

CARD = Card(
    slug="arsq",
    title="Learning from Suboptimal Data in Continuous Control via Auto-Regressive Soft Q-Network",
    date="2025-01-31",
    authors=5,
    arxiv="2502.00288",
    code="official release (MIT, PyTorch); it was read in a copy inside mihir-chauhan/CQN-AS-Franka, ARSQ-main",
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
    tags=("offline-to-online", "discretisation", "value-based", "suboptimal data"),
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

TASK, DATA, CODE = "Hopper-v5", "local/hopper-medium-replay-v0", "coarse-to-fine:levels=2,bins=7"
SIZES: Mapping[Scale, Mapping[str, Any]] = {
    "smoke": {"steps": 64, "seeds": 1, "more": 1, "width": 16, "batch_size": 16, "evaluations": 1},
    "small": {"steps": 30_000, "seeds": 5, "more": 3, "width": 256, "batch_size": 256, "evaluations": 6},
    "paper": {"steps": 500_000, "seeds": 3, "more": 3, "width": 512, "batch_size": 512, "evaluations": 50},
}
"""`more`: seeds of everything but the primary claim."""
EPISODES = 10
"""Of an evaluation along the way (the release's); at the end twice as many."""


def robot_arms(scale: Scale) -> dict[str, list[Cell]]:
    """ARSQ, its ablations and its baselines on one data set: recorded episodes first, then online."""
    from actlab.agents.arsq import ARSQ
    from actlab.agents.bc import BC
    from actlab.agents.cqn import CQN
    from actlab.agents.sac import SAC
    from actlab.agents.td3_bc import TD3BC
    from actlab.papers.arms import trained

    size = SIZES[scale]
    batch, width = size["batch_size"], size["width"]
    mixed = {"batch_size": batch, "recorded_rows": batch // 2, "width": width}
    # the release's settings for hopper-medium-replay: margin, weight 0.03, clipped at +1
    arsq = ARSQ(**mixed, layers=3 if scale == "paper" else 2, imitation="margin", imitation_weight=0.03)
    arsq = replace(arsq, imitation_least=1.0)
    # discounted returns of a Hopper that stays up are below 400
    cqn = CQN(**mixed) if scale == "paper" else CQN(**mixed, highest=400.0)
    sac = SAC(**mixed, prefill="data", layer_norm=True)
    single = {"batch_size": batch, "width": width}
    made = lambda seed: Cell("actlab.training.datasets:data_cell", {"name": DATA, "scale": scale}, 0)  # noqa: E731
    everything = {"data": (made, "actlab.training.datasets:data_rows")}

    def arm(agent: Any, seeds: int, code: str = CODE, data: Any = everything) -> list[Cell]:
        return trained(
            agent,
            TASK,
            code,
            steps=size["steps"],
            seeds=seeds,
            evaluations=size["evaluations"],
            episodes=EPISODES,
            test_episodes=2 * EPISODES,
            data=data,
        )

    arms = {
        "ARSQ": arm(arsq, size["seeds"]),
        "CQN": arm(cqn, size["seeds"]),
        "CQN, terminations ignored": arm(replace(cqn, ignore_termination=True), size["more"]),
        "CQN, scalar": arm(replace(cqn, atoms=1), size["more"]),
        "ARSQ, level at once": arm(replace(arsq, grouping="level"), size["more"]),
        "ARSQ, no conditioning": arm(replace(arsq, grouping="all"), size["more"]),
        "ARSQ, alpha 0.001": arm(replace(arsq, alpha=0.001), size["more"]),
        "ARSQ, alpha 0.1": arm(replace(arsq, alpha=0.1), size["more"]),
        "ARSQ, offline without imitation": arm(replace(arsq, recorded_rows=batch, imitation_weight=0.0), size["more"]),
        "SAC with data": arm(sac, size["more"], "identity"),
        "BC": arm(BC(**single), size["more"], "identity"),
        "TD3 + BC": arm(TD3BC(**single), size["more"], "identity"),
    }
    for quality in ("top", "middle", "bottom"):
        data = {"data": (made, f"actlab.training.datasets:{quality}_rows"), "all": everything["data"]}
        chosen = replace(arsq, prefill="all")
        arms[f"ARSQ, {quality} 30 % imitated"] = arm(chosen, size["more"], data=data)
    return {"the data": [made(0)], **arms}


def study(scale: Scale) -> Study:
    """The bandit, and one data set of a robot."""
    bandit = bandit_arms(2, 20) if scale == "smoke" else bandit_arms(BANDIT_SEEDS, 1_500)
    arms = {**bandit, **robot_arms(scale)}
    if scale == "smoke":
        arms = {name: arms[name] for name in ("bandit: ARSQ", "the data", "ARSQ", "CQN")}
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
    return Claim(name, text, "return", f"{TASK} with {DATA}, then online", "ARSQ", baseline, **more)


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
)

PAPER = Paper(
    CARD,
    CLAIMS,
    study,
    budget=(
        "Small: networks of 256, batches of 256, 30,000 online steps, five seeds for the primary claim, three for all "
        "else; chosen from the cost of an update, before anything was trained."
    ),
)
