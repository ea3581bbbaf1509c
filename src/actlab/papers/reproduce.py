"""Run the study of a paper at one scale; what every cell gave is kept as soon as it ends.

A cell that has a record under `results/<slug>/cells/` is not computed again, on whatever machine: so work that was
stopped costs at most the cells that were running, and these go on from their last checkpoint where their run folder
still is. Weights and data sets stay in run folders below `runs/papers`, which all papers share.
"""

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from actlab.core.errors import ActlabError
from actlab.core.studies import Cell, Study
from actlab.papers.card import Paper, Scale
from actlab.papers.figures import write_figures
from actlab.papers.record import Json, changed_code, make_record, record_path, stamp, write_sealed
from actlab.papers.registry import find_paper
from actlab.papers.result import make_result, read_records, result_path
from actlab.papers.sources import Library

RESULTS = Path("results")
"""What is committed."""
SMOKE = Path("runs/smoke")
"""Where the results of the smoke scale go, which nobody keeps."""
RUNS = Path("runs/papers")
"""Run folders of cells."""


@dataclass(frozen=True)
class Reproduction:
    """What was found, and where it lies."""

    paper: Paper
    result: Mapping[str, Json]
    path: Path
    figures: tuple[Path, ...]

    @property
    def failed(self) -> dict[str, str]:
        """Arm and seed -> sentence, of the cells that failed."""
        return {
            f"{arm}, seed {seed['seed']}": seed["sentence"]
            for arm, content in self.result["arms"].items()
            for seed in content["failed"]
        }


def reproduce(
    paper: Paper | str,
    scale: Scale = "small",
    *,
    claim: str | None = None,
    results: str | Path | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    ray: str | None = None,
    renew: bool = False,
    command: str = "",
    quiet: bool = False,
) -> Reproduction:
    """Compute what is missing of a paper's study, and write its result.

    Args:
        paper: a paper, its slug, or `module:name`.
        scale: "smoke", "small" or "paper".
        claim: compute the arms of this claim only; the result tells of the others what is known of them.
        results: folder of results; by default `results`, and `runs/smoke` at the smoke scale.
        out: where run folders go; by default `runs/papers`.
        workers: processes (None: this one); with `ray` the most cells at a time.
        ray: address of a Ray cluster, or "local".
        renew: compute cells again whose code has changed since, instead of keeping their values.
        command: what the person typed.

    Raises:
        ActlabError: there is no such paper, scale or claim, or a record was edited by hand.
        Interrupted: Ctrl-C; what was computed stays, and so does the result as far as it goes.
    """
    from actlab.training.compilation import enable_compilation_cache
    from actlab.training.loop import Interrupted
    from actlab.training.schedule import run_cells

    enable_compilation_cache()
    paper = find_paper(paper) if isinstance(paper, str) else paper
    study, library = paper.plan(scale), Library()
    kept_in = results_folder(scale, results) / paper.card.slug
    root = RUNS if out is None else Path(out)
    command = command or f"actlab reproduce {paper.card.slug} --scale {scale}"
    wanted = _in_order(study, claim)
    records = read_records(kept_in, study)
    progress = Progress(study, quiet)
    todo = [
        cell
        for cell in wanted
        if cell.address not in records or (renew and changed_code(records[cell.address], library))
    ]
    progress.begin(len(wanted), len(todo))
    _stamp(todo, root, library, renew, progress.say)
    asked = {cell.address for cell in todo}

    def report(cell: Cell, event: str) -> None:
        if cell.address in asked and event in ("done", "kept"):
            write_sealed(record_path(kept_in, cell), make_record(cell, root))
        if cell.address in asked:
            progress.ended(cell, event)

    def finish(failed: Mapping[str, str]) -> Reproduction:
        result = make_result(paper, scale, study, read_records(kept_in, study), failed, command)
        path = write_sealed(result_path(kept_in.parent, paper.card.slug, scale), result)
        return Reproduction(paper, result, path, tuple(write_figures(paper, result, kept_in)))

    try:
        failed = run_cells(todo, root, workers=workers, ray=ray, report=report, quiet=quiet)
    except Interrupted:
        finish({})
        raise
    return finish(failed)


def results_folder(scale: str, results: str | Path | None) -> Path:
    """Where the results of a scale go."""
    return Path(results) if results is not None else SMOKE if scale == "smoke" else RESULTS


def _in_order(study: Study, claim: str | None) -> list[Cell]:
    """The cells of the arms, each once: the primary claim's first, and all arms of a claim seed by seed.

    Raises:
        ActlabError: there is no claim of that name, or this scale has none of its arms.
    """
    claims = [c for c in sorted(study.claims, key=lambda c: not c.primary) if claim in (None, c.name)]
    if not claims:
        raise ActlabError(f"There is no claim named {claim!r}; known: {', '.join(c.name for c in study.claims)}.")
    if claim and (missing := set(claims[0].arms) - study.arms.keys()):
        raise ActlabError(f"The claim {claim!r} is not part of this scale, which has no arm {min(missing)!r}.")
    groups = [[name for name in c.arms if name in study.arms] for c in claims]
    if claim is None:
        groups.append(list(study.arms))
    found: dict[str, Cell] = {}
    for names in groups:
        arms = [study.arms[name] for name in names]
        for place in range(max(map(len, arms), default=0)):
            for cells in arms:
                if place < len(cells):
                    found.setdefault(cells[place].address, cells[place])
    return list(found.values())


def _stamp(cells: list[Cell], root: Path, library: Library, renew: bool, say: Callable[[str], None]) -> None:
    """Write into the run folder of every cell that is to be computed which code does it."""
    from actlab.training.cells import folder_of, in_order
    from actlab.training.runs import locked

    for cell in in_order(cells):  # inputs first: what was made from one that begins again begins again
        folder = folder_of(cell, root)
        if not stamp(cell, root, library):
            if renew:
                with locked(folder):
                    shutil.rmtree(folder)
                stamp(cell, root, library)
            else:
                say(f"{folder} was begun by older code, and goes on; --renew begins it again")


class Progress:
    """A line on standard error for every cell that ends, with an estimate of the time left."""

    def __init__(self, study: Study, quiet: bool):
        self._names = {cell.address: name for name, cells in study.arms.items() for cell in cells}
        self._quiet = quiet
        self._total = self._computed = self._left = 0
        self._began = time.perf_counter()

    def say(self, line: str) -> None:
        """A line."""
        if not self._quiet:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def begin(self, total: int, left: int) -> None:
        """How many cells there are, and how many of them are to be computed."""
        self._total, self._left = total, left
        if total > left:
            self.say(f"{total - left} of {total} cells have their values already")

    def ended(self, cell: Cell, event: str) -> None:
        """A cell ended."""
        from actlab.training.study import duration

        self._left -= 1
        self._computed += event != "kept"
        ahead = ""
        if self._computed and self._left:
            seconds = (time.perf_counter() - self._began) / self._computed * self._left
            ahead = f", about {duration(seconds)} left"
        name = self._names[cell.address]
        self.say(f"[{self._total - self._left}/{self._total}] {name}, seed {cell.seed}: {event}{ahead}")
