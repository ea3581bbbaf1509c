"""The four renderings of a table, with names that try to break them."""

import csv
import io
import math

import pytest

from actlab.core.errors import ActlabError
from actlab.reports.table import Table, comma_separated, crossing, latex, markdown, text

TABLE = Table(["arm", "seeds", "mean"], [["a|b & 50%\n[red]", 5, 1234.56789], ["$x_1$", None, math.nan]])


def test_markdown():
    assert markdown(TABLE) == (
        "| arm              | seeds |  mean |\n"
        "| ---------------- | ----: | ----: |\n"
        "| a\\|b & 50% [red] |     5 | 1,235 |\n"
        "| $x_1$            |     – |     – |\n"
    )


def test_text_shows_markup_as_it_is():
    shown = text(TABLE, width=60)
    assert "[red]" in shown
    assert "1,235" in shown
    assert "\x1b" not in shown
    assert all(len(line) <= 60 for line in shown.splitlines())


def test_csv_keeps_all_digits():
    rows = list(csv.reader(io.StringIO(comma_separated(TABLE))))
    assert rows == [["arm", "seeds", "mean"], ["a|b & 50%\n[red]", "5", "1234.56789"], ["$x_1$", "", ""]]


def test_latex_escapes():
    lines = latex(TABLE).splitlines()
    assert lines[0] == r"\begin{tabular}{lrr}"
    assert lines[4] == r"a\textbar{}b \& 50\% [red] & 5 & 1,235 \\"
    assert lines[5] == r"\$x\_1\$ & -- & -- \\"
    assert lines[-1] == r"\end{tabular}"


def test_what_runs_with_what():
    table = crossing({("ppo", "identity"): "yes", ("ppo", "bins"): "yes", ("dqn", "bins"): "yes"}, missing="no")
    assert table.header == ["agent", "identity", "bins"]
    assert table.rows == [["ppo", "yes", "yes"], ["dqn", "no", "yes"]]


def test_rows_must_fit_the_header():
    with pytest.raises(ActlabError, match="has 2 entries; received 1"):
        Table(["a", "b"], [["x"]])
