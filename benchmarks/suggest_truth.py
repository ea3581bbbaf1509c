"""Is a suggestion right? Its first choice against the truth: every candidate, run to the end, with 20 seeds.

    python benchmarks/suggest_truth.py --out results/suggest                       # everything; hours
    python benchmarks/suggest_truth.py --task CartPole-v1 --repeats 1 --seeds 2 ... # a trial

For every task: all candidates are trained with `--seeds` seeds and `--steps` steps; their means are the truth. Then
`--repeats` suggestions are made, each with other seeds, whose last rung has runs of as many steps. A suggestion is
right when the mean of its first choice in the truth lies within 5 % of (best mean - random score) of the best mean.

The agents are those of the lists of `actlab suggest`, with networks of 64 so that 20 seeds of each can be run, and
every agent meets every code that it can decide over.

Everything goes on where it was stopped; the cells of all parts lie under `runs/cells`. `OUT/truth-TASK.json` and
`OUT/suggest-truth.json` hold the numbers, k of the repeats with its 95 % Wilson interval among them.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

import actlab as al
from actlab.core.studies import Study
from actlab.reports.statistics import t_interval, wilson_interval
from actlab.training.candidates import PPO, Candidate, candidates
from actlab.training.checkpoint import write_json
from actlab.training.compilation import enable_compilation_cache
from actlab.training.runs import RUNS, describe, machine, slug, versions
from actlab.training.study import Plan, cells_of, collect_result, reporter


class Setting(NamedTuple):
    """What is tried on a task."""

    steps: int
    """Of a run to the end."""
    agents: tuple[str, ...]
    codes: tuple[str, ...]


SMALL = "width=64,batch_size=64,learning_rate=1e-3"
TASKS = {
    "CartPole-v1": Setting(
        20_000,
        ("dqn:width=64", "dqn:width=64,double=true,dueling=true,n_step=3", PPO, f"sac:{SMALL}"),
        ("identity", "repeat:times=2"),
    ),
    "Pendulum-v1": Setting(
        10_000,
        (f"sac:{SMALL}", f"td3:{SMALL}", PPO, f"branching-dqn:{SMALL}"),
        ("identity", "bins:bins=5", "chunk:length=2"),
    ),
}
NEAR = 0.05
"""Of (best - random): how far below the best a right choice may be."""
FIRST_SEED = 1_000
"""Of the suggestions; the truth has seeds from 0."""


def truth(task: Any, found: list[Candidate], steps: int, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Candidate -> its scores by seed and their mean."""
    seeds = range(options.seeds)
    arms = {
        c.name: cells_of(describe(c.agent, c.bound), seeds, steps, options.evaluations, options.episodes) for c in found
    }
    labels = {c.name: (c.agent_text, c.code_text, task.spec.name) for c in found}
    plan = Plan(Study(f"What is each candidate worth on {task.spec.name}?", arms), labels, [], {task.spec.name: task})
    study = collect_result(plan, RUNS / "cells", options.workers, "", True, reporter(plan.study, False))
    if study.failed:
        raise SystemExit(f"{len(study.failed)} seeds failed: {study.failed[0].sentence}")
    scores = {arm.name: arm.scores(study.metric, study.policy) for arm in study.arms}
    return {
        name: {"mean": mean.value, "interval": [mean.low, mean.high], "scores": values}
        for name, values in scores.items()
        for mean in [t_interval(list(values.values()))]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", action="append", choices=list(TASKS), help="one of them; by default both")
    parser.add_argument("--agent", action="append", help="as for `actlab suggest`, in place of TASKS")
    parser.add_argument("--code", action="append", help="as for `actlab suggest`, in place of TASKS")
    parser.add_argument("--steps", type=int, help="of a run to the end (by default as in TASKS)")
    parser.add_argument("--budget", help="of a suggestion (by default 25 runs to the end)")
    parser.add_argument("--shortest", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=20, help="of the truth")
    parser.add_argument("--repeats", type=int, default=10, help="suggestions, at least one")
    parser.add_argument("--evaluations", type=int, default=10)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/suggest"))
    options = parser.parse_args()
    enable_compilation_cache()
    answers = {}
    for name in options.task or list(TASKS):
        task, steps = al.task(name), options.steps or TASKS[name].steps
        agents, codes = options.agent or TASKS[name].agents, options.code or TASKS[name].codes
        found, _ = candidates(task, agents, codes)
        known = truth(task, found, steps, options)
        write_json(options.out / f"truth-{slug(name)}.json", {"steps": steps, "candidates": plain(known)})
        best, random = max(row["mean"] for row in known.values()), task.spec.reference["random"]
        lowest = best - NEAR * (best - random)
        repeats = []
        for repeat in range(options.repeats):
            said = al.suggest(
                task,
                options.budget or str(25 * steps),
                agents=agents,
                codes=codes,
                steps=steps,
                shortest=options.shortest,
                seed=FIRST_SEED + 100 * repeat,
                evaluations=options.evaluations,
                episodes=options.episodes,
                workers=options.workers,
            ).result
            chosen, sure = said.best, said.sureness
            assert chosen is not None
            right = known[chosen.name]["mean"] >= lowest
            separated = sure is not None and sure.conclusive
            repeats.append({"choice": chosen.name, "right": right, "separated": separated})
            sys.stderr.write(f"{name}, repeat {repeat}: {chosen.name}, {'right' if right else 'wrong'}\n")
        count, hits = len(repeats), sum(row["right"] for row in repeats)
        share = wilson_interval(hits, count)
        answers[name] = {
            "steps": steps,
            "budget": options.budget or str(25 * steps),
            "random": random,
            "best": best,
            "lowest right mean": lowest,
            "means": {name: row["mean"] for name, row in known.items()},
            "repeats": repeats,
            "right": hits,
            "of": count,
            "interval": [share.low, share.high],
        }
        write_json(
            options.out / "suggest-truth.json",
            {"tasks": plain(answers), "near": NEAR, "versions": versions(), "machine": machine()},
        )
    sys.stdout.write(json.dumps(plain(answers), indent=1) + "\n")


def plain(value: Any) -> Any:
    """JSON values, null for what is not finite."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
