"""Small Gymnasium environments whose every answer can be set, for tests of the adapter and the checker."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

UNIT = spaces.Box(-1.0, 1.0, (2,), np.float32)


class Plain(gymnasium.Env):
    """A point pushed about in [-10, 10], from a random start; it ends by termination outside of [-5, 5].

    `answers` replaces, by name (`observation`, `reward`, `terminated`, `truncated`, `info`), what a step gives:
    a function of the time in steps (0 at reset). `reset` and `step` are plain where nothing is replaced.
    """

    def __init__(
        self,
        action_space: spaces.Space = UNIT,
        observation_space: spaces.Space | None = None,
        answers: Mapping[str, Callable[[int], Any]] | None = None,
        render_mode: str | None = None,
    ):
        self.action_space, self.answers, self.render_mode = action_space, dict(answers or {}), render_mode
        default = spaces.Box(-10.0, 10.0, (2,), np.float32)
        self.observation_space = default if observation_space is None else observation_space
        self.actions: list[Any] = []
        self.closed = 0

    def _answer(self, name: str, plain: Any) -> Any:
        return self.answers[name](self.time) if name in self.answers else plain

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.options = 0, options
        self.place = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self._answer("observation", self.place.copy()), self._answer("info", {})

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.actions.append(action)
        self.time += 1
        if isinstance(self.action_space, spaces.Box):
            self.place = self.place + np.asarray(action, np.float32).ravel()[:2]
        outside = bool(np.abs(self.place).max() > 5)
        return (
            self._answer("observation", self.place.copy()),
            self._answer("reward", float(-np.abs(self.place).sum())),
            self._answer("terminated", outside),
            self._answer("truncated", False),
            self._answer("info", {}),
        )

    def close(self):
        self.closed += 1
