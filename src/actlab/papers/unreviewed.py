"""Papers that were found and that nobody here has read: title, date and number of authors, one JSON file each.

They lie in a folder of one's own, apart from the cards that are built in, and are never shown as if they were those.
"""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError
from actlab.core.files import write_atomically
from actlab.papers.card import ARXIV, is_date

FORMAT = "actlab unreviewed paper 1"
ENVIRONMENT = "ACTLAB_PAPERS"
"""The variable that names the folder."""
LARGEST = 1 << 16
"""Bytes of the largest file that is read."""


@dataclass(frozen=True)
class Unreviewed:
    """What is known of a paper without reading it.

    Raises:
        ActlabError: a field is not written as it should be.
    """

    arxiv: str
    """Its id, without a version."""
    title: str
    date: str
    """Of the first version."""
    authors: int
    """How many."""
    reviewed: bool = False
    """Set by hand by whoever has read it: then it is no longer listed, and still not filed again."""

    def __post_init__(self):
        right = (
            all(isinstance(value, str) for value in (self.arxiv, self.title, self.date))
            and type(self.authors) is int
            and type(self.reviewed) is bool
            and ARXIV.fullmatch(self.arxiv)
            and 0 < len(self.title) <= 500
            and self.title.isprintable()
            and is_date(self.date)
            and self.authors >= 0
        )
        if not right:
            raise ActlabError("An unreviewed paper has an arXiv id, a title, a date and a number of authors.")


def folder_of(path: str | Path | None = None) -> Path:
    """The folder: the one given, else `$ACTLAB_PAPERS`, else `~/.local/share/actlab/papers`."""
    return Path(path or os.environ.get(ENVIRONMENT) or Path.home() / ".local" / "share" / "actlab" / "papers")


def file_of(folder: Path, arxiv: str) -> Path:
    """Where a paper is filed."""
    return folder / f"{re.sub('/', '_', arxiv)}.json"


def write_unreviewed(folder: Path, paper: Unreviewed) -> bool:
    """File a paper, unless it is there already, whatever has been made of it. Was it new?

    Raises:
        ActlabError: it cannot be written.
    """
    path = file_of(folder, paper.arxiv)
    if path.exists():
        return False
    write_atomically(path, json.dumps({"format": FORMAT, **vars(paper)}, indent=1, ensure_ascii=False) + "\n")
    return True


def read_unreviewed(folder: Path) -> tuple[list[Unreviewed], list[str]]:
    """The papers that nobody has read, newest first; and a sentence for each file that could not be read."""
    found, wrong = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(_read(path))
        except (OSError, ValueError, TypeError, RecursionError, ActlabError):
            wrong.append(f"{path} is no unreviewed paper, or could not be read.")
    found = [paper for paper in found if not paper.reviewed]
    found.sort(key=lambda paper: paper.arxiv, reverse=True)
    found.sort(key=lambda paper: paper.date, reverse=True)
    return found, wrong


def _read(path: Path) -> Unreviewed:
    with open(path, "rb") as file:
        content: Any = json.loads(file.read(LARGEST))
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ValueError
    return Unreviewed(**content)


def kept(papers: Iterable[Unreviewed], since: str, until: str) -> list[Unreviewed]:
    """Those between two dates, each a year, a month or a day; "" for no bound."""
    return [paper for paper in papers if paper.date >= since and (not until or paper.date[: len(until)] <= until)]
