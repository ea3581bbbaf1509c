"""Lanes that are a Gymnasium vector environment, in each of its three autoreset conventions.

Axis letters: n lanes, T native steps, R resets of single lanes.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from actlab.core import spaces
from actlab.core.contracts import Context, Native
from actlab.core.errors import ActlabError
from actlab.core.sets import Allowed
from actlab.core.steps import TimeStep, Tree
from actlab.tasks.door import (
    as_declared,
    batch_from_host,
    batch_to_host,
    fault,
    flag_fault,
    mask_from_host,
    possible,
    reward_fault,
)
from actlab.tasks.snapshots import Snapshot, check_lanes, mix, packed, row, unpacked
from actlab.tasks.waiting import waits_for


class VectorLanes:
    """A Gymnasium vector environment, whatever its autoreset convention.

    - NEXT_STEP: the step after an end starts the lane's next episode and ignores its action (`restarts`).
    - SAME_STEP: the vector has already started over; the last observation comes from `infos["final_obs"]`, the
      fresh one is held for the lane's `reset`, whose seed is then not used.
    - DISABLED: lanes are reset with their seeds by `options["reset_mask"]`.

    A vector that draws all lanes from one generator takes one seed, made of all the lanes' seeds.
    """

    can_wait = False
    survives = True

    def __init__(self, vector: VectorEnv, name: str | None = None):
        """
        Raises:
            ActlabError: the vector does not say its autoreset convention (`metadata["autoreset_mode"]`).
            SpaceError: its spaces have no twin here.
        """
        self.count = vector.num_envs
        self._name = name or (vector.spec.id if vector.spec else type(vector.unwrapped).__name__)
        if "autoreset_mode" not in vector.metadata:
            raise ActlabError(f"The vector environment {self._name!r} does not say metadata['autoreset_mode'].")
        self._mode = AutoresetMode(vector.metadata["autoreset_mode"])
        self.restarts = self._mode is AutoresetMode.NEXT_STEP
        self._vector = vector
        self._observation = spaces.from_gymnasium(vector.single_observation_space)
        self._action = spaces.from_gymnasium(vector.single_action_space)
        self._seed_each = isinstance(vector.unwrapped, SyncVectorEnv | AsyncVectorEnv)
        self._last: TimeStep | None = None
        self._fresh: TimeStep | None = None  # SAME_STEP: the first steps of the episodes already begun
        self._masked = False
        self._seeds = np.zeros(self.count, np.int64)
        self._actions: list[Native] = []
        self._resets: list[tuple[int, np.ndarray, np.ndarray]] = []

    def reset(self, seeds: np.ndarray, contexts: Context, where: np.ndarray) -> TimeStep:
        """See `Lanes.reset`. All lanes at once begin anew with their seeds, in every convention.

        Raises:
            ActlabError: contexts are given (a vector cannot take one a lane), or single lanes are reset before
                their end or where the vector restarts them.
        """
        if contexts != ():
            raise ActlabError(f"The lanes of the vector {self._name!r} take no contexts: use one environment a lane.")
        where, seeds = np.asarray(where, bool), np.asarray(seeds, np.int64)
        last = self._last
        held = self._mode is AutoresetMode.SAME_STEP and last is not None and bool((last.ended | ~where).all())
        if where.all() and not held:
            return self._reset_all(seeds)
        if last is None or self.restarts or not (held or self._mode is AutoresetMode.DISABLED):
            early = np.flatnonzero(where if last is None or self.restarts else where & ~np.asarray(last.ended))
            raise ActlabError(
                f"The vector {self._name!r} (autoreset {self._mode.value}) cannot reset lanes {early.tolist()} now: "
                "expected a reset of all lanes first, and later only of ended lanes, where they do not restart."
            )
        if not where.any():
            return last
        self._resets.append((len(self._actions), seeds, where))
        fresh = self._fresh
        if fresh is None:
            observation, infos = self._call("reset", seed=self._seed(seeds), options={"reset_mask": where.copy()})
            fresh = self._first(observation, self._masks(infos, where, None))
        self._last = step = mix(where, fresh, last)
        return step

    def step(self, native: Native, where: np.ndarray) -> TimeStep:
        """See `Lanes.step`.

        Raises:
            ActlabError: a lane shall wait or has ended and was not reset, or the vector raises or returns what
                does not fit its spaces.
        """
        last = self._last
        if last is None or not np.all(where) or (last.ended.any() and not self.restarts):
            why = "before the first reset" if last is None else "with a lane that waits or has ended"
            raise ActlabError(f"The vector {self._name!r} steps all its lanes at once; it was stepped {why}.")
        native = jax.tree.map(np.array, native)
        self._actions.append(native)
        action = as_declared(self._vector.action_space, batch_to_host(self._action, native, self.count))
        observation, reward, terminated, truncated, infos = self._call("step", action)
        lead = (self.count,)
        wrong = reward_fault(reward, lead) or flag_fault(terminated, lead) or flag_fault(truncated, lead)
        self._raise(wrong, "reward or flag")
        first = np.asarray(last.ended) if self.restarts else np.zeros(lead, bool)
        terminated, truncated = (np.asarray(flag, bool) & ~first for flag in (terminated, truncated))
        ended = terminated | truncated
        observed = self._observed(observation)
        if self._mode is AutoresetMode.SAME_STEP:
            allowed = self._masks(infos, np.ones(lead, bool), last.allowed)
            self._fresh = self._first(observation, allowed)
            for i in np.flatnonzero(ended).tolist():
                self._last_observation(observed, infos, i)
            if ended.any():
                allowed = mix(ended, self._masks(infos.get("final_info", {}), ended, last.allowed, ended), allowed)
        else:
            allowed = self._masks(infos, np.ones(lead, bool), last.allowed, ended)
        reward, elapsed = np.where(first, 0, reward).astype(np.float32), (~first).astype(np.int32)
        rest: Any = (reward, elapsed, first, terminated, truncated)
        self._last = step = TimeStep(observed, allowed, *rest)
        return step

    def snapshot(self) -> Snapshot:
        """The last reset of all lanes, `seeds` `[n]`, and since then: the native actions, `native/k` `[T, n, ...]`,
        and the resets of single lanes, `reset/time` `[R]`, `reset/seeds` and `reset/where` `[R, n]`.

        So its size, and the time of `restore`, grow with the run: such a vector draws its later episodes from
        generators that go on from one episode to the next.
        """
        if self._last is None:
            raise ActlabError(f"The vector {self._name!r} has nothing to save before its first reset.")
        shape = (len(self._resets), self.count)
        return {
            "seeds": self._seeds,
            "reset/time": np.asarray([time for time, _, _ in self._resets], np.int64),
            "reset/seeds": np.asarray([seeds for _, seeds, _ in self._resets], np.int64).reshape(shape),
            "reset/where": np.asarray([where for _, _, where in self._resets], bool).reshape(shape),
            **packed(self._actions, self._action, self.count),
        }

    def restore(self, snapshot: Snapshot) -> TimeStep:
        check_lanes(snapshot, self.count, "seeds")
        everywhere = np.ones(self.count, bool)
        step = self._reset_all(snapshot["seeds"])
        resets = list(zip(snapshot["reset/time"], snapshot["reset/seeds"], snapshot["reset/where"], strict=True))
        actions = unpacked(snapshot, self._action)
        for time in range(len(actions) + 1):
            for _, seeds, where in (reset for reset in resets if reset[0] == time):
                step = self.reset(seeds, (), where)
            if time < len(actions):
                step = self.step(actions[time], everywhere)
        return step

    def close(self) -> None:
        self._vector.close()

    def _reset_all(self, seeds: np.ndarray) -> TimeStep:
        self._seeds, self._actions, self._resets, self._fresh = seeds.copy(), [], [], None
        observation, infos = self._call("reset", seed=self._seed(seeds))
        self._masked = "action_mask" in infos
        self._last = step = self._first(observation, self._masks(infos, np.ones(self.count, bool), None))
        return step

    def _seed(self, seeds: np.ndarray) -> Any:
        if self._seed_each:
            return [int(seed) for seed in seeds]
        return int(np.random.SeedSequence([int(seed) for seed in seeds]).generate_state(1)[0] & 0x7FFFFFFF)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        try:
            with waits_for("vector", self._name, self._when):
                return getattr(self._vector, name)(*args, **kwargs)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise ActlabError(f"The vector {self._name!r} failed to {name} {self._when}: {what}") from error

    @property
    def _when(self) -> str:
        return f"at step {len(self._actions)} since its reset"

    def _raise(self, wrong: str, what: str) -> None:
        if wrong:
            raise ActlabError(f"The vector {self._name!r} returned a wrong {what} {self._when}: {wrong}.")

    def _observed(self, observation: Any) -> Tree:
        self._raise(fault(self._observation, observation, (self.count,)), "observation")
        return batch_from_host(self._observation, observation)

    def _last_observation(self, observed: Tree, infos: Mapping, i: int) -> None:
        """Put the true last observation of lane i into `observed`, where the vector has the next episode's."""
        final = infos["final_obs"][i] if "final_obs" in infos else None
        wrong = "expected infos['final_obs'], received none" if final is None else fault(self._observation, final)
        self._raise(wrong, f"last observation of lane {i}")
        row = self._observation.from_host(final)
        for leaf, value in zip(jax.tree.leaves(observed), jax.tree.leaves(row), strict=True):
            leaf[i] = value

    def _first(self, observation: Any, allowed: Allowed) -> TimeStep:
        no: Any = np.zeros(self.count, bool)
        reward: Any = np.zeros(self.count, np.float32)
        return TimeStep(self._observed(observation), allowed, reward, reward.astype(np.int32), ~no, no, no)

    def _masks(self, infos: Mapping, where: np.ndarray, before: Allowed, ended: np.ndarray | None = None) -> Allowed:
        """The sets `[n]` that `infos` gives for the lanes `where`; other lanes, and ended ones where nothing is
        legal, keep the set of `before`."""
        if not self._masked:
            self._raise("expected none, as at the first reset" if "action_mask" in infos else "", "action mask")
            return None
        rows: list[Allowed] = [None] * self.count
        for i in range(self.count):
            if where[i]:
                given = "action_mask" in infos and bool(infos["_action_mask"][i])
                self._raise("" if given else "expected one, as at the first reset, received none", f"mask of lane {i}")
                rows[i] = mask_from_host(self._action, _info_row(infos["action_mask"], i))
                if not possible(rows[i]):
                    over = ended is not None and bool(ended[i]) and before is not None
                    self._raise("" if over else "expected a legal action, received none", f"mask of lane {i}")
                    rows[i] = row(before, i)
            elif before is not None:
                rows[i] = row(before, i)
        some = next((row for row in rows if row is not None), None)
        if some is None:
            return before
        return jax.tree.map(lambda *leaves: np.stack(leaves), *[some if row is None else row for row in rows])


def _info_row(value: Any, i: int) -> Any:
    """Entry i of what a vector's infos hold under one name (a dict carries a flag `_name` beside each name)."""
    if isinstance(value, Mapping):
        names = [name for name in value if f"_{name}" in value and value[f"_{name}"][i]]
        return {name: _info_row(value[name], i) for name in names}
    return value[i]
