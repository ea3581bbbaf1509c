"""The order of cells on a cluster: each as soon as its inputs are there, and again where its worker died.

Nothing here knows which cluster it is; `ray_cluster` is one.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from actlab.core.errors import ActlabError
from actlab.core.studies import Cell
from actlab.training.cells import Report, folder_of
from actlab.training.loop import CHECKPOINT, Interrupted

DEATHS = 3
"""Deaths of its worker, without a new checkpoint between them, that make a cell fail."""
VISIBLE = 90.0
"""Most seconds until a file that one machine wrote is seen by another one; network file systems take their time."""


class Outcome(NamedTuple):
    """How a task ended."""

    kind: str
    """"done"; "failed": the cell did, for good; "died": its worker did; "stopped": somebody stopped it; "unfit": the
    worker must not compute cells of this study."""
    sentence: str = ""


class Cluster(Protocol):
    """What `run_on` asks of a cluster. A ticket is anything hashable that stands for a task."""

    def submit(self, cell: Cell) -> Any:
        """Give a cell, whose inputs are finished, to some worker; returns a ticket."""
        ...

    def wait(self, tickets: Sequence[Any]) -> Sequence[Any]:
        """Those that have ended, as soon as there is one."""
        ...

    def outcome(self, ticket: Any) -> Outcome:
        """Of a task that has ended."""
        ...

    def stop(self, tickets: Sequence[Any]) -> None:
        """End tasks, and wait until they have written their checkpoints."""
        ...


def run_on(
    cluster: Cluster,
    ordered: Sequence[Cell],
    root: Path,
    most: int | None,
    report: Report,
    blocked: Callable[[Cell], str | None],
    fail: Callable[[Cell, BaseException | str], None],
) -> None:
    """Submit every cell as soon as its inputs are there, and again where its worker died.

    Args:
        ordered: inputs first.
        most: cells at a time; None leaves it to the cluster.
        report, blocked, fail: as in `schedule.run_cells`.

    Raises:
        ActlabError: a worker does not see the folder or runs other code, or its result does not arrive here.
        Interrupted: a task was stopped.
    """
    waiting, over = list(ordered), set[str]()
    running: dict[Any, Cell] = {}
    deaths: dict[str, tuple[int, int]] = {}

    def submit_what_is_ready() -> None:
        for cell in list(waiting):
            if not all(source.address in over for source in cell.inputs.values()):
                continue
            if (folder_of(cell, root) / "result.json").exists():
                report(cell, "kept")
                over.add(cell.address)
            elif (sentence := blocked(cell)) is not None:
                fail(cell, sentence)
                over.add(cell.address)
            elif most is None or len(running) < most:
                running[cluster.submit(cell)] = cell
            else:
                continue
            waiting.remove(cell)

    def close(cell: Cell, outcome: Outcome) -> None:
        folder = folder_of(cell, root)
        if outcome.kind == "unfit":
            raise ActlabError(outcome.sentence)
        if outcome.kind == "stopped":
            raise Interrupted("A task was stopped.")
        if outcome.kind == "died":
            before, (count, reached) = deaths.get(cell.address), (1, _reached(folder))
            if before is not None and before[1] == reached:
                count = before[0] + 1
            deaths[cell.address] = count, reached
            if count < DEATHS:
                waiting.insert(0, cell)
                return
            times = f"died {count} times without getting on"
            fail(cell, f"its worker process {times}: {outcome.sentence}" if outcome.sentence else f"its worker {times}")
        elif outcome.kind == "failed":
            fail(cell, outcome.sentence)
        elif not arrived(folder / "result.json"):
            raise ActlabError(f"{folder / 'result.json'} was written by a worker, but does not appear here.")
        else:
            report(cell, "done")
        over.add(cell.address)

    try:
        while waiting or running:
            submit_what_is_ready()
            for ticket in cluster.wait(list(running)) if running else ():
                close(running.pop(ticket), cluster.outcome(ticket))
    except BaseException:  # Ctrl-C, too: what runs is told to write its checkpoint
        cluster.stop(list(running))
        raise


def _reached(folder: Path) -> int:
    """When the last checkpoint was written: another one means that the cell got on."""
    try:
        return (folder / CHECKPOINT).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def arrived(path: Path, seconds: float = VISIBLE) -> bool:
    """Is there such a file, at once or a little later?

    A network file system may remember for a while that a file was missing. Listing the folders makes it look again.
    """
    end = time.monotonic() + seconds
    while True:
        with suppress(FileNotFoundError):
            os.listdir(path.parent.parent)
            if path.name in os.listdir(path.parent):
                return True
        if time.monotonic() >= end:
            return False
        time.sleep(0.2)
