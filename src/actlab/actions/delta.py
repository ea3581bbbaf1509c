"""Increments: the code says how far to move from where one is, the native action says where to.

The usual action of imitation learning with position-controlled arms (relative joint or end-effector
targets). Where one is has to stand in the observation: `decode` is given the step, and nothing else is known
there. A former target is a position as well, if the environment shows it in its observation.

Axis letters: T time in native steps, C coordinates of the native Box.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.actions.checks import float_box, refuse_nonfinite
from actlab.actions.landing import all_or_nothing, everything
from actlab.actions.measure import Numbers, per_coordinate
from actlab.actions.product import LeafCodec, leaves
from actlab.core.codec import Codec, Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Interval
from actlab.core.spaces import Box, Space
from actlab.core.steps import TimeStep


class Delta(LeafCodec):
    """Box `[*shape]` -> Box(-limit, limit, `[*shape]`): the native action is the present position plus the code.

    The target stops at the bounds of the Box and of the step's Interval, as a joint does at its end: so every
    code lands in the set, all are legal, and the image of a code, whose position is not known, is the whole
    Box. Sets of other kinds are refused.

    For the same step, `decode(encode(a))` is `a` up to float32 rounding (2 units in the last place of the
    larger of position and action) where `a` lies within `limit` of the position; farther increments are
    clipped to `limit`. Every step of a chunk (`delta+chunk`) starts from the position of its own step.
    """

    start: int = eqx.field(static=True, default=0)
    """Where the position begins in the observation: C numbers of it (in C order) from there on."""
    entry: str | None = eqx.field(static=True, default=None)
    """The entry of a Dict observation that holds the position; `robot/joints` is the entry of an entry."""
    limit: Numbers = eqx.field(static=True, default=None)
    """Largest increment: one for all coordinates, or one for each (in C order); the largest recorded one where none
    is given."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.start < 0:
            raise SpaceError(f"The position begins at 0 or later; received start={self.start}.")
        if self.limit is not None and not (np.asarray(self.limit) > 0).all():
            raise SpaceError(f"The largest increment must be positive; received {self.limit}.")

    def fit(self, native: Space, episodes: Episodes | None = None) -> Codec:
        """
        Raises:
            SpaceError: the space holds no Box of floats or several, or neither `limit` nor episodes with
                their steps are given.
        """
        boxes = [leaf for leaf in leaves(native) if isinstance(leaf, Box)]
        if len(boxes) > 1:
            raise SpaceError(f"Delta knows the position of one Box; received {native!r} with {len(boxes)} of them.")
        return super().fit(native, episodes)

    def bind(self, native: Box, episodes: Episodes | None) -> "Delta":
        float_box(native, "Delta")
        limit = self._largest(native, episodes) if self.limit is None else self.limit
        numbers = per_coordinate(limit, native, "Delta", "limit").astype(np.float32)
        return Delta(self.start, self.entry, self.limit, native, Box(-numbers, numbers, native.shape))

    def _largest(self, native: Box, episodes: Episodes | None) -> tuple[float, ...]:
        """The largest recorded increments, one for each coordinate."""
        if not episodes or sum(len(episode.native) for episode in episodes) == 0:
            raise SpaceError(
                f"Delta measures recorded increments of {native!r}, and none are given: pass episodes, or give limit."
            )
        found = []
        for episode in episodes:
            if episode.step is None:
                raise SpaceError("Delta measures increments from positions: the episodes need their steps.")
            refuse_nonfinite(episode.native)
            increments = np.asarray(episode.native, np.float32) - self._positions(native, episode.step)
            found.append(np.abs(increments).reshape(-1, native.dims))
        return tuple(np.concatenate(found).max(axis=0).tolist())

    def encode(self, native: Array, step: TimeStep | None = None) -> tuple[Array, Array]:
        """
        Raises:
            SpaceError: no step is given, or its observation does not hold the position.
        """
        refuse_nonfinite(native)
        space: Any = self.native
        code: Any = self.code
        increments = jnp.asarray(native).astype(jnp.float32) - self._positions(space, _known(step))
        return jax.vmap(lambda one: jnp.clip(one, code.lows, code.highs))(increments), jnp.ones(
            (increments.shape[0],), bool
        )

    def decode(self, code: Array, step: TimeStep | None, i: Array, key: Array | None) -> Array:
        """
        Raises:
            SpaceError: no step is given, or its observation does not hold the position.
        """
        space: Any = self.native
        step = _known(step)
        target = jnp.clip(self._position(space, step.observation) + code, space.lows, space.highs)
        if isinstance(step.allowed, Interval):
            low, high = jnp.asarray(step.allowed.low, jnp.float32), jnp.asarray(step.allowed.high, jnp.float32)
            target = jnp.clip(target, low, high)
        return space.join(jnp.zeros((), jnp.int32), target.reshape(-1))

    def _positions(self, native: Box, step: TimeStep) -> Array:
        """float32 `[T, *shape]`."""
        return jax.vmap(lambda observation: self._position(native, observation))(step.observation)

    def _position(self, native: Box, observation: Any) -> Array:
        """float32 `[*shape]`: where one is."""
        for name in [] if self.entry is None else self.entry.split("/"):
            if not isinstance(observation, Mapping) or name not in observation:
                raise SpaceError(f"Delta: the observation has no entry {self.entry!r} that could hold the position.")
            observation = observation[name]
        if isinstance(observation, Mapping | tuple):
            raise SpaceError("Delta: the observation has several entries; say with entry= which holds the position.")
        numbers = jnp.asarray(observation).astype(jnp.float32).reshape(-1)
        end = self.start + native.dims
        if numbers.size < end:
            raise SpaceError(
                f"Delta: the position of {native!r} would be the numbers {self.start} to {end - 1} of the observation, "
                f"which holds {numbers.size}."
            )
        return numbers[self.start : end].reshape(native.shape)

    def image(self, cell: Allowed) -> Allowed:
        """The whole native Box: where a code leads depends on the step."""
        native: Any = self.native
        return None if cell is None else everything(native)

    def restrict(self, allowed: Allowed) -> Allowed:
        """All codes, or none where nothing is allowed.

        Raises:
            SpaceError: the set is no Interval.
        """
        if allowed is not None and not isinstance(allowed, Interval):
            raise SpaceError(f"Delta keeps to Intervals; received a set of kind {type(allowed).__name__}.")
        return all_or_nothing(self, allowed)


def _known(step: TimeStep | None) -> TimeStep:
    if step is None:
        raise SpaceError("Delta adds to the present position, and so needs the step with its observation.")
    return step
