"""What `actlab reproduce` found at one scale, as one JSON file that follows from the records of its cells.

Everything but the command line and the failures can be computed again from the records, and `actlab claims` does.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actlab.core.studies import Cell, Study
from actlab.papers.card import Paper, Scale
from actlab.papers.judge import Measured, judge
from actlab.papers.record import Json, measured, read_record, read_sealed, seal

FORMAT = "actlab paper result 1"


def result_path(results: Path, slug: str, scale: str) -> Path:
    """Where the result of a scale lies."""
    return results / slug / f"{scale}.json"


def read_result(results: Path, slug: str, scale: str) -> dict[str, Json] | None:
    """A result, or None where there is none.

    Raises:
        Edited: it was edited by hand.
        ActlabError: it is no result.
    """
    path = result_path(results, slug, scale)
    return read_sealed(path, FORMAT) if path.exists() else None


def read_records(folder: Path, study: Study) -> dict[str, dict[str, Json]]:
    """Address -> record, for all cells of the arms that have one.

    Raises:
        Edited: a record was edited by hand.
    """
    cells = [cell for arm in study.arms.values() for cell in arm]
    found = {cell.address: read_record(folder, cell) for cell in cells}
    return {address: record for address, record in found.items() if record is not None}


def make_result(
    paper: Paper,
    scale: Scale,
    study: Study,
    records: Mapping[str, Mapping[str, Json]],
    failed: Mapping[str, str],
    command: str,
) -> dict[str, Json]:
    """The content of a result file.

    Args:
        study: the paper's plan at this scale.
        records: by address, of the cells that are finished.
        failed: address -> sentence, of the cells that failed.
        command: what one types to get it.
    """
    arms = {name: _arm(cells, records, failed) for name, cells in study.arms.items()}
    used = [records[address] for address in dict.fromkeys(_addresses(study)) if address in records]
    everything = [part for record in used for part in _with_inputs(record)]
    seconds = {part["address"]: part["seconds"] for part in everything}
    return {
        "format": FORMAT,
        "paper": paper.card.slug,
        "scale": scale,
        "question": study.question,
        "command": command,
        "complete": all(len(arm["seeds"]) == arm["planned"] for arm in arms.values()),
        "claims": {claim.name: judge(claim, measured_arms(arms, claim.metric)).to_json() for claim in study.claims},
        "arms": arms,
        "versions": _distinct(part["versions"] for part in everything),
        "machines": _distinct(part["machine"] for part in everything),
        "seconds": round(math.fsum(seconds.values()), 3),
        "date": max((part["date"] for part in everything), default=""),
        "sources": seal({part["address"]: part["sources"] for part in everything}),
    }


def measured_arms(arms: Mapping[str, Mapping[str, Json]], metric: str) -> dict[str, Measured]:
    """The arms of a result in one metric; a seed that has no such number counts as failed."""
    return {
        name: Measured(
            arm["planned"],
            {seed["seed"]: seed["values"].get(metric) for seed in arm["seeds"]},
            len(arm["failed"]),
        )
        for name, arm in arms.items()
    }


def _arm(cells: Any, records: Mapping[str, Mapping[str, Json]], failed: Mapping[str, str]) -> dict[str, Json]:
    seeds = []
    for cell in cells:
        if (record := records.get(cell.address)) is not None:
            seconds = round(math.fsum(part["seconds"] for part in _with_inputs(record)), 3)
            found = {"seed": cell.seed, "address": cell.address, "seconds": seconds}
            seeds.append({**found, "values": measured(record["value"])})
    lost = [
        {"seed": cell.seed, "sentence": failed[cell.address]}
        for cell in cells
        if cell.address in failed and cell.address not in records
    ]
    return {"planned": len(cells), "seeds": seeds, "failed": lost, "configuration": _configuration(cells[0])}


def _configuration(cell: Cell) -> dict[str, Json]:
    """What all seeds of an arm have in common."""
    inputs = {name: _configuration(source) for name, source in cell.inputs.items()}
    return {"function": cell.function, "parameters": dict(cell.parameters), **({"inputs": inputs} if inputs else {})}


def _addresses(study: Study) -> list[str]:
    return [cell.address for cells in study.arms.values() for cell in cells]


def _with_inputs(record: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """A record and those of its inputs, all the way down."""
    return [record, *(part for source in record["inputs"].values() for part in _with_inputs(source))]


def _distinct(items: Any) -> list[Json]:
    found: list[Json] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found
