"""Write `options.json`: what agents, codes, tasks, papers and tags there are, from the classes and cards themselves.

    python -m actlab.cli.generate          # `make options`

The help of an option is the string below its field.
"""

import ast
import dataclasses
import inspect
import itertools
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import actlab
from actlab.core.options import describe, option_fields, value_text
from actlab.core.registry import AGENTS, CODES, Entry
from actlab.papers.registry import PAPERS
from actlab.papers.taxonomy import taxonomy

PATH = Path(actlab.__file__).with_name("options.json")


def field_texts(cls: type) -> dict[str, str]:
    """The string below each annotated field of a class and its bases, by the field's name."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("actlab."):
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
            for field, below in itertools.pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    texts[ast.unparse(field.target)] = " ".join(ast.literal_eval(below.value).split())
    return texts


def options_of(cls: type) -> list[dict[str, Any]]:
    """The fields of an agent or codec that a person may set."""
    texts = field_texts(cls)
    return [
        {
            "name": field.name,
            "type": describe(field.kind),
            "default": None if field.default is dataclasses.MISSING else value_text(field.default),
            "help": texts.get(field.name, ""),
        }
        for field in option_fields(cls).values()
    ]


def item(entry: Entry, documented: Callable[[type], Any]) -> dict[str, Any]:
    """One registered class: its summary, the first paragraph of its documentation, its options."""
    cls = entry.load()
    paragraph = (inspect.getdoc(documented(cls)) or "").split("\n\n")[0]
    return {"summary": entry.summary, "description": " ".join(paragraph.split()), "options": options_of(cls)}


def task_item(row: Any) -> dict[str, Any]:
    """One registered task: its summary, spaces, time limit, reference scores, and whether it runs in the graph."""
    return {
        "summary": row.summary,
        "description": row.summary,
        "options": [],
        "observation": repr(row.observation),
        "action": repr(row.action),
        "horizon": row.horizon,
        "compiled": row.compiled,
        "reference": dict(row.reference),
    }


def paper_item(entry: Entry) -> dict[str, Any]:
    """One paper: its title, and what it proposes."""
    card = entry.load().card
    return {"summary": card.title, "description": card.summary, "options": []}


def tag_item(record: Any) -> dict[str, Any]:
    """A word that papers are tagged with."""
    return {"summary": record.name, "description": record.text, "options": []}


def content() -> dict[str, Any]:
    """What `options.json` has to hold."""
    from actlab.tasks import list_tasks

    return {
        "agent": {entry.name: item(entry, inspect.getmodule) for entry in AGENTS},  # a file's top tells the paper
        "code": {entry.name: item(entry, lambda cls: cls) for entry in CODES},
        "task": {row.name: task_item(row) for row in list_tasks()},
        "paper": {entry.name: paper_item(entry) for entry in PAPERS},
        "tag": {name: tag_item(record) for name, record in taxonomy().tags.items()},
    }


def text() -> str:
    """`content` as the file's text."""
    return json.dumps(content(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
