"""One cell: its folder under its address, and its computation, once and resumable.

A cell is finished when its folder holds `result.json`; `seconds.json` says how long it took.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError
from actlab.core.studies import Cell
from actlab.training.checkpoint import read_json, write_json
from actlab.training.runs import locked, slug

Report = Callable[[Cell, str], None]
"""Called with a cell and "kept", "done" or the sentence of its error."""


def folder_of(cell: Cell, root: Path) -> Path:
    """`root/<what it is>-<first 8 digits of its address>`."""
    parameters = cell.parameters
    kind = cell.function.rpartition(":")[2].removesuffix("_cell")
    words = [str(parameters[name]) for name in ("task", "agent", "code") if name in parameters]
    prefix = [] if kind == "train" else [kind]
    return root / f"{slug(*prefix, *words, f's{cell.seed}')}-{cell.address[:8]}"


def in_order(cells: Iterable[Cell]) -> list[Cell]:
    """All cells and their inputs, each once, inputs first."""
    ordered: dict[str, Cell] = {}

    def visit(cell: Cell) -> None:
        for source in cell.inputs.values():
            visit(source)
        ordered.setdefault(cell.address, cell)

    for cell in cells:
        visit(cell)
    return list(ordered.values())


def compute(cell: Cell, root: Path, quiet: bool = True, wait: float = 0.0) -> Any:
    """The result of one cell whose inputs are finished; computed if it is not there.

    Args:
        wait: most seconds for another process that works at it.
    """
    folder = folder_of(cell, root)
    done = folder / "result.json"
    if done.exists():
        return read_json(done)
    module, _, name = cell.function.partition(":")
    function = getattr(import_module(module), name)
    with locked(folder, wait):
        if not done.exists():
            inputs = {name: folder_of(source, root) for name, source in cell.inputs.items()}
            with _timed(folder / "seconds.json"):
                result = function(cell, folder, inputs, quiet)
            write_json(done, result)
    return read_json(done)


@contextmanager
def _timed(path: Path) -> Iterator[None]:
    """Add the wall time of what happens inside to that of the attempts before it."""
    before = read_json(path) if path.exists() else 0.0
    began = time.perf_counter()
    try:
        yield
    finally:
        write_json(path, before + time.perf_counter() - began)


def sentence_of(error: BaseException) -> str:
    """What is said of a cell that failed."""
    text = str(error) or type(error).__name__
    return text if isinstance(error, ActlabError) else f"{type(error).__name__}: {text}"
