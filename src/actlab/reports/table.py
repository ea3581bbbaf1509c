"""Tables as data, and their four renderings: markdown, plain text, CSV and LaTeX.

A cell is text, a number or None (nothing to say). Text is shown as it is; a number is written with all its
digits in CSV and with four significant ones elsewhere, unless whoever made the table formatted it already.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from actlab.core.errors import ActlabError
from actlab.reports.verdict import number

Entry = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Rows under a header.

    Raises:
        ActlabError: a row has not as many entries as the header.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Entry]]
    left: int = 1
    """The first so many columns are names (to the left); all others are figures (to the right)."""
    caption: str = ""

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.header):
                raise ActlabError(f"A row of this table has {len(self.header)} entries; received {len(row)}: {row}.")

    def cells(self) -> list[list[str]]:
        """All entries as text to read."""
        return [[shown(entry) for entry in row] for row in self.rows]


def shown(entry: Entry) -> str:
    """An entry as text to read; an en dash where there is nothing."""
    if entry is None or (isinstance(entry, float) and math.isnan(entry)):
        return "\u2013"
    return number(entry) if isinstance(entry, float) else str(entry)


def markdown(table: Table) -> str:
    """A GitHub-flavoured pipe table, columns padded so that the source can be read too."""
    rows = [[_one_line(text).replace("|", "\\|") for text in row] for row in [list(table.header), *table.cells()]]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(table.header))]
    rule = ["-" * width if i < table.left else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    aligned = [_padded(row, widths, table.left) for row in rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in [aligned[0], rule, *aligned[1:]])


def text(table: Table, width: int = 120) -> str:
    """A table for the terminal, `width` letters wide at most, without colour codes."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, title=Text(table.caption) if table.caption else None, title_justify="left")
    for i, name in enumerate(table.header):
        drawn.add_column(Text(name), justify="left" if i < table.left else "right", overflow="fold")
    for row in table.cells():
        drawn.add_row(*map(Text, row))
    # Entries are Text, so that a name such as "[red]" is shown and not obeyed.
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(drawn)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"  # type: ignore[attr-defined]


def comma_separated(table: Table) -> str:
    """CSV (RFC 4180 quoting, "\\n" line ends): numbers with all digits, nothing for None and NaN."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.header)
    for row in table.rows:
        writer.writerow(["" if isinstance(x, float) and math.isnan(x) else x for x in row])
    return out.getvalue()


_LATEX = {
    "\\": r"\textbackslash{}",
    **{letter: "\\" + letter for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\u2013": "--",
}


def latex(table: Table) -> str:
    """A `tabular` with the rules of the booktabs package, to be put into a paper."""

    def line(row: Iterable[str]) -> str:
        return " & ".join("".join(_LATEX.get(x, x) for x in _one_line(entry)) for entry in row) + r" \\"

    columns = "l" * table.left + "r" * (len(table.header) - table.left)
    head = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", line(table.header), r"\midrule"]
    return "\n".join([*head, *map(line, table.cells()), r"\bottomrule", r"\end{tabular}"]) + "\n"


def crossing(entries: Mapping[tuple[str, str], Entry], corner: str = "agent", missing: str = "") -> Table:
    """What runs with what: one row for each first name, one column for each second, in the order they come.

    Args:
        entries: (agent, code) -> what to say of the pair ("yes", "trained", a reason).
        corner: the name of the rows.
        missing: what to say of pairs that are not among the entries.
    """
    rows = list(dict.fromkeys(first for first, _ in entries))
    columns = list(dict.fromkeys(second for _, second in entries))
    return Table(
        [corner, *columns],
        [[row, *(entries.get((row, c), missing) for c in columns)] for row in rows],
        1 + len(columns),
    )


def _one_line(entry: str) -> str:
    return re.sub(r"\s*[\r\n]+\s*", " ", entry)


def _padded(row: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    return [x.ljust(w) if i < left else x.rjust(w) for i, (x, w) in enumerate(zip(row, widths, strict=True))]
