"""Comparisons as studies: from agents, codes and tasks to cells, and from finished cells to a result."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actlab.actions.parse import code_text, parse_code
from actlab.core.codec import Codec
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.studies import Cell, Study
from actlab.training.cells import folder_of
from actlab.training.checkpoint import read_json
from actlab.training.fit import why_not
from actlab.training.metrics import read_metrics
from actlab.training.patience import PATIENCE
from actlab.training.runs import RUNS, describe, machine, options_of, slug, static_options, versions
from actlab.training.schedule import run_cells


@dataclass(frozen=True)
class Pair:
    """An agent with a code on a task that did not fit."""

    task: str
    agent: str
    code: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """A study before it is run."""

    study: Study
    labels: dict[str, tuple[str, str, str]]
    """arm -> agent (with its options), code, task."""
    skipped: list[Pair]
    tasks: dict[str, Task]


def agent_label(description: dict[str, Any], agent: Any) -> str:
    """The agent's name with the options that are not its defaults."""
    defaults = options_of(type(agent)())
    changed = {name: value for name, value in description["options"].items() if value != defaults[name]}
    options = ",".join(f"{name}={value}" for name, value in changed.items())
    return description["agent"] + (f":{options}" if options else "")


def cells_of(
    description: dict[str, Any], seeds: Iterable[int], steps: int, evaluations: int, episodes: int
) -> list[Cell]:
    """The cells of an arm, one a seed: each scores a policy, and has as input the cell that trains it."""
    parameters = {**description, "steps": steps, "evaluations": evaluations, "episodes": episodes}
    return [
        Cell(
            "actlab.training.api:evaluate_cell",
            {"episodes": episodes},
            seed,
            {"train": Cell("actlab.training.api:train_cell", parameters, seed)},
        )
        for seed in seeds
    ]


def plan(
    agents: Sequence[Any],
    tasks: Sequence[Task],
    codes: Sequence[Codec | str],
    seeds: Iterable[int],
    steps: int,
    evaluations: int,
    episodes: int,
    question: str | None,
) -> Plan:
    """Cells for every pair that fits; the others with the sentence why not."""
    arms: dict[str, list[Cell]] = {}
    labels: dict[str, tuple[str, str, str]] = {}
    skipped: list[Pair] = []
    seeds = list(seeds)
    found: dict[str, str | None] = {}  # traced options change no shapes: settings that differ in them fit alike

    def misfit(agent: Any, bound: Task, description: dict[str, Any]) -> str | None:
        static = static_options(description["agent"], description["options"])
        place = json.dumps([{**description, "options": static}], sort_keys=True, default=repr)
        if place not in found:
            found[place] = why_not(agent, bound)
        return found[place]

    for task in tasks:
        for code in codes:
            text = code if isinstance(code, str) else code_text(code)
            try:
                bound = task.with_code(parse_code(text, own=True))
                reason = None
            except ActlabError as error:
                bound, reason = task, str(error)
            for agent in agents:
                description = describe(agent, bound)
                alone = sum(type(other) is type(agent) for other in agents) == 1
                label = description["agent"] if alone else agent_label(description, agent)
                why = reason or misfit(agent, bound, description)
                if why is not None:
                    skipped.append(Pair(task.spec.name, label, text, why))
                    continue
                name = f"{label} + {description['code']}"
                if len(tasks) > 1:
                    name += f" on {task.spec.name}"
                labels[name] = (label, description["code"], task.spec.name)
                arms[name] = cells_of(description, seeds, steps, evaluations, episodes)
    names = " and ".join(task.spec.name for task in tasks)
    asked = question or f"Which treatment of the action space learns best on {names}?"
    return Plan(Study(asked, arms), labels, skipped, {task.spec.name: task for task in tasks})


def run_plan(
    planned: Plan,
    kind: str,
    out: str | Path | None,
    *,
    workers: int | None,
    ray: str | None,
    patience: float,
    command: str,
    quiet: bool,
) -> tuple[Any, Path]:
    """Compute what is missing of a study and save it: the result, and the folder that holds it.

    Args:
        kind: first word of the folder's name, where it is not given.
        out: the folder; by default one under `runs`, where studies share their cells.
    """
    title = f"{slug(kind, *planned.tasks)}-{planned.study.address[:8]}"
    folder = RUNS / title if out is None else Path(out)
    root = RUNS / "cells" if out is None else folder / "cells"
    began = time.perf_counter()
    result = collect_result(planned, root, workers, command, quiet, reporter(planned.study, quiet), patience, ray)
    result = replace(result, seconds=time.perf_counter() - began)
    result.save(folder / "study.json")
    return result, folder


def reporter(study: Study, quiet: bool) -> Callable[[Cell, str], None]:
    """A line on standard error for every seed that ends, with an estimate of the time left."""
    names = {cell.address: name for name, cells in study.arms.items() for cell in cells}
    ended, computed, began = 0, 0, time.perf_counter()

    def report(cell: Cell, event: str) -> None:
        nonlocal ended, computed
        if quiet or cell.address not in names:
            return
        ended, computed = ended + 1, computed + (event != "kept")
        left = len(names) - ended
        seconds = (time.perf_counter() - began) / max(computed, 1) * left
        ahead = f", about {duration(seconds)} left" if computed and left else ""
        sys.stderr.write(f"[{ended}/{len(names)}] {names[cell.address]}, seed {cell.seed}: {event}{ahead}\n")
        sys.stderr.flush()

    return report


def duration(seconds: float) -> str:
    """A time in words: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def collect_result(
    planned: Plan,
    root: Path,
    workers: int | None,
    command: str,
    quiet: bool,
    report: Callable[[Cell, str], None],
    patience: float = PATIENCE,
    ray: str | None = None,
) -> Any:
    """Run the cells that are missing and gather what the report shows (a `reports.result.StudyResult`)."""
    from actlab.reports.result import Arm, Failure, SeedResult, Skipped, StudyResult

    cells = [cell for arm in planned.study.arms.values() for cell in arm]
    failed = run_cells(cells, root, workers=workers, ray=ray, patience=patience, report=report, quiet=quiet)
    arms, failures = [], []
    for name, evaluations in planned.study.arms.items():
        seeds: list[Any] = []
        first = evaluations[0].inputs["train"].parameters
        for cell in evaluations:
            trained = cell.inputs["train"]
            if cell.address in failed:
                agent, code, _ = planned.labels[name]
                failures.append(Failure(f"{agent} + {code}", cell.seed, failed[cell.address], first["task"]))
                continue
            run = folder_of(trained, root)
            timing = read_json(run / "timing.json")
            seeds.append(
                SeedResult(
                    cell.seed,
                    read_json(folder_of(cell, root) / "result.json")["scores"],
                    [
                        (row["steps"], row["evaluation/return"])
                        for row in read_metrics(run)
                        if "evaluation/return" in row
                    ],
                    timing["seconds"] + timing["compile_seconds"],
                    timing["compile_seconds"],
                    cell.address,
                )
            )
        agent, code, task = planned.labels[name]
        arms.append(Arm(f"{agent} + {code}", agent, code, task, seeds, first["steps"], first["options"]))
    return StudyResult(
        question=planned.study.question,
        command=command,
        tasks=list(planned.tasks),
        arms=arms,
        curve_label="return of the greedy policy along training",
        references={name: dict(task.spec.reference) for name, task in planned.tasks.items()},
        skipped=[Skipped(pair.agent, pair.code, pair.reason, pair.task) for pair in planned.skipped],
        failed=failures,
        configuration={name: dict(cells[0].inputs["train"].parameters) for name, cells in planned.study.arms.items()},
        versions=versions(),
        machine=machine(),
        date=time.strftime("%Y-%m-%d"),
    )
