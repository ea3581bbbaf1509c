"""The one style of all figures: colours, markers, axes, rows and labels.

Colours are those of Okabe and Ito (2008), distinguishable for colour-blind readers, some of them darker so
that they can be read as text; every arm also has its own marker, so that a print in grey can be read.
"""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, RULE, FAINT = "#22262b", "#d5d9de", "#5c6670"
"""Text; grid lines; secondary text. No series uses them, so a page may replace them for dark screens."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#bf5f97", "#cf8a00", "#3d9fdb", "#7a5ab5", "#8c6d46")
COLOURS_ON_DARK = ("#4aa8e8", "#ff8040", "#2cc298", "#de8abf", "#e8ae3a", "#86caf5", "#ab92e6", "#bd9d72")
"""The same hues, lighter, for pages with a dark ground."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))

STYLE = {
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 9,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "actlab",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}


def style() -> Any:
    """A context in which matplotlib draws in our style; its settings outside are left alone."""
    import matplotlib

    return matplotlib.rc_context(STYLE)


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> "tuple[Figure, list[Axes]]":
    """A figure of this size in inches with its axes row by row, outside of pyplot and its global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, [figure.add_subplot(rows, columns, i + 1) for i in range(rows * columns)]


def look(name: str, order: Sequence[str]) -> tuple[str, str, Any]:
    """(colour, marker, dashes) of an arm, by its place in the study's order."""
    place = list(order).index(name)
    turn = place // len(COLOURS)
    return COLOURS[place % len(COLOURS)], MARKERS[(place + turn) % len(MARKERS)], DASHES[turn % len(DASHES)]


def limits(points: Sequence[float], intervals: Sequence[float]) -> tuple[float, float]:
    """An axis that shows every point, and the intervals as far as half the points' range beyond them."""
    if not len(points):
        return 0.0, 1.0
    low, high = float(min(points)), float(max(points))
    reach = (high - low) / 2
    if len(intervals):
        low, high = max(min(low, *intervals), low - reach), min(max(high, *intervals), high + reach)
    margin = 0.05 * (high - low) if high > low else 0.05 * (abs(high) or 1.0)
    return low - margin, high + margin


def bar(axes: "Axes", row: int, low: float, high: float, colour: str) -> None:
    """An interval in a row; nothing where it is NaN."""
    if math.isfinite(low):
        axes.plot([low, high], [row, row], color=colour, linewidth=6, alpha=0.3, solid_capstyle="butt", zorder=1)


def apart(values: np.ndarray, width: float) -> np.ndarray:
    """Vertical offsets that keep dots which would lie on one another apart: 0, up, down, further up ..."""
    offsets = np.zeros(len(values))
    placed: list[int] = []
    ladder = [0.0, *(sign * 0.09 * rung for rung in range(1, len(values) + 1) for sign in (-1, 1))]
    for i in np.argsort(values, kind="stable"):
        taken = {float(offsets[j]) for j in placed if abs(values[j] - values[i]) < 0.016 * width}
        offsets[i] = next(offset for offset in ladder if offset not in taken)
        placed.append(int(i))
    return np.clip(offsets, -0.36, 0.36)


def as_rows(axes: "Axes", names: Sequence[str], labels: bool = True) -> None:
    """Rows from top to bottom, named as given (wrap long names first), without an axis line."""
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_yticks(range(len(names)), list(names) if labels else [""] * len(names))
    axes.tick_params(axis="y", length=0, labelsize=8.5)
    axes.spines["left"].set_visible(False)


def rows_height(names: Sequence[str]) -> float:
    """Inches that rows with these names need."""
    return len(names) * (0.2 + 0.15 * max((1 + name.count("\n") for name in names), default=1))


def finish(axes: "Axes", title: str, xlabel: str, ylabel: str, grid: str) -> None:
    """Title, axis labels (with units) and grid lines ("x", "y" or "both") behind the data."""
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(True, axis=grid)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def label_ends(axes: "Axes", ends: Sequence[tuple[str, str, float, float]]) -> None:
    """The name of each curve at its end, in its colour, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    labels = sorted(((value - low) / (high - low), name, colour, (step, value)) for name, colour, step, value in ends)
    heights = [0.055 * (1 + wrapped(name).count("\n")) + 0.012 for _, name, _, _ in labels]
    places = spaced([place for place, *_ in labels], heights)
    for place, (_, name, colour, point) in zip(places, labels, strict=True):
        axes.annotate(
            wrapped(name),
            xy=point,
            xycoords="data",
            xytext=(1.035, place),
            textcoords="axes fraction",
            color=colour,
            fontsize=8.5,
            fontweight="bold",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "alpha": 0.6, "shrinkA": 1, "shrinkB": 1},
        )


def spaced(places: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Ascending `places` in [0, 1], moved as little as a sweep up and a sweep down need to keep `heights` apart."""
    moved = list(places)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + (heights[i] + heights[i - 1]) / 2)
    for i in range(len(moved) - 1, -1, -1):
        above = 1.0 if i == len(moved) - 1 else moved[i + 1] - (heights[i] + heights[i + 1]) / 2
        moved[i] = min(moved[i], above)
    return moved


def wrapped(name: str, width: int = 22) -> str:
    """A name in lines of at most about `width` letters, broken after spaces and the joints of a code."""
    lines = [""]
    for piece in re.findall(r"[^ +:,]*[ +:,]*", name):
        if len(lines[-1]) + len(piece.rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.strip() for line in lines)


def short(value: float, position: int | None = None) -> str:
    """Tick labels of values: 0, 2500, 50k, 1.5M."""
    return _short(value, 1e4)


def step_count(value: float, position: int | None = None) -> str:
    """Tick labels of step counts: 0, 500, 2.5k, 1.5M."""
    return _short(value, 1e3)


def _short(value: float, thousands: float) -> str:
    for size, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (thousands, 1e3, "k")):
        if abs(value) >= size:
            return f"{value / unit:.4g}{letter}".replace("-", "\u2212")
    return f"{value:.4g}".replace("-", "\u2212")
