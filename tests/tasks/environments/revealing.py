"""An environment that reveals every mistake of an autoreset, and the ways to drive lanes of it.

Its observation is (number of the episode, time) and its reward is the time, so a lost last observation, a step
counted twice or a row taken from the next episode shows as a wrong number.
"""

import gymnasium
import jax
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from actlab.tasks.gymnasium import HostEnvironment
from actlab.tasks.lanes import Lanes, SingleLanes, VectorLanes

COUNT = 3


class Revealing(gymnasium.Env):
    """Episode k lasts `2 + (k + lane) % 4` steps; odd episodes end by termination, even ones by truncation."""

    observation_space = gymnasium.spaces.Box(0.0, 1e6, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self, lane: int = 0, masked: bool = False):
        self.lane, self.masked, self.episode, self.time = lane, masked, 0, 0

    def _info(self):
        # legal: never the action time % 3; nothing at all once the episode has ended
        mask = np.arange(3) != self.time % 3
        return {"action_mask": mask & (self.time < self._length)} if self.masked else {}

    @property
    def _length(self):
        return 2 + (self.episode + self.lane) % 4

    def _seen(self):
        return np.array([self.episode, self.time], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.time = self.episode + 1, 0
        return self._seen(), self._info()

    def step(self, action):
        assert self.time < self._length, "stepped after the end"
        self.time += 1
        over = self.time == self._length
        odd = self.episode % 2 == 1
        return self._seen(), float(self.time), over and odd, over and not odd, self._info()


class SeededWalk(gymnasium.Env):
    """Episodes that depend on the seed: a random walk, pushed by the action, that ends where it leaves [-3, 3]."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.goal = self.np_random.normal(), (options or {}).get("goal", 0.0)
        return np.array([self.place, self.goal]), {}

    def step(self, action):
        self.place += float(action[0]) + self.np_random.normal()
        return np.array([self.place, self.goal]), self.place, bool(abs(self.place) > 3), False, {}


def vector(mode: AutoresetMode, masked: bool = False) -> VectorEnv:
    return SyncVectorEnv([lambda i=i: Revealing(i, masked) for i in range(COUNT)], autoreset_mode=mode)


def single(masked: bool = False) -> SingleLanes:
    lanes = iter([0, *range(COUNT)])  # the pattern itself, then one for each lane
    return SingleLanes(HostEnvironment(lambda: Revealing(next(lanes), masked)), COUNT)


def made(kind: str, masked: bool = False) -> Lanes:
    return single(masked) if kind == "single" else VectorLanes(vector(AutoresetMode(kind), masked))


KINDS = ["single", "NextStep", "SameStep", "Disabled"]


def play(lanes: Lanes, ticks: int, act=None):
    """As the training loop drives lanes: rows of (before, action, after), after-end rows apart, per lane."""
    act = act or (lambda tick, step: np.zeros(lanes.count, np.int64))
    everywhere = np.ones(lanes.count, bool)
    seeds = np.arange(lanes.count)
    step = lanes.reset(seeds, (), everywhere)
    decisions, starts = [[] for _ in range(lanes.count)], [[row(step, i)] for i in range(lanes.count)]
    for tick in range(ticks):
        if not lanes.restarts and step.ended.any():
            step = lanes.reset(seeds + 100 * tick, (), step.ended)
            for i in np.flatnonzero(step.first & (step.elapsed == 0)):
                starts[i].append(row(step, i))
        native = act(tick, step)
        after = lanes.step(native, everywhere)
        for i in range(lanes.count):
            if after.first[i]:
                starts[i].append(row(after, i))
            else:
                decisions[i].append((row(step, i), native[i], row(after, i)))
        step = after
    return decisions, starts


def row(step, i):
    return jax.tree.map(lambda leaf: np.array(leaf[i]), step)


def equal(a, b) -> bool:
    same = jax.tree.structure(a) == jax.tree.structure(b)
    return same and all(
        x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b))
    )


def drive(lanes: Lanes, step, generator, ticks: int, draw):
    """Steps of some ticks, resets included."""
    seen = []
    for _ in range(ticks):
        seeds, native = generator.integers(0, 1000, lanes.count), draw(generator)
        if not lanes.restarts and step.ended.any():
            step = lanes.reset(seeds, (), step.ended)
            seen.append(step)
        step = lanes.step(native, np.ones(lanes.count, bool))
        seen.append(step)
    return step, seen
