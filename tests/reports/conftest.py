"""A small study result that the tests of this room share."""

import math

import numpy as np
import pytest

from actlab.reports.result import Arm, Failure, SeedResult, Skipped, StudyResult


def make_study(tasks=("Hopper-v5",), seeds=5, names=(("ppo", "normalise"), ("sac", "bins:bins=7")), **changes):
    """Arms whose scores are 100 apart, with curves, episodes of both policies and one failed seed a task."""
    generator = np.random.default_rng(0)
    arms = []
    for task in tasks:
        for place, (agent, code) in enumerate(names):
            results = []
            for seed in range(seeds):
                goal = 200.0 + 100.0 * place + 10.0 * generator.normal()
                curve = [(1000.0 * i, goal * i / 5) for i in range(6)]
                scores = {
                    "return": {"deterministic": [goal - 1.0, goal + 1.0], "stochastic": [goal - 20.0]},
                    "violations": {"deterministic": [0.0, 1.0]},
                }
                results.append(SeedResult(seed, scores, curve, 12.5, 3.0, f"{place}{seed}" * 10))
            arms.append(Arm(f"{agent} + {code}", agent, code, task, results, 5000, {"discount": 0.99}))
    fields = {
        "question": "Which code learns best?",
        "command": "actlab compare ppo sac --task Hopper-v5 --steps 5k",
        "tasks": list(tasks),
        "arms": arms,
        "references": {task: {"random": 0.0, "expert": 400.0} for task in tasks},
        "skipped": [Skipped("dqn", "normalise", "DQN needs a finite code.", tasks[0])],
        "failed": [Failure("ppo + normalise", 7, "The reward was NaN at step 12.", task) for task in tasks],
        "configuration": {"steps": 5000},
        "versions": {"jax": "0.9"},
        "machine": {"cores": 2},
        "seconds": math.nan,
        "date": "2026-01-02",
    }
    return StudyResult(**{**fields, **changes})


@pytest.fixture(scope="session")
def study():
    """The function that makes a study result."""
    return make_study
