"""The report as one HTML page: nothing in it is loaded from elsewhere, and no script runs.

Names, sentences and commands come from users and are escaped by the template engine. Only our own figures go
in as markup; matplotlib writes their text as outlines, and what is left of it is removed here.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from actlab.reports import style
from actlab.reports.result import StudyResult
from actlab.reports.summary import (
    arms_table,
    headline,
    judge,
    normalised,
    pairs_table,
    seeds_table,
    span,
)
from actlab.reports.verdict import SEEDS, Verdict

THEME = {
    style.INK: "var(--ink)",
    style.RULE: "var(--rule)",
    style.FAINT: "var(--faint)",
    **{colour: f"var(--series-{i})" for i, colour in enumerate(style.COLOURS)},
}
"""Colours of a figure that follow the page's, light or dark."""


class FigureBlock(NamedTuple):
    """A figure on the page."""

    task: str
    """The section that it belongs to; "" for the one over all tasks."""
    alternative: str
    caption: str
    svg: str


def render(
    result: StudyResult, judged: Mapping[str, Verdict] | None = None, figures: Sequence[FigureBlock] = ()
) -> str:
    """The page as text. The same arguments give the same text.

    Args:
        judged: the verdicts, where they are known already (`summary.judge`).
        figures: in the order in which they are shown within their section.
    """
    from jinja2 import Environment, StrictUndefined

    judged = judge(result) if judged is None else judged
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cells"] = lambda table: table.cells()
    environment.filters["json"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str)
    template = environment.from_string(files("actlab.reports").joinpath("templates/report.html").read_text("utf-8"))
    shown = [block._replace(svg=inline(block.svg, f"f{number}-")) for number, block in enumerate(figures)]
    sections = [
        {
            "task": task,
            "verdict": judged[task],
            "badge": _badge(judged[task]),
            "figures": [block for block in shown if block.task == task],
            "arms": arms_table(result, task, judged[task]),
            "pairs": pairs_table(judged[task]),
            "seeds": seeds_table(result, task),
        }
        for task in result.tasks
    ]
    return template.render(
        result=result,
        headline=headline(result, judged),
        series=[_variables(style.COLOURS), _variables(style.COLOURS_ON_DARK)],
        facts=_facts(result),
        sections=sections,
        several=len(result.tasks) > 1,
        overall=[block for block in shown if not block.task],
        scale=normalised(result),
        fewest=SEEDS,
        seconds=_duration(result.seconds),
        spent=_duration(math.fsum(_finite([seed.seconds for arm in result.arms for seed in arm.seeds]))),
        compiling=_duration(math.fsum(_finite([seed.compile_seconds for arm in result.arms for seed in arm.seeds]))),
    )


def inline(svg: str, prefix: str) -> "Any":
    """An SVG document as an element of the page: its size free, its identifiers its own, its ink the page's.

    Its own style sheet, which would hold for the whole page, is replaced by a rule of the page.

    Args:
        prefix: of the identifiers, different for each figure of a page.
    """
    from markupsafe import Markup

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|href="#|url\(#)', lambda found: found.group(0) + prefix, svg)
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    head = f'<svg {box.group(0) if box else ""} aria-hidden="true" focusable="false"'
    for colour, variable in THEME.items():
        body = body.replace(colour, variable)
    return Markup(f"{head}>{body.strip()}")


def _variables(colours: Sequence[str]) -> str:
    """The colours of the arms as CSS custom properties."""
    return " ".join(f"--series-{i}: {colour};" for i, colour in enumerate(colours))


def _badge(verdict: Verdict) -> tuple[str, str]:
    """(class, words) of the label beside a verdict."""
    return verdict.status.replace(" ", "-"), verdict.status.capitalize()


def _facts(result: StudyResult) -> list[str]:
    """The line under the title."""
    arms = {arm.name for arm in result.arms}
    facts = [span([len(result.tasks)], "task"), span([len(arms)], "arm")]
    if result.arms:
        facts.append(span([len(arm.seeds) for arm in result.arms], "finished seed") + " an arm")
    steps = [arm.steps for arm in result.arms if arm.steps is not None]
    if steps:
        facts.append(span(steps, "native environment step") + " a seed")
    return [*facts, *([result.date] if result.date else [])]


def _finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _duration(seconds: float) -> str:
    """Seconds in words: "1 h 10 min", "45.2 s"; "" where it is not known or nothing."""
    if not math.isfinite(seconds) or seconds <= 0:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
