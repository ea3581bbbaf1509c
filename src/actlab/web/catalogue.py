"""The papers as the pages show them: read again when a result changes, and never stopped by a broken one."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from actlab.core.errors import ActlabError
from actlab.papers.card import JUDGED, PENDING, Paper
from actlab.papers.catalogue import Entry, Standing, entries
from actlab.papers.registry import PAPERS
from actlab.papers.taxonomy import taxonomy


@dataclass(frozen=True)
class Shown:
    """A paper and what is wrong with its results; "" if nothing is."""

    entry: Entry
    trouble: str = ""


class Word(NamedTuple):
    """One of the six words that everything is made of."""

    name: str
    text: str


WORDS = (
    Word("Task", "where one acts"),
    Word("Action code", "how an action is written, and what is allowed"),
    Word("Learner", "improves from experience"),
    Word("Policy", "acts"),
    Word("Episodes", "recorded experience"),
    Word("Study", "a question, asked of runs"),
)
PLACES = {
    "codec": {"Action code"},
    "constraint": {"Action code"},
    "agent": {"Learner", "Policy"},
    "planner": {"Policy"},
    "world": {"Task", "Learner"},
    "benchmark": {"Task", "Episodes"},
    "metric": {"Episodes", "Study"},
    "survey": {"Study"},
}
"""Kind of a card -> the words that it is about."""


def all_papers(results: Path) -> dict[str, Shown]:
    """Slug -> paper, newest first."""
    stamps = []
    for entry in PAPERS:
        for scale in JUDGED:
            path = results / entry.name / f"{scale}.json"
            stamps.append(path.stat().st_mtime_ns if path.exists() else 0)
    return _all_papers(results, tuple(stamps))


@lru_cache(maxsize=4)
def _all_papers(results: Path, stamps: tuple[int, ...]) -> dict[str, Shown]:
    shown = [_show(entry.load(), results) for entry in PAPERS]
    shown.sort(key=lambda one: one.entry.paper.card.slug)
    shown.sort(key=lambda one: one.entry.paper.card.date, reverse=True)
    return {one.entry.paper.card.slug: one for one in shown}


def _show(paper: Paper, results: Path) -> Shown:
    try:
        return Shown(entries(results, [paper])[0])
    except ActlabError as error:  # one result that was edited must not hide the others
        return Shown(Entry(paper, {claim.name: Standing(PENDING) for claim in paper.claims}), str(error))


def figures_of(paper: Paper, results: Path) -> dict[str, Path]:
    """Name -> file of the figures that show a paper's results."""
    from actlab.papers.page import read_results, shown_figures

    try:
        return shown_figures(paper, read_results(paper, results), results)
    except ActlabError:
        return {}


class Square(NamedTuple):
    """One tag in the picture of a card."""

    x: int
    y: int
    on: bool
    name: str


def picture(tags: tuple[str, ...]) -> list[Square]:
    """What a system does about an action space: a row for each of our axes, a square for each part of it."""
    records = taxonomy().actions
    axes = [record for record in records if not record.above]
    squares = []
    for y, axis in enumerate(axes):
        parts = [record for record in records if record.above == axis.id]
        squares += [Square(x, y, part.id in tags, part.name) for x, part in enumerate(parts)]
    return squares


def words_of(kinds: tuple[str, ...]) -> list[tuple[Word, bool]]:
    """The six words, and whether a system of these kinds is about them."""
    about = set().union(*(PLACES[kind] for kind in kinds))
    return [(word, word.name in about) for word in WORDS]
