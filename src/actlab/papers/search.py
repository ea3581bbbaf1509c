"""Search over short texts: words, beginnings of words, one slip of the pen, and "5 authors". Pure functions.

A document scores, for every word of the query, by the weight of the fields that hold it and by how rare it is among
all documents; all words have to be there. Equal scores are ordered by date (newest first), then by name, so that the
same query over the same documents always gives the same list.
"""

import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WEIGHTS: Mapping[str, float] = {
    "name": 8.0,
    "title": 8.0,
    "tags": 5.0,
    "kinds": 5.0,
    "people": 4.0,
    "summary": 2.0,
    "claims": 1.0,
}
"""What a word in a field is worth; a field that is not listed counts 1."""

EXACT, BEGINNING, SLIP = 1.0, 0.6, 0.4
"""What a match is worth: the word itself, a word that begins with it, a word that is one slip away from it."""

STOPWORDS = frozenset(
    ("a", "an", "and", "are", "by", "for", "from", "in", "is", "it", "of", "on", "or", "the", "to", "with")
)
WORD = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
AUTHORS = re.compile(r"\b(\d+)\s+authors?\b|\bauthors?\s*[:=]\s*(\d+)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Document:
    """Something to be found."""

    name: str
    """Unique among the documents."""
    fields: Mapping[str, str]
    """Field -> its text."""
    authors: int = 0
    """How many; 0 where it is not known."""
    date: str = ""


@dataclass(frozen=True)
class Hit:
    """A document that was found."""

    name: str
    score: float
    words: tuple[str, ...]
    """The words in it that the query found, to be marked."""


@dataclass(frozen=True)
class Index:
    """Documents, and where their words are."""

    documents: Mapping[str, Document]
    places: Mapping[str, Mapping[str, float]]
    """Word -> name of a document -> weight of its fields that hold the word."""
    vocabulary: tuple[str, ...] = field(repr=False)
    """All words, sorted."""


def words_of(text: str) -> list[str]:
    """The words of a text: small letters and digits, without accents; "4.2.4" is one word."""
    plain = text.casefold()
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return WORD.findall(plain)


def build_index(documents: Iterable[Document]) -> Index:
    """An index of documents."""
    known = {document.name: document for document in documents}
    places: dict[str, dict[str, float]] = {}
    for document in known.values():
        for name, text in document.fields.items():
            for word in set(words_of(text)):
                held = places.setdefault(word, {})
                held[document.name] = held.get(document.name, 0.0) + WEIGHTS.get(name, 1.0)
    return Index(known, places, tuple(sorted(places)))


def search(index: Index, query: str, limit: int | None = None) -> list[Hit]:
    """The documents that a query finds, best first.

    Args:
        query: words in any order; "5 authors" (or "authors:5") asks for their number.
        limit: at most so many.
    """
    counts = {int(first or second) for first, second in AUTHORS.findall(query)}
    wanted = list(dict.fromkeys(words_of(AUTHORS.sub(" ", query))))
    wanted = [word for word in wanted if word not in STOPWORDS] or wanted
    if not wanted and not counts:
        return []
    found = [_holders(index, word) for word in wanted]
    names = set.intersection(*map(set, found)) if found else set(index.documents)
    hits = []
    for name in sorted(names):
        if counts <= {index.documents[name].authors}:
            score = math.fsum(holders[name][0] for holders in found)
            words = {match for holders in found for match in holders[name][1]}
            hits.append(Hit(name, round(score, 6), tuple(sorted(words))))
    hits.sort(key=lambda hit: index.documents[hit.name].date, reverse=True)
    hits.sort(key=lambda hit: hit.score, reverse=True)
    return hits[:limit]


def _holders(index: Index, word: str) -> dict[str, tuple[float, list[str]]]:
    """Name -> what a word of a query is worth there, and the words that it means; for the documents that hold any."""
    found: dict[str, tuple[float, list[str]]] = {}
    for match, quality in _matches(index, word):
        held = index.places[match]
        factor = quality * math.log(1.0 + len(index.documents) / len(held))
        for name, weight in held.items():
            score, words = found.get(name, (0.0, []))
            found[name] = max(score, factor * weight), [*words, match]
    return found


def _matches(index: Index, word: str) -> list[tuple[str, float]]:
    """The words of the index that a word of a query means."""
    found = [(word, EXACT)] if word in index.places else []
    if len(word) > (3 if word.isdigit() else 1):
        for i in range(bisect_left(index.vocabulary, word), len(index.vocabulary)):
            if not index.vocabulary[i].startswith(word):
                break
            if index.vocabulary[i] != word:
                found.append((index.vocabulary[i], BEGINNING))
    if not found and len(word) > 3 and word.isalpha():
        found = [(other, SLIP) for other in index.vocabulary if is_one_slip(word, other)]
    return found


def is_one_slip(first: str, second: str) -> bool:
    """Does one letter too many, too few, wrong, or swapped with its neighbour turn one word into the other?"""
    if abs(len(first) - len(second)) > 1 or first == second:
        return False
    short, long = sorted((first, second), key=len)
    same = next((i for i, (x, y) in enumerate(zip(short, long)) if x != y), len(short))
    if len(short) < len(long):
        return short[same:] == long[same + 1 :]
    swapped = short[same + 1 : same + 2] + short[same] + short[same + 2 :]
    return short[same + 1 :] == long[same + 1 :] or swapped == long[same:]
