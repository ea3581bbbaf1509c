"""What agents and codes there are and what options they have, read from `options.json` without importing them.

The file is written by `python -m actlab.cli.generate` from the dataclasses themselves; a test compares them.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

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


@cache
def table(kind: str) -> dict[str, Item]:
    """All items of one kind ("agent", "code", "task") by name."""
    content = json.loads(files("actlab").joinpath("options.json").read_text("utf-8"))[kind]
    return {
        name: Item(name, entry["summary"], entry["description"], tuple(Option(**o) for o in entry["options"]))
        for name, entry in content.items()
    }


def look_up(kind: str, name: str) -> Item:
    """One item.

    Raises:
        UnknownName: nothing of that kind has that name; the message suggests the nearest.
    """
    if name not in table(kind):
        raise UnknownName(kind, name, table(kind))
    return table(kind)[name]
