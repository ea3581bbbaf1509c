"""From a study's result to its report: a folder with the page, the figures, the scores and the result itself."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from actlab.core.files import write_atomically
from actlab.reports import figures, html, table
from actlab.reports.result import POLICIES, Arm, StudyResult
from actlab.reports.summary import arms_values, judge, names, normalised, ranked, scores_values, span
from actlab.reports.verdict import SEEDS, Verdict, listing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """A figure with what one must know to read it."""

    file: str
    """Name of its files, without a suffix."""
    task: str
    """The task that it is about; "" for all together."""
    alternative: str
    """What it shows, for those who cannot see it."""
    caption: str
    figure: "Figure"


def write_report(result: StudyResult, folder: str | Path) -> Path:
    """Write everything that a study has to show, and return the path of its page.

    `report.html` (self-contained), `figures/*.png` and `*.svg`, `study.json` (the result, from which the same
    report can be written again), `scores.csv` (every seed), `arms.csv` and `arms.tex` (the table of arms).
    The page is written last. The same result gives the same bytes.
    """
    folder = Path(folder)
    judged = judge(result)
    drawings = draw(result, judged)
    result.save(folder / "study.json")
    write_atomically(folder / "scores.csv", table.comma_separated(scores_values(result)))
    arms = arms_values(result, judged)
    write_atomically(folder / "arms.csv", table.comma_separated(arms))
    write_atomically(folder / "arms.tex", table.latex(arms))
    blocks = []
    for drawing in drawings:
        _, vectors = figures.save(drawing.figure, folder / "figures" / drawing.file)
        blocks.append(html.FigureBlock(drawing.task, drawing.alternative, drawing.caption, vectors.read_text("utf-8")))
    return write_atomically(folder / "report.html", html.render(result, judged, blocks))


def draw(result: StudyResult, judged: Mapping[str, Verdict]) -> list[Drawing]:
    """All figures of a study: two for each task, three more over several tasks."""
    drawings = []
    for number, task in enumerate(result.tasks, 1):
        prefix = _slug(task) if len(result.tasks) == 1 else f"{number}-{_slug(task)}"
        arms = ranked(result, task, judged[task])
        drawings += _curves(result, task, arms, prefix) + _finals(result, task, arms, prefix)
    return drawings + _over_tasks(result)


def _curves(result: StudyResult, task: str, arms: list[Arm], prefix: str) -> list[Drawing]:
    curves = {arm.name: [seed.curve for seed in arm.seeds if seed.curve] for arm in arms}
    curves = {name: lines for name, lines in curves.items() if lines}
    if not curves:
        return []
    seeds = span([len(lines) for lines in curves.values()], "seed")
    label = result.curve_label or f"{result.metric} during training"
    figure = figures.learning_curves(
        curves, ylabel=label, title=f"{task}: learning curves, {seeds}", order=names(result)
    )
    caption = (
        f"Learning curves on {task}: {label}, over native environment steps. Thick: the mean over {seeds}; band: the "
        "95% t interval of that mean, at each step by itself; thin: every seed. Nothing is smoothed."
    )
    if min(map(len, curves.values())) < 2:
        caption += " An arm with one seed has no band."
    elif min(map(len, curves.values())) < SEEDS:
        caption += " With so few seeds a band can leave the axis."
    return [Drawing(f"{prefix}-curves", task, f"Learning curves of {listing(list(curves))}", caption, figure)]


def _finals(result: StudyResult, task: str, arms: list[Arm], prefix: str) -> list[Drawing]:
    scores = {arm.name: list(arm.scores(result.metric, result.policy).values()) for arm in arms}
    if not any(scores.values()):
        return []
    seeds = span([len(arm.seeds) for arm in arms if arm.seeds], "seed")
    counts = [len(seed.episodes(result.metric, result.policy)) for arm in arms for seed in arm.seeds]
    episodes = span(counts, "episode")
    words = POLICIES[result.policy]
    after = f" after {budget(arms)}" if budget(arms) else ""
    figure = figures.final_scores(
        scores,
        xlabel=f"{result.metric}, {words}, mean of {episodes}",
        title=f"{task}: {seeds}{after}",
        order=names(result),
        references=result.references.get(task),
    )
    caption = (
        f"Final scores on {task}{after}: {result.metric} of the {words}, mean of {episodes} for each seed. Dots: every "
        "seed; tick: the mean; bar: its 95% t interval (none where the seeds have no spread; a bar that is much "
        "wider than the seeds' range leaves the axis)."
    )
    if result.references.get(task):
        caption += " Dotted: reference scores of the task, where they lie within the axis."
    return [Drawing(f"{prefix}-scores", task, f"Final scores of {listing(list(scores))}", caption, figure)]


def _over_tasks(result: StudyResult) -> list[Drawing]:
    scale = normalised(result)
    if not scale.arms:
        return []
    count, order, arms = len(result.tasks), names(result), scale.arms
    runs = span([len(task) for scores in arms.values() for task in scores], "seed")
    bootstrap = "95% stratified bootstrap interval over seeds within tasks (2,000 replications)"
    what = f"{count} tasks, {runs} each"
    scores = "scores normalised so that 0 is the random policy and 1 the expert"
    profile = Drawing(
        "profiles",
        "",
        "Performance profiles",
        f"Performance profiles over {what}: the fraction of runs above each score; {scores}. Band: {bootstrap}, at "
        f"each threshold by itself. {scale.note}".strip(),
        figures.performance_profiles(arms, title=f"Performance profiles, {what}", order=order),
    )
    aggregates = Drawing(
        "aggregates",
        "",
        "Aggregate scores",
        f"Aggregates over {what}; {scores}. Bar: {bootstrap}. These describe; with few seeds they are somewhat too "
        f"narrow, and the verdicts do not use them. {scale.note}".strip(),
        figures.aggregate_intervals(arms, title=f"Aggregates, {what}", order=order),
    )
    best = sorted(arms, key=lambda name: -float(figures.statistics.interquartile_mean(arms[name])))
    if len(best) < 2:
        return [profile, aggregates]
    pairs = {(best[0], other): (arms[best[0]], arms[other]) for other in best[1:]}
    improvement = Drawing(
        "improvement",
        "",
        "Probability of improvement",
        f"How often a random seed of {best[0]} (the best interquartile mean) scores higher than one of another arm, "
        f"ties half, averaged over {count} tasks. Bar: {bootstrap}.",
        figures.improvement(pairs, title=f"Probability of improvement, {what}", order=order),
    )
    return [profile, aggregates, improvement]


def budget(arms: list[Arm]) -> str:
    """The training budget in words: "100,000 steps"; "" where no arm states one."""
    steps = [arm.steps for arm in arms if arm.steps is not None]
    return span(steps, "step") if steps else ""


def _slug(name: str) -> str:
    """A file name's part for any name at all."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:60] or "task"
