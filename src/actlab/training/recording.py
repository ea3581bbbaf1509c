"""Recording a policy: whole episodes in any task, played in lanes side by side.

Axis letter: E lanes.
"""

from collections.abc import Callable
from typing import Any

import jax

from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.keys import fold
from actlab.core.sources import Rollout
from actlab.data.episodes import Recordings, Trajectory, episodes_of, first
from actlab.training.host_collect import Collector


def record(
    policy: Any,
    state: Any,
    task: Task,
    steps: int,
    *,
    seed: int = 0,
    explore: bool = True,
    lanes: int = 10,
    report: Callable[[int], None] = lambda steps: None,
) -> Recordings:
    """Play whole episodes until they hold at least `steps` decisions.

    Args:
        policy: an agent or another `Policy`.
        state: what its `act` needs: a trained state, or what its `init` returns.
        task: over a code whose decisions last one native step.
        seed: all follows from it (and from the number of lanes).
        explore: the policy as it explores; else as it would be shipped.
        lanes: E, episodes played side by side.
        report: told the number of decisions so far.

    Raises:
        ActlabError: one code lasts several native steps.
    """
    if task.spec.codec.length > 1:
        raise ActlabError(
            f"Episodes are recorded in codes of one native step; the code of {task.spec.name} lasts "
            f"{task.spec.codec.length}."
        )
    collector = Collector(task, policy, lanes, explore=explore)
    source, key = Rollout(episodes=1, environments=lanes), fold(jax.random.key(seed), "record")
    episodes: list[Trajectory] = []
    count = wave = 0
    while count < steps:
        batch, _, _ = collector.roll_out(policy, source, state, None, fold(key, "wave", wave), 0, discount=1.0)
        more = episodes_of(batch._replace(extras=(), context=(), memory=()))
        episodes += more
        count, wave = count + sum(map(len, more)), wave + 1
        report(min(count, steps))
    collector.lanes.close()
    return first(Recordings(tuple(episodes), {"task": task.spec.name, "seed": seed}), steps)
