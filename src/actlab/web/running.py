"""The pages of runs: the list, one run with its live curves, and the forms that start, stop and resume."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from actlab.core.errors import ActlabError
from actlab.core.registry import AGENTS, CODES
from actlab.web.folders import LOG, STATES, tail
from actlab.web.index import Query, Row
from actlab.web.place import Place, field_of, go_to
from actlab.web.processes import Comparison, Training

PIECE = 1 << 18
"""Bytes of metrics in one message of live curves."""


def routes(place: Place) -> list[Route]:
    """The pages' addresses."""

    def listing(request: Request) -> Response:
        place.refresh()
        asked = request.query_params
        where = {name: asked[name] for name in ("state", "task", "agent", "kind") if asked.get(name)}
        query = Query(
            words=asked.get("q", "")[:200],
            where=where,
            sort=asked.get("sort", "changed"),
            descending=asked.get("order", "down") != "up",
            page=_number(asked.get("page", "1")),
        )
        found = place.index.find(query)

        def link(**changes: Any) -> str:
            kept = {name: value for name, value in asked.items() if value and name not in changes}
            return "?" + urlencode({**kept, **{name: value for name, value in changes.items() if value}})

        return place.page(
            request,
            "runs.html",
            found=found,
            query=query,
            where=where,
            link=link,
            counts=place.index.counts(),
            states=STATES,
            tasks=place.index.values("task"),
            agents=place.index.values("agent"),
            root=str(place.index.root),
            **choices(),
        )

    def states(request: Request) -> Response:
        place.refresh()
        rows = [place.index.get(id) for id in request.query_params.getlist("id")[:500]]
        return JSONResponse({row.id: summary(row) for row in rows if row is not None})

    def folder_of(request: Request) -> tuple[Row, Path]:
        id = request.path_params["id"]
        folder = place.index.folder(id)
        row = place.index.look(folder) if folder is not None else None
        if folder is None or row is None:
            raise HTTPException(404, "There is no such run.")
        return row, folder

    def one(request: Request) -> Response:
        row, folder = folder_of(request)
        said = [line.decode("utf-8", "replace") for line in tail(folder / LOG, 8192)][-40:]
        config = row.facts.state != "broken" and _read(folder / "run.json")
        return place.page(
            request,
            "run.html",
            row=row,
            states=STATES,
            said=said,
            config=config or {},
            studied=(folder / "study.json").is_file(),
            parts=place.index.find(Query(words=f"{row.name}/", size=100)).rows if row.facts.kind != "run" else [],
            charted=row.facts.kind == "run" and (folder / "metrics.jsonl").is_file(),
        )

    def events(request: Request) -> Response:
        row, folder = folder_of(request)
        began = _number(request.headers.get("last-event-id", "0"), 0)
        return StreamingResponse(
            _stream(place, row.id, folder, began), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
        )

    def train(request: Request) -> Response:
        steps, seed = _whole(request, "steps", "20000"), _whole(request, "seed", "0")
        code = field_of(request, "code", "identity")
        asked = Training(field_of(request, "agent"), field_of(request, "task"), code, steps, seed)
        return go_to(f"/runs/{place.processes.start(asked).id}")

    def compare(request: Request) -> Response:
        agents = tuple(field_of(request, "agents").split())
        codes = tuple(field_of(request, "codes", "identity").split())
        steps, seeds = _whole(request, "steps", "20000"), _whole(request, "seeds", "5")
        asked = Comparison(agents, field_of(request, "task"), codes, steps, seeds)
        return go_to(f"/runs/{place.processes.start(asked).id}")

    def stop(request: Request) -> Response:
        row, folder = folder_of(request)
        place.processes.stop(folder)
        return go_to(f"/runs/{row.id}")

    def resume(request: Request) -> Response:
        row, folder = folder_of(request)
        place.processes.resume(folder)
        return go_to(f"/runs/{row.id}")

    return [
        Route("/runs", listing),
        Route("/runs/states", states),
        Route("/runs/train", train, methods=["POST"]),
        Route("/runs/compare", compare, methods=["POST"]),
        Route("/runs/{id}", one),
        Route("/runs/{id}/events", events),
        Route("/runs/{id}/stop", stop, methods=["POST"]),
        Route("/runs/{id}/resume", resume, methods=["POST"]),
    ]


def choices() -> dict[str, list[tuple[str, str]]]:
    """Names and summaries for the forms."""
    from actlab.core.registry import TASKS
    from actlab.tasks import catalogue

    assert catalogue.TASKS is TASKS  # importing the catalogue has filled it
    known = {"known_agents": AGENTS, "known_codes": CODES, "known_tasks": TASKS}
    return {name: [(entry.name, entry.summary) for entry in registry] for name, registry in known.items()}


def summary(row: Row) -> dict[str, Any]:
    """What changes of a row while one looks at it."""
    facts = row.facts
    return {
        "state": facts.state,
        "steps": facts.steps,
        "budget": facts.budget,
        "progress": round(row.progress, 4),
        "rate": None if row.rate is None else round(row.rate),
        "left": None if row.left is None else round(row.left),
        "score": facts.score,
        "note": facts.note,
    }


def _number(text: str, default: int = 1) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else default


def _whole(request: Request, name: str, default: str) -> int:
    text = field_of(request, name, default).replace("_", "").replace(",", "")
    if not (text.isascii() and text.isdigit() and len(text) < 15):
        raise ActlabError(f"The {name} should be a whole number; received {text[:40]!r}.")
    return int(text)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes()) if path.stat().st_size < PIECE else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


# --- live curves -------------------------------------------------------------------------------------


def read_piece(path: Path, begin: int) -> tuple[list[dict[str, Any]], int, bool]:
    """The rows of metrics behind a place in the file; where they end; and whether the file has become shorter.

    A resumed run cuts off what it had not yet saved, and the rows are then read again from the top.
    """
    try:
        with open(path, "rb") as file:
            shorter = begin > file.seek(0, 2)
            begin = 0 if shorter else begin
            file.seek(begin)
            piece = file.read(PIECE)
    except OSError:
        return [], 0, begin > 0
    whole = piece.rfind(b"\n") + 1
    rows = []
    for line in piece[:whole].split(b"\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and type(row.get("steps")) is int:
            rows.append({name: _plain(value) for name, value in row.items()})
    return rows, begin + whole, shorter


def _plain(value: Any) -> float | None:
    """A number that JSON has, or None."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None


async def _stream(place: Place, id: str, folder: Path, begin: int, pause: float = 1.0) -> AsyncIterator[str]:
    """Server-sent events: `rows` of metrics, `state`, `again` where rows are to be forgotten, and `end`."""
    before = None
    while True:
        row = await run_in_threadpool(place.index.look, folder)
        rows, begin, shorter = await run_in_threadpool(read_piece, folder / "metrics.jsonl", begin)
        if shorter:
            yield "event: again\ndata: {}\n\n"
        if rows:
            yield f"id: {begin}\nevent: rows\ndata: {json.dumps(rows)}\n\n"
            continue
        now = summary(row) if row is not None else None
        if now != before:
            yield f"event: state\ndata: {json.dumps(now)}\n\n"
            before = now
        if row is None or row.facts.state not in ("running", "starting"):
            yield "event: end\ndata: {}\n\n"
            return
        place.processes.tidy()
        await asyncio.sleep(pause)
