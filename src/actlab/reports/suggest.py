"""What a suggestion says: a ranking with intervals, who was dropped when and why, and how sure the first place is.

A suggestion is a sequence of rungs, each a study over the candidates that were left. A candidate's score is the one
of the last rung that it was in: scores of different rungs come from runs of different length, so a candidate that
went further stands above one that did not.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from actlab.core.files import write_atomically
from actlab.reports import statistics
from actlab.reports.result import Skipped, StudyResult, plain
from actlab.reports.statistics import Difference, Estimate
from actlab.reports.table import Table
from actlab.reports.verdict import bracket, number, probability, verdict

FORMAT = "actlab suggestion 1"

QUANTILES = 1.96 + 0.84
"""Of the normal distribution, for a two-sided test at 5 % that finds a true difference 4 times in 5."""


@dataclass(frozen=True)
class RungResult:
    """One rung: what was trained, and what was decided."""

    study: StudyResult
    seeds: int
    """Asked for, of every candidate."""
    steps: int
    """Native environment steps of a run."""
    trained: int
    """Native environment steps of all its runs, as they were (roll-outs are not cut)."""
    order: tuple[str, ...]
    """Names of the candidates, best first."""
    dropped: Mapping[str, str]
    """Candidate -> why it went no further."""


class Row(NamedTuple):
    """A candidate in the ranking."""

    name: str
    agent: str
    code: str
    mean: Estimate | None
    """Of its last rung, with its t interval over the seeds; None where no seed finished."""
    scores: Mapping[int, float]
    steps: int
    """Of its longest runs."""
    rung: int
    """The last one that it was in, from 1."""
    reason: str
    """Why it was dropped; "" for those that reached the last rung."""
    apart: bool
    """Dropped ones: is the one kept last better beyond the luck of the seeds (Welch's t test, 5 %)?"""


class Sureness(NamedTuple):
    """The first place against the second."""

    first: str
    second: str
    advantage: Difference
    """With its Welch interval."""
    improvement: float
    """Chance that a seed of the first does better than one of the second, ties half."""
    conclusive: bool
    needed: int | None
    """Seeds of each that would show the difference, were it as large as it looks; None where nothing can be said."""
    sentence: str


@dataclass(frozen=True)
class SuggestResult:
    """A suggestion, as it was reached."""

    task: str
    budget: str
    rungs: tuple[RungResult, ...]
    left_out: tuple[Skipped, ...]
    command: str = ""
    """That made it."""
    train: str = ""
    """The command that trains the winner for real; "" where there is none."""
    measured: Mapping[str, Any] | None = None
    """candidate -> seconds, where the budget was time."""

    @property
    def last(self) -> StudyResult:
        """The study of the last rung."""
        return self.rungs[-1].study

    @property
    def rows(self) -> list[Row]:
        """All candidates, the suggested one first."""
        rows = []
        for number_, rung in reversed(list(enumerate(self.rungs, 1))):
            final = number_ == len(self.rungs)
            kept = [name for name in rung.order if name not in rung.dropped]
            for name in rung.order:
                if final or name in rung.dropped:
                    rows.append(self._row(name, number_, rung, kept[-1] if kept else None, final))
        return rows

    def _row(self, name: str, number_: int, rung: RungResult, last_kept: str | None, final: bool) -> Row:
        study = rung.study
        arms = {arm.name: arm for arm in study.arms}
        scores = _finite(arms[name].scores(study.metric, study.policy))
        mean = statistics.t_interval(list(scores.values())) if scores else None
        reason = rung.dropped.get(name, "")
        apart = False
        if reason and scores and last_kept is not None and not final:
            kept = _finite(arms[last_kept].scores(study.metric, study.policy))
            apart = statistics.welch_difference(list(kept.values()), list(scores.values())).p < 0.05
        arm = arms[name]
        return Row(name, arm.agent, arm.code, mean, scores, rung.steps, number_, reason, apart)

    @property
    def best(self) -> Row | None:
        """The suggested candidate; None where no seed finished."""
        return next((row for row in self.rows[:1] if row.mean is not None), None)

    @property
    def planned(self) -> int:
        """Native environment steps that the schedule has."""
        return sum(rung.steps * rung.seeds * len(rung.order) for rung in self.rungs)

    @property
    def headline(self) -> str:
        """What is suggested, in one line."""
        best = self.best
        if best is None or best.mean is None:
            return f"{self.task}: no seed finished, so nothing is suggested."
        seeds = len(best.scores)
        return (
            f"{self.task}: {best.name}, with {self.last.metric} {bracket(best.mean)} after {best.steps:,} steps "
            f"({seeds} {'seed' if seeds == 1 else 'seeds'})."
        )

    @property
    def sureness(self) -> Sureness | None:
        """How sure the first place is; None where there is no second."""
        study = self.last
        finalists = [row for row in self.rows if row.rung == len(self.rungs) and row.mean is not None]
        if len(finalists) < 2:
            return None
        first, second = finalists[:2]
        judged = verdict(
            {row.name: row.scores for row in (first, second)},
            failed={row.name: self.rungs[-1].seeds - len(row.scores) for row in (first, second)},
            higher_is_better=study.higher_is_better,
            unit=study.metric,
        )
        pair = judged.pairs[0]
        needed = None if pair.conclusive else _needed(first, second)
        return Sureness(
            first.name,
            second.name,
            pair.advantage,
            pair.improvement,
            pair.conclusive,
            needed,
            _sentence(first, second, pair, needed, study.metric),
        )

    @property
    def cautions(self) -> list[str]:
        """What the ranking does not say."""
        lines = []
        if len(self.rungs) > 1:
            near = [row.name for row in self.rows if row.reason and row.mean is not None and not row.apart]
            shortest = self.rungs[0].steps
            lines.append(
                f"Who was dropped was judged by shorter runs (from {shortest:,} steps): one that begins slowly and "
                "ends high may be among them."
            )
            if near:
                count = "One of them was" if len(near) == 1 else f"{len(near)} of them were"
                lines.append(f"{count} not told apart from the one kept last: {', '.join(near)}.")
        return lines

    def table(self) -> Table:
        """One row a candidate, in order."""
        rows = []
        for place, row in enumerate(self.rows, 1):
            mean = None if row.mean is None else bracket(row.mean)
            when = f"rung {row.rung} of {len(self.rungs)}: {row.reason}" if row.reason else None
            rows.append([str(place), row.name, mean, len(row.scores), f"{row.steps:,}", when])
        return Table(["", "candidate", f"{self.last.metric} [95% interval]", "seeds", "steps", "dropped"], rows, left=2)

    def schedule(self) -> Table:
        """One row a rung: what it trained."""
        rows = [
            [str(place), len(rung.order), rung.seeds, f"{rung.steps:,}", f"{rung.trained:,}"]
            for place, rung in enumerate(self.rungs, 1)
        ]
        return Table(["rung", "candidates", "seeds", "steps of a run", "steps in all"], rows)

    def to_json(self) -> str:
        """The suggestion as JSON text."""
        sure = self.sureness
        content = {
            "format": FORMAT,
            "command": self.command,
            "task": self.task,
            "metric": self.last.metric,
            "policy": self.last.policy,
            "budget": self.budget,
            "planned steps": self.planned,
            "trained steps": sum(rung.trained for rung in self.rungs),
            "measured": self.measured,
            "ranking": [
                {
                    "candidate": row.name,
                    "agent": row.agent,
                    "code": row.code,
                    "mean": None if row.mean is None else row.mean.value,
                    "interval": None if row.mean is None else [row.mean.low, row.mean.high],
                    "scores": {str(seed): score for seed, score in row.scores.items()},
                    "steps": row.steps,
                    "rung": row.rung,
                    "dropped": row.reason,
                    "apart": row.apart,
                }
                for row in self.rows
            ],
            "rungs": [
                {
                    "candidates": list(rung.order),
                    "seeds": rung.seeds,
                    "steps": rung.steps,
                    "trained steps": rung.trained,
                    "dropped": dict(rung.dropped),
                }
                for rung in self.rungs
            ],
            "left out": [{"agent": pair.agent, "code": pair.code, "reason": pair.reason} for pair in self.left_out],
            "sureness": None
            if sure is None
            else {
                "first": sure.first,
                "second": sure.second,
                "advantage": sure.advantage.value,
                "interval": [sure.advantage.low, sure.advantage.high],
                "p": sure.advantage.p,
                "probability of improvement": sure.improvement,
                "separated": sure.conclusive,
                "seeds needed": sure.needed,
                "sentence": sure.sentence,
            },
            "cautions": self.cautions,
            "train": self.train,
        }
        return json.dumps(plain(content), indent=1, allow_nan=False, ensure_ascii=False) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write `to_json` atomically."""
        return write_atomically(path, self.to_json())


def _finite(scores: Mapping[int, float]) -> dict[int, float]:
    return {seed: score for seed, score in scores.items() if math.isfinite(score)}


def _needed(first: Row, second: Row) -> int | None:
    """Seeds of each that show the observed gap 4 times in 5: n = z^2 (s1^2 + s2^2) / gap^2 (normal scores)."""
    x, y = list(first.scores.values()), list(second.scores.values())
    if min(len(x), len(y)) < 2:
        return None
    gap = math.fsum(x) / len(x) - math.fsum(y) / len(y)
    spread = _variance(x) + _variance(y)
    if gap == 0 or spread == 0:
        return None
    return max(math.ceil(QUANTILES**2 * spread / gap**2), 5)


def _variance(runs: list[float]) -> float:
    centre = math.fsum(runs) / len(runs)
    return math.fsum((x - centre) ** 2 for x in runs) / (len(runs) - 1)


def _sentence(first: Row, second: Row, pair: Any, needed: int | None, metric: str) -> str:
    lead = (
        f"{first.name} leads {second.name} by {bracket(pair.advantage)} {metric} (95% Welch interval), and one seed of "
        f"it does better than one of the other with probability {number(pair.improvement)}."
    )
    if pair.conclusive:
        return f"{lead} That is beyond the luck of the seeds (p {_equals(pair.adjusted)})."
    lead += f" The budget cannot separate the two: {pair.reason}."
    if needed is None:
        return lead
    if needed > 1_000:
        return f"{lead} The gap is too small to be shown by any sensible number of seeds: take either."
    return f"{lead} Were the gap as large as it looks, about {needed} seeds of each would show it."


def _equals(p: float) -> str:
    text = probability(p)
    return text if "<" in text else f"= {text}"
