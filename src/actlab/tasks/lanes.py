"""Several host environments side by side, as the training loop drives them.

A lane is one running episode after another. `step` always returns the true successor: at the end of an
episode its last observation, with `terminated` and `truncated` apart. No lane starts over in silence.

Two ways to hold them:

| | `SingleLanes` | `VectorLanes` |
|---|---|---|
| made of | one `HostEnvironment` a lane | a `gymnasium.vector.VectorEnv` |
| a lane may wait | yes | no, all step together |
| an episode's seed | always the one given | only the first one, unless the vector never resets by itself |
| a snapshot holds | the running episodes | everything since the last reset of all lanes |

Axis letters: n lanes, T native steps, R resets.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from actlab.core import spaces
from actlab.core.contracts import Context, Native
from actlab.core.errors import ActlabError
from actlab.core.sets import Allowed
from actlab.core.spaces import Space
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
from actlab.tasks.gymnasium import Episode, HostEnvironment

Snapshot = dict[str, np.ndarray]


class Lanes(Protocol):
    """n host environments; every array in and out is numpy with a leading axis `[n]`."""

    count: int
    can_wait: bool
    """May a lane be left unstepped at a tick?"""
    restarts: bool
    """Does a lane begin its next episode by itself? Then the step after an end ignores that lane's action and
    returns a row with `first` set (reward and `elapsed` 0), and `reset` is only for the very start."""

    def reset(self, seeds: np.ndarray, contexts: Context, where: np.ndarray) -> TimeStep:
        """Begin an episode in the lanes `where`; the others keep their last step.

        Args:
            seeds: int `[n]`.
            contexts: `()`, or a dict of arrays `[n, ...]`.
            where: bool `[n]`.
        """
        ...

    def step(self, native: Native, where: np.ndarray) -> TimeStep:
        """One native action `[n, ...]` in the lanes `where`; the others keep their last step."""
        ...

    def snapshot(self) -> Snapshot:
        """Reset seeds and native actions from which `restore` plays the present state again."""
        ...

    def restore(self, snapshot: Snapshot) -> TimeStep:
        """Bring back the state of a snapshot, bit for bit; returns the last step of every lane.

        Raises:
            ActlabError: the snapshot is of other lanes, or the environment is not deterministic.
        """
        ...

    def close(self) -> None:
        """Close the environments."""
        ...


def lanes_for(environment: HostEnvironment, count: int) -> Lanes:
    """`count` lanes of fresh instances: one environment each, unless the environment says how to batch it."""
    if environment.vector is None:
        return SingleLanes(environment, count)
    return VectorLanes(environment.make_vector(count), environment.name)


class SingleLanes:
    """A list of single environments: the fastest on few cores, and every episode is exactly its seed's."""

    can_wait = True
    restarts = False

    def __init__(self, environment: HostEnvironment, count: int):
        """
        Args:
            environment: the pattern; every lane gets a fresh instance.
            count: n.
        """
        self.count = count
        self._environments = [environment.fresh() for _ in range(count)]
        self._episodes: list[Episode | None] = [None] * count
        self._contexts: Context = ()
        self._last: TimeStep = jax.tree.map(lambda leaf: np.stack([leaf] * count), environment.example)

    def reset(self, seeds: np.ndarray, contexts: Context, where: np.ndarray) -> TimeStep:
        contexts = jax.tree.map(np.asarray, contexts)
        self._contexts = _mix(where, contexts, self._contexts)
        rows = {}
        for i in np.flatnonzero(where).tolist():
            self._episodes[i], rows[i] = self._environments[i].reset(int(seeds[i]), _row(contexts, i))
        return self._write(rows)

    def step(self, native: Native, where: np.ndarray) -> TimeStep:
        native = jax.tree.map(np.asarray, native)
        rows = {}
        for i in np.flatnonzero(where).tolist():
            self._episodes[i], rows[i] = self._environments[i].step(None, self._episode(i), _row(native, i))
        return self._write(rows)

    def snapshot(self) -> Snapshot:
        """`seeds`, `lengths` (-1: not begun) `[n]`; `context/...` `[n, ...]`; `native/k`, leaf k of all lanes' actions
        in a row, `[sum of lengths, ...]`."""
        actions = [action for episode in self._episodes if episode for action in episode.actions]
        return {
            "seeds": np.asarray([episode.seed if episode else 0 for episode in self._episodes], np.int64),
            "lengths": np.asarray([len(episode.actions) if episode else -1 for episode in self._episodes], np.int64),
            **_named("context", self._contexts),
            **_packed(actions, self._environments[0].action),
        }

    def restore(self, snapshot: Snapshot) -> TimeStep:
        _check_lanes(snapshot, self.count, "lengths")
        self._contexts = _unnamed("context", snapshot)
        actions, start, rows = _unpacked(snapshot, self._environments[0].action), 0, {}
        for i, (seed, length) in enumerate(zip(snapshot["seeds"], snapshot["lengths"], strict=True)):
            self._episodes[i] = None
            if length < 0:
                continue
            played = actions[start : start + length]
            self._episodes[i], rows[i] = self._environments[i].replay(int(seed), _row(self._contexts, i), played)
            start += length
        return self._write(rows)

    def close(self) -> None:
        for environment in self._environments:
            environment.close()

    def _episode(self, i: int) -> Episode:
        episode = self._episodes[i]
        if episode is None:
            raise ActlabError(f"Lane {i} of {self._environments[i].name!r} was stepped before its first reset.")
        return episode

    def _write(self, rows: Mapping[int, TimeStep]) -> TimeStep:
        self._last = jax.tree.map(np.copy, self._last)  # what was returned before stays as it was
        leaves = jax.tree.leaves(self._last)
        for i, step in rows.items():
            for leaf, value in zip(leaves, jax.tree.leaves(step), strict=True):
                leaf[i] = value
        return self._last


class VectorLanes:
    """A Gymnasium vector environment, whatever its autoreset convention.

    - NEXT_STEP: the step after an end starts the lane's next episode and ignores its action (`restarts`).
    - SAME_STEP: the vector has already started over; the last observation comes from `infos["final_obs"]`, the
      fresh one is held for the lane's `reset`, whose seed is then not used.
    - DISABLED: lanes are reset with their seeds by `options["reset_mask"]`.

    A vector that draws all lanes from one generator takes one seed, made of all the lanes' seeds.
    """

    can_wait = False

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
        self._last = step = _mix(where, fresh, last)
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
                allowed = _mix(ended, self._masks(infos.get("final_info", {}), ended, last.allowed, ended), allowed)
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
            **_packed(self._actions, self._action, self.count),
        }

    def restore(self, snapshot: Snapshot) -> TimeStep:
        _check_lanes(snapshot, self.count, "seeds")
        everywhere = np.ones(self.count, bool)
        step = self._reset_all(snapshot["seeds"])
        resets = list(zip(snapshot["reset/time"], snapshot["reset/seeds"], snapshot["reset/where"], strict=True))
        actions = _unpacked(snapshot, self._action)
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
                    rows[i] = _row(before, i)
            elif before is not None:
                rows[i] = _row(before, i)
        some = next((row for row in rows if row is not None), None)
        if some is None:
            return before
        return jax.tree.map(lambda *leaves: np.stack(leaves), *[some if row is None else row for row in rows])


# --- rows and snapshots ------------------------------------------------------------------------------


def _info_row(value: Any, i: int) -> Any:
    """Entry i of what a vector's infos hold under one name (a dict carries a flag `_name` beside each name)."""
    if isinstance(value, Mapping):
        names = [name for name in value if f"_{name}" in value and value[f"_{name}"][i]]
        return {name: _info_row(value[name], i) for name in names}
    return value[i]


def _row(tree: Tree, i: int) -> Tree:
    return jax.tree.map(lambda leaf: leaf[i], tree)


def _mix(where: np.ndarray, yes: Tree, no: Tree) -> Tree:
    """Lane by lane `yes` where `where`, else `no` (`yes` if the two have different structures)."""
    if jax.tree.structure(yes) != jax.tree.structure(no):
        return yes

    def mix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(np.reshape(where, (-1,) + (1,) * (np.ndim(a) - 1)), a, b)

    return jax.tree.map(mix, yes, no)


def _packed(actions: Sequence[Native], space: Space, count: int | None = None) -> Snapshot:
    """Actions in a row: `native/k` is leaf k of all of them, `[T, ...]`."""
    leaves = [jax.tree.leaves(action) for action in actions]
    lead = () if count is None else (count,)
    empty = [np.zeros((0, *lead, *np.shape(leaf)), np.asarray(leaf).dtype) for leaf in jax.tree.leaves(space.zeros())]
    return {f"native/{k}": np.stack([row[k] for row in leaves]) if leaves else empty[k] for k in range(len(empty))}


def _unpacked(snapshot: Snapshot, space: Space) -> list[Native]:
    structure = jax.tree.structure(space.zeros())
    leaves = [snapshot[f"native/{k}"] for k in range(structure.num_leaves)]
    return [jax.tree.unflatten(structure, row) for row in zip(*leaves, strict=True)]


def _named(prefix: str, context: Context) -> Snapshot:
    """The leaves of a nested dict by their paths."""
    if not isinstance(context, Mapping):
        return {} if context == () else {prefix: np.asarray(context)}
    return {path: leaf for name, part in context.items() for path, leaf in _named(f"{prefix}/{name}", part).items()}


def _unnamed(prefix: str, snapshot: Snapshot) -> Context:
    context: dict[str, Any] = {}
    for path, leaf in snapshot.items():
        if path.startswith(f"{prefix}/"):
            *folders, name = path.split("/")[1:]
            at = context
            for folder in folders:
                at = at.setdefault(folder, {})
            at[name] = leaf
    return context or ()


def _check_lanes(snapshot: Snapshot, count: int, name: str) -> None:
    if name not in snapshot or len(snapshot[name]) != count:
        received = f"{len(snapshot[name])} lanes" if name in snapshot else "one of another kind of lanes"
        raise ActlabError(f"The snapshot does not fit: expected {count} lanes, received {received}.")
