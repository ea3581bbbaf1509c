"""Which agent with which code? Successive halving over the pairs that fit a task, under a budget.

The decisions are in `training.halving`, the pairs in `training.candidates`; here they are run. The cells are those of
`compare`: a run that some study has trained already is not trained again, and a suggestion that was stopped goes on.

A budget of time only decides how long the runs are: every candidate is measured by two short runs of one seed, the
schedule that the rest of the time affords is written into `plan.json`, and from then on a clock decides nothing. So a
call that is repeated, or goes on, makes the same decisions.
"""

import hashlib
import json
import math
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from actlab.core.codec import Codec
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.studies import Cell, Study
from actlab.reports.result import Skipped, StudyResult
from actlab.reports.suggest import RungResult, SuggestResult
from actlab.tasks.catalogue import task as find_task
from actlab.training.candidates import Candidate, candidates
from actlab.training.cells import folder_of
from actlab.training.checkpoint import read_json, write_json
from actlab.training.compilation import enable_compilation_cache
from actlab.training.halving import (
    Budget,
    Cost,
    Rung,
    Standing,
    affordable,
    candidates_of,
    decide,
    parse_budget,
    schedule,
)
from actlab.training.ray_cluster import connection
from actlab.training.runs import RUNS, describe, slug
from actlab.training.schedule import run_cells
from actlab.training.study import Plan, cells_of, collect_result, reporter

LONGER = 10
"""How much longer than the longest runs of a suggestion its command trains the winner."""
MEASURED = 3
"""How much longer the second run of a measurement is than the first: the slope between them is the cost of a step."""


@dataclass(frozen=True)
class Suggestion:
    """A suggestion that was reached: what it says, and where it lies."""

    result: SuggestResult
    folder: Path

    def page(self) -> Path:
        """Write `suggest.html` and its figures into the folder; returns the page's path."""
        from actlab.reports.suggest_page import write_page

        return write_page(self.result, self.folder)


class Setting(NamedTuple):
    """What all runs of a suggestion share."""

    task: Task
    root: Path
    """Where cells lie."""
    seed: int
    evaluations: int
    episodes: int
    workers: int | None
    ray: str | None
    """The cluster that this process is connected to while rungs are trained."""
    command: str
    quiet: bool


def suggest(
    task: Task | str,
    budget: str | int,
    *,
    agents: Sequence[Any] | None = None,
    codes: Sequence[Codec | str] | None = None,
    seeds: int = 5,
    seed: int = 0,
    steps: int | None = None,
    shortest: int = 1_000,
    out: str | Path | None = None,
    evaluations: int = 10,
    episodes: int = 20,
    workers: int | None = None,
    ray: str | None = None,
    command: str = "",
    quiet: bool = False,
) -> Suggestion:
    """Try the pairs of agent and code that fit a task, drop the worse half again and again, and rank them.

    Args:
        task: a task, or the name of one.
        budget: of training, all candidates and seeds together: native environment steps (200_000, "200k", "1.5M") or
            time ("90s", "20m", "2h": computing time, summed over workers; measuring is part of it).
        agents: to choose among (agents, or texts such as "sac:width=64"); None is the list for the kind of space.
        codes: to choose among; None is the list for the kind of space. Given both: every agent with every code.
        seeds: of the last rung's candidates: `seed`, `seed + 1`, ...; earlier rungs have fewer.
        steps: of the last rung's runs; None is what the budget affords.
        shortest: fewest steps of a run.
        others: as in `compare`; with the same values cells are shared with it.

    Raises:
        ActlabError: nothing fits, the budget affords no runs of `shortest` steps, or `out` holds another suggestion.
    """
    enable_compilation_cache()
    chosen = find_task(task) if isinstance(task, str) else task
    amount = parse_budget(budget)
    found, left_out = candidates(chosen, agents, codes)
    skipped = [Skipped(pair.agent, pair.code, pair.reason, chosen.spec.name) for pair in left_out]
    if not found:
        raise ActlabError("No pair fits. " + " ".join(f"{s.agent} with {s.code}: {s.reason}" for s in skipped))
    asked: dict[str, Any] = {
        "task": chosen.spec.name,
        "budget": amount.text,
        "candidates": [describe(candidate.agent, candidate.bound) for candidate in found],
        "seeds": seeds,
        "seed": seed,
        "steps": steps,
        "shortest": shortest,
        "evaluations": evaluations,
        "episodes": episodes,
    }
    text = json.dumps(asked, sort_keys=True)
    asked, address = json.loads(text), hashlib.sha256(text.encode()).hexdigest()  # as it will be read again
    folder = RUNS / f"{slug('suggest', chosen.spec.name)}-{address[:8]}" if out is None else Path(out)
    root = RUNS / "cells" if out is None else folder / "cells"
    setting = Setting(chosen, root, seed, evaluations, episodes, workers, ray and "auto", command, quiet)
    plan = _plan(asked, folder, amount, found, setting)
    broken = plan["failed"]
    skipped += [Skipped(c.agent_text, c.code_text, broken[c.name], chosen.spec.name) for c in found if c.name in broken]
    left = [c for c in found if c.name not in broken]
    with connection(ray, workers):  # one for all rungs
        rungs = _climb(left, [Rung(*rung) for rung in plan["rungs"]], folder, setting)
    result = SuggestResult(
        chosen.spec.name, amount.text, tuple(rungs), tuple(skipped), command, measured=plan["measured"]
    )
    if (best := result.best) is not None:
        words = ["actlab", "train", best.agent, "--task", chosen.spec.name, "--code", best.code]
        words += ["--steps", str(steps or LONGER * best.steps), "--seed", str(seed + rungs[-1].seeds), "--seeds", "5"]
        result = SuggestResult(**{**vars(result), "train": shlex.join(words)})
    result.save(folder / "suggest.json")
    return Suggestion(result, folder)


# --- the plan ----------------------------------------------------------------------------------------


def _plan(
    asked: Mapping[str, Any], folder: Path, budget: Budget, found: Sequence[Candidate], setting: Setting
) -> dict[str, Any]:
    """What `plan.json` holds: read where it is there, else decided, which for a budget of time means measured.

    Raises:
        ActlabError: the folder holds the plan of another suggestion.
    """
    path = folder / "plan.json"
    if path.exists():
        held = read_json(path)
        different = [name for name in asked if held["asked"].get(name) != asked[name]]
        if different:
            raise ActlabError(
                f"{folder} holds another suggestion ({different[0]} differs); choose another folder with --out."
            )
        return held
    sizes = {"seeds": asked["seeds"], "shortest": asked["shortest"], "steps": asked["steps"]}
    if budget.steps is not None:
        rungs, measured, broken = schedule(len(found), budget.steps, **sizes), None, {}
    else:
        assert budget.seconds is not None
        costs, broken, spent = _measure(found, asked["shortest"], setting)
        if not costs:
            raise ActlabError(f"No candidate could be measured. {next(iter(broken.values()))}")
        rungs = affordable(list(costs.values()), budget.seconds - spent, **sizes)
        measured = {name: cost._asdict() for name, cost in costs.items()}
    plan = {"asked": dict(asked), "rungs": [list(rung) for rung in rungs], "measured": measured, "failed": broken}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, plan)
    return plan


def _measure(
    found: Sequence[Candidate], shortest: int, setting: Setting
) -> tuple[dict[str, Cost], dict[str, str], float]:
    """Two short runs of every candidate: what a run of it takes, who failed, and the seconds that this took.

    The runs are in this process, one after the other, so that they do not take the cores from each other.
    """
    _say(f"measuring {len(found)} candidates", setting.quiet)
    costs: dict[str, Cost] = {}
    broken: dict[str, str] = {}
    spent = 0.0
    for candidate in found:
        description = describe(candidate.agent, candidate.bound)
        times = []
        for steps in (shortest, MEASURED * shortest):
            (cell,) = cells_of(description, [setting.seed], steps, setting.evaluations, setting.episodes)
            began = time.perf_counter()
            failed = run_cells([cell], setting.root, quiet=setting.quiet)
            wall = time.perf_counter() - began
            if failed:
                broken[candidate.name] = f"it failed when it was measured: {failed[cell.address]}"
                break
            timing = read_json(folder_of(cell.inputs["train"], setting.root) / "timing.json")
            times.append((timing["seconds"], timing["compile_seconds"], wall))
        spent += sum(max(seconds + compiling, wall) for seconds, compiling, wall in times)
        if candidate.name in broken:
            continue
        (short, compiling, _), (long, again, wall) = times
        slope = max((long - short) / ((MEASURED - 1) * shortest), long / (100 * MEASURED * shortest))
        scoring = max(wall - long - again, 0.0)  # what is not training: the final evaluation
        costs[candidate.name] = Cost(max(compiling, again), max(short - slope * shortest, 0.0) + scoring, slope)
        _say(f"{candidate.name}: {1 / slope:,.0f} steps a second", setting.quiet)
    return costs, broken, spent


# --- the rungs ---------------------------------------------------------------------------------------


def _climb(found: Sequence[Candidate], rungs: Sequence[Rung], folder: Path, setting: Setting) -> list[RungResult]:
    """Train rung after rung. Where candidates fail the later rungs hold fewer, and one alone ends it."""
    left, results = {candidate.name: candidate for candidate in found}, []
    sizes = [*candidates_of(len(found))[1:], 0]
    for number, (rung, keep) in enumerate(zip(rungs, sizes, strict=True), 1):
        runs = f"{len(left)} candidates, {rung.seeds} seeds, {rung.steps:,} steps"
        _say(f"rung {number} of {len(rungs)}: {runs} each", setting.quiet)
        question = f"Which agent and code learn best on {setting.task.spec.name}? Rung {number}: {runs}"
        study, trained = _train(left, rung, question, setting)
        study.save(folder / f"rung-{number}" / "study.json")
        final = number == len(rungs)
        decision = decide(_standings(study), keep or len(left), higher_is_better=study.higher_is_better)
        results.append(RungResult(study, rung.seeds, rung.steps, trained, decision.order, decision.dropped))
        left = {name: left[name] for name in left if name in decision.kept}
        if not left:
            break
        if not final:
            _say(f"rung {number}: {len(decision.dropped)} dropped, first is {decision.order[0]}", setting.quiet)
    return results


def _train(left: Mapping[str, Candidate], rung: Rung, question: str, setting: Setting) -> tuple[StudyResult, int]:
    """The study of one rung, and the steps that its runs really had."""
    name = setting.task.spec.name
    seeds = range(setting.seed, setting.seed + rung.seeds)
    arms: dict[str, list[Cell]] = {
        candidate.name: cells_of(
            describe(candidate.agent, candidate.bound), seeds, rung.steps, setting.evaluations, setting.episodes
        )
        for candidate in left.values()
    }
    labels = {candidate.name: (candidate.agent_text, candidate.code_text, name) for candidate in left.values()}
    planned = Plan(Study(question, arms), labels, [], {name: setting.task})
    report: Callable[[Cell, str], None] = reporter(planned.study, setting.quiet)
    study = collect_result(
        planned, setting.root, setting.workers, setting.command, setting.quiet, report, ray=setting.ray
    )
    done = [folder_of(cell.inputs["train"], setting.root) / "result.json" for cells in arms.values() for cell in cells]
    return study, sum(int(read_json(path)["steps"]) for path in done if path.exists())


def _standings(study: StudyResult) -> dict[str, Standing]:
    """How every candidate did, in the order of the list."""
    standings = {}
    for arm in study.arms:
        scores = {s: x for s, x in arm.scores(study.metric, study.policy).items() if math.isfinite(x)}
        values = [value for seed in arm.seeds for _, value in seed.curve if value is not None and math.isfinite(value)]
        along = math.fsum(values) / len(values) if values else math.nan
        failures = [failure.sentence for failure in study.failed if failure.arm == arm.name]
        standings[arm.name] = Standing(scores, along, failures[0] if failures else "")
    return standings


def _say(sentence: str, quiet: bool) -> None:
    if not quiet:
        sys.stderr.write(sentence + "\n")
        sys.stderr.flush()
