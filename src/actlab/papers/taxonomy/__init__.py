"""The words by which papers are ordered: records in the JSON files beside this one, each file with its schema below.

Two orders meet here. Modules, milestones, periods and challenges of vision-language-action models are those of the
survey "An Anatomy of Vision-Language-Action Models" (arXiv 2512.11362; the ids, the parts of a module and all texts
are ours). `actions.json` is our own: what can be done about an action space. A record that is edited, added or
removed changes the catalogue without any code.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, get_args, get_origin

from actlab.core.errors import ActlabError, UnknownName

ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class BadRecord(ActlabError):
    """A record of the taxonomy that does not fit its schema."""


@dataclass(frozen=True)
class Module:
    """A part that a vision-language-action model is made of."""

    id: str
    code: str
    """The survey's: M1 to M5."""
    name: str
    section: str
    """Of the survey."""
    text: str
    """What belongs here, in our words."""
    parts: tuple[str, ...]
    """The usual choices (ours)."""


@dataclass(frozen=True)
class Milestone:
    """A way in which such models are put together."""

    id: str
    code: str
    name: str
    text: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Period:
    """A stretch of the survey's timeline."""

    id: str
    name: str
    last: int
    """Its last year."""
    models: int
    """About how many models the survey's figure shows."""
    examples: tuple[str, ...]
    """Names of some of them."""


@dataclass(frozen=True)
class Challenge:
    """What is still hard; five of them have parts."""

    id: str
    code: str
    """C1 to C5; of a part the section of the survey: 4.2.4."""
    name: str
    text: str
    above: str
    """The challenge that it is a part of; "" for the five."""
    table: str
    """What the survey's public table calls it."""


@dataclass(frozen=True)
class Action:
    """Something that can be done about an action space; five of them have parts."""

    id: str
    name: str
    text: str
    above: str
    """The axis that it lies on; "" for the axes."""


Tag = Module | Milestone | Challenge | Action
"""What a paper can be tagged with."""

SCHEMAS: dict[str, type] = {
    "modules": Module,
    "milestones": Milestone,
    "periods": Period,
    "challenges": Challenge,
    "actions": Action,
}
"""File -> the dataclass of its records: its fields are the keys, all of them needed."""


@dataclass(frozen=True)
class Taxonomy:
    """All records.

    Raises:
        BadRecord: two records share an id or a code, or one lies below another that is not there.
    """

    modules: tuple[Module, ...]
    milestones: tuple[Milestone, ...]
    periods: tuple[Period, ...]
    challenges: tuple[Challenge, ...]
    actions: tuple[Action, ...]

    def __post_init__(self):
        seen: set[str] = set()
        for record in [*self._records(), *self.periods]:
            for word in {record.id, getattr(record, "code", record.id)}:
                if word in seen:
                    raise BadRecord(f"The taxonomy has {word!r} twice.")
                seen.add(word)
        for group in (self.challenges, self.actions):
            tops = {record.id for record in group if not record.above}
            for record in group:
                if record.above and record.above not in tops:
                    raise BadRecord(
                        f"{record.id!r} of the taxonomy lies below {record.above!r}, which is no top of it."
                    )

    def _records(self) -> Iterator[Tag]:
        yield from self.actions
        yield from self.modules
        yield from self.milestones
        yield from self.challenges

    @cached_property
    def tags(self) -> dict[str, Tag]:
        """Id -> record, for all that a paper can be tagged with; our own axes first."""
        return {record.id: record for record in self._records()}

    def find(self, word: str) -> Tag:
        """The record of an id ("real-time") or a code ("4.2.4", "M3").

        Raises:
            UnknownName: there is none; the message suggests the nearest.
        """
        for record in self._records():
            if word.lower() in (record.id, getattr(record, "code", record.id).lower()):
                return record
        raise UnknownName("tag", word, self.tags)

    def lineage(self, tag: str) -> tuple[str, ...]:
        """A tag and the one that it lies below."""
        above = getattr(self.tags[tag], "above", "")
        return (tag, above) if above else (tag,)

    def under(self, tag: str) -> frozenset[str]:
        """A tag and all that lie below it."""
        return frozenset(other for other in self.tags if tag in self.lineage(other))


@cache
def taxonomy() -> Taxonomy:
    """The taxonomy that is built in."""
    return load(files(__name__))


def load(folder: Traversable) -> Taxonomy:
    """The taxonomy in a folder with the five files.

    Raises:
        BadRecord: a file is no JSON list, or a record does not fit its schema; the sentence says which.
    """
    found: dict[str, Any] = {}
    for name, schema in SCHEMAS.items():
        place = f"{name}.json"
        try:
            content = json.loads(folder.joinpath(place).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BadRecord(f"{place} of the taxonomy could not be read: {error}.") from None
        if not isinstance(content, list):
            raise BadRecord(f"{place} of the taxonomy should be a list of records; received {_kind(content)}.")
        found[name] = tuple(_record(schema, entry, f"{place}, record {i}") for i, entry in enumerate(content, 1))
    return Taxonomy(**found)


def _record(schema: type, content: Any, place: str) -> Any:
    if not isinstance(content, Mapping):
        raise BadRecord(f"{place}: expected an object; received {_kind(content)}.")
    kinds = {field.name: field.type for field in dataclasses.fields(schema)}
    if missing := kinds.keys() - content.keys():
        raise BadRecord(f"{place}: {min(missing)!r} is missing.")
    if more := content.keys() - kinds.keys():
        raise BadRecord(f"{place}: {min(more)!r} is no field of it; the fields are {', '.join(kinds)}.")
    values = {name: _value(kind, content[name], f"{place}: {name!r}") for name, kind in kinds.items()}
    if not ID.fullmatch(values["id"]):
        raise BadRecord(f"{place}: an id has small letters, digits and dashes; received {values['id']!r}.")
    for name in ("name", "text", "code", "table"):
        if name in values and not values[name].strip():
            raise BadRecord(f"{place}: {name!r} is empty.")
    return schema(**values)


def _value(kind: Any, value: Any, place: str) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise BadRecord(f"{place} should be a list; received {_kind(value)}.")
        return tuple(_value(get_args(kind)[0], item, place) for item in value)
    if type(value) is not kind:
        raise BadRecord(f"{place} should be {_WORDS[kind]}; received {_kind(value)}.")
    return value


_WORDS = {str: "text", int: "a whole number"}
_KINDS = {dict: "an object", list: "a list", bool: "true or false", float: "a number", type(None): "null", **_WORDS}


def _kind(value: Any) -> str:
    return _KINDS[type(value)]
