"""Which agent runs with which code on which kind of action space, and what it learned: generated, never promised.

    python -m actlab.training.compatibility README.md docs/probes.md

Who runs is found by tracing the agent's act on a probe task of that space (`training.fit`); who learned stands
in `results/probes.json` (`training.probing`). A table is written between its two markers in each file.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actlab.actions.parse import parse_agent, parse_code
from actlab.core.errors import ActlabError
from actlab.core.files import write_atomically
from actlab.reports.table import Table, markdown
from actlab.tasks.catalogue import task
from actlab.tasks.probes import PROBES
from actlab.training.fit import why_not
from actlab.training.probing import SEEDS, read

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
    "bins:bins=9",
    "coarse-to-fine:levels=2,bins=3",
    "chunk:length=2",
    "bins:bins=9+flatten",
    "bins:bins=9+digits",
)
AGENTS = ("ppo", "sac", "td3", "dqn", "branching-dqn", "arsq", "cqn")
"""Those that learn from a task; `bc` and `td3-bc` learn from recorded decisions alone."""
ALONE = {"arsq": "arsq:recorded_rows=0", "cqn": "cqn:recorded_rows=0"}
"""Agents that learn from recorded decisions too, unless they are told to do without."""
RESULTS = Path("results/probes.json")


def compatibility(records: Mapping[tuple[str, str, str], Any]) -> Table:
    """One row a code, one column a kind of space; an entry names the agents that run, in bold those that learned."""

    def shown(agent: str, probe: str, code: str) -> str:
        learned = records.get((agent, probe, code), {}).get("solved") == SEEDS
        return f"**{agent}**" if learned else agent

    rows = []
    for code in CODES:
        row = [f"`{code}`"]
        for probe in SPACES.values():
            try:
                bound = task(f"probe/{probe}").with_code(parse_code(code))
            except ActlabError:
                row.append("")
                continue
            fitting = [name for name in AGENTS if why_not(parse_agent(ALONE.get(name, name)), bound) is None]
            row.append(", ".join(shown(name, probe, code) for name in fitting))
        rows.append(row)
    return Table(["code", *SPACES], rows, 1 + len(SPACES))


def learned(records: Mapping[tuple[str, str, str], Any]) -> Table:
    """One row a probe (and code), one column an agent: how many seeds solved it, and the lowest of their scores."""
    rows = []
    for name, probe in PROBES.items():
        short = name.removeprefix("probe/")
        for code in sorted({code for _, known, code in records if known == short}):
            row = [f"`{short}`", probe.isolates, f"`{code}`", f"{probe.random:g} / {probe.solved:g} / {probe.best:g}"]
            for agent in AGENTS:
                record = records.get((agent, short, code), {})
                scores = record.get("scores")
                row.append(f"{record['solved']}/{SEEDS} ({min(scores):.3f})" if scores else "")
            rows.append(row)
    return Table(["probe", "isolates", "code", "random / solved / best", *AGENTS], rows, 4 + len(AGENTS))


TABLES = {"compatibility": compatibility, "learned": learned}


def insert(text: str, name: str, table: str) -> str:
    """`text` with what stands between the two markers of that name replaced by `table`; as it is without markers."""
    begin, end = (f"<!-- {name} table: {word} -->" for word in ("begin", "end"))
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    return f"{before}{begin}\n{table}{end}{after}" if found and closed else text


def main(files: list[str]) -> None:
    """Write the tables into every file that has their markers.

    Raises:
        ActlabError: a file has no markers at all.
    """
    records = read(RESULTS)
    tables = {name: markdown(make(records)) for name, make in TABLES.items()}
    for name in files:
        path = Path(name)
        before = path.read_text(encoding="utf-8")
        if not any(f"<!-- {kind} table: begin -->" in before for kind in tables):
            raise ActlabError(f"{name} has no markers such as <!-- compatibility table: begin -->.")
        text = before
        for kind, table in tables.items():
            text = insert(text, kind, table)
        write_atomically(path, text)


if __name__ == "__main__":
    main(sys.argv[1:])
