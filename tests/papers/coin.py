"""A paper about coins: its cells cost nothing, so that the machinery around them can be tested."""

import json
import random
from functools import partial

from actlab.core.errors import ActlabError
from actlab.core.studies import Cell
from actlab.papers.card import Card, Claim, Count, Paper, Study

HERE = "tests.papers.coin"


def mint_cell(cell, folder, inputs, quiet):
    """Make the coins of one seed: a file beside the result, as data sets and weights are."""
    coins = [random.Random(f"{cell.seed} {i}").gauss(0.0, 1.0) for i in range(8)]
    (folder / "coins.json").write_text(json.dumps(coins))
    return {"coins": len(coins)}


def toss_cell(cell, folder, inputs, quiet):
    """Score the coins, shifted by what the arm asks for."""
    if cell.parameters.get("fate") == "fail":
        raise ActlabError("the coin is lost")
    coins = json.loads((inputs["mint"] / "coins.json").read_text())
    return _scored(coins, cell.parameters["shift"])


def _scored(coins, shift):
    mean = sum(coins) / len(coins) + shift
    return {"value": mean, "heads": float(mean > 0), "unknown": None, "tosses": coins}


CARD = Card(
    slug="coin",
    title="Heavy coins fall on their faces",
    date="2020-02-29",
    authors=3,
    arxiv="2002.00000",
    code="github.com/coins/heavy (MIT)",
    summary="A coin with lead in its tail shows its head more often.",
    here="a test of the machinery of claims",
    tags=("coins",),
    switches=("`mint=release` strikes the tail first, as the published code does.",),
)

CLAIMS = (
    Claim(
        name="heavy-beats-fair",
        text="A heavy coin scores more than a fair one.",
        metric="value",
        task="one coin",
        candidate="heavy",
        baseline="fair",
        published="1.62 times",
        source="table 1",
        primary=True,
    ),
    Claim("odd-beats-fair", "An odd coin scores less.", "value", "one coin", "odd", "fair", direction="lower"),
    Count("heads-up", "Heavy coins show heads.", "heads", "one coin", "heavy", seeds=6, at_least=6),
    Claim("gold-beats-fair", "Gold is better still.", "value", "one coin", "gold", "fair"),
)

SEEDS = {"smoke": 2, "small": 6, "paper": 50}


def arm(shift, seeds, **parameters):
    """One arm: its coins are minted by cells that all arms share."""
    mints = [Cell(f"{HERE}:mint_cell", {}, seed) for seed in range(seeds)]
    return [Cell(f"{HERE}:toss_cell", {"shift": shift, **parameters}, m.seed, {"mint": m}) for m in mints]


def study(scale, shift=3.0):
    """Three arms; gold is beyond the small scale."""
    arms = {name: arm(x, SEEDS[scale]) for name, x in (("fair", 0.0), ("heavy", shift), ("odd", 0.1))}
    return Study("Do heavy coins fall on their faces?", arms | ({"gold": arm(9.0, 50)} if scale == "paper" else {}))


PAPER = Paper(CARD, CLAIMS, study, budget="Six seeds an arm, because six coins were at hand.")
OTHER_SETTINGS = Paper(CARD, CLAIMS, partial(study, shift=4.0))
LOST = Paper(CARD, CLAIMS, lambda scale: Study("?", {"fair": arm(0.0, 6), "heavy": arm(3.0, 6, fate="fail")}))


def rows_of(folder, task):
    """Recorded decisions that a cell has made: the reader that a training cell names."""
    from actlab.training.checkpoint import load_tree
    from tests.agents.helpers import expert_rows

    rows = expert_rows("policy-discrete", 32, jax_key(0))
    return load_tree(folder / "rows.safetensors", rows)[0]


def rows_cell(cell, folder, inputs, quiet):
    """Record an expert's decisions."""
    from actlab.training.checkpoint import save_tree
    from tests.agents.helpers import expert_rows

    save_tree(folder / "rows.safetensors", expert_rows("policy-discrete", 32, jax_key(cell.seed)), {})
    return {"rows": 32}


def jax_key(seed):
    """A typed key, without importing JAX at the top of a paper's file."""
    import jax

    return jax.random.key(seed)


def learned_study(scale):
    """Behaviour cloning from a data set that a cell makes, against random actions."""
    from actlab.agents import BC, Random
    from actlab.papers.arms import trained

    budget = {"steps": 20, "seeds": 2, "evaluations": 1, "episodes": 3}
    data = {"data": (lambda seed: Cell(f"{HERE}:rows_cell", {}, seed), f"{HERE}:rows_of")}
    small = BC(width=8, layers=1, batch_size=8)
    return Study(
        "Does an agent learn from recorded decisions?",
        {
            "cloned": trained(small, "probe/policy-discrete", data=data, **budget),
            "random": trained(Random(), "probe/policy-discrete", **budget),
        },
    )


LEARNED = Paper(
    CARD, (Claim("learns", "It learns.", "return", "a probe", "cloned", "random", primary=True),), learned_study
)
