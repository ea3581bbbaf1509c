"""Bins: every coordinate of a Box becomes one digit.

Axis letters: T time in native steps, C coordinates, K bins of a coordinate.
"""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.checks import bounded_box, refuse_nonfinite
from actlab.actions.grid import Grid, Partition
from actlab.actions.product import LeafCodec
from actlab.core.codec import Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Interval, Mask
from actlab.core.spaces import Box, MultiDiscrete, Space
from actlab.core.steps import TimeStep


class Binning(LeafCodec):
    """Box `[*shape]` -> MultiDiscrete `[C]`: digit c is the bin of coordinate c, in C order.

    `decode` is the bin's centre. Under an Interval that meets the bin but not its centre, `decode` is the
    point of both nearest to the centre: a legal digit always lands in the Interval.
    """

    bins: int = eqx.field(static=True, default=7)
    """Bins of every coordinate (K), at least 2."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if not 2 <= self.bins <= 2**24:
            raise SpaceError(f"{type(self).__name__} needs between 2 and 2**24 bins; received {self.bins}.")

    @property
    @abc.abstractmethod
    def grid(self) -> Partition:
        """The cells of the native Box."""

    def encode(self, native: Array, step: TimeStep | None = None) -> tuple[Array, Array]:
        refuse_nonfinite(native)
        rows = jnp.asarray(native).astype(jnp.float32)
        codes = jax.vmap(self.grid.locate)(rows.reshape(rows.shape[0], -1))
        return codes, jnp.ones((rows.shape[0],), bool)

    def decode(self, code: Array, step: TimeStep | None, i: Array, key: Array | None) -> Array:
        return self.grid.point(code, None if step is None else step.allowed)

    def image(self, cell: Allowed) -> Allowed:
        """The hull of the bins in `cell`: exact where they are neighbours."""
        if cell is None:
            return None
        mask = jnp.asarray(cell.mask)
        return self.grid.interval(first_true(mask), last_true(mask), jnp.any(mask, axis=-1))

    def restrict(self, allowed: Allowed) -> Allowed:
        """A Mask `[C, K]` of an Interval: the bins that meet it."""
        if not isinstance(allowed, Interval):
            return super().restrict(allowed)
        code: Any = self.code
        index = jnp.broadcast_to(jnp.arange(self.bins + 1, dtype=jnp.int32)[:, None], (self.bins + 1, len(code.nvec)))
        edges = jax.vmap(self.grid.edge)(index).T
        low = jnp.asarray(allowed.low, jnp.float32).reshape(-1, 1)
        high = jnp.asarray(allowed.high, jnp.float32).reshape(-1, 1)
        return Mask((low <= edges[:, 1:]) & (edges[:, :-1] <= high) & (low <= high))


class Bins(Binning):
    """Box `[*shape]` (bounded) -> MultiDiscrete `[C]`: digit c is the bin of coordinate c, in C order; all are equal.

    `decode` is the bin's centre, so `decode(encode(a))` is at most half a bin from `a` in every coordinate:
    (high - low) / (2 K), for `a` in the Box (what lies outside is put into the nearest bin). Under an
    Interval that meets the bin but not its centre, `decode` is the point of both nearest to the centre: a
    legal digit always lands in the Interval, and the bound holds for every legal `a`.
    """

    def bind(self, native: Box, episodes: Episodes | None) -> "Bins":
        """
        Raises:
            SpaceError: the Box is unbounded or does not hold floats.
        """
        return Bins(self.bins, bounded_box(native, "Bins"), MultiDiscrete((self.bins,) * native.dims))

    @property
    def grid(self) -> Grid:
        box: Any = self.native
        return Grid(box, self.bins)


def first_true(mask: Array) -> Array:
    """int32 `[...]`: index of the first True in the last axis of `[..., K]` (0 where there is none)."""
    return jnp.argmax(mask, axis=-1).astype(jnp.int32)


def last_true(mask: Array) -> Array:
    """int32 `[...]`: index of the last True in the last axis of `[..., K]` (K - 1 where there is none)."""
    return (mask.shape[-1] - 1 - jnp.argmax(mask[..., ::-1], axis=-1)).astype(jnp.int32)
