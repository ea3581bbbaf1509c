"""The page that compares: a study, or runs that are picked. Statistics, tables and figures are those of the report.

The address names what is compared, so it is a permanent link. Of picked runs, those with equal settings are the seeds
of one arm, and a seed's score is the return of its last evaluation; unfinished ones are shown as curves alone.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actlab.core.errors import ActlabError
from actlab.reports import figures, table
from actlab.reports.compare import Drawing, draw
from actlab.reports.html import THEME
from actlab.reports.result import Arm, SeedResult, StudyResult
from actlab.reports.style import COLOURS, COLOURS_ON_DARK, FAINT, INK, RULE
from actlab.reports.summary import (
    arms_table,
    arms_values,
    headline,
    judge,
    names,
    normalised,
    pairs_table,
    ranked,
    scores_values,
    seeds_table,
    span,
)
from actlab.reports.verdict import Verdict
from actlab.web.index import Query, Row
from actlab.web.place import Place
from actlab.web.running import read_piece

METRIC = "last return"
"""What is compared of picked runs."""
MOST = 200
"""Runs that are compared at a time."""
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Of a picture: it styles itself, and nothing else."""

_DRAWING = threading.Lock()
"""Settings of matplotlib hold for the whole process, so one figure is drawn at a time."""


@dataclass(frozen=True)
class Compared:
    """What a page shows."""

    result: StudyResult
    verdicts: Mapping[str, Verdict]
    drawings: tuple[Drawing, ...]
    notes: tuple[str, ...]


class Picked(NamedTuple):
    """A run with the settings that make its arm."""

    row: Row
    options: Mapping[str, Any]


def routes(place: Place) -> list[Route]:
    """The pages' addresses."""

    def chosen(request: Request) -> tuple[tuple[str, str, float], ...]:
        """(kind, id, time of its last change) of all that the address names."""
        asked = request.query_params
        ids = list(dict.fromkeys([*asked.getlist("study"), *asked.getlist("run")]))
        if len(ids) > MOST:
            raise ActlabError(f"At most {MOST} runs are compared at a time; received {len(ids)}.")
        found = []
        for id in ids:
            folder = place.index.folder(id)
            row = place.index.look(folder) if folder is not None else None
            if row is None:
                raise HTTPException(404, "One of these runs is not there any more.")
            found.append((row.facts.kind, id, row.facts.changed))
        return tuple(found)

    @lru_cache(maxsize=8)
    def compared(key: tuple[tuple[str, str, float], ...]) -> Compared:
        studies = [id for kind, id, _ in key if kind != "run"]
        if studies:
            if len(key) > 1:
                raise ActlabError("One study at a time, or runs.")
            folder = place.index.folder(studies[0])
            if folder is None or not (folder / "study.json").is_file():
                raise ActlabError("It has no result yet: a study is compared when it has ended.")
            result, notes = StudyResult.load(folder / "study.json"), ()
            verdicts = judge(result)
            with _DRAWING:
                return Compared(result, verdicts, tuple(draw(result, verdicts)), notes)
        rows = [row for _, id, _ in key if (row := place.index.get(id)) is not None]
        return compare_runs(place, rows)

    def page(request: Request) -> Response:
        place.refresh()
        key = chosen(request)
        studies = place.index.find(Query(where={"kind": "study"}, size=100)).rows
        if not key:
            recent = place.index.find(Query(where={"kind": "run"}, size=30)).rows
            return place.page(request, "compare.html", found=None, studies=studies, recent=recent)
        found = compared(key)
        sections = []
        for task in found.result.tasks:
            verdict = found.verdicts[task]
            tables = [arms_table(found.result, task, verdict)]
            tables += [pairs_table(verdict)] if verdict.pairs else []
            tables += [seeds_table(found.result, task)]
            drawings = [drawing for drawing in found.drawings if drawing.task == task]
            sections.append({"task": task, "verdict": verdict, "drawings": drawings, "tables": tables})
        return place.page(
            request,
            "compare.html",
            found=found,
            headline=headline(found.result, found.verdicts),
            sections=sections,
            overall=[drawing for drawing in found.drawings if not drawing.task],
            scale=normalised(found.result),
            link=urlencode([("study" if kind != "run" else "run", id) for kind, id, _ in key]),
            studies=studies,
            recent=[],
        )

    def picture(request: Request) -> Response:
        found, (name, _, suffix) = compared(chosen(request)), request.path_params["file"].rpartition(".")
        drawing = next((drawing for drawing in found.drawings if drawing.file == name), None)
        if drawing is None or suffix not in ("svg", "png"):
            raise HTTPException(404, "There is no such figure.")
        with _DRAWING:
            content = figures.svg(drawing.figure).encode() if suffix == "svg" else figures.png(drawing.figure)
        headers = {"content-disposition": f'inline; filename="{name}.{suffix}"'}
        if suffix == "png":
            return Response(content, media_type="image/png", headers=headers)
        if "themed" in request.query_params:
            content = themed(content.decode()).encode()
        headers["content-security-policy"] = SVG_POLICY
        return Response(content, media_type="image/svg+xml", headers=headers)

    def values(request: Request) -> Response:
        found, name = compared(chosen(request)), request.path_params["name"]
        if name == "scores":
            content = scores_values(found.result)
        elif name == "arms":
            content = arms_values(found.result, found.verdicts)
        else:
            raise HTTPException(404, "There are scores.csv and arms.csv.")
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return Response(table.comma_separated(content), media_type="text/csv", headers=headers)

    return [
        Route("/compare", page),
        Route("/compare/figures/{file}", picture),
        Route("/compare/{name}.csv", values),
    ]


def themed(svg: str) -> str:
    """A figure whose ink follows the reader's light or dark screen."""

    def variables(ink: str, rule: str, faint: str, colours: Sequence[str]) -> str:
        series = "".join(f"--series-{i}:{colour};" for i, colour in enumerate(colours))
        return f"--ink:{ink};--rule:{rule};--faint:{faint};{series}"

    light, dark = variables(INK, RULE, FAINT, COLOURS), variables("#e8eaed", "#3c4249", "#a4adb6", COLOURS_ON_DARK)
    for colour, variable in THEME.items():
        svg = svg.replace(colour, variable)
    sheet = f"<style>:root{{{light}}}@media (prefers-color-scheme: dark){{:root{{{dark}}}}}</style>"
    head = svg.index(">", svg.index("<svg")) + 1
    return svg[:head] + sheet + svg[head:]


# --- picked runs -------------------------------------------------------------------------------------


def compare_runs(place: Place, rows: Sequence[Row]) -> Compared:
    """Runs as a study.

    Raises:
        ActlabError: nothing is there that can be compared.
    """
    picked = [Picked(row, json.loads(row.facts.options or "{}")) for row in rows if row.facts.state != "broken"]
    picked = [run for run in picked if isinstance(run.options, dict)]
    notes = [f"{row.name} is broken: {row.facts.note}" for row in rows if row.facts.state == "broken"]
    if not picked:
        raise ActlabError("None of these runs can be read.")
    labels = _labels(picked)
    arms: dict[tuple[str, str], dict[int, SeedResult]] = {}
    for run in sorted(picked, key=lambda run: run.row.facts.changed):
        facts, label = run.row.facts, labels[run.row.id]
        seeds = arms.setdefault((facts.task, label), {})
        seed = facts.seed or 0
        if seed in seeds:
            notes.append(f"Seed {seed} of {label} on {facts.task} was picked twice; the run that changed last counts.")
        scored = facts.state == "finished" and facts.score is not None
        if not scored:
            notes.append(f"{run.row.name} is {facts.state}: its curve is shown, and it has no score.")
        scores = {METRIC: {"deterministic": [facts.score]}} if scored and facts.score is not None else {}
        seeds[seed] = SeedResult(seed, scores, _curve(place, run.row))
    first = {(run.row.facts.task, labels[run.row.id]): run for run in picked}
    whole = [_arm(first[key], key, list(seeds.values())) for key, seeds in arms.items()]
    tasks = list(dict.fromkeys(arm.task for arm in whole))
    counted = [_scored(arm) for arm in whole]
    result = StudyResult("Picked runs", "", tasks, [arm for arm in counted if arm.seeds], metric=METRIC)
    verdicts = judge(result)
    shown = StudyResult("Picked runs", "", tasks, whole, metric=METRIC)
    with _DRAWING:
        return Compared(result, verdicts, tuple(_draw(shown, result, verdicts)), tuple(notes))


def _arm(run: Picked, key: tuple[str, str], seeds: list[SeedResult]) -> Arm:
    facts = run.row.facts
    return Arm(key[1], facts.agent, facts.code, key[0], seeds, facts.budget, run.options)


def _scored(arm: Arm) -> Arm:
    return Arm(
        *(arm.name, arm.agent, arm.code, arm.task), [s for s in arm.seeds if s.scores], arm.steps, arm.parameters
    )


def _labels(picked: Sequence[Picked]) -> dict[str, str]:
    """Id -> name of its arm: agent and code, and what else differs between runs that share them."""
    found = {}
    for run in picked:
        facts = run.row.facts
        alike = [p for p in picked if (p.row.facts.agent, p.row.facts.code) == (facts.agent, facts.code)]
        differing = sorted(
            name
            for name in set().union(*(p.options for p in alike))
            if len({json.dumps(p.options.get(name), sort_keys=True) for p in alike}) > 1
        )
        more = [f"{name}={run.options.get(name)}" for name in differing]
        if len({p.row.facts.budget for p in alike if p.row.facts.task == facts.task}) > 1:
            more.append(f"steps={facts.budget}")
        options = f":{','.join(more)}" if more else ""
        found[run.row.id] = f"{facts.agent}{options} + {facts.code}"
    return found


def _curve(place: Place, row: Row) -> list[tuple[float, float]]:
    """(steps, return) of its evaluations."""
    folder, rows, begin = place.index.folder(row.id), [], 0
    while folder is not None:
        piece, begin, _ = read_piece(folder / "metrics.jsonl", begin)
        if not piece:
            break
        rows += piece
    return [(row["steps"], row["evaluation/return"]) for row in rows if row.get("evaluation/return") is not None]


def _draw(shown: StudyResult, result: StudyResult, verdicts: Mapping[str, Verdict]) -> list[Drawing]:
    drawings, order = [], names(shown)
    for number, task in enumerate(shown.tasks, 1):
        curves = {arm.name: [seed.curve for seed in arm.seeds if seed.curve] for arm in shown.on(task)}
        curves = {name: lines for name, lines in curves.items() if lines}
        if curves:
            seeds = span([len(lines) for lines in curves.values()], "seed")
            label = "return of the greedy policy along training"
            figure = figures.learning_curves(curves, ylabel=label, title=f"{task}: {seeds}", order=order)
            caption = f"Learning curves on {task}. Thick: the mean over {seeds}; band: its 95% t interval; thin: seeds."
            drawings.append(Drawing(f"{number}-curves", task, f"Learning curves on {task}", caption, figure))
        arms = ranked(result, task, verdicts[task])
        if not arms:
            continue
        scores = {arm.name: list(arm.scores(METRIC).values()) for arm in arms}
        xlabel, title = "return of the last evaluation, greedy policy", f"{task}: every finished seed"
        figure = figures.final_scores(scores, xlabel=xlabel, title=title, order=order)
        caption = f"Scores on {task}: dots are seeds, the tick their mean, the bar its 95% t interval."
        drawings.append(Drawing(f"{number}-scores", task, f"Scores on {task}", caption, figure))
        best, others = arms[0], arms[1:]
        if others:
            ours = [list(best.scores(METRIC).values())]
            pairs = {(best.name, arm.name): (ours, [list(arm.scores(METRIC).values())]) for arm in others}
            figure = figures.improvement(pairs, title=f"{task}: probability of improvement", order=order)
            caption = (
                f"How often a random seed of {best.name} scores higher than one of another arm, ties half. Bar: 95% "
                "bootstrap interval; with few seeds it is too narrow, and the verdict does not use it."
            )
            drawings.append(Drawing(f"{number}-improvement", task, f"Improvement on {task}", caption, figure))
    return drawings
