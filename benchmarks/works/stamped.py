"""HalfCheetah-v5 that ends the process when it is asked for the step behind the first update.

`works.stamped:Stamped-v0` for Gymnasium. The measurement gives what is to happen then to `WHEN`.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv

IDENTITY = "works.stamped:Stamped-v0"
WHEN: list[tuple[int, Callable[[], None]]] = []
"""The number of that step, and what to call."""


class Stamped(HalfCheetahEnv):
    """Counts its own steps."""

    steps = 0

    def step(self, action: Any) -> Any:
        self.steps += 1
        for number, call in WHEN:
            if self.steps == number:
                call()
        return super().step(action)


gymnasium.register("Stamped-v0", Stamped, max_episode_steps=1_000)
