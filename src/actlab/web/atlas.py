"""The map: the taxonomy with the systems under each word, and the systems along time."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from actlab.papers.taxonomy import taxonomy
from actlab.web.catalogue import all_papers
from actlab.web.place import Place


def routes(place: Place) -> list[Route]:
    """The page's address."""

    def atlas(request: Request) -> Response:
        order, shown = taxonomy(), all_papers(place.results)
        cards = [one.entry.paper.card for one in shown.values()]
        tags = order.tags
        below = {tag: [card for card in cards if tag in card.tags] for tag in tags}
        lines: dict[str, set[str]] = {tag: {tag} for tag in tags}
        for record in (*order.actions, *order.challenges):
            if record.above:
                lines[record.above].add(record.id)
        under = {tag: sum(not line.isdisjoint(card.tags) for card in cards) for tag, line in lines.items()}
        years: dict[str, list] = {}
        for card in reversed(cards):
            years.setdefault(card.date[:4], []).append(card)
        return place.page(
            request,
            "map.html",
            order=order,
            below=below,
            under=under,
            years=years,
            most=max((len(found) for found in years.values()), default=1),
            status={slug: one.entry.status for slug, one in shown.items()},
        )

    return [Route("/map", atlas)]
