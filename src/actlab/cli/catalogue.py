"""What agents, codes, tasks, papers and tags there are, with options or spaces, from `options.json` alone.

The file is written by `python -m actlab.cli.generate` from the dataclasses themselves; a test compares them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from actlab.core.errors import UnknownName


@dataclass(frozen=True)
class Option:
    """One field of an agent or codec."""

    name: str
    type: str
    """In words: "a whole number", "true or false"."""
    default: str | None
    """As it is written; None where the option has to be given."""
    help: str

    @property
    def flag(self) -> str:
        """`--learning-rate` for `learning_rate`."""
        return "--" + self.name.replace("_", "-")

    @property
    def value(self) -> str:
        """The place of the value in the usage: `N`, `true|false`."""
        places = {"a whole number": "N", "a finite number": "X", "a word": "WORD", "numbers joined by x": "NxN"}
        text = self.type.replace(" (as 64x64)", "").replace(", or ", "|").replace(" or ", "|")
        return "|".join(places.get(part, part) for part in text.split("|"))

    @property
    def shown(self) -> str:
        """The default, in a help text."""
        return "must be given" if self.default is None else f"default: {self.default}"


@dataclass(frozen=True)
class Item:
    """An agent, a code or a task: its name, what it is, and its options."""

    name: str
    summary: str
    description: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class TaskItem(Item):
    """A task of ours, and what is known of it without making it."""

    observation: str
    action: str
    horizon: int
    """Most native steps of an episode."""
    compiled: bool
    """Does it run in the graph?"""
    reference: Mapping[str, float]
    """Scores of reference policies, and the one that counts as solved."""

    @property
    def runs(self) -> str:
        """Where it runs, in words."""
        return runs_where(self.compiled)

    @property
    def facts(self) -> dict[str, Any]:
        """What a list shows of it, by name."""
        names = ("name", "summary", "action", "observation", "horizon", "runs", "reference")
        return {name: getattr(self, name) for name in names}

    @property
    def lines(self) -> str:
        """Two lines of a list: name and summary; spaces, steps, scores, where it runs."""
        steps = f"{self.horizon} {'step' if self.horizon == 1 else 'steps'}"
        spaces = f"action {self.action}, observation {self.observation}"
        return f"{self.name}: {self.summary}\n    {'; '.join([spaces, steps, scores(self.reference), self.runs])}"


def runs_where(compiled: bool) -> str:
    """Where an environment runs, in words."""
    return "in the graph" if compiled else "on the host"


def scores(reference: Mapping[str, float]) -> str:
    """Reference scores on one line."""
    return ", ".join(f"{name} {score:g}" for name, score in reference.items()) or "no reference scores"


@cache
def table(kind: str) -> dict[str, Item]:
    """All items of one kind ("agent", "code", "task", "paper", "tag") by name."""
    return {
        name: Item(name, entry["summary"], entry["description"], tuple(Option(**o) for o in entry["options"]))
        for name, entry in _content(kind).items()
    }


@cache
def task_table() -> dict[str, TaskItem]:
    """All tasks by name, with their spaces and scores."""
    return {name: TaskItem(name, **{**entry, "options": ()}) for name, entry in _content("task").items()}


def _content(kind: str) -> dict[str, Any]:
    return json.loads(files("actlab").joinpath("options.json").read_text("utf-8"))[kind]


def look_up(kind: str, name: str) -> Item:
    """One item.

    Raises:
        UnknownName: nothing of that kind has that name; the message suggests the nearest.
    """
    if name not in table(kind):
        raise UnknownName(kind, name, table(kind))
    return table(kind)[name]
