"""Boxes mapped onto [-1, 1] by stated statistics.

Axis letters: T time in native steps.
"""

from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.actions.checks import bounded_box
from actlab.actions.measure import Numbers, per_coordinate, recorded
from actlab.actions.monotone import Monotone
from actlab.core.codec import Episodes
from actlab.core.errors import SpaceError
from actlab.core.spaces import Box, Space


class Normalise(Monotone):
    """Box `[*shape]` -> Box(-1, 1, `[*shape]`): the interval [lower, upper] of every coordinate onto [-1, 1].

    Where the interval comes from is stated by `statistics`, or by `low` and `high` themselves. What lies
    outside of it is clipped: such an action comes back as the nearest end of the interval. Inside of it,
    `decode(encode(a))` is `a` up to float32 rounding (at most 4 units in the last place of the interval's
    larger end). A coordinate whose interval is a single number is encoded as 0.
    """

    statistics: Literal["bounds", "range", "deviation"] = eqx.field(static=True, default="bounds")
    """`bounds`: the Box's own. `range`: smallest and largest recorded action. `deviation`: mean plus and minus
    `deviations` standard deviations of the recorded actions, cut to the Box's bounds."""
    deviations: float = eqx.field(static=True, default=3.0)
    """Standard deviations on each side, for `deviation` only."""
    low: Numbers = eqx.field(static=True, default=None)
    """Lower ends instead of statistics: one for all coordinates, or one for each (in C order)."""
    high: Numbers = eqx.field(static=True, default=None)
    """Upper ends, likewise; given with `low` or not at all."""
    lower: Array | None = None
    """float32 `[*shape]`: the interval's lower ends; None before `fit`."""
    upper: Array | None = None
    """float32 `[*shape]`: its upper ends."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.statistics not in ("bounds", "range", "deviation"):
            raise SpaceError(f"The statistics are bounds, range or deviation; received {self.statistics!r}.")
        if (self.low is None) != (self.high is None):
            raise SpaceError("Normalise takes both low and high, or neither.")
        if not self.deviations > 0:
            raise SpaceError(f"The number of deviations must be positive; received {self.deviations}.")

    def bind(self, native: Box, episodes: Episodes | None) -> "Normalise":
        """
        Raises:
            SpaceError: the Box is unbounded and the statistics are its bounds; episodes are needed and none
                are given; or `low` and `high` have the wrong size, are reversed or lie outside of the Box.
        """
        lower, upper = self._interval(native, episodes)
        lower, upper = lower.astype(np.float32), upper.astype(np.float32)
        bounded_box(Box(lower, upper, native.shape), "Normalise")
        return Normalise(
            self.statistics,
            self.deviations,
            self.low,
            self.high,
            jnp.asarray(lower),
            jnp.asarray(upper),
            native,
            Box(-1.0, 1.0, native.shape),
        )

    def _interval(self, native: Box, episodes: Episodes | None) -> tuple[np.ndarray, np.ndarray]:
        if self.low is not None and self.high is not None:
            return _given(self.low, self.high, native)
        if self.statistics == "bounds":
            bounded_box(native, "Normalise")
            return native.lows, native.highs
        instead = "pass episodes, or use statistics='bounds', or give low and high"
        rows = recorded(native, episodes, f"Normalise(statistics={self.statistics!r})", instead)
        if self.statistics == "range":
            lower, upper = rows.min(axis=0), rows.max(axis=0)
        else:
            mean, deviation = rows.mean(axis=0), rows.std(axis=0)
            lower, upper = mean - self.deviations * deviation, mean + self.deviations * deviation
        return np.clip(lower, native.lows, native.highs), np.clip(upper, native.lows, native.highs)

    def _centre(self) -> tuple[Array, Array]:
        assert self.lower is not None, "the codec is not bound"
        assert self.upper is not None
        return 0.5 * self.lower + 0.5 * self.upper, 0.5 * self.upper - 0.5 * self.lower

    def to_code(self, value: Array) -> Array:
        middle, half = self._centre()
        inside = jnp.where(half > 0, (value - middle) / jnp.where(half > 0, half, 1.0), 0.0)
        return jnp.clip(inside, -1.0, 1.0)

    def to_native(self, code: Array) -> Array:
        middle, half = self._centre()
        return jnp.clip(middle + half * code, self.lower, self.upper)


def _given(low: Any, high: Any, native: Box) -> tuple[np.ndarray, np.ndarray]:
    ends = [per_coordinate(numbers, native, "Normalise", name) for name, numbers in (("low", low), ("high", high))]
    if not (ends[0] <= ends[1]).all():
        raise SpaceError(f"Normalise needs low <= high; received low={low}, high={high}.")
    ends = [end.astype(np.float32) for end in ends]
    if (ends[0] < native.lows).any() or (ends[1] > native.highs).any():
        raise SpaceError(f"Normalise: low={low} and high={high} must lie inside of {native!r}.")
    return ends[0], ends[1]
