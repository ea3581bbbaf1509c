"""The catalogue as a feed: Atom (RFC 4287), RSS 2.0 and JSON Feed 1.1, for readers that people have already."""

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from actlab.papers.taxonomy import taxonomy
from actlab.web.catalogue import Shown, all_papers
from actlab.web.place import Place

TITLE = "actlab: systems for action spaces"
ATOM = "http://www.w3.org/2005/Atom"
MOST = 50
"""Systems of a feed, the newest."""
BAD = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold."""


@dataclass(frozen=True)
class Told:
    """One entry of a feed."""

    id: str
    """The same for ever, wherever the app runs."""
    address: str
    title: str
    text: str
    tags: tuple[str, ...]
    date: datetime
    """Of the paper's first version."""


@dataclass(frozen=True)
class Feed:
    """What all three forms say."""

    base: str
    """Address of the app, without a slash at its end."""
    told: Sequence[Told]

    @property
    def updated(self) -> datetime:
        """The newest entry's date."""
        return max((one.date for one in self.told), default=datetime(1970, 1, 1, tzinfo=UTC))


def routes(place: Place) -> list[Route]:
    """The feeds' addresses."""

    def answered(make: Callable[[Feed], Response]) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            settings = place.desk.public() if request.scope["public"] else ""
            base = settings or f"http://{request.headers['host']}"
            shown = list(all_papers(place.results).values())[:MOST]
            return make(Feed(base, [told(one, base) for one in shown]))

        return answer

    forms = (("atom", atom), ("rss", rss), ("json", json_feed))
    return [Route(f"/feed.{name}", answered(make)) for name, make in forms]


def told(one: Shown, base: str) -> Told:
    """A system as an entry."""
    card, names = one.entry.paper.card, taxonomy().tags
    return Told(
        uuid.uuid5(uuid.NAMESPACE_URL, f"actlab:systems/{card.slug}").urn,
        f"{base}/systems/{card.slug}",
        card.title,
        f"{card.summary} Here: {one.entry.status}.",
        tuple(names[tag].name for tag in card.tags if tag in names),
        datetime.fromisoformat(card.date if len(card.date) > 4 else f"{card.date}-01-01").replace(tzinfo=UTC),
    )


def atom(feed: Feed) -> Response:
    """The feed as Atom."""

    def put(parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
        made = ElementTree.SubElement(parent, name, {n: _clean(v) for n, v in attributes.items()})
        made.text = text if text is None else _clean(text)
        return made

    root = ElementTree.Element("feed", {"xmlns": ATOM})
    put(root, "id", uuid.uuid5(uuid.NAMESPACE_URL, "actlab:systems").urn)
    put(root, "title", TITLE)
    put(root, "updated", _rfc3339(feed.updated))
    put(root, "link", rel="self", type="application/atom+xml", href=f"{feed.base}/feed.atom")
    put(root, "link", rel="alternate", type="text/html", href=f"{feed.base}/")
    put(put(root, "author"), "name", "actlab")
    for one in feed.told:
        entry = put(root, "entry")
        put(entry, "id", one.id)
        put(entry, "title", one.title)
        put(entry, "updated", _rfc3339(one.date))
        put(entry, "published", _rfc3339(one.date))
        put(entry, "link", rel="alternate", type="text/html", href=one.address)
        put(entry, "summary", one.text, type="text")
        for tag in one.tags:
            put(entry, "category", term=tag)
    return _xml(root, "application/atom+xml")


def rss(feed: Feed) -> Response:
    """The feed as RSS."""

    def put(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> ElementTree.Element:
        made = ElementTree.SubElement(parent, name, attributes)
        made.text = _clean(text) or None
        return made

    root = ElementTree.Element("rss", {"version": "2.0", "xmlns:atom": ATOM})
    channel = put(root, "channel")
    put(channel, "title", TITLE)
    put(channel, "link", f"{feed.base}/")
    put(channel, "description", "Published systems, what they claim, and what of it holds here.")
    put(channel, "language", "en")
    put(channel, "lastBuildDate", format_datetime(feed.updated))
    put(channel, "atom:link", rel="self", type="application/rss+xml", href=f"{feed.base}/feed.rss")
    for one in feed.told:
        item = put(channel, "item")
        put(item, "title", one.title)
        put(item, "link", one.address)
        put(item, "guid", one.id, isPermaLink="false")
        put(item, "pubDate", format_datetime(one.date))
        put(item, "description", one.text.replace("&", "&amp;").replace("<", "&lt;"))  # readers take it for HTML
        for tag in one.tags:
            put(item, "category", tag)
    return _xml(root, "application/rss+xml")


def json_feed(feed: Feed) -> Response:
    """The feed as JSON."""
    items = [
        {
            "id": one.id,
            "url": one.address,
            "title": one.title,
            "content_text": one.text,
            "date_published": _rfc3339(one.date),
            "tags": list(one.tags),
        }
        for one in feed.told
    ]
    content = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": TITLE,
        "home_page_url": f"{feed.base}/",
        "feed_url": f"{feed.base}/feed.json",
        "language": "en",
        "items": items,
    }
    return JSONResponse(content, media_type="application/feed+json")


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _clean(text: str) -> str:
    return BAD.sub("", text)


def _xml(root: ElementTree.Element, kind: str) -> Response:
    text = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return Response(text, media_type=f"{kind}; charset=utf-8")
