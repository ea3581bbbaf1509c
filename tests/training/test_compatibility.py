"""The generated table of what runs with what goes between its markers, and says what tracing says."""

import pytest

from actlab.core.errors import ActlabError
from actlab.training import compatibility


def test_the_table_replaces_what_stands_between_the_markers():
    text = f"before\n{compatibility.BEGIN}\nold\n{compatibility.END}\nafter\n"
    once = compatibility.insert(text, "| new |\n")
    assert once == f"before\n{compatibility.BEGIN}\n| new |\n{compatibility.END}\nafter\n"
    assert compatibility.insert(once, "| new |\n") == once
    with pytest.raises(ActlabError, match="markers"):
        compatibility.insert("nothing here", "| new |\n")


def test_entries_come_from_tracing(monkeypatch):
    monkeypatch.setattr(compatibility, "SPACES", {"Box": "policy-box", "Discrete": "policy-discrete"})
    monkeypatch.setattr(compatibility, "CODES", ("identity", "bins:bins=5"))
    monkeypatch.setattr(compatibility, "AGENTS", ("sac", "dqn"))
    table = compatibility.compatibility()
    assert [list(row) for row in table.cells()] == [
        ["`identity`", "sac", "sac, dqn"],
        ["`bins:bins=5`", "sac, dqn", ""],
    ]
