"""A claim's status, computed from every seed's value; never typed.

- *reproduced*: at least five seeds on either side, none failed, the direction holds, and the 95 % t interval of the
  difference (Welch's, or paired by seed) excludes the margin, which is zero unless the claim says otherwise
- *direction only*: the direction holds, and something else of this is missing
- *not reproduced*: the direction does not hold
- *not yet run*: a planned seed of one of its arms has not ended

A count (`Count`) is *reproduced* if as many seeds as the paper asks for reach the threshold, else *not reproduced*;
a failed seed counts against the claim.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from actlab.core.studies import Claim, Count
from actlab.papers.card import DIRECTION, FAILED, PENDING, REPRODUCED, Reported
from actlab.reports import statistics
from actlab.reports.result import plain
from actlab.reports.statistics import Difference, Estimate
from actlab.reports.verdict import SEEDS, bracket, number

LEVEL = 0.95


@dataclass(frozen=True)
class Measured:
    """An arm's seeds in one metric."""

    planned: int
    values: Mapping[int, float | None]
    """By seed; None is a value that was not finite."""
    failed: int = 0
    """Seeds that ended without a value."""

    @property
    def finite(self) -> dict[int, float]:
        """The seeds that count."""
        return {seed: value for seed, value in self.values.items() if value is not None and math.isfinite(value)}

    @property
    def lost(self) -> int:
        """Seeds that ended and do not count."""
        return self.failed + len(self.values) - len(self.finite)

    @property
    def ended(self) -> bool:
        """Have all planned seeds ended?"""
        return len(self.values) + self.failed >= self.planned


@dataclass(frozen=True)
class Judgement:
    """A claim's status, and the figures that it follows from."""

    status: str
    reason: str
    """Why it is not better than that; "" if it is reproduced."""
    figure: str
    """Our figure in one phrase; "" where there is none yet."""
    seeds: tuple[int, ...] = ()
    """Seeds that count: the candidate's and the baseline's."""
    candidate: Estimate | None = None
    baseline: Estimate | None = None
    difference: Difference | None = None
    """Candidate minus baseline."""
    ratio: Estimate | None = None
    count: int | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values; null where nothing was or could be estimated."""
        content = {
            name: value._asdict() if isinstance(value, Estimate | Difference) else value
            for name, value in ((field, getattr(self, field)) for field in self.__dataclass_fields__)
        }
        return plain({name: value for name, value in content.items() if value is not None})


@singledispatch
def judge(claim: Claim | Count | Reported, arms: Mapping[str, Measured]) -> Judgement:
    """What the seeds of its arms say of a claim.

    Args:
        arms: by name; arms that this scale does not have are left out.
    """
    raise TypeError(f"{claim!r} is no claim.")


@judge.register
def _(claim: Reported, arms: Mapping[str, Measured]) -> Judgement:
    return Judgement(PENDING, "the paper reports it, and nothing here tests it", "")


@judge.register
def _(claim: Claim, arms: Mapping[str, Measured]) -> Judgement:
    if waiting := _waiting(claim.arms, arms):
        return Judgement(PENDING, waiting, "")
    candidate = _by_seed([arms[name] for name in claim.candidates])
    baseline = _by_seed([arms[name] for name in claim.baselines]) if claim.baselines else {}
    if claim.paired:
        shared = candidate.keys() & baseline.keys()
        candidate, baseline = ({seed: side[seed] for seed in shared} for side in (candidate, baseline))
    sides = [candidate, baseline] if claim.baselines else [candidate]
    seeds = tuple(map(len, sides))
    if not min(seeds):
        return Judgement(FAILED, f"no seed of {_without_seeds(claim, sides)} gave a value", "", seeds)
    x, y = ([side[seed] for seed in sorted(side)] for side in (candidate, baseline))
    gap = _difference(claim, x, y)
    ratio = statistics.ratio_of_means(x, y, LEVEL) if claim.ratio and y else None
    figure = bracket(gap) if ratio is None else f"{bracket(gap)}, {bracket(ratio)} times"
    figures = {
        "seeds": seeds,
        "candidate": statistics.t_interval(x, LEVEL),
        "baseline": statistics.t_interval(y, LEVEL) if y else Estimate(float(claim.baseline), math.nan, math.nan),  # type: ignore[arg-type]
        "difference": gap,
        "ratio": ratio,
    }
    sign = 1 if claim.direction == "higher" else -1
    if sign * gap.value <= claim.margin:
        beyond = f" by more than {number(claim.margin)}" if claim.margin else ""
        return Judgement(FAILED, f"the candidate is not {claim.direction}{beyond}", figure, **figures)
    lost = sum(arms[name].lost for name in claim.arms)
    near = min(sign * gap.low, sign * gap.high) if math.isfinite(gap.low) else math.nan
    if min(seeds) < SEEDS:
        reason = f"only {min(seeds)} of the {SEEDS} seeds that a result needs"
    elif lost:
        reason = f"{lost} {'seed' if lost == 1 else 'seeds'} failed"
    elif math.isnan(near):
        reason = "no spread between seeds, so no interval"
    elif near <= claim.margin:
        reason = f"the interval contains {number(sign * claim.margin)}"
    else:
        return Judgement(REPRODUCED, "", figure, **figures)
    return Judgement(DIRECTION, reason, figure, **figures)


@judge.register
def _(claim: Count, arms: Mapping[str, Measured]) -> Judgement:
    if waiting := _waiting(claim.arms, arms):
        return Judgement(PENDING, waiting, "")
    arm = arms[claim.arm]
    if arm.planned != claim.seeds:
        return Judgement(PENDING, f"this scale has {arm.planned} seeds, and the claim counts {claim.seeds}", "")
    reached = sum(value >= claim.threshold for value in arm.finite.values())
    lost = f"; {arm.lost} failed" if arm.lost else ""
    share = statistics.wilson_interval(reached, arm.planned, LEVEL)
    figure = f"{reached} of {arm.planned}{lost} (share {bracket(share)})"
    if claim.at_least is not None:
        holds, bound = reached >= claim.at_least, f"at least {claim.at_least}"
    else:
        holds, bound = reached + arm.lost <= (claim.at_most or 0), f"at most {claim.at_most}"
    seeds = (len(arm.finite),)
    status, reason = (REPRODUCED, "") if holds else (FAILED, f"{bound} of {claim.seeds} were claimed")
    return Judgement(status, reason, figure, seeds, share, count=reached)


def _waiting(names: tuple[str, ...], arms: Mapping[str, Measured]) -> str:
    """Why a claim cannot be judged yet; "" if it can."""
    for name in names:
        if name not in arms:
            return f"{name} is not part of this scale"
        if not arms[name].ended:
            ended = len(arms[name].values) + arms[name].failed
            return f"{ended} of {arms[name].planned} seeds of {name} have ended"
    return ""


def _by_seed(arms: list[Measured]) -> dict[int, float]:
    """Seed -> mean over the arms, for the seeds that all of them have."""
    finite = [arm.finite for arm in arms]
    shared = set.intersection(*(set(values) for values in finite))
    return {seed: math.fsum(values[seed] for values in finite) / len(finite) for seed in sorted(shared)}


def _without_seeds(claim: Claim, sides: list[dict[int, float]]) -> str:
    return " and ".join(claim.candidates if not sides[0] else claim.baselines)


def _difference(claim: Claim, x: list[float], y: list[float]) -> Difference:
    """Candidate minus baseline, by the test that the claim asks for."""
    if claim.paired:
        return statistics.paired_difference(x, y, LEVEL)
    if y:
        return statistics.welch_difference(x, y, LEVEL)
    mean, reference = statistics.t_interval(x, LEVEL), float(claim.baseline)  # type: ignore[arg-type]
    gap = statistics.paired_difference(x, [reference] * len(x), LEVEL)
    return gap._replace(value=mean.value - reference)
