"""Which code a value depends on: followed by name through small packages that are edited."""

import subprocess
import sys
import textwrap

import pytest

from actlab.core.errors import ActlabError
from actlab.core.studies import Cell
from actlab.papers.sources import Library

FILES = {
    "__init__": "VERSION = 1\n",
    "cells": '''
        """Cells."""
        import math
        from pkg import tools
        from pkg.base import Base, dispatch as chosen
        import pkg.loose

        def work_cell(cell, folder, inputs, quiet):
            """What it does."""
            from pkg.late import later
            return chosen(tools.helper(later(math.pi)))

        def other_cell(cell, folder, inputs, quiet):
            return tools.unused()
    ''',
    "tools": """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from pkg.types import Thing
        SIZE = 3
        def helper(x):
            return x * SIZE
        def unused():
            return 0
    """,
    "base": """
        from functools import singledispatch
        class Base:
            pass
        @singledispatch
        def dispatch(x):
            return x
    """,
    "loose": """
        from pkg.base import dispatch
        @dispatch.register
        def _(x: float):
            return 2 * x
    """,
    "late": "def later(x):\n    return x\n",
    "types": "class Thing:\n    pass\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "pkg").mkdir()
    for name, text in FILES.items():
        (tmp_path / "pkg" / f"{name}.py").write_text(textwrap.dedent(text))
    return tmp_path / "pkg"


def digests(function="work_cell", **parameters):
    return Library().sources(Cell(f"pkg.cells:{function}", parameters))


def test_what_is_used_is_followed_and_nothing_else(package):
    assert set(digests()) == {"pkg.cells", "pkg.tools", "pkg.base", "pkg.loose", "pkg.late"}
    assert set(digests("other_cell")) == {"pkg.cells", "pkg.tools", "pkg.loose", "pkg.base"}


@pytest.mark.parametrize(
    ("file", "before", "after", "changes"),
    [
        ("tools", "return x * SIZE", "return x + SIZE", {"pkg.tools"}),
        ("tools", "SIZE = 3", "SIZE = 4", {"pkg.tools"}),
        ("loose", "2 * x", "3 * x", {"pkg.loose"}),
        ("late", "return x", "return -x", {"pkg.late"}),
        ("tools", "return 0", "return 1", set()),
        ("cells", '"""What it does."""', '"""What it did."""  # and a comment', set()),
        ("cells", "def other_cell(cell", "def other_cell(cellular", set()),
        ("tools", "return x * SIZE", "return (x *\n            SIZE)", set()),
        ("types", "pass", "size = 1", set()),
        ("__init__", "VERSION = 1", "VERSION = 2", set()),
    ],
)
def test_an_edit_changes_the_digest_of_what_uses_it(package, file, before, after, changes):
    old, path = digests(), package / f"{file}.py"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    new = digests()
    assert {module for module in old | new if old.get(module) != new.get(module)} == changes


def test_names_in_the_parameters_are_followed(package):
    assert "pkg.types" in digests(maker="pkg.types:Thing")
    plain = Library().sources(Cell("actlab.training.api:train_cell", {"agent": "random"}))
    library = Library()
    agent = library.sources(Cell("actlab.training.api:train_cell", {"agent": "dqn", "code": "normalise+bins:bins=5"}))
    assert {"actlab.agents.dqn", "actlab.actions.bins", "actlab.nets.mlp"} <= agent.keys() - plain.keys()
    assert {"actlab.training.loop", "actlab.core.sets"} <= agent.keys() & plain.keys()
    assert not {module for module in agent if module.startswith(("actlab.reports.html", "actlab.cli", "actlab.papers"))}
    assert "actlab.agents.ppo" not in agent
    other = library.sources(Cell("actlab.training.api:train_cell", {"agent": "dqn"}))
    assert other["actlab.agents.dqn"] == agent["actlab.agents.dqn"]


def test_a_task_is_followed_also_where_nothing_was_imported_before():
    """Tasks register themselves when the catalogue is imported: a digest must not depend on who did that."""
    script = (
        "from actlab.papers.sources import Library; from actlab.core.studies import Cell\n"
        "for task in ('Pendulum-v1', 'Platform-v0+stack:frames=2', 'metaworld/reach-v3', 'probe/value'):\n"
        "    found = Library().sources(Cell('actlab.training.api:train_cell', {'task': task}))\n"
        "    print(*(module for module in found if module.startswith('actlab.tasks.')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found = [set(line.split()) for line in done.stdout.splitlines()]
    theirs = ["actlab.tasks.pendulum", "actlab.tasks.platform", "actlab.tasks.suites.metaworld", "actlab.tasks.probes"]
    assert [[module for module in theirs if module in each] for each in found] == [[module] for module in theirs]


def test_a_function_that_is_not_there_is_told(package):
    with pytest.raises(ActlabError, match=r"no pkg\.cells:gone in the sources"):
        digests("gone")
