"""Figures of a study: one style, every seed visible, intervals that say what they are.

All functions take plain data and return a matplotlib `Figure`; nothing global is touched and no window opens.
Pass the same `order` of names to all figures of a study: an arm then looks the same in each.

Axis letters: A arms, N seeds, M tasks, P points of a curve.
"""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from actlab.core.files import write_atomically
from actlab.reports import statistics
from actlab.reports.style import (
    FAINT,
    apart,
    as_rows,
    bar,
    finish,
    label_ends,
    limits,
    look,
    new_figure,
    rows_height,
    short,
    step_count,
    style,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = Sequence[tuple[float, float]]
"""P pairs (native environment steps, value), steps ascending."""


def learning_curves(
    arms: Mapping[str, Sequence[Curve]],
    *,
    ylabel: str,
    xlabel: str = "native environment steps",
    title: str = "",
    order: Sequence[str] = (),
    level: float = 0.95,
) -> "Figure":
    """Each arm's mean over its seeds with the t interval of the mean as a band, and every seed as a thin line.

    Seeds that were measured at different steps are interpolated linearly to the union of their steps, within
    the range that all of them cover; nothing is smoothed and no curve is continued beyond its last point.
    The vertical axis shows every seed; a very wide band (two or three seeds) may leave it.

    Raises:
        StatisticsError: no seed has a finite point.
    """
    with style():
        figure, (axes,) = new_figure(6.4, 3.9)
        ends, points, bands = [], [], []
        for name in arms:
            curves = [np.asarray(curve, np.float64).reshape(-1, 2) for curve in arms[name] if len(curve)]
            curves = [curve[np.isfinite(curve).all(axis=1)] for curve in curves]
            curves = [curve for curve in curves if len(curve)]
            if not curves:
                continue
            colour, _, dash = look(name, order or list(arms))
            for curve in curves:
                axes.plot(*curve.T, color=colour, linewidth=0.7, alpha=0.4, zorder=2)
                points.extend(curve[:, 1])
            steps, centre, lower, upper = _mean_curve(curves, level)
            axes.fill_between(steps, lower, upper, color=colour, alpha=0.16, linewidth=0, zorder=1)
            axes.plot(steps, centre, color=colour, linewidth=2, linestyle=dash, zorder=3)
            bands.extend(x for x in (*lower, *upper) if math.isfinite(x))
            last = (steps[-1], centre[-1]) if len(steps) else curves[0][-1]
            ends.append((name, colour, float(last[0]), float(last[1])))
        if not ends:
            raise statistics.StatisticsError("There is no curve to draw: no seed has recorded a finite point.")
        axes.set_ylim(*limits(points, bands))
        axes.margins(x=0)
        label_ends(axes, ends)
        finish(axes, title, xlabel, ylabel, grid="y")
        axes.xaxis.set_major_formatter(step_count)
        axes.yaxis.set_major_formatter(short)
    return figure


def final_scores(
    arms: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    title: str = "",
    order: Sequence[str] = (),
    references: Mapping[str, float] | None = None,
    level: float = 0.95,
) -> "Figure":
    """One row an arm, in the order given: every seed a dot, the mean a tick, its t interval a bar.

    Args:
        references: name -> score of reference policies; a dotted line for each that lies within the axis.
    """
    with style():
        rows = {name: np.asarray(values, np.float64) for name, values in arms.items()}
        rows = {name: values[np.isfinite(values)] for name, values in rows.items()}
        estimates = {name: statistics.t_interval(values, level) for name, values in rows.items() if len(values)}
        names = [wrapped(name) for name in rows]
        points = [x for values in rows.values() for x in values]
        bars = [x for estimate in estimates.values() for x in estimate if math.isfinite(x)]
        low, high = limits(points, bars)
        figure, (axes,) = new_figure(6.4, 1.05 + rows_height(names))
        for row, (name, values) in enumerate(rows.items()):
            colour, marker, _ = look(name, order or list(arms))
            if not len(values):
                place = axes.get_yaxis_transform()
                axes.text(0.01, row, "no seed finished", transform=place, va="center", color=FAINT)
                continue
            mean = estimates[name]
            bar(axes, row, mean.low, mean.high, colour)
            axes.plot([mean.value] * 2, [row - 0.29, row + 0.29], color=colour, linewidth=2.4, zorder=3)
            offsets = apart(values, high - low)
            axes.plot(values, row + offsets, marker, color=colour, markersize=4.6, markeredgewidth=0, zorder=4)
        axes.set_xlim(low, high)
        shown = sorted((value, name) for name, value in (references or {}).items() if low <= value <= high)
        near = [b[0] - a[0] < 0.12 * (high - low) for a, b in pairwise(shown)]
        for (value, name), before, after in zip(shown, [False, *near], [*near, False]):
            axes.axvline(value, color=FAINT, linewidth=1.2, linestyle=":", zorder=1)
            place, side = axes.get_xaxis_transform(), "left" if before else "right" if after else "center"
            axes.text(value, 1.0, name, transform=place, ha=side, va="bottom", fontsize=7.5, color=FAINT)
        as_rows(axes, names)
        finish(axes, title, xlabel, "", grid="x")
        axes.xaxis.set_major_formatter(short)
    return figure


def performance_profiles(
    arms: Mapping[str, statistics.Scores],
    *,
    xlabel: str = "normalised score",
    title: str = "",
    order: Sequence[str] = (),
    level: float = 0.95,
    seed: int = 0,
) -> "Figure":
    """Run-score distributions over several tasks: the fraction of runs above each score, bootstrap bands."""
    with style():
        pooled = np.concatenate([np.ravel(runs) for scores in arms.values() for runs in scores])
        low, high = min(0.0, pooled.min()), max(1.0, pooled.max())
        thresholds = np.linspace(low, high, 201)
        figure, (axes,) = new_figure(6.4, 3.7)
        for name, scores in arms.items():
            colour, _, dash = look(name, order or list(arms))
            profile, lower, upper = statistics.bootstrap_interval(
                lambda tasks: statistics.performance_profile(tasks, thresholds), scores, level=level, seed=seed
            )
            axes.fill_between(thresholds, lower, upper, color=colour, alpha=0.16, linewidth=0, step="post")
            axes.step(thresholds, profile, color=colour, linewidth=2, linestyle=dash, where="post", label=wrapped(name))
        axes.set_xlim(low, high)
        axes.set_ylim(0, 1.02)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), handlelength=2.2, fontsize=8.5, borderaxespad=0)
        finish(axes, title, f"{xlabel} \u03c4", "fraction of runs above \u03c4", grid="both")
    return figure


def aggregate_intervals(
    arms: Mapping[str, statistics.Scores],
    *,
    xlabel: str = "normalised score",
    title: str = "",
    order: Sequence[str] = (),
    level: float = 0.95,
    seed: int = 0,
) -> "Figure":
    """Interquartile mean, median, mean and optimality gap over several tasks, with bootstrap intervals."""
    panels = {
        "interquartile mean": statistics.interquartile_mean,
        "median of tasks": statistics.median,
        "mean": statistics.mean,
        "optimality gap (less is better)": statistics.optimality_gap,
    }
    names = [wrapped(name) for name in arms]
    with style():
        figure, grid = new_figure(6.4, 1.7 + 2 * rows_height(names), rows=2, columns=2)
        for axes, (panel, statistic) in zip(grid, panels.items(), strict=True):
            for row, (name, scores) in enumerate(arms.items()):
                colour, marker, _ = look(name, order or list(arms))
                value, low, high = statistics.bootstrap_interval(statistic, scores, level=level, seed=seed)
                bar(axes, row, float(low), float(high), colour)
                axes.plot([value], [row], marker, color=colour, markersize=6, zorder=3)
            as_rows(axes, names, labels=axes in grid[::2])
            axes.margins(x=0.12)
            axes.locator_params(axis="x", nbins=4)
            finish(axes, "", xlabel if axes in grid[2:] else "", "", grid="x")
            axes.set_title(panel, fontsize=9, fontweight="normal")
        if title:
            figure.suptitle(title, fontsize=10.5, fontweight="bold", x=0.01, ha="left")
    return figure


def improvement(
    pairs: Mapping[tuple[str, str], tuple[statistics.Scores, statistics.Scores]],
    *,
    title: str = "",
    order: Sequence[str] = (),
    level: float = 0.95,
    seed: int = 0,
) -> "Figure":
    """Probability that a run of the first arm beats a run of the second, over tasks, with bootstrap intervals.

    Args:
        pairs: (first, second) -> their scores; one row each, in the order given.
    """
    with style():
        labels = [f"{wrapped(first)}\nover {wrapped(second)}" for first, second in pairs]
        figure, (axes,) = new_figure(6.4, 0.95 + rows_height(labels))
        names = order or list(dict.fromkeys(first for first, _ in pairs))
        for row, ((first, _), scores) in enumerate(pairs.items()):
            colour, marker, _ = look(first, names)
            statistic = statistics.probability_of_improvement
            value, low, high = statistics.bootstrap_interval(statistic, *scores, level=level, seed=seed)
            bar(axes, row, float(low), float(high), colour)
            axes.plot([value], [row], marker, color=colour, markersize=6, zorder=3)
        axes.axvline(0.5, color=FAINT, linewidth=1, linestyle=":", zorder=0)
        axes.set_xlim(-0.02, 1.02)
        as_rows(axes, labels)
        finish(axes, title, "probability of improvement (0.5: neither)", "", grid="x")
    return figure


# --- output ------------------------------------------------------------------------------------------


def png(figure: "Figure", dots_per_inch: int = 200) -> bytes:
    """The figure on white, the same bytes each time."""
    return _render(figure, format="png", dpi=dots_per_inch, facecolor="white", metadata={"Software": None})


def svg(figure: "Figure") -> str:
    """The figure as vectors on a transparent ground, text as outlines, without date or creator."""
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    return _render(figure, format="svg", transparent=True, metadata=nothing).decode()


def save(figure: "Figure", path: str | Path) -> tuple[Path, Path]:
    """Write `path`.png and `path`.svg (a suffix of `path` is replaced); atomic, and byte for byte repeatable."""
    path = Path(path)
    if path.suffix in (".png", ".svg"):
        path = path.with_suffix("")
    raster, vectors = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")
    return write_atomically(raster, png(figure)), write_atomically(vectors, svg(figure))


def _render(figure: "Figure", **options: Any) -> bytes:
    buffer = BytesIO()
    with style():
        figure.savefig(buffer, **options)
    return buffer.getvalue()


def _mean_curve(curves: list[np.ndarray], level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """steps, mean, low, high `[P]` where all curves are defined; NaN ends for a single curve."""
    first, last = max(curve[0, 0] for curve in curves), min(curve[-1, 0] for curve in curves)
    steps = np.unique(np.concatenate([curve[:, 0] for curve in curves]))
    steps = steps[(steps >= first) & (steps <= last)]
    values = np.stack([np.interp(steps, curve[:, 0], curve[:, 1]) for curve in curves])
    centre = values.mean(axis=0)
    if len(curves) < 2:
        return steps, centre, np.full_like(centre, np.nan), np.full_like(centre, np.nan)
    half = stdtrit(len(curves) - 1, (1 + level) / 2) * values.std(axis=0, ddof=1) / math.sqrt(len(curves))
    return steps, centre, centre - half, centre + half
