"""What several contract probes need: to record a data set, to train for a moment, and to score a greedy policy."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from actlab.core.contracts import Task
from actlab.core.sources import Rollout
from actlab.core.steps import Batch
from actlab.training.collect import begin_lanes, roll_out
from actlab.training.graph import RUN_ONCE
from actlab.training.loop import Settings, train


def record(task: Task, policy: Any, key: jax.Array, *, decisions: int, environments: int = 1) -> Batch:
    """Rows `[environments, decisions]` of a policy without state: what a `Dataset` source is given."""
    source = Rollout(decisions=decisions, environments=environments)

    def play(key: jax.Array) -> Batch:
        lanes = begin_lanes(task, policy, source, (), key)
        return roll_out(task, policy, source, (), lanes, key)[0]

    return jax.jit(play, compiler_options=RUN_ONCE)(key)._replace(memory=(), extras=())


def learned(agent: Any, task: Task, steps: int, folder: Path, *, seed: int = 0, **options: Any) -> Any:
    """The learner's state after `steps` of the real loop, without evaluations on the way."""
    folder.mkdir(exist_ok=True)
    return train(agent, task, Settings(steps, evaluations=0), seed, folder, **options).learner


def driven(driver: Any, agent: Any, ticks: int, *, seed: int = 0, data: Any = None, start: Any = None) -> Any:
    """The carry (learner, lanes, buffers) after `ticks` of a driver: what the loop holds between two marks."""
    carry = driver.start(agent, jax.random.key(seed), data or {}, start, ticks * driver.native_steps_of_tick())
    return driver.run(agent, carry, ticks, uniform=False)[0]


def greedy(driver: Any, agent: Any, state: Any, episodes: int = 1) -> dict[str, np.ndarray]:
    """Every score of `episodes` episodes of the policy as it would be shipped, `[episodes]`."""
    return driver.evaluate(agent, state, jax.random.key(7), episodes, explore=False)
