"""Codecs that map every coordinate of a Box by a rising function: an interval becomes an interval, end by end.

Axis letters: T time in native steps.
"""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.checks import refuse_nonfinite
from actlab.actions.product import LeafCodec
from actlab.core.sets import Allowed, Interval
from actlab.core.steps import TimeStep


class Monotone(LeafCodec):
    """Box `[*shape]` -> Box `[*shape]`: [`lower`, `upper`] of every coordinate onto the code's bounds.

    What lies outside of [`lower`, `upper`] is clipped: such an action comes back as the nearest end.
    """

    lower: eqx.AbstractVar[Array | None]
    """float32 `[*shape]`: the smallest native values that have a code; None before `fit`."""
    upper: eqx.AbstractVar[Array | None]
    """float32 `[*shape]`: the largest ones."""

    @abc.abstractmethod
    def to_code(self, value: Array) -> Array:
        """Native values `[*shape]`, infinite ones too, to codes inside of the code's bounds. Rises."""

    @abc.abstractmethod
    def to_native(self, code: Array) -> Array:
        """Its inverse: codes `[*shape]` to values in [`lower`, `upper`]."""

    def encode(self, native: Array, step: TimeStep | None = None) -> tuple[Array, Array]:
        refuse_nonfinite(native)
        codes = jax.vmap(self.to_code)(jnp.asarray(native).astype(jnp.float32))
        return codes, jnp.ones((codes.shape[0],), bool)

    def decode(self, code: Array, step: TimeStep | None, i: Array, key: Array | None) -> Array:
        """As documented; a code that is legal under an Interval lands in it, whatever the rounding."""
        space: Any = self.native
        point = self.to_native(code)
        if step is not None and isinstance(step.allowed, Interval):
            legal: Any = self.restrict(step.allowed)
            low, high = jnp.asarray(step.allowed.low, jnp.float32), jnp.asarray(step.allowed.high, jnp.float32)
            point = jnp.where((legal.low <= code) & (code <= legal.high), jnp.clip(point, low, high), point)
        return space.join(jnp.zeros((), jnp.int32), point.reshape(-1))

    def image(self, cell: Allowed) -> Allowed:
        if cell is None:
            return None
        low, high = self.to_native(cell.low), self.to_native(cell.high)
        empty = cell.low > cell.high  # stays empty where the interval is a single number
        return Interval(jnp.where(empty, jnp.inf, low), jnp.where(empty, -jnp.inf, high))

    def restrict(self, allowed: Allowed) -> Allowed:
        """An Interval of an Interval; empty (low above high) where nothing inside of [lower, upper] is allowed."""
        if not isinstance(allowed, Interval):
            return super().restrict(allowed)
        code: Any = self.code
        lower: Any = self.lower
        upper: Any = self.upper
        low, high = jnp.asarray(allowed.low, jnp.float32), jnp.asarray(allowed.high, jnp.float32)
        constant = lower == upper  # then every code means the same number
        empty = (low > high) | (high < lower) | (low > upper)
        low = jnp.where(constant, code.lows, self.to_code(low))
        high = jnp.where(constant, code.highs, self.to_code(high))
        return Interval(jnp.where(empty, 1.0, low), jnp.where(empty, -1.0, high))
