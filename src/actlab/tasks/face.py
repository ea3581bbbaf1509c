"""The Gymnasium face of our tasks in the graph, for everything that speaks Gymnasium.

```python
env = as_gymnasium(task("probe/mask-discrete"))
env = gymnasium.make("actlab.tasks.face:actlab/Platform-v0")   # importing this module registers them
```

The actions are the native ones. The allowed set is `info["action_mask"]` at every reset and step, in the forms
that `tasks.door.mask_from_host` reads (Gymnasium's own `sample(mask)` takes those of Discrete, MultiDiscrete and
MultiBinary); automata have no such form, and then, as without a set, the entry is absent. An action that is not
allowed raises.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any, ClassVar

import equinox as eqx
import gymnasium
import jax
import numpy as np
from jax import Array

from actlab.core import sets, spaces
from actlab.core.contracts import Environment, Task
from actlab.core.errors import ActlabError, SpaceError
from actlab.core.keys import fold
from actlab.core.registry import TASKS
from actlab.core.sets import Allowed, Interval, Mask
from actlab.core.spaces import Choice, Space
from actlab.core.steps import TimeStep
from actlab.tasks.catalogue import OURS, task


def as_gymnasium(task: Task) -> "Face":
    """The task as a Gymnasium environment over its native actions (a codec is not applied).

    Raises:
        ActlabError: the task's environment runs on the host.
    """
    return Face(task)


class Face(gymnasium.Env):
    """One instance; `reset(seed=...)` determines the episodes. Compiled once for equal environments.

    `reset(options={"context": ...})` sets the episode's context, else the task draws it.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, task: Task):
        if not task.environment.compiled:
            raise ActlabError(f"The task {task.spec.name!r} runs on the host; only tasks in the graph have this face.")
        self._task = task
        self.observation_space = task.environment.observation.to_gymnasium()
        self.action_space = task.environment.action.to_gymnasium()
        self._state: Any = None
        self._count = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self._key = jax.random.key(int(self.np_random.integers(2**31)))
        drawn = self._task.spec.contexts(fold(self._key, "context"))
        context = (options or {}).get("context", drawn)
        self._count, self._ended = 0, False
        self._state, step = _reset(self._task.environment, self._key, context)
        constraint = self._task.constraint
        self._memory = None if constraint is None else constraint.begin(fold(self._key, "constraint"), context)
        return self._observe(step)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One native action.

        Raises:
            SpaceError: the action is not in the space, or not allowed now; the episode is as it was.
            ActlabError: there is no running episode.
        """
        name, environment = self._task.spec.name, self._task.environment
        if self._state is None or self._ended:
            raise ActlabError(f"The task {name!r} has no running episode: reset it first.")
        if not self.action_space.contains(action):
            raise SpaceError(f"The task {name!r} takes actions of {self.action_space}; received {action!r}.")
        native = environment.action.from_host(action)
        if self._allowed is not None and not sets.contains(self._allowed, native):
            allowed = self._info.get("action_mask", self._allowed)
            raise SpaceError(f"The task {name!r} does not allow the action {action!r} now; allowed is {allowed!r}.")
        self._state, step = _step(environment, self._key, np.int32(self._count), self._state, native)
        self._count += 1
        observation, info = self._observe(step)
        self._ended = bool(step.ended)
        return observation, float(step.reward), bool(step.terminated), bool(step.truncated), info

    def _observe(self, step: TimeStep) -> tuple[Any, dict[str, Any]]:
        """The host's observation and info of a step; remembers the set."""
        self._allowed = step.allowed
        if self._task.constraint is not None:
            self._allowed, self._memory = self._task.constraint.allowed(self._memory, step)
        mask = mask_to_host(self._task.environment.action, self._allowed)
        self._info = {} if mask is None else {"action_mask": mask}
        observation = jax.tree.map(np.array, step.observation)
        return self._task.environment.observation.to_host(observation), dict(self._info)


@eqx.filter_jit
def _reset(environment: Environment, key: Array, context: Any) -> tuple[Any, TimeStep]:
    return environment.reset(fold(key, "reset"), context)


@eqx.filter_jit
def _step(environment: Environment, key: Array, count: Any, state: Any, native: Any) -> tuple[Any, TimeStep]:
    return environment.step(fold(key, "step", count), state, native)


# --- sets, as Gymnasium sees them ------------------------------------------------------------------------


@singledispatch
def mask_to_host(space: Space, allowed: Allowed) -> Any:
    """What `info["action_mask"]` says of a set: int8, 1 is allowed; None where it has no such form.

    The inverse of `tasks.door.mask_from_host`, which lists the forms.
    """
    return None


@mask_to_host.register
def _(space: spaces.Discrete, allowed: Allowed) -> Any:
    return _int8(allowed.mask) if isinstance(allowed, Mask) else None


@mask_to_host.register
def _(space: spaces.MultiDiscrete, allowed: Allowed) -> Any:
    if not isinstance(allowed, Mask):
        return None
    return tuple(_int8(row)[:size] for row, size in zip(allowed.mask, space.nvec, strict=True))


@mask_to_host.register
def _(space: spaces.MultiBinary, allowed: Allowed) -> Any:
    if not isinstance(allowed, Mask):
        return None
    zero, one = np.asarray(allowed.mask).T
    return np.where(zero & one, 2, one).astype(np.int8)


@mask_to_host.register
def _(space: spaces.Box, allowed: Allowed) -> Any:
    if not isinstance(allowed, Interval):
        return None
    return {"low": np.array(allowed.low, space.dtype), "high": np.array(allowed.high, space.dtype)}


@mask_to_host.register
def _(space: spaces.Tuple, allowed: Allowed) -> Any:
    return None if allowed is None else tuple(map(mask_to_host, space.spaces, allowed))


@mask_to_host.register
def _(space: spaces.Dict, allowed: Allowed) -> Any:
    if not isinstance(allowed, Mapping):
        return None
    masks = {name: mask_to_host(part, allowed[name]) for name, part in space.items}
    return {name: mask for name, mask in masks.items() if mask is not None}


@mask_to_host.register
def _(space: spaces.OneOf, allowed: Allowed) -> Any:
    if not isinstance(allowed, Choice):
        return None
    index = None if allowed.index is None else _int8(allowed.index.mask)
    return {"index": index, "values": tuple(map(mask_to_host, space.spaces, allowed.values))}


def _int8(mask: Any) -> np.ndarray:
    return np.asarray(mask).astype(np.int8)


# --- registration with Gymnasium -------------------------------------------------------------------------


def make(name: str, **options: Any) -> Face:
    """The face of the registered task `name`: Gymnasium's entry point."""
    return as_gymnasium(task(name, **options))


def gymnasium_id(name: str) -> str:
    """Under which id Gymnasium knows our task: `actlab/`, the name, a version where it has none.

    Gymnasium allows one slash: `probe/value` becomes `actlab/probe-value-v0`.
    """
    bare = name.removeprefix(OURS).replace("/", "-")
    *_, last = bare.rpartition("-v")
    return f"{OURS}{bare}" if last.isdecimal() else f"{OURS}{bare}-v0"


def register_gymnasium() -> None:
    """Register all our tasks with Gymnasium, those of a person too; importing this module does it once."""
    for entry in TASKS:
        name = gymnasium_id(entry.name)
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point="actlab.tasks.face:make", kwargs={"name": entry.name})


register_gymnasium()
