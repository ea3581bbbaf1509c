"""From a study's result to what is said about it: verdicts, tables, normalised scores. Pure; no file, no figure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actlab.reports import statistics
from actlab.reports.result import POLICIES, Arm, SeedResult, StudyResult
from actlab.reports.table import Table
from actlab.reports.verdict import Verdict, bracket, listing, number, probability, verdicts

OVERRUN = 0.05
"""Share of the budget that a last roll-out may exceed it without a word."""


@dataclass(frozen=True)
class Normalised:
    """Scores over several tasks on one scale, or the reason why there is none."""

    arms: Mapping[str, statistics.Scores]
    """arm -> for each task, its runs; 0 = random, 1 = expert. Only arms that have a score on every task."""
    reason: str
    """Why `arms` is empty; "" if it is not."""
    note: str
    """Arms that are left out, in a sentence; "" if none is."""


def judge(result: StudyResult) -> dict[str, Verdict]:
    """The verdict for each task; Holm's correction runs over the pairs of all tasks."""
    tasks, failed = {}, {}
    for task in result.tasks:
        tasks[task] = {arm.name: arm.scores(result.metric, result.policy) for arm in result.on(task)}
        failed[task] = {}
        for failure in result.failures(task):
            tasks[task].setdefault(failure.arm, {})
            failed[task][failure.arm] = failed[task].get(failure.arm, 0) + (
                failure.seed not in tasks[task][failure.arm]
            )
    judged = verdicts(
        tasks, failed=failed, paired=result.paired, higher_is_better=result.higher_is_better, unit=result.metric
    )
    longer = {task: [line for arm in result.on(task) for line in _overrun(arm)] for task in judged}
    return {task: replace(said, may_not=(*said.may_not, *longer[task])) for task, said in judged.items()}


def _overrun(arm: Arm) -> list[str]:
    """A sentence where an arm took noticeably more steps than its budget: a roll-out that is begun is finished."""
    most = max((steps for seed in arm.seeds for steps, _ in seed.curve), default=0)
    if arm.steps is None or most <= arm.steps * (1 + OVERRUN):
        return []
    took = f"it took {most:,.0f}, because its last roll-out was finished"
    return [f"What {arm.name} would do after {arm.steps:,} steps: {took}."]


def headline(result: StudyResult, judged: Mapping[str, Verdict]) -> str:
    """The answer in one line: of one task its verdict's, of several how they went."""
    if len(judged) == 1:
        return next(iter(judged.values())).headline
    won: dict[str, list[str]] = {}
    for task, verdict in judged.items():
        if verdict.winner:
            won.setdefault(verdict.winner, []).append(task)
    if not won:
        return f"No winner on any of {len(judged)} tasks."
    parts = [f"{arm} wins on {listing(tasks)}" for arm, tasks in sorted(won.items(), key=lambda x: -len(x[1]))]
    open_tasks = [task for task, verdict in judged.items() if not verdict.winner]
    return "; ".join([*parts, *([f"no winner on {listing(open_tasks)}"] if open_tasks else [])]) + "."


def names(result: StudyResult) -> list[str]:
    """The arms' names in the order of the study: the order of colours."""
    return list(dict.fromkeys([*(arm.name for arm in result.arms), *(failure.arm for failure in result.failed)]))


def ranked(result: StudyResult, task: str, verdict: Verdict) -> list[Arm]:
    """The arms of a task, best mean first."""
    arms = {arm.name: arm for arm in result.on(task)}
    return [arms[summary.name] for summary in verdict.arms if summary.name in arms]


def normalised(result: StudyResult) -> Normalised:
    """Scores on the scale (score - random) / (expert - random), where every task states both."""
    known = {task: dict(result.references.get(task, {})) for task in result.tasks}
    without = [task for task, scores in known.items() if not _spans(scores)]
    if len(result.tasks) < 2:
        return Normalised({}, "there is only one task", "")
    if without:
        reason = f"{listing(without)} {'states' if len(without) == 1 else 'state'} no scores of random and expert"
        return Normalised({}, f"{reason}, so returns of different tasks have no common scale", "")
    found: dict[str, list[list[float]]] = {}
    for name in names(result):
        for task in result.tasks:
            low, high = known[task]["random"], known[task]["expert"]
            runs = [
                (score - low) / (high - low)
                for arm in result.on(task)
                if arm.name == name
                for score in arm.scores(result.metric, result.policy).values()
                if math.isfinite(score)
            ]
            found.setdefault(name, []).append(runs)
    full = {name: scores for name, scores in found.items() if all(scores)}
    partial = [name for name in found if name not in full]
    note = f"Left out, because not every task has a score: {listing(partial)}." if partial else ""
    return Normalised(full, "" if full else "no arm has a score on every task", note)


def _spans(scores: Mapping[str, float]) -> bool:
    return {"random", "expert"} <= scores.keys() and scores["random"] != scores["expert"]


# --- tables ------------------------------------------------------------------------------------------


def arms_table(result: StudyResult, task: str, verdict: Verdict) -> Table:
    """One row an arm, best first: seeds, mean with its 95 % t interval, interquartile mean, the other policy,
    violations for each episode, seconds for each seed."""
    other = next(policy for policy in POLICIES if policy != result.policy)
    arms = {arm.name: arm for arm in result.on(task)}
    rows = []
    for summary in verdict.arms:
        seeds = arms[summary.name].seeds if summary.name in arms else []
        spread = (summary.mean.high - summary.mean.low) / 2
        interval = f"[{number(summary.mean.low, spread)}, {number(summary.mean.high, spread)}]"
        rows.append(
            [
                summary.name,
                str(summary.seeds) if not summary.failed else f"{summary.seeds} of {summary.seeds + summary.failed}",
                number(summary.mean.value, spread) if summary.seeds else None,
                interval if math.isfinite(spread) else None,
                number(summary.interquartile_mean, spread) if summary.seeds else None,
                number(_average([seed.score(result.metric, other) for seed in seeds]), spread) if seeds else None,
                _average([seed.score("violations", result.policy) for seed in seeds]),
                _seconds(_average([seed.seconds for seed in seeds])),
                _seconds(_average([seed.compile_seconds for seed in seeds])),
            ]
        )
    header = ["arm", "seeds", f"mean {result.metric}", "95% interval", "IQM", f"mean, {POLICIES[other]}"]
    return Table([*header, "violations / episode", "s / seed", "of it compiling"], rows, caption=task)


def pairs_table(verdict: Verdict) -> Table:
    """Every pair of arms: the difference, how sure it is, and what follows."""
    rows = [
        [
            pair.better,
            pair.worse,
            bracket(pair.advantage),
            probability(pair.adjusted),
            f"{pair.improvement:.2f}",
            "beats" if pair.conclusive else pair.reason,
        ]
        for pair in verdict.pairs
    ]
    header = ["better mean", "than", "difference [95% interval]", "p (Holm)", "P(improvement)", "conclusion"]
    return Table(header, rows, left=2)


def seeds_table(result: StudyResult, task: str) -> Table:
    """Every seed of every arm on a task; both ways of playing the policy apart."""
    rows = []
    for arm in result.on(task):
        for seed in arm.seeds:
            scores = [_text(seed, result.metric, policy) for policy in POLICIES]
            violations = seed.score("violations", result.policy)
            times = [_seconds(seed.seconds), _seconds(seed.compile_seconds)]
            rows.append([arm.name, seed.seed, *scores, violations, *times, seed.address or None])
    policies = [f"{result.metric}, {words}" for words in POLICIES.values()]
    return Table(["arm", "seed", *policies, "violations / episode", "s", "of it compiling", "cell"], rows, caption=task)


def arms_values(result: StudyResult, judged: Mapping[str, Verdict]) -> Table:
    """The arms of all tasks as plain numbers, for CSV."""
    rows = []
    for task, verdict in judged.items():
        for arm in verdict.arms:
            mean = arm.mean
            rows.append(
                [task, arm.name, arm.seeds, arm.failed, mean.value, mean.low, mean.high, arm.interquartile_mean]
            )
    header = ["task", "arm", "seeds", "failed", "mean", "low95", "high95", "interquartile_mean"]
    return Table(header, rows, left=2)


def scores_values(result: StudyResult) -> Table:
    """Every seed's score in every metric and way of playing, as plain numbers, for CSV."""
    rows = []
    for arm in result.arms:
        for seed in arm.seeds:
            for metric, policies in seed.scores.items():
                for policy in policies:
                    episodes = len(seed.episodes(metric, policy))
                    place = [arm.task, arm.name, arm.agent, arm.code, seed.seed]
                    rows.append([*place, metric, policy, seed.score(metric, policy), episodes, seed.address])
    header = ["task", "arm", "agent", "code", "seed", "metric", "policy", "score", "episodes", "address"]
    return Table(header, rows, left=4)


def span(counts: Sequence[int], word: str) -> str:
    """How many, in words: "5 seeds", "3 to 5 seeds", "1 seed"; thousands apart."""
    low, high = min(counts, default=0), max(counts, default=0)
    many = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{many} {word if high == 1 else f'{word}s'}"


def _average(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def _seconds(value: float) -> str | None:
    return f"{value:,.1f}" if math.isfinite(value) else None


def _text(seed: SeedResult, metric: str, policy: str) -> str | None:
    score = seed.score(metric, policy)
    return number(score, abs(score) / 1000) if math.isfinite(score) else None
