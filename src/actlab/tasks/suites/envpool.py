"""EnvPool (Weng et al., 2022): `envpool/HalfCheetah-v4`, all lanes stepped by one call in C++ threads.

The batched fast path: where other environments on the host are one Python object a lane, here a pool owns the
n lanes (`PoolLanes`) and the training loop drives it as it drives all lanes. The pool runs in EnvPool's
synchronous mode, in which it also steps and resets some of its environments while the others wait. Its
environments would begin their next episode by themselves at the step after an end; they are reset before that,
so an episode's last observation is the true one and no decision is lost.

What EnvPool cannot do, and what follows from it:

- It cannot save or restore a simulator. A run that is resumed begins new episodes in all its lanes; so it is
  not bit-equal to a run that was not interrupted, unlike all other runs.
- It takes seeds only when a pool is made. The first episode of each lane follows its seed, later ones go on
  from the lane's own generator. Evaluations make a new pool, so that their episodes depend on their seeds alone.
- An episode that terminates at its very last permitted step counts as truncated: EnvPool tells both as one.

Not supported: games of several players, and actions of several arrays.

Axis letters: n lanes, k lanes that are stepped or reset now.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium
import jax
import numpy as np

from actlab.core.contracts import Context, Native, Task
from actlab.core.errors import ActlabError
from actlab.core.sets import Allowed, Mask
from actlab.core.steps import TimeStep
from actlab.tasks.door import batch_from_host, batch_to_host, each, fault, flag_fault, reward_fault
from actlab.tasks.gymnasium import DEFAULT_HORIZON, HostEnvironment
from actlab.tasks.make import make_task
from actlab.tasks.snapshots import Snapshot
from actlab.tasks.suites.scores import SUCCESS, success_score
from actlab.tasks.suites.streams import unwarned
from actlab.tasks.waiting import waits_for

LONGEST = 200_000
"""A declared time limit above this is none."""

MakePool = Callable[[Sequence[int]], Any]
"""Seeds, one an environment -> a pool of that many."""


def names() -> Sequence[str]:
    """EnvPool's ids."""
    import envpool

    return envpool.list_all_envs()


def make(
    identity: str, *, discount: float = 0.99, max_episode_steps: int | None = None, threads: int = 0, **options: Any
) -> Task:
    """A task.

    Args:
        identity: see `names`.
        discount: per native step.
        max_episode_steps: the time limit; EnvPool's own where None, else 1,000.
        threads: of a pool; 0 lets EnvPool decide.
        options: passed to `envpool.make`.

    Raises:
        ActlabError: the task has several players, or an action of several arrays.
    """
    import envpool

    shown = {"partially_observable": False} if identity.startswith("MetaWorld/") else {}  # else the goal reads zero
    pooled = {**shown, **options, "num_threads": threads}
    with _explained(identity):
        own = envpool.make_spec(identity, **pooled).config.max_episode_steps
    limit = max_episode_steps or (own if 0 < own <= LONGEST else DEFAULT_HORIZON)

    def pool(seeds: Sequence[int]) -> Any:
        with _explained(identity), unwarned():
            made = envpool.make(
                identity,
                env_type="gymnasium",
                num_envs=len(seeds),
                seed=[int(seed) & 0x7FFFFFFF for seed in seeds],
                max_episode_steps=limit,
                **pooled,
            )
            _ = made.observation_space, made.action_space  # declared at the first look, with warnings
            return made

    def lanes(environment: HostEnvironment, count: int) -> PoolLanes:
        return PoolLanes(environment, pool, count)

    first = One(pool)
    told = (SUCCESS,) if SUCCESS in first.reset(seed=0)[1] else ()
    first.close()
    name = f"envpool/{identity}"
    environment = HostEnvironment(lambda: One(pool), limit, name=name, told=told, lanes=lanes)
    return make_task(environment, name, discount=discount, score=success_score if told else None)


class One(gymnasium.Env):
    """A pool of one environment, made anew for every seed: what lists, checks and single episodes play."""

    def __init__(self, pool: MakePool):
        self._make, self._pool, self._over = pool, pool([0]), True
        if self._pool.config["max_num_players"] > 1:
            raise ActlabError(f"It has {self._pool.config['max_num_players']} players; expected one.")
        self.observation_space = _opened(self._pool.single_observation_space)
        self.action_space = _opened(self._pool.single_action_space)
        if isinstance(self.action_space, gymnasium.spaces.Dict):
            raise ActlabError("Its action has several arrays; expected one.")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._pool.close()
            self._pool = self._make([seed])
        self._over = False
        observation, info = self._pool.reset()
        return _row(observation), self._told(observation, info)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        if self._over:  # the pool would begin its next episode
            raise ActlabError("The episode has ended; reset first.")
        observation, reward, terminated, truncated, info = self._pool.step(np.asarray(action)[None])
        self._over = bool(terminated[0] or truncated[0])
        return _row(observation), reward[0], terminated[0], truncated[0], self._told(observation, info)

    def close(self) -> None:
        self._pool.close()

    def _told(self, observation: Any, info: dict[str, Any]) -> dict[str, Any]:
        told = {name: value[0] for name, value in info.items() if isinstance(value, np.ndarray)}
        mask = _mask(self.action_space, observation, info)
        return told if mask is None else {**told, "action_mask": mask[0].astype(np.int8)}


class PoolLanes:
    """n environments of one pool, as `tasks.lanes.Lanes`."""

    can_wait = True
    restarts = False
    survives = False

    def __init__(self, environment: HostEnvironment, pool: MakePool, count: int):
        """
        Args:
            environment: the pattern: its spaces, and what its steps hold.
            pool: makes the pool, at the first reset, of that reset's seeds.
            count: n.
        """
        self.count = count
        self._environment, self._make, self._pool = environment, pool, None
        self._leaves = [np.stack([leaf] * count) for leaf in jax.tree.leaves(environment.example)]
        self._structure = jax.tree.structure(environment.example)
        self._steps = 0

    @property
    def _last(self) -> TimeStep:
        return jax.tree.unflatten(self._structure, self._leaves)

    def reset(self, seeds: np.ndarray, contexts: Context, where: np.ndarray) -> TimeStep:
        """See `Lanes.reset`; seeds are followed by the first reset only.

        Raises:
            ActlabError: contexts are given, or a lane is reset that has not ended (at first: not all are).
        """
        where = np.asarray(where, bool)
        if contexts != ():
            raise ActlabError(f"The lanes of {self._environment.name!r} take no contexts.")
        early = where & ~self._last.ended if self._pool is not None else ~where
        if early.any():
            raise ActlabError(
                f"The lanes {np.flatnonzero(early).tolist()} of {self._environment.name!r} cannot be reset or left out "
                "now: expected a reset of all lanes first, and later only of ended lanes."
            )
        if self._pool is None:
            self._pool = self._make([int(seed) for seed in seeds])
            with self._waits():
                observation, info = self._pool.reset()
        elif where.any():
            with self._waits():
                observation, info = self._pool.reset(np.flatnonzero(where).astype(np.int32))
        else:
            return self._last
        none = np.zeros(len(info["env_id"]), bool)
        return self._write(where, observation, none.astype(np.float32), none, none, info, first=True)

    def step(self, native: Native, where: np.ndarray) -> TimeStep:
        """See `Lanes.step`.

        Raises:
            ActlabError: a lane has ended or was never reset, or the pool returns what does not fit its spaces.
        """
        where = np.asarray(where, bool)
        if self._pool is None or (where & self._last.ended).any():
            why = "before the first reset" if self._pool is None else "with a lane that has ended"
            raise ActlabError(f"The lanes of {self._environment.name!r} were stepped {why}.")
        if not where.any():
            return self._last
        self._steps += 1
        chosen = np.flatnonzero(where).astype(np.int32)
        rows = each(lambda leaf: np.asarray(leaf)[chosen], native)
        action = batch_to_host(self._environment.action, rows, len(chosen))
        with self._waits():
            returned = self._pool.step(action, chosen)
        return self._write(where, *returned, first=False)

    def snapshot(self) -> Snapshot:
        """Nothing: EnvPool gives no state away."""
        return {}

    def restore(self, snapshot: Snapshot) -> TimeStep:
        """Never possible (`survives`).

        Raises:
            ActlabError: always.
        """
        raise ActlabError(f"EnvPool cannot restore the episodes of {self._environment.name!r}.")

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def _write(
        self,
        where: np.ndarray,
        observation: Any,
        reward: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        info: dict[str, Any],
        *,
        first: bool,
    ) -> TimeStep:
        """Put what the pool returned, in whatever order, into the lanes `where`."""
        environment = self._environment
        order, lead = np.argsort(info["env_id"]), (int(where.sum()),)
        observation = each(lambda leaf: leaf[order], observation)
        reward, terminated, truncated = reward[order], terminated[order], truncated[order]
        self._raise(fault(environment.observation, observation, lead), "observation")
        self._raise(reward_fault(reward, lead), "reward")
        self._raise(flag_fault(terminated, lead) or flag_fault(truncated, lead), "flag")
        told = {name: np.zeros(lead, np.float32) if first else info[name][order] for name in environment.told}
        rest: Any = (
            reward.astype(np.float32),
            np.full(lead, 0 if first else 1, np.int32),
            np.full(lead, first),
            np.asarray(terminated, bool),
            np.asarray(truncated, bool),
        )
        allowed = self._allowed(where, observation, info, order, terminated | truncated)
        rows = TimeStep(batch_from_host(environment.observation, observation), allowed, *rest, told or ())
        self._leaves = [leaf.copy() for leaf in self._leaves]  # what was returned before stays as it was
        for leaf, values in zip(self._leaves, jax.tree.leaves(rows), strict=True):
            leaf[where] = values
        return self._last

    def _allowed(
        self, where: np.ndarray, observation: Any, info: dict[str, Any], order: np.ndarray, ended: np.ndarray
    ) -> Allowed:
        """The sets `[k]`; the one before stands where an episode has ended with nothing legal."""
        before = self._last.allowed
        if before is None:
            return None
        ordered = {name: value[order] for name, value in info.items() if name in _MASKS}
        mask = _mask(self._environment.simulator.action_space, observation, ordered)
        self._raise("expected one, as at the first reset, received none" if mask is None else "", "action mask")
        assert mask is not None
        nothing = np.logical_not(mask.any(axis=1))
        self._raise("expected a legal action, received none" if (nothing & ~ended).any() else "", "action mask")
        return Mask(np.where(nothing[:, None], np.asarray(before.mask)[where], mask))

    def _waits(self) -> waits_for:
        return waits_for("pool", self._environment.name, f"at its step {self._steps}")

    def _raise(self, wrong: str, what: str) -> None:
        if wrong:
            name = self._environment.name
            raise ActlabError(f"The pool {name!r} returned a wrong {what} at its step {self._steps}: {wrong}.")


# --- small helpers -----------------------------------------------------------------------------------

_MASKS = ("legal_action_mask", "action_mask")


def _mask(action: gymnasium.Space, observation: Any, info: dict[str, Any]) -> np.ndarray | None:
    """The legal ones of a Discrete's actions, bool `[k, n]`, where observation or info says which."""
    said = [part[name] for part in (info, observation) if isinstance(part, dict) for name in _MASKS if name in part]
    if not said or not isinstance(action, gymnasium.spaces.Discrete):
        return None
    mask = np.asarray(said[0], bool)
    return mask if mask.ndim == 2 and mask.shape[1] == action.n else None


def _row(observation: Any) -> Any:
    return each(lambda leaf: leaf[0], observation)


def _opened(space: Any) -> gymnasium.Space:
    """The space with open bounds where EnvPool declares the smallest positive and the largest number."""
    if isinstance(space, gymnasium.spaces.Dict | dict):
        parts = space.spaces if isinstance(space, gymnasium.spaces.Dict) else space
        return gymnasium.spaces.Dict({name: _opened(part) for name, part in parts.items()})
    if isinstance(space, gymnasium.spaces.Box) and space.dtype.kind == "f":
        limits = np.finfo(space.dtype)
        low = np.where(np.equal(space.low, limits.tiny), -np.inf, space.low)
        high = np.where(np.equal(space.high, limits.max), np.inf, space.high)
        return gymnasium.spaces.Box(low, high, space.shape, space.dtype.type)
    return space


@contextmanager
def _explained(identity: str) -> Iterator[None]:
    """EnvPool's errors, in one sentence."""
    try:
        yield
    except (AssertionError, TypeError, ValueError, RuntimeError, KeyError) as error:
        text = " ".join(str(error).split())
        raise ActlabError(f"envpool/{identity} could not be made: {type(error).__name__}: {text}") from error
