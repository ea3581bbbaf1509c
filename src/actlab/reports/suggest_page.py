"""The page of a suggestion: the ranking, how sure it is, and every rung's scores. Nothing is loaded from elsewhere."""

from importlib.resources import files
from pathlib import Path

from actlab.core.files import write_atomically
from actlab.reports import figures, style
from actlab.reports.html import FigureBlock, inline
from actlab.reports.result import POLICIES
from actlab.reports.suggest import RungResult, SuggestResult


def write_page(result: SuggestResult, folder: str | Path) -> Path:
    """Write `suggest.html`, `figures/rung-*.png` and `*.svg`; returns the page's path.

    The same result gives the same bytes.
    """
    folder = Path(folder)
    blocks = []
    for number, rung in enumerate(result.rungs, 1):
        block = _figure(result, number, rung, folder)
        if block is not None:
            blocks.append(block._replace(svg=inline(block.svg, f"f{number}-")))
    return write_atomically(folder / "suggest.html", render(result, blocks))


def render(result: SuggestResult, blocks: list[FigureBlock]) -> str:
    """The page as text. Names, sentences and commands come from users and are escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cells"] = lambda table: table.cells()
    template = environment.from_string(files("actlab.reports").joinpath("templates/suggest.html").read_text("utf-8"))
    series = [
        " ".join(f"--series-{i}: {colour};" for i, colour in enumerate(colours))
        for colours in (style.COLOURS, style.COLOURS_ON_DARK)
    ]
    return template.render(result=result, sureness=result.sureness, blocks=blocks, series=series)


def _figure(result: SuggestResult, number: int, rung: RungResult, folder: Path) -> FigureBlock | None:
    """Final scores of one rung, best first; None where no seed finished."""
    study = rung.study
    arms = {arm.name: list(arm.scores(study.metric, study.policy).values()) for arm in study.arms}
    shown = {name: arms[name] for name in rung.order}
    if not any(shown.values()):
        return None
    title = f"{result.task}, rung {number} of {len(result.rungs)}: {rung.steps:,} steps, {rung.seeds} seeds"
    figure = figures.final_scores(
        shown,
        xlabel=f"{study.metric}, {POLICIES[study.policy]}",
        title=title,
        order=list(result.rungs[0].order),  # a candidate has one colour in all rungs
        references=study.references.get(result.task),
    )
    _, vectors = figures.save(figure, folder / "figures" / f"rung-{number}")
    after = f"{len(rung.dropped)} dropped after it." if rung.dropped else "Nobody was dropped after it."
    caption = f"Rung {number}: every seed a dot, the mean a tick, its 95% t interval a bar. {after}"
    return FigureBlock("", title, caption, vectors.read_text("utf-8"))
