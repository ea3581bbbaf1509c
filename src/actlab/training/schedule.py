"""Where cells run: in this process, in worker processes or on a cluster, inputs first.

A failed cell is reported and stops only the cells that need it.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, ProcessPoolExecutor, wait
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from actlab.core.studies import Cell
from actlab.training.cells import Report, compute, folder_of, in_order, sentence_of
from actlab.training.cluster import run_on
from actlab.training.compilation import enable_compilation_cache
from actlab.training.loop import Interrupted
from actlab.training.patience import PATIENCE
from actlab.training.patience import patience as waiting_for
from actlab.training.runs import static_options


def _worker(cell: Cell, root: Path, patience: float) -> None:
    enable_compilation_cache()
    with waiting_for(patience):
        compute(cell, root)


def run_cells(
    cells: Iterable[Cell],
    root: Path,
    *,
    workers: int | None = None,
    ray: str | None = None,
    patience: float = PATIENCE,
    report: Report = lambda cell, event: None,
    quiet: bool = True,
) -> dict[str, str]:
    """Compute every cell that is not there yet.

    Args:
        workers: processes; 1 (or None) is this process. More only help where cells leave cores idle. With `ray` the
            most cells at a time; None is what the cluster has CPUs for.
        ray: address of a Ray cluster, or "local" (see `training.ray_cluster`).
        patience: most seconds that a simulator may take for one step or reset; a cell whose simulator hangs fails.
        report: called with (cell, "kept" | "done" | the sentence of its error).

    Returns:
        address -> sentence, for the cells that failed.

    Raises:
        Interrupted: Ctrl-C; what was computed stays.
        ActlabError: there is no such cluster, or its workers cannot compute these cells.
    """
    ordered = in_order(cells)
    failed: dict[str, str] = {}

    def blocked(cell: Cell) -> str | None:
        return next((failed[source.address] for source in cell.inputs.values() if source.address in failed), None)

    def fail(cell: Cell, error: BaseException | str) -> None:
        failed[cell.address] = error if isinstance(error, str) else sentence_of(error)
        report(cell, failed[cell.address])

    def here() -> None:
        for cell in ordered:
            if (folder_of(cell, root) / "result.json").exists():
                report(cell, "kept")
                continue
            if (sentence := blocked(cell)) is not None:
                fail(cell, sentence)
                continue
            try:
                with waiting_for(patience):
                    compute(cell, root, quiet)
                report(cell, "done")
            except Interrupted:
                raise
            except Exception as error:  # one broken cell must not stop a study; its sentence goes to the report
                fail(cell, error)

    try:
        missing = [cell for cell in ordered if not (folder_of(cell, root) / "result.json").exists()]
        if ray is not None and missing:
            from actlab.training.ray_cluster import ray_cluster

            with ray_cluster(ray, root, workers, patience) as cluster:
                run_on(cluster, ordered, root, workers, report, blocked, fail)
        elif workers is None or workers <= 1 or not missing:
            here()
        else:
            _in_processes(ordered, root, workers, patience, report, blocked, fail)
    except (KeyboardInterrupt, Interrupted):  # workers were told too, and wrote their checkpoints
        raise Interrupted("Stopped; what was computed stays, and the same command goes on from there.") from None
    return failed


def _arm(cell: Cell) -> str:
    """What cells have in common that share compiled programs: everything but the seed and traced options."""
    if cell.inputs:
        return _arm(next(iter(cell.inputs.values())))
    parameters = dict(cell.parameters)
    if "agent" in parameters:
        parameters["options"] = static_options(parameters["agent"], parameters["options"])
    return f"{cell.function} {parameters}"


def _in_processes(
    ordered: list[Cell],
    root: Path,
    workers: int,
    patience: float,
    report: Report,
    blocked: Callable[[Cell], str | None],
    fail: Callable[[Cell, BaseException | str], None],
) -> None:
    """Submit a cell as soon as its inputs are there.

    A worker stays with the arm whose programs it has compiled, then begins one that no other worker is at,
    and helps with another's only when nothing else is left. Workers are spawned: JAX does not survive a fork.
    """
    waiting, over = list(ordered), set[str]()
    with ExitStack() as stack:

        def start() -> ProcessPoolExecutor:
            return stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))

        pools = [start() for _ in range(workers)]
        at: list[str | None] = [None] * workers
        running: dict[Any, tuple[int, Cell]] = {}
        while waiting or running:
            for cell in list(waiting):
                if (folder_of(cell, root) / "result.json").exists():
                    report(cell, "kept")
                elif (sentence := blocked(cell)) is not None:
                    fail(cell, sentence)
                else:
                    continue
                waiting.remove(cell)
                over.add(cell.address)
            busy = {worker for worker, _ in running.values()}
            for worker in set(range(workers)) - busy:
                ready = [c for c in waiting if all(source.address in over for source in c.inputs.values())]
                if not ready:
                    break
                others = {arm for i, arm in enumerate(at) if i != worker}
                cell = min(ready, key=lambda c: (_arm(c) != at[worker], _arm(c) in others))
                waiting.remove(cell)
                at[worker] = _arm(cell)
                running[pools[worker].submit(_worker, cell, root, patience)] = worker, cell
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                worker, cell = running.pop(future)
                over.add(cell.address)
                error = future.exception()
                if error is None:
                    report(cell, "done")
                elif isinstance(error, Interrupted):
                    raise error
                else:
                    fail(cell, "its worker process died" if isinstance(error, BrokenExecutor) else error)
                if isinstance(error, BrokenExecutor):
                    pools[worker] = start()
