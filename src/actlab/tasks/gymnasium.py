"""Any Gymnasium environment as a task on the host, guarded at the door.

A `HostEnvironment` is one instance. What comes out of it has exactly the dtypes and shapes of its spaces
(`core.spaces`), float32 rewards, int32 `elapsed` and bool flags; whatever does not fit ends in one sentence
that names the environment, the step and what was expected and received.

Reproducing an episode: the state holds the episode's reset seed and its native actions, and `replay` plays
them again. Restoring a simulator's state vector instead would not be exact for every MuJoCo body.

Masks, checks and translations are in `tasks.door`.
"""

import copy
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from actlab.core import spaces
from actlab.core.contracts import Context, Native, Task
from actlab.core.errors import ActlabError, SpaceError
from actlab.core.keys import seed_of
from actlab.core.sets import Allowed
from actlab.core.spaces import Space
from actlab.core.steps import TimeStep, Tree
from actlab.tasks.door import as_declared, each, fault, flag_fault, mask_from_host, possible, reward_fault, short
from actlab.tasks.make import make_task
from actlab.tasks.unmade import in_words, unmade
from actlab.tasks.waiting import Abandoned, waits_for

DEFAULT_HORIZON = 1000
"""Most native steps of an episode where the environment declares no limit of its own."""


@dataclass(eq=False)
class Episode:
    """The running episode of one instance: all that is needed to play it again."""

    seed: int
    context: Context
    actions: list[Native] = field(default_factory=list)
    ended: bool = False


class HostEnvironment:
    """One instance of a Gymnasium environment, as `core.contracts.Environment` asks (`compiled = False`).

    An `info["action_mask"]` becomes the step's `allowed` (forms: `mask_from_host`); whether there is one is
    decided by a reset at construction and must not change. Where the mask of an episode's last step allows
    nothing, the one before it stands: nothing is decided there.
    """

    compiled = False

    def __init__(
        self,
        source: str | Callable[..., gymnasium.Env],
        max_episode_steps: int | None = None,
        vector: str | Callable[[int], gymnasium.vector.VectorEnv] | None = None,
        *,
        name: str | None = None,
        told: Sequence[str] = (),
        lanes: Callable[["HostEnvironment", int], Any] | None = None,
        **make_kwargs: Any,
    ):
        """
        Args:
            source: a Gymnasium id, `module:Id-v0` (the module may lie in the current folder), or a function
                that returns a fresh environment.
            max_episode_steps: the time limit; the environment's own where None, else `DEFAULT_HORIZON`.
            vector: how `make_vector` batches it: "sync", "vector_entry_point", or a function of the number
                of environments; None where each lane shall be an instance of its own (the fastest on few
                cores).
            name: how errors and lists call it; the id or the function's name where None.
            told: numbers of Gymnasium's `info`, such as "success", that become the step's `info` (float32, 0 at
                the first step), for scores.
            lanes: makes `tasks.lanes.Lanes` of this environment and a count, where a simulator brings its own.
            make_kwargs: passed to `gymnasium.make` or to the function.

        Raises:
            UnknownName: no environment has that id.
            MissingExtra: the environment needs an optional package.
            ActlabError: it cannot be made, its spaces have no twin here, or its first reset is wrong.
        """
        self._source, self._limit, self._kwargs, self.vector = source, max_episode_steps, make_kwargs, vector
        self.told, self.lanes = tuple(told), lanes
        called = source if isinstance(source, str) else getattr(source, "__name__", type(source).__name__)
        self.name: str = name or called
        self.info: Mapping[str, Any] = {}
        """Gymnasium's own `info` of the last reset or step, for scripted experts."""
        self._open()
        try:
            self.observation: Space = spaces.from_gymnasium(self._env.observation_space)
            self.action: Space = spaces.from_gymnasium(self._env.action_space)
        except SpaceError as error:
            raise SpaceError(f"The environment {self.name!r} cannot be used: {error}") from error
        self._allowed: Allowed = None
        self._masked: bool | None = None
        self.example: TimeStep = self.reset(0)[1]
        """A first step; it shows the structure of all steps."""
        self._masked = self.example.allowed is not None
        self._running = None

    # --- the contract --------------------------------------------------------------------------------

    def reset(self, key: Any, context: Context = ()) -> tuple[Episode, TimeStep]:
        """Begin an episode.

        Args:
            key: a typed key, or the seed itself.
            context: `()`, or a dict of arrays, passed to the environment as `options`.
        """
        state = Episode(_seed(key), context)
        self._running = state
        options = options_of(context, self.name)
        try:
            with waits_for("environment", self.name, "at reset"):
                observation, info = self._env.reset(seed=state.seed, options=options)
        except Abandoned:
            self._close.detach()  # what does not return from a step would not return from its end either
            raise
        except Exception as error:
            raise ActlabError(f"The environment {self.name!r} failed to reset: {in_words(error)}") from error
        observed = self._observed(observation, "at reset")
        self._allowed = self._read_mask(info, "at reset", ended=False)
        self.info, told = info, {name: np.float32(0) for name in self.told}
        return state, _step(observed, self._allowed, np.float32(0), 0, True, False, False)._replace(info=told or ())

    def step(self, key: Any, state: Episode, native: Native) -> tuple[Episode, TimeStep]:
        """One native action. `key` is not used: the reset's seed determines the episode.

        Raises:
            ActlabError: the episode has ended or is not the running one, or the environment raises, or
                returns what does not fit its spaces (shape, kind of number, NaN, reward, flags, mask).
        """
        where = f"at step {len(state.actions) + 1}"
        if state is not self._running or state.ended:
            why = "has ended" if state.ended else "is not the one this instance is playing"
            raise ActlabError(f"The environment {self.name!r} cannot step {where}: the episode {why}; reset first.")
        try:
            given = as_declared(self._env.action_space, self.action.to_host(native))
            with waits_for("environment", self.name, where):
                observation, reward, terminated, truncated, info = self._env.step(given)
        except Abandoned:
            self._close.detach()
            raise
        except Exception as error:
            raise ActlabError(f"The environment {self.name!r} failed {where}: {in_words(error)}") from error
        state.actions.append(each(np.array, native))
        observed = self._observed(observation, where)
        wrong = reward_fault(reward) or flag_fault(terminated) or flag_fault(truncated)
        if wrong:
            raise ActlabError(f"The environment {self.name!r} returned a wrong reward or flag {where}: {wrong}.")
        state.ended = bool(terminated or truncated)
        self._allowed = self._read_mask(info, where, state.ended)
        self.info, told = info, self._read_told(info, where)
        step = _step(observed, self._allowed, np.float32(reward), 1, False, bool(terminated), bool(truncated))
        return state, step._replace(info=told or ())

    # --- instances -----------------------------------------------------------------------------------

    def fresh(self) -> "HostEnvironment":
        """Another, independent instance of the same environment."""
        other = copy.copy(self)
        other._open()
        other._running = None
        return other

    def replay(self, seed: int, context: Context, actions: Sequence[Native]) -> tuple[Episode, TimeStep]:
        """Restore an episode exactly by playing it again.

        Args:
            actions: native actions so far, in order.

        Returns:
            the state and the step after the last action.

        Raises:
            ActlabError: the replayed episode ends early, so the environment is not deterministic.
        """
        state, step = self.reset(seed, context)
        for count, action in enumerate(actions):
            if state.ended:
                raise ActlabError(
                    f"The environment {self.name!r} is not deterministic: seed {seed} and the recorded actions "
                    f"ended its episode after {count} steps, expected at least {len(actions)}."
                )
            state, step = self.step(None, state, action)
        return state, step

    def make(self, **make_kwargs: Any) -> gymnasium.Env:
        """The plain Gymnasium environment, new, with its time limit.

        Args:
            make_kwargs: in place of, or beside, those that this instance was made with, such as `render_mode`.
        """
        return self._make(**make_kwargs)[0]

    def make_vector(self, count: int) -> gymnasium.vector.VectorEnv:
        """`count` environments in one, made as the argument `vector` said.

        Raises:
            ActlabError: `vector` is None or no known way, or the environment cannot be made so.
        """
        vector = self.vector
        try:
            if callable(vector):
                return vector(count)
            if vector == "sync":
                return gymnasium.vector.SyncVectorEnv([self.make] * count, autoreset_mode="Disabled")
            if vector == "vector_entry_point" and isinstance(self._source, str):
                return gymnasium.make_vec(self._source, count, vector, **self._limits, **self._kwargs)
        except Exception as error:
            raise unmade(self.name, error) from error
        raise ActlabError(
            f"The environment {self.name!r} cannot be made as a vector: expected vector='sync', "
            f"'vector_entry_point' (with an id) or a function, received {vector!r}."
        )

    @property
    def simulator(self) -> gymnasium.Env:
        """The environment being played, for scripted experts that look into it."""
        return self._env

    def render(self) -> Any:
        """A picture of the running episode, uint8 `[height, width, 3]`, where `render_mode="rgb_array"` was given."""
        try:
            return self._env.render()
        except Exception as error:
            raise ActlabError(f"The environment {self.name!r} cannot be drawn: {in_words(error)}") from error

    def close(self) -> None:
        """Close the simulator; the instance is of no use afterwards. It also happens when it is collected."""
        self._close()

    @property
    def _limits(self) -> dict[str, int]:
        return {} if self._limit is None else {"max_episode_steps": self._limit}

    def _open(self) -> None:
        self._env, self.horizon = self._make()
        self._close = weakref.finalize(self, self._env.close)

    def _make(self, **make_kwargs: Any) -> tuple[gymnasium.Env, int]:
        """A new plain environment that certainly has a time limit, and that limit."""
        given = {**self._kwargs, **make_kwargs}
        if given.get("render_mode") not in (None, "human"):
            os.environ.setdefault("MUJOCO_GL", "egl")  # needs no display; read when MuJoCo makes its first picture
        try:
            with _current_folder_importable(), waits_for("environment", self.name, "as it is made"):
                if isinstance(self._source, str):
                    env = gymnasium.make(self._source, disable_env_checker=True, **self._limits, **given)
                else:
                    env = self._source(**given)
            own = env.spec.max_episode_steps if env.spec is not None else None
            limit = min((bound for bound in (own, self._limit) if bound is not None), default=DEFAULT_HORIZON)
            self.limited_by_default = own is None and self._limit is None
            return env if own == limit else gymnasium.wrappers.TimeLimit(env, limit), limit
        except Exception as error:
            raise unmade(self.name, error) from error

    # --- guards --------------------------------------------------------------------------------------

    def _observed(self, observation: Any, where: str) -> Tree:
        wrong = fault(self.observation, observation)
        if wrong:
            raise ActlabError(f"The environment {self.name!r} returned a wrong observation {where}: {wrong}.")
        # copied, since many environments return one array again and again
        return each(np.array, self.observation.from_host(observation))

    def _read_mask(self, info: Any, where: str, ended: bool) -> Allowed:
        if not isinstance(info, Mapping):
            raise ActlabError(f"The environment {self.name!r} returned a wrong info {where}: expected a dict.")
        mask = info.get("action_mask")
        if mask is None and not self._masked:
            return None
        try:
            if mask is None or self._masked is False:
                asked, got = ("one", "none") if mask is None else ("none", "one")
                raise SpaceError(f"expected {asked}, as at the first reset, received {got}")
            allowed = mask_from_host(self.action, mask)
            if self._masked and jax.tree.structure(allowed) != jax.tree.structure(self.example.allowed):
                raise SpaceError("expected masks for the same parts as at the first reset, received them for others")
            if not possible(allowed):
                if ended:
                    return self._allowed
                raise SpaceError("expected at least one legal action, received none")
        except SpaceError as error:
            raise ActlabError(f"The environment {self.name!r} gave a wrong action mask {where}: {error}.") from error
        return allowed

    def _read_told(self, info: Mapping[str, Any], where: str) -> dict[str, np.float32]:
        told = {}
        for name in self.told:
            wrong = reward_fault(info[name]) if name in info else "expected a number, received none"
            if wrong:
                raise ActlabError(f"The environment {self.name!r} told a wrong {name!r} {where}: {wrong}.")
            told[name] = np.float32(info[name])
        return told


def gymnasium_task(
    source: str | Callable[..., gymnasium.Env], *, name: str | None = None, discount: float = 0.99, **make_kwargs: Any
) -> Task:
    """The task of a Gymnasium environment, with its native actions as the code.

    Args:
        source, make_kwargs: as for `HostEnvironment`, which says what is raised.
        name: of the task; the id where None.
    """
    environment = HostEnvironment(source, **make_kwargs)
    return make_task(environment, name or environment.name, discount=discount)


# --- small helpers -----------------------------------------------------------------------------------


def options_of(context: Context, name: str) -> dict | None:
    """A context as the `options` of a Gymnasium reset.

    Raises:
        ActlabError: the context is neither `()` nor a dict.
    """
    if isinstance(context, Mapping):
        return dict(context)
    if not isinstance(context, tuple) or context:
        raise ActlabError(
            f"The environment {name!r} takes a context as a dict, passed on as reset options; "
            f"received {short(context)}."
        )
    return None


def _step(observation: Tree, allowed: Allowed, reward: Any, elapsed: int, *flags: bool) -> TimeStep:
    rest: Any = (reward, np.int32(elapsed), *(np.bool_(flag) for flag in flags))
    return TimeStep(observation, allowed, *rest)


def _seed(key: Any) -> int:
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return seed_of(key)
    return int(key)


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    """A person's own `module:Id-v0` is found in the current folder, after all installed packages."""
    folder = os.getcwd()
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
