"""The page of the documentation that lists all papers, by date and by tag; written from the cards and results."""

from collections.abc import Sequence
from pathlib import Path

from actlab.core.files import write_atomically
from actlab.papers.card import PLANNED
from actlab.papers.catalogue import Entry, entries
from actlab.papers.page import escaped, links
from actlab.papers.taxonomy import Action, Challenge, Period, Tag, taxonomy


def index_path(docs: Path) -> Path:
    """Where the list lies."""
    return docs / "papers" / "index.md"


def write_index(results: Path, docs: Path) -> Path:
    """Write the list of all papers."""
    return write_atomically(index_path(docs), index(entries(results)))


def index(papers: Sequence[Entry]) -> str:
    """The list as Markdown, in the order of the papers."""
    from actlab.reports.table import Table, markdown

    rows = [
        [f"[{card.slug}]({card.slug}.md)", card.date, ", ".join(card.kinds), status, escaped(card.title)]
        for card, status in ((entry.paper.card, entry.status) for entry in papers)
    ]
    planned = sum(entry.status == PLANNED for entry in papers)
    blocks = [
        "# Papers",
        "<!-- made by `actlab papers page`; do not edit -->",
        f"{len(papers)} published systems have a card here: would it help you, what was shown, what it costs. "
        f"{len(papers) - planned} can be run, and {planned} are planned: of these there is the card, and nothing else. "
        "The status is that of the claim that a paper stands for; what it means stands in "
        "[reproducing](../reproducing.md).",
        markdown(Table(["paper", "date", "is", "status", "title"], rows, 5)).rstrip(),
        "## By what is done about the action space",
        *_ordered(papers, taxonomy().actions),
        "## By part of a vision-language-action model",
        "The order is that of the survey [vla-anatomy](vla-anatomy.md); who goes where is our choice.",
        _list(papers, [*taxonomy().modules, *taxonomy().milestones]),
        "The survey's timeline, with about how many models it shows:",
        _timeline(taxonomy().periods),
        "## By what is hard",
        *_ordered(papers, taxonomy().challenges),
    ]
    return "\n\n".join(blocks) + "\n"


def _ordered(papers: Sequence[Entry], records: Sequence[Action | Challenge]) -> list[str]:
    """A heading for every top of an axis, and a list of what lies below."""
    blocks = []
    for top in records:
        if not top.above:
            blocks += [f"### {top.name}", f"{top.text}{_named(_holders(papers, top))}"]
            blocks.append(_list(papers, [record for record in records if record.above == top.id]))
    return blocks


def _list(papers: Sequence[Entry], records: Sequence[Tag]) -> str:
    return "\n".join(
        f"- **{record.name}** (`{record.id}`). {record.text}{_named(_holders(papers, record)) or ' *Not covered.*'}"
        for record in records
    )


def _timeline(periods: Sequence[Period]) -> str:
    return "\n".join(f"- **{each.name}**: {each.models}, among them {', '.join(each.examples)}." for each in periods)


def _holders(papers: Sequence[Entry], record: Tag) -> list[str]:
    return [entry.paper.card.slug for entry in papers if record.id in entry.paper.card.tags]


def _named(slugs: Sequence[str]) -> str:
    return f" {links(slugs)}." if slugs else ""
