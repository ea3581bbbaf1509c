"""Which agent runs with which code on which kind of action space: generated, never promised.

    python -m actlab.training.compatibility README.md docs/index.md

Every answer comes from tracing the agent's act on a probe task of that space (`training.fit`). The table
is written between the two markers of each file that is named.
"""

import sys
from pathlib import Path

from actlab.actions.parse import parse_agent, parse_code
from actlab.core.errors import ActlabError
from actlab.core.files import write_atomically
from actlab.reports.table import Table, markdown
from actlab.tasks.catalogue import task
from actlab.training.fit import why_not

SPACES = {
    "Box": "policy-box",
    "Discrete": "policy-discrete",
    "MultiDiscrete": "policy-multi-discrete",
    "MultiBinary": "policy-multi-binary",
    "Tuple": "policy-tuple",
    "Dict": "policy-dict",
    "OneOf": "policy-one-of",
    "nested": "policy-nested",
}
"""Kind of space -> the probe task that has it."""

CODES = (
    "identity",
    "normalise",
    "bins:bins=5",
    "coarse-to-fine:levels=2,bins=3",
    "chunk:length=2",
    "bins:bins=5+flatten",
)
AGENTS = ("ppo", "sac", "dqn")
BEGIN, END = "<!-- compatibility table: begin -->", "<!-- compatibility table: end -->"


def compatibility() -> Table:
    """One row a code, one column a kind of space; an entry names the agents that run."""
    rows = []
    for code in CODES:
        row = [f"`{code}`"]
        for probe in SPACES.values():
            try:
                bound = task(f"probe/{probe}").with_code(parse_code(code))
            except ActlabError:
                row.append("")
                continue
            row.append(", ".join(name for name in AGENTS if why_not(parse_agent(name), bound) is None))
        rows.append(row)
    return Table(["code", *SPACES], rows, 1 + len(SPACES))


def insert(text: str, table: str) -> str:
    """`text` with what stands between the two markers replaced by `table`.

    Raises:
        ActlabError: a marker is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ActlabError(f"The text has no markers {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{table}{END}{after}"


def main(files: list[str]) -> None:
    """Write the table into every file."""
    table = markdown(compatibility())
    for name in files:
        path = Path(name)
        write_atomically(path, insert(path.read_text(encoding="utf-8"), table))


if __name__ == "__main__":
    main(sys.argv[1:])
