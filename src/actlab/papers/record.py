"""Files of results: what each cell gave, with where it came from, sealed so that an edit by hand is noticed.

The seal is the SHA-256 of the file's content as canonical JSON. It is no protection against somebody who means to
deceive; it finds the figure that was "only rounded" in an editor.
"""

import hashlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError
from actlab.core.files import write_atomically
from actlab.core.studies import Cell
from actlab.papers.sources import Library

FORMAT = "actlab cell 1"
STAMP = "provenance.json"
"""In a cell's run folder: the code, versions and machine that began to compute it."""

Json = Any
"""A JSON value."""


class Edited(ActlabError):
    """A file of results whose content is not what was written."""


# --- sealed files ------------------------------------------------------------------------------------


def seal(content: Mapping[str, Json]) -> str:
    """The digest of a file's content, without its own "digest"."""
    kept = {name: value for name, value in content.items() if name != "digest"}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_sealed(path: Path, content: Mapping[str, Json]) -> Path:
    """Write JSON with its seal, atomically."""
    text = json.dumps({**content, "digest": seal(content)}, indent=1, allow_nan=False, ensure_ascii=False)
    return write_atomically(path, text + "\n")


def read_sealed(path: Path, kind: str) -> dict[str, Json]:
    """Read what `write_sealed` wrote, without its seal.

    Args:
        kind: the "format" that it should have.

    Raises:
        Edited: the content does not fit its seal.
        ActlabError: there is no such file, or it holds something else.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ActlabError(f"{path} does not exist.") from None
    except (OSError, ValueError) as error:
        raise Edited(f"{path} could not be read as JSON: {error}.") from None
    if not isinstance(content, dict) or content.get("format") != kind:
        raise ActlabError(f'{path} should hold "format": "{kind}".')
    if content.pop("digest", None) != seal(content):
        raise Edited(f"{path} was edited by hand: its content does not fit its digest.")
    return content


# --- one cell ----------------------------------------------------------------------------------------


def record_path(folder: Path, cell: Cell) -> Path:
    """Where the value of a cell is kept, below the folder of a paper's results."""
    return folder / "cells" / f"{cell.address}.json"


def stamp(cell: Cell, root: Path, library: Library) -> bool:
    """Write down, once, which code begins to compute a cell in its run folder below `root`; that of inputs first.

    Returns:
        Was the cell begun by the code, and from the inputs, that are there now?
    """
    from actlab.training.cells import folder_of
    from actlab.training.checkpoint import read_json, write_json
    from actlab.training.runs import machine, versions

    run = folder_of(cell, root)
    made_from = {name: seal(read_json(folder_of(source, root) / STAMP)) for name, source in cell.inputs.items()}
    now = {"sources": library.sources(cell), "made from": made_from}
    if not (run / STAMP).exists():
        if (run / "result.json").exists():  # by something else than `reproduce`: nobody knows which code it was
            now["sources"] = {}
        write_json(
            run / STAMP, {**now, "versions": versions(), "machine": machine(), "date": time.strftime("%Y-%m-%d")}
        )
    held = read_json(run / STAMP)
    return bool(held["sources"]) and all(held[name] == now[name] for name in now)


def make_record(cell: Cell, root: Path) -> dict[str, Json]:
    """The record of a cell that is finished in its run folder below `root`."""
    from actlab.reports.result import plain
    from actlab.training.cells import folder_of
    from actlab.training.checkpoint import read_json

    value = plain(read_json(folder_of(cell, root) / "result.json"))
    return {"format": FORMAT, **_provenance(cell, root), "value": value}


def _provenance(cell: Cell, root: Path) -> dict[str, Json]:
    from actlab.training.cells import folder_of
    from actlab.training.checkpoint import read_json

    run = folder_of(cell, root)
    begun, seconds, elsewhere = read_json(run / STAMP), run / "seconds.json", run / "machine.json"
    if elsewhere.exists():  # a cluster's worker computed it
        begun["machine"] = read_json(elsewhere)
    return {
        "address": cell.address,
        "function": cell.function,
        "parameters": dict(cell.parameters),
        "seed": cell.seed,
        "seconds": round(read_json(seconds), 3) if seconds.exists() else 0.0,
        **{name: begun[name] for name in ("sources", "versions", "machine", "date")},
        "inputs": {name: _provenance(source, root) for name, source in cell.inputs.items()},
    }


def read_record(folder: Path, cell: Cell) -> dict[str, Json] | None:
    """The record of a cell, or None where it has none yet.

    Raises:
        Edited: it was edited by hand, or it is another cell's.
    """
    path = record_path(folder, cell)
    if not path.exists():
        return None
    record = read_sealed(path, FORMAT)
    if _rebuilt(record).address != cell.address:
        raise Edited(f"{path} is the record of another cell than its name says.")
    return record


def _rebuilt(record: Mapping[str, Json]) -> Cell:
    inputs = {name: _rebuilt(source) for name, source in record["inputs"].items()}
    return Cell(record["function"], record["parameters"], record["seed"], inputs)


def changed_code(record: Mapping[str, Json], library: Library) -> list[str]:
    """The modules that a record's value depends on and that have changed since; those of its inputs, too.

    Modules whose cells cannot be found any more count as changed.
    """
    try:
        now = library.sources(_rebuilt({**record, "inputs": {}}))
    except ActlabError:
        now = {}
    before = record["sources"]
    found = {module for module in before.keys() | now.keys() if before.get(module) != now.get(module)}
    for source in record["inputs"].values():
        found |= set(changed_code(source, library))
    return sorted(found)


def measured(value: Json) -> dict[str, float | None]:
    """The numbers that a cell's value holds, by the name that a claim calls its metric.

    Of an evaluation the means over its episodes: `return` of the greedy policy, `return/stochastic` of the sampling
    one. Of anything else the numbers at its top. None is a value that was not finite.
    """
    found: dict[str, float | None] = {}
    for name, item in value.items() if isinstance(value, Mapping) else ():
        if item is None or isinstance(item, int | float):
            found[name] = None if item is None else float(item)
        elif name == "scores":
            for metric, policies in item.items():
                for policy, episodes in policies.items():
                    key = metric if policy == "deterministic" else f"{metric}/{policy}"
                    known = episodes and all(episode is not None for episode in episodes)
                    found[key] = math.fsum(episodes) / len(episodes) if known else None
    return found
