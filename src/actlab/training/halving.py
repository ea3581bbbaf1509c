"""Successive halving as arithmetic: how long the runs of a budget are, who goes on, and why. Nothing is run here.

A budget is spent in rungs. Every rung trains all candidates that are left, with more steps and more seeds than the
rung before, and keeps the better half; the last one holds two. With K_r candidates, n_r seeds and s_r steps a run,
rung r costs K_r n_r s_r native environment steps, and the schedule makes the sum of these the budget.

Every rung trains from the start, seeds and all: a run of 8,000 steps does not continue one of 4,000. A cell is one
seed of one computation and its numbers depend on nothing but its address, so that comparisons can share it; a run
that was continued would have other numbers than one that was not (marks of evaluations fall elsewhere, and an agent
may plan by its budget). The steps that are trained twice are bounded: with a growth of 2, a finalist's earlier runs
have together fewer steps than its last ones.

Sources: Jamieson and Talwalkar, AISTATS 2016 (successive halving); Li et al., JMLR 18, 2018 (its use with a growing
resource). Deviations: seeds grow beside steps, because a score of one seed is mostly luck; a rung is not made equal
in cost to the others, but its runs longer by a fixed factor.

Axis letters: K candidates, R rungs.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from actlab.core.errors import ActlabError

GROWTH = 2.0
"""How much longer the runs of a rung are than those of the one before, where no length is asked for."""
FIRST_SEEDS = 2
"""Seeds of every candidate in the first of several rungs."""
DIGITS = 2
"""Significant digits of the steps of a run, so that they can be typed again."""


class Budget(NamedTuple):
    """What may be spent: native environment steps of training, or seconds of computing."""

    text: str
    steps: int | None
    seconds: float | None


_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_STEPS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6}


def parse_budget(budget: str | int) -> Budget:
    """`200000`, `200k` and `1.5M` are steps; `90s`, `20m` (or `20min`) and `1.5h` are time.

    Raises:
        ActlabError: it is neither.
    """
    text = str(budget).strip()
    match = re.fullmatch(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:e[0-9]+)?)([kKM]|s|m|min|h)?", text)
    number, unit = (float(match[1].replace("_", "")), match[2] or "") if match else (0.0, "")
    if unit in _SECONDS and 0 < number < 1e9:
        return Budget(text, None, number * _SECONDS[unit])
    steps = number * _STEPS.get(unit, 0.0)
    if not 1 <= steps <= 1e15 or steps % 1:
        raise ActlabError(f"A budget is steps (200k, 1.5M) or time (90s, 20m, 2h); received {text!r}.")
    return Budget(text, int(steps), None)


# --- the schedule ------------------------------------------------------------------------------------


class Rung(NamedTuple):
    """What is trained side by side."""

    candidates: int
    seeds: int
    """Of every candidate."""
    steps: int
    """Native environment steps of every run."""

    @property
    def cost(self) -> int:
        """Native environment steps of the whole rung."""
        return self.candidates * self.seeds * self.steps


class Cost(NamedTuple):
    """What a run of one candidate takes, as measured."""

    compiling: float
    """Seconds before the first run of a rung."""
    run: float
    """Seconds of a run that do not depend on its steps: its evaluations."""
    step: float
    """Seconds of a native environment step, learning included."""


def candidates_of(count: int) -> list[int]:
    """Candidates of each rung: halved (rounded up) until two are left. `9 -> [9, 5, 3, 2]`."""
    sizes = [count]
    while sizes[-1] > 2:
        sizes.append(math.ceil(sizes[-1] / 2))
    return sizes


def seeds_of(rungs: int, last: int) -> list[int]:
    """Seeds of each rung, from `FIRST_SEEDS` evenly to `last`. `seeds_of(3, 5) -> [2, 3, 5]`."""
    first = min(FIRST_SEEDS, last)
    return [last] if rungs == 1 else [first + (last - first) * r // (rungs - 1) for r in range(rungs)]


def schedule(
    count: int,
    budget: float,
    *,
    seeds: int = 5,
    shortest: int = 1_000,
    steps: int | None = None,
    weights: Sequence[float] | None = None,
    least: str = "",
) -> list[Rung]:
    """The rungs that a budget affords.

    Without `steps` the runs of a rung are `GROWTH` times as long as those of the rung before, and as long as the
    budget affords. With `steps` those of the last rung are so long, and the earlier ones as long as the budget
    affords (at most as long); what is left when all are that long buys more seeds.

    Args:
        count: K.
        budget: in the unit of `weights`.
        seeds: of the last rung.
        shortest: fewest steps of a run.
        steps: of the last rung's runs.
        weights: what one step of all candidates of a rung costs, for each rung (their number: the budget is steps).
        least: the unit of the budget, for the sentence.

    Raises:
        ActlabError: the budget does not afford runs of `shortest` steps.
    """
    sizes = candidates_of(count)
    per_step = [float(size) for size in sizes] if weights is None else list(weights)
    replicas, last = seeds_of(len(sizes), seeds), len(sizes) - 1

    def spent(lengths: Sequence[float]) -> float:
        return sum(w * n * s for w, n, s in zip(per_step, replicas, lengths, strict=True))

    def lengths(growth: float) -> list[float]:
        """Of the runs, the last ones `steps` long (one step where no length is asked for)."""
        return [max((steps or 1) / growth ** (last - r), shortest if steps else 0.0) for r in range(last + 1)]

    if steps is None:
        scale = budget / spent(lengths(GROWTH))
        planned = [scale * length for length in lengths(GROWTH)]
        needed = budget * shortest / planned[0]
    else:
        planned = lengths(_growth(lambda g: spent(lengths(g)) <= budget, steps / shortest))
        needed = spent(lengths(max(steps / shortest, 1.0)))
    if needed > budget * (1 + 1e-9):
        unit = least or "steps"
        amount = f"{math.ceil(needed):,} {unit}"
        raise ActlabError(
            f"The budget affords too short runs: {count} candidates need at least {amount} so that the first runs "
            f"have {shortest:,} steps{f' and the last ones {steps:,}' if steps else ''}. Give more, or name fewer "
            "agents or codes."
        )
    if steps is not None and spent(lengths(1.0)) <= budget:
        more = int(budget / spent(lengths(1.0)))
        replicas = [n * more for n in replicas]
    whole = [steps if steps is not None and r == last else _rounded(s) for r, s in enumerate(planned)]
    return [Rung(*each) for each in zip(sizes, replicas, whole, strict=True)]


def _growth(affordable: Callable[[float], bool], most: float) -> float:
    """The smallest growth in [1, most] that is affordable, by bisection (`most` where none is)."""
    low, high = 1.0, max(most, 1.0)
    if affordable(low):
        return low
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if affordable(middle) else (middle, high)
    return high


def _rounded(steps: float) -> int:
    """Down to `DIGITS` significant digits."""
    unit = 10 ** max(math.floor(math.log10(max(steps, 1.0)) + 1e-9) - DIGITS + 1, 0)
    return math.floor(steps / unit * (1 + 1e-9)) * unit


def affordable(
    costs: Sequence[Cost], seconds: float, *, seeds: int = 5, shortest: int = 1_000, steps: int | None = None
) -> list[Rung]:
    """The rungs that `seconds` afford, if the slowest candidates were those that are kept.

    Who is kept is not known beforehand, so this never takes longer than measured (and often less).

    Raises:
        ActlabError: the time does not afford runs of `shortest` steps.
    """
    sizes = candidates_of(len(costs))
    replicas = seeds_of(len(sizes), seeds)
    fixed, weights = 0.0, []
    for size, n in zip(sizes, replicas, strict=True):
        fixed += sum(sorted((c.compiling + n * c.run for c in costs), reverse=True)[:size])
        weights.append(sum(sorted((c.step for c in costs), reverse=True)[:size]))
    if seconds <= fixed:
        raise ActlabError(
            f"The time does not afford this: compiling and evaluating {len(costs)} candidates alone take about "
            f"{fixed:,.0f} seconds beyond the measurement, {max(seconds, 0):,.0f} are left. Give more, or name fewer "
            "agents or codes, or fewer evaluations and episodes."
        )
    found = schedule(
        len(costs),
        seconds - fixed,
        seeds=seeds,
        shortest=shortest,
        steps=steps,
        weights=weights,
        least="seconds of training",
    )
    # time buys length only: more seeds would need more evaluations than were counted
    return [rung._replace(seeds=n) for rung, n in zip(found, replicas, strict=True)]


# --- who goes on -------------------------------------------------------------------------------------


class Standing(NamedTuple):
    """How a candidate did in a rung."""

    scores: Mapping[int, float]
    """seed -> final score, of the seeds that gave a finite one."""
    along: float
    """Mean of the learning curves: what orders candidates whose final scores are the same."""
    failure: str = ""
    """The sentence of a seed's error, where one failed."""

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return math.fsum(self.scores.values()) / len(self.scores)


class Decision(NamedTuple):
    """What a rung decided."""

    order: tuple[str, ...]
    """Best first; those without any score last."""
    kept: tuple[str, ...]
    dropped: Mapping[str, str]
    """Candidate -> why it goes no further."""


def decide(standings: Mapping[str, Standing], keep: int, *, higher_is_better: bool = True) -> Decision:
    """The best `keep` candidates go on.

    They are ordered by their mean final score; equal means (all at a ceiling, all at a floor) by the mean of the
    learning curves, and what is still equal by the order in which the candidates are listed. A candidate without any
    score never goes on.

    Args:
        standings: in the order of the list.
    """
    sign = -1.0 if higher_is_better else 1.0

    def place(name: str) -> tuple[float, float]:
        standing = standings[name]
        along = sign * standing.along if math.isfinite(standing.along) else math.inf
        return (sign * standing.mean, along) if standing.scores else (math.inf, math.inf)

    order = tuple(sorted(standings, key=place))  # stable: ties stay in the order of the list
    kept = tuple(name for name in order[:keep] if standings[name].scores)
    dropped = {}
    for number, name in enumerate(order, 1):
        if name in kept:
            continue
        standing = standings[name]
        if not standing.scores:
            dropped[name] = f"no seed finished: {standing.failure}" if standing.failure else "no seed finished"
            continue
        reason = f"place {number} of {len(order)}, {len(kept)} go on"
        last = standings[kept[-1]]
        if standing.mean == last.mean:
            behind = "its curve lies below" if standing.along != last.along else "it stands behind in the list"
            reason += f"; the same score as {kept[-1]}, but {behind}"
        if standing.failure:
            reason += f"; a seed failed: {standing.failure}"
        dropped[name] = reason
    return Decision(order, kept, dropped)
