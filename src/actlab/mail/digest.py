"""What is new: the catalogue beside what was known of it, as items that a mail shows.

`collect` writes down every difference once, as a numbered row of news; a subscriber's place in that row of numbers is
all that has to be remembered of what somebody has read.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError
from actlab.mail.store import Store
from actlab.papers.card import Paper
from actlab.papers.catalogue import Entry, entries
from actlab.papers.registry import PAPERS
from actlab.papers.taxonomy import taxonomy

KINDS = {"new": "New systems", "status": "Results", "changed": "Cards with new words"}
"""Kind of an item -> the heading above such items, in the order of a mail."""


@dataclass(frozen=True)
class Item:
    """One thing to tell."""

    kind: str
    """One of `KINDS`."""
    slug: str
    title: str
    date: str
    """Of the paper's first version."""
    status: str
    """Now."""
    tags: tuple[str, ...]
    text: str
    """The card's summary."""
    before: str = ""
    """The status before, where it is another one."""
    figure: str = ""
    """Our figure for the claim that the paper stands for; "" for none."""


@dataclass(frozen=True)
class Known:
    """What was known of a system."""

    card: str
    """Fingerprint of what its card says."""
    status: str


def catalogue(results: Path, papers: Sequence[Paper] | None = None) -> list[Entry]:
    """All systems, newest first; without those whose results cannot be read, which `actlab claims` tells of."""
    found = []
    for paper in [entry.load() for entry in PAPERS] if papers is None else papers:
        try:
            found += entries(results, [paper])
        except ActlabError:
            continue  # as if nothing had changed there: a broken file is no news to readers
    found.sort(key=lambda entry: entry.paper.card.slug)
    found.sort(key=lambda entry: entry.paper.card.date, reverse=True)
    return found


def item_of(entry: Entry, kind: str, before: str = "") -> Item:
    """What is told of a system."""
    card = entry.paper.card
    figure = entry.claims[entry.paper.primary.name].figure
    return Item(kind, card.slug, card.title, card.date, entry.status, card.tags, card.summary, before, figure)


def known_of(entry: Entry) -> Known:
    """What is remembered of a system; comments are not, for they come and go."""
    card = {**dataclasses.asdict(entry.paper.card), "comments": 0}
    claims = [(claim.name, claim.text, claim.published) for claim in entry.paper.claims]
    told = json.dumps([card, claims], sort_keys=True)
    return Known(hashlib.sha256(told.encode()).hexdigest(), entry.status)


def differences(before: Mapping[str, Known], now: Iterable[Entry]) -> list[Item]:
    """What has changed, one item a system: a new status says more than new words."""
    found = []
    for entry in now:
        old = before.get(entry.paper.card.slug)
        if old is None:
            found.append(item_of(entry, "new"))
        elif old.status != entry.status:
            found.append(item_of(entry, "status", old.status))
        elif old.card != known_of(entry).card:
            found.append(item_of(entry, "changed"))
    return found


def known(store: Store) -> dict[str, Known]:
    """What was known when news were collected last."""
    return {row["slug"]: Known(row["card"], row["status"]) for row in store.rows("SELECT * FROM known")}


def collect(store: Store, now: Sequence[Entry], day: date) -> list[Item]:
    """Write down what is new, once. The first time, what there is becomes what is known, and nothing is news."""
    before = known(store)
    items = differences(before, now) if before else []
    with store.change() as base:
        for item in items:
            content = json.dumps(dataclasses.asdict(item))
            row = (day.isoformat(), item.kind, item.slug, content)
            base.execute("INSERT INTO news (day, kind, slug, content) VALUES (?, ?, ?, ?)", row)
        for entry in now:
            has = known_of(entry)
            base.execute("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", (entry.paper.card.slug, has.card, has.status))
    return items


def read_items(contents: Iterable[str]) -> list[Item]:
    """Items as `collect` wrote them, oldest first: one a system, with all that happened to it."""
    merged: dict[str, Item] = {}
    for content in contents:
        fields: dict[str, Any] = json.loads(content)
        item = Item(**{**fields, "tags": tuple(fields["tags"])})
        old = merged.pop(item.slug, None)
        if old is not None:
            item = _joined(old, item)
        merged[item.slug] = item
    rank = list(KINDS)
    shown = [item for item in merged.values() if item.kind != "status" or item.before != item.status]
    shown.sort(key=lambda item: item.date, reverse=True)
    return sorted(shown, key=lambda item: rank.index(item.kind))


def _joined(old: Item, item: Item) -> Item:
    kind = min(old.kind, item.kind, key=list(KINDS).index)
    before = old.before or (item.before if old.kind != "new" else "")
    return dataclasses.replace(item, kind=kind, before=before)


def chosen(items: Iterable[Item], tags: Iterable[str]) -> list[Item]:
    """Those with one of the tags, or one below it; all of them where there are no tags."""
    wanted = {below for tag in tags for below in taxonomy().under(tag)}
    return [item for item in items if not wanted or not wanted.isdisjoint(item.tags)]


def since(now: Iterable[Entry], day: str) -> list[Item]:
    """The systems from a day on, as if they were all new."""
    return [item_of(entry, "new") for entry in now if entry.paper.card.date >= day]


# --- issues ------------------------------------------------------------------------------------------


def is_due(cadence: str, today: date, confirmed: date, last: date | None) -> bool:
    """Does somebody get a mail today, if there is something to say?

    Args:
        confirmed: when the subscription began.
        last: the day of the last mail.
    """
    if last is not None and last >= today:
        return False
    return cadence == "daily" or today.isoweekday() == 1 or (today - (last or confirmed)).days >= 7


def subject(items: Sequence[Item]) -> str:
    """One line of what is inside."""
    counts = {kind: sum(item.kind == kind for item in items) for kind in KINDS}
    words = {"new": ("new system", "new systems"), "status": ("new result", "new results")}
    words["changed"] = ("changed card", "changed cards")
    parts = [f"{count} {words[kind][count != 1]}" for kind, count in counts.items() if count]
    return f"actlab: {', '.join(parts)}"


@dataclass(frozen=True)
class Page:
    """The two forms of a mail."""

    subject: str
    text: str
    html: str


def render(items: Sequence[Item], day: date, base: str, key: str) -> Page:
    """A mail of news.

    Args:
        base: address of the web app.
        key: of the reader's own links; "" for a preview, which has none.
    """
    order = taxonomy().tags
    values = {
        "groups": [(title, [item for item in items if item.kind == kind]) for kind, title in KINDS.items()],
        "names": {tag: order[tag].name for item in items for tag in item.tags if tag in order},
        "day": day.isoformat(),
        "base": base,
        "key": key,
    }
    line = subject(items)
    return Page(line, _filled("digest.txt", **values), _filled("digest.html", title=line, **values))


def render_confirmation(base: str, key: str, choice: str) -> Page:
    """The mail that asks whether its reader wants news."""
    line = "actlab: do you want news by mail?"
    values = {"base": base, "key": key, "choice": choice}
    return Page(line, _filled("confirm.txt", **values), _filled("confirm.html", title=line, **values))


def _filled(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> Any:
    """Jinja's environment: everything is escaped, but in text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("actlab.mail"),
        autoescape=lambda name: name is None or not name.endswith(".txt"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["filled"] = _wrapped
    return environment


def _wrapped(text: str, width: int = 74) -> str:
    """A paragraph of a text mail, indented by two."""
    import textwrap

    return textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False)
