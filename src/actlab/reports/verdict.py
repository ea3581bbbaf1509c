"""What may and what may not be concluded from the seeds of several arms, in words.

The rule, fixed before any number is seen: one arm *beats* another if both have at least five seeds, no seed
of the better one failed, and the two-sided t test of the difference of means (Welch's, or paired by seed
where the study says so) is below 5 % after Holm's correction over all pairs of the report. Everything else
is said to be what it is: "direction only", or nothing at all.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from actlab.reports import statistics
from actlab.reports.statistics import Estimate

SEEDS = 5
"""Fewest seeds of either arm from which a winner may be named."""

OPEN = "the interval of the difference contains zero"
CORRECTED = "not beyond chance once corrected for the number of pairs"
IDENTICAL = "identical scores"
FLAT = "no spread between seeds, so no interval"
UNSTABLE = "the order depends on which seeds are counted"

Values = Sequence[float] | Mapping[int, float]
"""One arm's scores: in the order of the seeds, or by seed. A score that is not finite counts as a failed seed."""


@dataclass(frozen=True)
class ArmSummary:
    """One arm on one task."""

    name: str
    values: Mapping[int, float]
    """Finite scores by seed."""
    failed: int
    """Seeds that were asked for and gave no finite score."""
    mean: Estimate
    """With its t interval (NaN ends where there is no spread)."""
    interquartile_mean: float

    @property
    def seeds(self) -> int:
        """Seeds that count."""
        return len(self.values)


class Pair(NamedTuple):
    """The better of two arms by its mean, the worse, and how sure that is."""

    better: str
    worse: str
    advantage: statistics.Difference
    """How much better, >= 0, whether higher or lower scores are better."""
    adjusted: float
    """p after Holm's correction over all pairs of the report; NaN where no test is possible."""
    improvement: float
    """Chance that a seed of the better arm is better than a seed of the worse, ties half (point estimate)."""
    conclusive: bool
    reason: str
    """Why it is not conclusive; empty if it is."""


@dataclass(frozen=True)
class Verdict:
    """The conclusion for one task."""

    headline: str
    """One line: the winner and by how much, or that there is none and why."""
    status: str
    """"winner", "no winner", "direction only", or "nothing to compare"."""
    winner: str | None
    may: tuple[str, ...]
    """Sentences that the figures support."""
    may_not: tuple[str, ...]
    """Sentences about what they do not."""
    arms: tuple[ArmSummary, ...]
    """Best mean first; arms without any finished seed last."""
    pairs: tuple[Pair, ...]
    """In the order of the arms."""

    def __str__(self) -> str:
        lines = [self.headline, *(f"+ {line}" for line in self.may), *(f"- {line}" for line in self.may_not)]
        return "\n".join(lines)


def verdict(
    arms: Mapping[str, Values],
    *,
    failed: Mapping[str, int] | None = None,
    paired: bool = False,
    higher_is_better: bool = True,
    unit: str = "",
    level: float = 0.95,
) -> Verdict:
    """What the seeds of several arms on one task allow one to say.

    Args:
        arms: the scores of each arm, one a seed.
        failed: seeds of an arm that gave no score at all (beyond those whose score is not finite).
        paired: compare by seed (fix this before running); seeds that only one arm has are left out.
        higher_is_better: False for costs.
        unit: what a score is ("return"), for the sentences.
        level: of the intervals; 1 - level is the chance of a wrong winner that is accepted.
    """
    options = {"failed": {"": failed or {}}, "paired": paired, "higher_is_better": higher_is_better}
    return verdicts({"": arms}, **options, unit=unit, level=level)[""]


def verdicts(
    tasks: Mapping[str, Mapping[str, Values]],
    *,
    failed: Mapping[str, Mapping[str, int]] | None = None,
    paired: bool = False,
    higher_is_better: bool = True,
    unit: str = "",
    level: float = 0.95,
) -> dict[str, Verdict]:
    """`verdict` for each task of a report; Holm's correction runs over the pairs of all tasks together."""
    summaries, untested = {}, []
    for task, arms in tasks.items():
        lost = (failed or {}).get(task, {})
        ranked = _rank((_summary(name, arms[name], lost.get(name, 0), level) for name in arms), higher_is_better)
        summaries[task] = ranked
        for better, worse in itertools.combinations([arm for arm in ranked if arm.seeds], 2):
            untested.append((task, better, worse, _advantage(better, worse, paired, higher_is_better, level)))
    adjusted = statistics.holm([advantage.p for *_, advantage in untested])
    pairs = {task: [] for task in tasks}
    for (task, better, worse, advantage), p in zip(untested, adjusted, strict=True):
        reason = _doubt(better, worse, advantage, float(p), paired, level)
        x, y = ([list(arm.values.values())] for arm in (better, worse))
        chance = float(statistics.probability_of_improvement(*((x, y) if higher_is_better else (y, x))))
        pairs[task].append(Pair(better.name, worse.name, advantage, float(p), chance, not reason, reason))
    test = f"{level:.0%} t interval of the differences by seed" if paired else f"{level:.0%} Welch interval"
    tested = sum(not math.isnan(advantage.p) for *_, advantage in untested)
    test += f", Holm over {tested} pairs" if tested > 1 else ""
    return {task: _conclude(summaries[task], pairs[task], test, unit, task) for task in tasks}


# --- numbers -----------------------------------------------------------------------------------------


def _summary(name: str, values: Values, failed: int, level: float) -> ArmSummary:
    by_seed = dict(values) if isinstance(values, Mapping) else dict(enumerate(values))
    finite = {seed: float(value) for seed, value in by_seed.items() if math.isfinite(value)}
    lost = failed + len(by_seed) - len(finite)
    if not finite:
        return ArmSummary(name, {}, lost, Estimate(math.nan, math.nan, math.nan), math.nan)
    scores = list(finite.values())
    middle = float(statistics.interquartile_mean([scores]))
    return ArmSummary(name, finite, lost, statistics.t_interval(scores, level), middle)


def _rank(arms: Iterable[ArmSummary], higher_is_better: bool) -> list[ArmSummary]:
    sign = -1 if higher_is_better else 1
    return sorted(arms, key=lambda arm: sign * arm.mean.value if arm.seeds else math.inf)


def _advantage(
    better: ArmSummary, worse: ArmSummary, paired: bool, higher_is_better: bool, level: float
) -> statistics.Difference:
    high, low = (better, worse) if higher_is_better else (worse, better)
    if not paired:
        return statistics.welch_difference([*high.values.values()], [*low.values.values()], level)
    shared = _shared(better, worse)
    if not shared:
        gap = abs(better.mean.value - worse.mean.value)
        return statistics.Difference(gap, math.nan, math.nan, math.nan, math.nan)
    return statistics.paired_difference([high.values[s] for s in shared], [low.values[s] for s in shared], level)


def _shared(first: ArmSummary, second: ArmSummary) -> list[int]:
    return sorted(first.values.keys() & second.values.keys())


def _doubt(
    better: ArmSummary, worse: ArmSummary, advantage: statistics.Difference, p: float, paired: bool, level: float
) -> str:
    """Why this pair is not conclusive; empty if it is."""
    fewest = len(_shared(better, worse)) if paired else min(better.seeds, worse.seeds)
    if fewest < SEEDS:
        return f"only {_seeds(fewest)}{' in common' if paired else ''}"
    if math.isnan(advantage.p):
        return IDENTICAL if advantage.value <= statistics.SAME * abs(better.mean.value) else FLAT
    if advantage.p >= 1 - level:
        return OPEN
    if p >= 1 - level:
        return CORRECTED
    if advantage.value <= 0:
        return UNSTABLE
    # A failed seed of the worse arm would hardly have helped it; one of the better arm might have sunk it.
    return f"{_seeds(better.failed)} of {better.name} failed, which may flatter it" if better.failed else ""


# --- words -------------------------------------------------------------------------------------------


def number(value: float, spread: float = math.nan) -> str:
    """`value` with the decimals that two digits of `spread` need (without one: four digits of the value).

    `number(1234.567, 8.9)` is "1,234.6"; `number(math.nan)` is "n/a".
    """
    if not math.isfinite(value):
        return "n/a"
    if math.isfinite(spread) and spread > 0:
        decimals = 1 - math.floor(math.log10(spread))
    else:
        decimals = 3 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:,.{min(max(decimals, 0), 9)}f}"
    if not (spread > 0) and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text


def bracket(estimate: Estimate | statistics.Difference) -> str:
    """The number with its interval, "123 [98, 148]", or alone where there is none."""
    if math.isnan(estimate.low):
        return number(estimate.value)
    half = (estimate.high - estimate.low) / 2
    value, low, high = (number(x, half) for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def probability(p: float) -> str:
    """A p value: "0.03", "0.0042", "< 0.0001"; "n/a" where nothing could be tested."""
    if math.isnan(p):
        return "n/a"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def listing(names: Sequence[str], word: str = "and") -> str:
    """Names as one says them: "a", "a and b", "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def _conclude(arms: list[ArmSummary], pairs: list[Pair], test: str, unit: str, task: str) -> Verdict:
    ran = [arm for arm in arms if arm.seeds]
    winner, status, sentence = _headline(ran, pairs, f" {unit}" if unit else "")
    may, may_not = _may(ran, pairs, status, test), _may_not(arms, pairs, status, task)
    return Verdict(_count(ran) + sentence, status, winner, tuple(may), tuple(may_not), tuple(arms), tuple(pairs))


def _count(ran: list[ArmSummary]) -> str:
    counts = sorted({arm.seeds for arm in ran})
    if not counts:
        return ""
    return f"{_seeds(counts[0])}; " if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds; "


def _headline(ran: list[ArmSummary], pairs: list[Pair], unit: str) -> tuple[str | None, str, str]:
    """(winner, status, sentence)."""
    if not ran:
        return None, "nothing to compare", "No arm finished a single seed; there is nothing to compare."
    first = ran[0]
    if len(ran) == 1:
        sentence = f"only {first.name} has scores, mean {bracket(first.mean)}{unit}; nothing to compare."
        return None, "nothing to compare", sentence
    against = [pair for pair in pairs if pair.better == first.name]
    rivals = [pair for pair in against if not pair.conclusive]
    beaten = [pair.worse for pair in against if pair.conclusive]
    if not rivals:
        amount = f"{against[0].worse} by {bracket(against[0].advantage)}{unit}"
        sentence = amount if len(against) == 1 else f"all {len(against)} other arms, the nearest being {amount}"
        return first.name, "winner", f"{first.name} beats {sentence}."
    if statistics.identical([value for arm in ran for value in arm.values.values()]):
        return None, "no winner", f"every seed of every arm scored {number(first.mean.value)}{unit}; no winner."
    also = f" {first.name} beats {listing(beaten)}." if beaten else ""
    if {pair.reason for pair in rivals} == {OPEN}:
        among = f" among {listing([first.name, *(pair.worse for pair in rivals)])}" if len(ran) > 2 else ""
        why = "intervals overlap" if _overlap(ran, rivals) else OPEN
        return None, "no winner", f"{why}; no winner{among}.{also}"
    rival = rivals[0]
    status = "no winner" if rival.reason in (OPEN, CORRECTED, IDENTICAL, UNSTABLE) else "direction only"
    if rival.reason == IDENTICAL:
        return None, status, f"no winner: {first.name} and {rival.worse} have identical scores.{also}"
    lead = f"{first.name} leads {rival.worse} by {bracket(rival.advantage)}{unit}"
    why = "too few seeds to name a winner" if rival.reason.startswith("only ") else rival.reason
    return None, status, f"{status}: {lead}; {why}.{also}"


def _overlap(ran: list[ArmSummary], rivals: list[Pair]) -> bool:
    """Do the intervals of the best arm and of all its rivals overlap?"""
    means = {arm.name: arm.mean for arm in ran}
    first, others = means[rivals[0].better], [means[pair.worse] for pair in rivals]
    return all(first.low <= other.high and other.low <= first.high for other in others)


def _may(ran: list[ArmSummary], pairs: list[Pair], status: str, test: str) -> list[str]:
    lines = []
    for arm in ran:
        beaten = [pair for pair in pairs if pair.better == arm.name and pair.conclusive]
        if beaten:
            amounts = listing([f"{pair.worse} by {bracket(pair.advantage)}" for pair in beaten])
            largest = probability(max(pair.adjusted for pair in beaten))
            p = f"p {largest}" if "<" in largest else f"p {'=' if len(beaten) == 1 else 'at most'} {largest}"
            lines.append(f"{arm.name} beats {amounts} ({test}; {p}).")
    if status == "direction only":
        rival = next(pair for pair in pairs if not pair.conclusive)
        lines.append(f"In these seeds {rival.better} has a better mean than {rival.worse}: a direction, not a result.")
    elif pairs and not lines:
        lines.append("No difference between two arms can be told from the luck of the seeds.")
    for arm in ran:
        if arm.seeds > 1 and statistics.identical(list(arm.values.values())):
            lines.append(
                f"All {_seeds(arm.seeds)} of {arm.name} scored exactly {number(arm.mean.value)}: a ceiling or floor of "
                "the task, or seeds that change nothing. Its spread cannot be estimated."
            )
    return lines


def _may_not(arms: list[ArmSummary], pairs: list[Pair], status: str, task: str) -> list[str]:
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        if not pair.conclusive:
            groups.setdefault((pair.better, pair.reason), []).append(pair)
    lines = []
    for (better, reason), group in groups.items():
        if reason == IDENTICAL:
            others = listing([pair.worse for pair in group], "or")
            lines.append(f"That {better} differs from {others}: {reason}.")
        else:
            others = listing([f"{pair.worse} (by {bracket(pair.advantage)})" for pair in group], "or")
            lines.append(f"That {better} is better than {others}: {reason}.")
    for arm in arms:
        asked = arm.seeds + arm.failed
        if not arm.seeds:
            lines.append(f"Anything about {arm.name}: {f'all {_seeds(asked)} failed' if asked else 'it has no seed'}.")
        elif arm.failed:
            lines.append(
                f"How {arm.name} does on all its seeds: {arm.failed} of {asked} failed and are missing from its mean."
            )
    if status == "no winner":
        lines.append("That the arms are equally good: a real difference can hide inside these intervals.")
    tuning = ": other tuning may order the arms otherwise" if pairs else ""
    lines.append(f"Anything beyond {task or 'this task'}, this budget and these settings{tuning}.")
    return lines
