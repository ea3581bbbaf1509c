"""What agents and codes there are and what options they have, read from `options.json` without importing them.

The file is written by `python -m actlab.cli.generate` from the dataclasses themselves; a test compares them.
"""

import json
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
    """As annotated: "float", "int | None"."""
    default: Any
    required: bool
    """Must be given: there is no default."""
    help: str

    @property
    def flag(self) -> str:
        """`--learning-rate` for `learning_rate`."""
        return "--" + self.name.replace("_", "-")

    @property
    def shown(self) -> str:
        """The default as it is written on a command line."""
        if self.required:
            return "none, must be given"
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


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
