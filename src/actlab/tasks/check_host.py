"""The checker for Gymnasium environments: plays the plain environment, without the guards of the adapter."""

import time
import warnings
from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.sets import Allowed
from actlab.tasks.door import as_declared, fault, flag_fault, mask_from_host, possible, reward_fault, short
from actlab.tasks.findings import Ending, Findings, corners, judge_actions, judge_ends, sample_allowed
from actlab.tasks.gymnasium import HostEnvironment
from actlab.tasks.waiting import waits_for

_EPISODES = 3
_COMPARED = 200
"""Steps over which two copies are compared."""
_OUTCOMES = 32
"""At most so many joint outcomes are tried one by one."""


def check_host(environment: HostEnvironment, longest: int) -> Findings:
    """All that can be said of a Gymnasium environment by playing it.

    Args:
        longest: most steps of one episode that are followed.
    """
    check = _Check(environment, longest)
    check.run()
    return check.found


class _Check:
    def __init__(self, environment: HostEnvironment, longest: int):
        self.environment, self.longest, self.found = environment, min(longest, environment.horizon), Findings()
        self.action, self.observation = environment.action, environment.observation
        self.first, self.second = environment.make(), environment.make()
        self.structure = jax.tree.structure(environment.example.allowed)
        self.steps, self.drawn, self.seconds, self.key = 0, 0, 0.0, jax.random.key(0)

    def run(self) -> None:
        found = self.found
        judge_actions(found, self.action)
        self.check_seeds()
        endings = [self.play(seed) for seed in range(_EPISODES)]
        played = [ending for ending in endings if ending]
        judge_ends(found, played, self.environment.horizon)
        if self.environment.limited_by_default and any(not ending.terminated for ending in played):
            found.add(
                "information",
                "no limit",
                f"It declares no time limit, so its episodes are truncated after {self.environment.horizon} steps; "
                "register it with max_episode_steps to choose.",
            )
        self.check_copies()
        self.check_corners()
        self.first.close()
        self.second.close()
        if self.seconds > 0:
            found.add("information", "speed", f"It takes about {self.steps / self.seconds:,.0f} steps a second.")
        if found.clean:
            found.add(
                "information",
                "clean",
                f"No fault was found in {self.steps} steps of {len(endings)} episodes: spaces, numbers, rewards, ends, "
                "masks, seeds, equality of two copies and actions at the bounds were checked.",
            )

    # --- one episode ---------------------------------------------------------------------------------

    def reset(self, env: gymnasium.Env, seed: int | None) -> tuple[Any, Allowed] | None:
        """Observation and set; None where it fails, which is noted."""
        try:
            with waits_for("environment", self.environment.name, "at reset"):
                observation, info = env.reset(seed=seed)
        except Exception as error:
            self.found.add("error", "reset", f"It raised {_told(error)} when it was reset with seed {seed}.")
            return None
        return observation, self.look(observation, info, "at reset", ended=False)

    def step(self, env: gymnasium.Env, native: Any, when: str) -> tuple[Any, Any, bool, bool, Any] | None:
        """What a step gives, where it is well formed; None where not, which is noted."""
        given = as_declared(env.action_space, self.action.to_host(native))
        before = time.perf_counter()
        try:
            with waits_for("environment", self.environment.name, when):
                result = env.step(given)
        except Exception as error:
            self.found.add(
                "error",
                "rejects",
                f"It raised {_told(error)} {when} for the action {short(given)}, which its space and mask allow.",
            )
            return None
        self.seconds, self.steps = self.seconds + time.perf_counter() - before, self.steps + 1
        observation, reward, terminated, truncated, info = result
        wrong = reward_fault(reward)
        if wrong:
            self.found.add("error", "reward", f"Its reward is wrong {when}: {wrong}.")
        wrong = flag_fault(terminated) or flag_fault(truncated)
        if wrong:
            self.found.add("error", "flags", f"Its `terminated` or `truncated` is wrong {when}: {wrong}.")
            return None
        return observation, reward, bool(terminated), bool(truncated), info

    def play(self, seed: int) -> Ending | None:
        """One episode of random allowed actions; None where it broke off."""
        start = self.reset(self.first, seed)
        if start is None:
            return None
        allowed = start[1]
        for count in range(1, self.longest + 1):
            when = f"at step {count}"
            result = self.step(self.first, self.draw(allowed), when)
            if result is None:
                return None
            observation, _, terminated, truncated, info = result
            allowed = self.look(observation, info, when, terminated or truncated)
            if terminated or truncated:
                return Ending(count, terminated, truncated)
        return Ending(self.longest, False, False)

    def draw(self, allowed: Allowed) -> Any:
        """A random action, another one at every call."""
        self.drawn += 1
        native = sample_allowed(self.action, allowed, fold(self.key, jnp.int32(self.drawn)))
        return jax.tree.map(np.asarray, native)

    def look(self, observation: Any, info: Any, when: str, ended: bool) -> Allowed:
        """Judge an observation and an info; the set that holds, None where the mask is no use."""
        found = self.found
        wrong = fault(self.observation, observation)
        if wrong:
            found.add("error", "observation", f"Its observation is wrong {when}: {wrong}.")
        else:
            self.look_closer(observation, when)
        if not isinstance(info, Mapping):
            found.add("error", "info", f"Its info is no dict {when}: received {short(info)}.")
            return None
        if "final_obs" in info or "final_observation" in info:
            found.add("error", "autoreset", "It starts over by itself within a step; remove its autoreset wrapper.")
        mask, masked = info.get("action_mask"), self.environment.example.allowed is not None
        if (mask is not None) != masked:
            asked, got = ("a mask", "none") if masked else ("no mask", "one")
            found.add(
                "error", "mask", f"The first reset gave {asked}, but there was {got} {when}; give one always or never."
            )
            return None
        if mask is None:
            return None
        try:
            allowed = mask_from_host(self.action, mask)
        except SpaceError as error:
            found.add("error", "mask", f"Its action mask has another form {when}: {error}.")
            return None
        if jax.tree.structure(allowed) != self.structure:
            found.add("error", "mask", f"Its action mask restricts other parts {when} than at the first reset.")
        if possible(allowed):
            return allowed
        if not ended:
            found.add("error", "nothing", f"Its action mask allows nothing {when}, though the episode goes on.")
        return None

    def look_closer(self, observation: Any, when: str) -> None:
        """Bounds and dtypes, which training survives."""
        for box, value in declared_boxes(self.first.observation_space, observation):
            array = np.asarray(value)
            if array.dtype != box.dtype:
                self.found.add(
                    "warning",
                    "dtype",
                    f"Its observation is {array.dtype} {when}, but its space says {box.dtype}; so it is converted.",
                )
            outside = (array < box.low) | (array > box.high)
            if outside.any():
                at = tuple(int(i) for i in np.argwhere(outside)[0])
                self.found.add(
                    "warning",
                    "outside",
                    f"Its observation leaves the declared space {when}: entry {list(at)} is {array[at]:g}, expected "
                    f"{box.low[at]:g} .. {box.high[at]:g}.",
                )

    # --- two copies ----------------------------------------------------------------------------------

    def check_seeds(self) -> None:
        """One seed, one start; on another copy, too."""
        starts = [self.reset(self.first, 0), self.reset(self.first, 0), self.reset(self.second, 0)]
        others = [self.reset(self.first, seed) for seed in (1, 2, 3)]
        if None in starts or None in others:
            return
        told = [_bytes(start[0]) for start in starts if start]
        if len(set(told)) > 1:
            self.found.add(
                "error",
                "seed",
                "Its reset ignores the seed: two resets with seed 0 start differently; call super().reset(seed=seed) "
                "and draw from self.np_random only.",
            )
        elif {_bytes(start[0]) for start in others if start} == set(told):
            self.found.add(
                "information",
                "alike",
                "All episodes start with the same observation, whatever the seed; that may be meant.",
            )

    def check_copies(self) -> None:
        """Two copies with one seed and one sequence of actions do the same, also in what comes after an end."""
        if "seed" in self.found:
            return
        seed, count = 0, 0
        answers: list[tuple[bool, bool]] = []
        while count < _COMPARED:
            one, two = self.reset(self.first, seed), self.reset(self.second, seed)
            if one is None or two is None:
                return
            allowed, ended, length = one[1], False, 0
            while not ended and length < self.longest:
                count, length = count + 1, length + 1
                native, when = self.draw(allowed), f"at step {length}"
                left, right = self.step(self.first, native, when), self.step(self.second, native, when)
                if left is None or right is None:
                    return
                names = ("observation", "reward", "terminated", "truncated")
                differs = [name for name, a, b in zip(names, left, right, strict=False) if _bytes(a) != _bytes(b)]
                if differs:
                    self.found.add(
                        "error",
                        "deterministic",
                        f"It is not deterministic: two copies with seed {seed} and the same actions differ in the "
                        f"{differs[0]} {when}; draw from self.np_random only, and reset all that changes.",
                    )
                    return
                ended = left[2] or left[3]
                allowed = self.look(left[0], left[4], when, ended)
                if ended:
                    answers += self.after_end(native, truncated=left[3] and not left[2])
            seed += 1
        self.judge_after_end(answers)

    def after_end(self, native: Any, truncated: bool) -> list[tuple[bool, bool]]:
        """The first copy is stepped once more; the second, which is in the same state, is reset.

        Returns:
            did the first start over, and did it go on after its time limit? Empty if it refused, which is right.
        """
        given = as_declared(self.first.action_space, self.action.to_host(native))
        try:
            with warnings.catch_warnings(action="ignore"):
                observation, _, terminated, cut, _ = self.first.step(given)
            fresh, _ = self.second.reset()
        except Exception:
            return []
        stays = bool(terminated or cut)
        same = _bytes(observation) == _bytes(fresh)
        return [(same and not (stays and "alike" in self.found), truncated and not stays)]

    def judge_after_end(self, answers: list[tuple[bool, bool]]) -> None:
        if answers and all(started for started, _ in answers):
            self.found.add(
                "error", "autoreset", "It starts over by itself: a step after the end gives the start of a new episode."
            )
        elif any(goes_on for _, goes_on in answers):
            self.found.add(
                "warning",
                "goes on",
                "A step after the time limit is answered as if the episode went on; raise an error, or stay truncated.",
            )

    def check_corners(self) -> None:
        """Every outcome, with the continuous coordinates at their lowest and at their highest, is accepted."""
        for vector in corners(self.action):
            for outcome in range(min(self.action.outcomes, _OUTCOMES)):
                native = jax.tree.map(np.asarray, self.action.join(jnp.int32(outcome), jnp.asarray(vector)))
                start = self.reset(self.first, 0)
                if start is None:
                    return
                if bool(sets.contains(start[1], native)):
                    self.step(self.first, native, "at step 1")


# --- helpers -----------------------------------------------------------------------------------------


@singledispatch
def declared_boxes(space: gymnasium.Space, value: Any) -> Iterator[tuple[gymnasium.spaces.Box, Any]]:
    """Every Box that a well-formed value has taken, with its part of the value."""
    return iter(())


@declared_boxes.register
def _(space: gymnasium.spaces.Box, value: Any) -> Iterator[tuple[gymnasium.spaces.Box, Any]]:
    yield space, value


@declared_boxes.register
def _(space: gymnasium.spaces.Tuple, value: Any) -> Iterator[tuple[gymnasium.spaces.Box, Any]]:
    for part, v in zip(space.spaces, value, strict=True):
        yield from declared_boxes(part, v)


@declared_boxes.register
def _(space: gymnasium.spaces.Dict, value: Any) -> Iterator[tuple[gymnasium.spaces.Box, Any]]:
    for name, part in space.spaces.items():
        yield from declared_boxes(part, value[name])


@declared_boxes.register
def _(space: gymnasium.spaces.OneOf, value: Any) -> Iterator[tuple[gymnasium.spaces.Box, Any]]:
    yield from declared_boxes(space.spaces[int(value[0])], value[1])


def _bytes(value: Any) -> Any:
    """Something hashable that is equal for bit-equal values."""
    if isinstance(value, Mapping):
        return tuple((name, _bytes(value[name])) for name in sorted(value))
    if isinstance(value, tuple | list):
        return tuple(map(_bytes, value))
    array = np.asarray(value)
    return array.shape, array.tobytes() if array.dtype != object else repr(value)


def _told(error: Exception) -> str:
    return f"{type(error).__name__} ({short(' '.join(str(error).split()))})"
