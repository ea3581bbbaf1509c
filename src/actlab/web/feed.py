"""The feed (all systems by day, with search and filters) and the page of a system."""

from collections.abc import Sequence
from itertools import groupby

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from actlab.core.errors import ActlabError, UnknownName
from actlab.papers.card import KINDS, SCALES, STATUSES
from actlab.papers.catalogue import Entry, Filter, find
from actlab.papers.taxonomy import taxonomy
from actlab.papers.unreviewed import folder_of, read_unreviewed
from actlab.web.catalogue import all_papers, figures_of, picture, words_of
from actlab.web.index import Query
from actlab.web.place import Place, field_of, go_to
from actlab.web.processes import Reproduction

SORTS = {"date": "newest first", "activity": "most discussed first", "status": "most settled first"}
UNREVIEWED = 20
"""Most papers that nobody has read that are shown, the newest."""


def routes(place: Place) -> list[Route]:
    """The pages' addresses."""

    def feed(request: Request) -> Response:
        asked = request.query_params
        chosen = {name: [value for value in asked.getlist(name) if value] for name in ("tag", "kind", "status")}
        shown = all_papers(place.results)
        wanted = Filter(chosen["tag"], chosen["kind"], chosen["status"])
        kept = [one.entry for one in shown.values() if wanted.keeps(one.entry)]
        words = asked.get("q", "")[:200].strip()
        sort = asked.get("sort", "date")
        if sort not in SORTS:
            raise ActlabError(f"Systems are sorted by {', '.join(SORTS)}; received {sort!r}.")
        marks: dict[str, tuple[str, ...]] = {}
        if words:
            found = find(kept, words)
            marks = {entry.paper.card.slug: hit.words for entry, hit in found}
            groups = [("best first", [entry for entry, _ in found])] if found else []
        else:
            groups = _grouped(kept, sort)
        counts = dict.fromkeys(STATUSES, 0)
        for one in shown.values():
            counts[one.entry.status] += 1
        return place.page(
            request,
            "feed.html",
            groups=groups,
            number=len(marks) if words else len(kept),
            total=len(shown),
            counts=counts,
            chosen=chosen,
            words=words,
            marks=marks,
            sort=sort,
            sorts=SORTS,
            kinds=KINDS,
            statuses=STATUSES,
            order=taxonomy(),
            picture=picture,
            unreviewed=[] if words or any(chosen.values()) else read_unreviewed(folder_of())[0][:UNREVIEWED],
            thumbnails={
                entry.paper.card.slug: next(iter(figures_of(entry.paper, place.results)), "")
                for _, entries in groups
                for entry in entries
            },
        )

    def system(request: Request) -> Response:
        slug = request.path_params["slug"]
        shown = all_papers(place.results)
        if slug not in shown:
            raise UnknownName("paper", slug, shown)
        one = shown[slug]
        card = one.entry.paper.card
        started = place.index.find(Query(words=f"reproduce-{slug}-", where={"kind": "study"}))
        return place.page(
            request,
            "system.html",
            entry=one.entry,
            card=card,
            trouble=one.trouble,
            kinds=KINDS,
            words=words_of(card.kinds),
            order=taxonomy(),
            squares=picture(card.tags),
            related=[shown[name].entry.paper.card for name in card.related if name in shown],
            figures=list(figures_of(one.entry.paper, place.results)),
            scales={} if one.entry.paper.planned else SCALES,
            started=started.rows,
        )

    def figure(request: Request) -> Response:
        shown = all_papers(place.results)
        slug, name = request.path_params["slug"], request.path_params["name"]
        known = figures_of(shown[slug].entry.paper, place.results) if slug in shown else {}
        if name not in known:
            raise UnknownName("figure", name, known)
        return FileResponse(known[name], media_type="image/png")

    def reproduce(request: Request) -> Response:
        asked = Reproduction(request.path_params["slug"], field_of(request, "scale", "smoke"))
        return go_to(f"/runs/{place.processes.start(asked).id}")

    return [
        Route("/", feed),
        Route("/systems/{slug}", system),
        Route("/systems/{slug}/figures/{name}", figure),
        Route("/systems/{slug}/reproduce", reproduce, methods=["POST"]),
    ]


def _grouped(entries: Sequence[Entry], sort: str) -> list[tuple[str, list[Entry]]]:
    """Entries under headings: by day, by status, or all under one."""
    if sort == "activity":
        ordered = sorted(entries, key=lambda entry: -entry.paper.card.comments)
        return [("by number of comments", ordered)] if ordered else []
    if sort == "status":
        ordered = sorted(entries, key=lambda entry: STATUSES.index(entry.status))
        return [(status, list(group)) for status, group in groupby(ordered, key=lambda entry: entry.status)]
    return [(day, list(group)) for day, group in groupby(entries, key=lambda entry: entry.paper.card.date)]
