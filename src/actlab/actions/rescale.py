"""Rescaling: the code says how far between the smallest and the largest value that are allowed now.

Axis letters: T time in native steps.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.actions.checks import bounded_box, refuse_nonfinite
from actlab.actions.landing import all_or_nothing, everything
from actlab.actions.product import LeafCodec
from actlab.core.codec import Episodes
from actlab.core.sets import Allowed, Interval
from actlab.core.spaces import Box, Space
from actlab.core.steps import TimeStep


class Rescale(LeafCodec):
    """Box `[*shape]` (bounded) -> Box(-1, 1, `[*shape]`): [-1, 1] onto the step's Interval, or the Box without one.

    Every code is legal, and no two codes become one action: the alternative to a head that squashes into the
    Interval (what Gaussian heads do with every other code) and to `project`, which clips.

    What was allowed when an action was recorded is not known to `encode`, which therefore measures it
    against the Box: without sets `decode(encode(a))` is `a` up to float32 rounding (at most 4 units in the
    last place of the larger bound), under an Interval the decoded action lies as far between its ends as `a`
    lies between the Box's. So it suits policies that learn from their own codes, not recorded actions under sets.
    """

    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def bind(self, native: Box, episodes: Episodes | None) -> "Rescale":
        """
        Raises:
            SpaceError: the Box is unbounded or does not hold floats.
        """
        return Rescale(bounded_box(native, "Rescale"), Box(-1.0, 1.0, native.shape))

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        box: Any = self.native
        return box.lows.astype(np.float32), box.highs.astype(np.float32)

    def encode(self, native: Array, step: TimeStep | None = None) -> tuple[Array, Array]:
        refuse_nonfinite(native)
        low, high = self._bounds()
        middle, half = 0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low

        def one(value: Array) -> Array:
            part = (value - middle) / np.where(half > 0, half, np.float32(1))
            return jnp.where(half > 0, jnp.clip(part, -1.0, 1.0), 0.0)

        codes = jax.vmap(one)(jnp.asarray(native).astype(jnp.float32))
        return codes, jnp.ones((codes.shape[0],), bool)

    def decode(self, code: Array, step: TimeStep | None, i: Array, key: Array | None) -> Array:
        """As documented; where nothing in the Box is allowed, as without an Interval."""
        space: Any = self.native
        low, high = map(jnp.asarray, self._bounds())
        if step is not None and isinstance(step.allowed, Interval):
            inside = jnp.maximum(low, jnp.asarray(step.allowed.low, jnp.float32))
            until = jnp.minimum(high, jnp.asarray(step.allowed.high, jnp.float32))
            possible = jnp.all(inside <= until)
            low, high = jnp.where(possible, inside, low), jnp.where(possible, until, high)
        point = jnp.clip(0.5 * low + 0.5 * high + (0.5 * high - 0.5 * low) * code, low, high)
        return space.join(jnp.zeros((), jnp.int32), point.reshape(-1))

    def image(self, cell: Allowed) -> Allowed:
        """The whole native Box: where a code lands depends on the step."""
        native: Any = self.native
        return None if cell is None else everything(native)

    def restrict(self, allowed: Allowed) -> Allowed:
        """All codes, or none where nothing is allowed."""
        return all_or_nothing(self, allowed)
