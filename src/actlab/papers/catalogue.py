"""All papers beside each other: how their claims stand, filters, search, and the rules that their cards follow."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actlab.papers import registry
from actlab.papers.card import JUDGED, PENDING, PLANNED, Claim, Count, Paper, Reported
from actlab.papers.search import Document, Hit, build_index, search
from actlab.papers.taxonomy import Taxonomy, taxonomy


@dataclass(frozen=True)
class Standing:
    """How a claim stands, in words."""

    status: str
    scale: str = ""
    """The scale that judged it; "" for none."""
    figure: str = ""
    """Ours, in one phrase."""
    reason: str = ""
    """Why the status is not better."""


@dataclass(frozen=True)
class Entry:
    """A paper in the catalogue."""

    paper: Paper
    claims: Mapping[str, Standing]

    @property
    def status(self) -> str:
        """`PLANNED`, or that of the primary claim."""
        return PLANNED if self.paper.planned else self.claims[self.paper.primary.name].status


def standing(paper: Paper, results: Path) -> dict[str, Standing]:
    """Claim -> how it stands; without the statistics where there is no result at all.

    Raises:
        Edited: a result was edited by hand.
    """
    if paper.planned or not any((results / paper.card.slug / f"{scale}.json").exists() for scale in JUDGED):
        return {claim.name: Standing(PENDING) for claim in paper.claims}
    from actlab.papers import page

    judged = page.standing(paper, page.read_results(paper, results))
    return {name: Standing(j.status, scale, j.figure, j.reason) for name, (scale, j) in judged.items()}


def entries(results: Path, papers: Iterable[Paper] | None = None) -> list[Entry]:
    """The papers (all that are built in), newest first."""
    chosen = [entry.load() for entry in registry.PAPERS] if papers is None else papers
    ordered = sorted(chosen, key=lambda paper: paper.card.slug)
    ordered.sort(key=lambda paper: paper.card.date, reverse=True)
    return [Entry(paper, standing(paper, results)) for paper in ordered]


# --- filters and search ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filter:
    """Which papers to keep: for every field that is given, those that have one of its values.

    Raises:
        UnknownName: a tag is not in the taxonomy.
    """

    tags: Sequence[str] = ()
    """Ids or codes of the taxonomy; each stands for all that lies below it."""
    kinds: Sequence[str] = ()
    statuses: Sequence[str] = ()
    since: str = ""
    """A year, year-month or day: the first that counts."""
    until: str = ""
    """The last that counts, all of it."""
    _wanted: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self):
        order = taxonomy()
        wanted = frozenset(tag for word in self.tags for tag in order.under(order.find(word).id))
        object.__setattr__(self, "_wanted", wanted)

    def keeps(self, entry: Entry) -> bool:
        """Is it one of them?"""
        card = entry.paper.card
        return (
            (not self.tags or not self._wanted.isdisjoint(card.tags))
            and (not self.kinds or not set(self.kinds).isdisjoint(card.kinds))
            and (not self.statuses or entry.status in self.statuses)
            and card.date >= self.since
            and (not self.until or card.date[: len(self.until)] <= self.until)
        )


def document(entry: Entry) -> Document:
    """What a search finds a paper by: its names, tags (with those above them), kinds, people, and our text."""
    card, order = entry.paper.card, taxonomy()
    known = [tag for tag in card.tags if tag in order.tags]
    above = [order.tags[name] for tag in known for name in order.lineage(tag)]
    tags = [*card.tags, *(f"{record.id} {record.name} {getattr(record, 'code', '')}" for record in above)]
    fields = {
        "name": card.slug,
        "title": card.title,
        "tags": " ".join(tags),
        "kinds": " ".join(card.kinds),
        "people": f"{card.organisation} {card.arxiv} {card.date}",
        "summary": f"{card.summary} {card.here}",
        "claims": " ".join(f"{claim.text} {claim.task}" for claim in entry.paper.claims),
        "status": entry.status,
    }
    return Document(card.slug, fields, card.authors, card.date)


def find(among: Sequence[Entry], query: str, limit: int | None = None) -> list[tuple[Entry, Hit]]:
    """The papers that a query finds, best first."""
    known = {entry.paper.card.slug: entry for entry in among}
    return [(known[hit.name], hit) for hit in search(build_index(map(document, among)), query, limit)]


# --- rules -------------------------------------------------------------------------------------------


def faults(paper: Paper, known: Iterable[str], order: Taxonomy | None = None) -> list[str]:
    """What is wrong with the card of a paper that is built in, each as a sentence.

    Args:
        known: slugs of all papers.
        order: the taxonomy (the one that is built in).
    """
    order = order or taxonomy()
    card, tags, slugs = paper.card, order.tags, set(known)
    unknown = [tag for tag in card.tags if tag not in tags]
    found = [f"{card.slug} has the tag {tag!r}, which the taxonomy does not know." for tag in unknown]
    broad = [tag for tag in card.tags if tag in tags and len(order.under(tag)) > 1]
    found += [f"{card.slug} has the tag {tag!r}, which has parts: name one of them." for tag in broad]
    found += [f"{card.slug} is related to {slug!r}, which is no paper." for slug in card.related if slug not in slugs]
    for name in ("tags", "kinds", "related"):
        values = getattr(card, name)
        if not values:
            found.append(f"{card.slug} has no {name}.")
        if len(set(values)) < len(values):
            found.append(f"{card.slug} has one of its {name} twice.")
    if not 3 <= (count := len(sentences(card.summary))) <= 6:
        found.append(f"The summary of {card.slug} should have 3 to 6 sentences; it has {count}.")
    if not any(map(_is_sourced, paper.claims)):
        found.append(f"{card.slug} has no claim with the paper's figure and where it stands.")
    return found


def _is_sourced(claim: Claim | Count | Reported) -> bool:
    return bool(claim.published and claim.source)


def sentences(text: str) -> list[str]:
    """The sentences of a text; a full stop inside of a word or a number ends none."""
    return [part for part in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])", text.strip()) if part]
