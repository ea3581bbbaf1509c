"""A Box cut into cells along every coordinate: the arithmetic that the binning codecs share.

Axis letters: C coordinates of the Box (flattened), N cells along each.
"""

import abc
from dataclasses import dataclass
from functools import singledispatch

import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.sets import Allowed, Interval
from actlab.core.spaces import Box


@dataclass(frozen=True, eq=False)
class Partition(abc.ABC):
    """N cells along every coordinate of a Box; cell k of a coordinate is [edge(k), edge(k + 1)]."""

    box: Box
    count: int
    """N, at most 2**24 (float32 tells no more apart)."""

    @abc.abstractmethod
    def edge(self, index: Array) -> Array:
        """float32 `[C]`: lower edge of cell `index` int32 `[C]`; N gives the last upper one. Never falls."""

    @abc.abstractmethod
    def locate(self, vector: Array) -> Array:
        """int32 `[C]`: the cell of each coordinate `[C]`, the nearest one for values that no cell holds."""

    def interval(self, lowest: Array, highest: Array, possible: Array) -> Interval:
        """The native Interval from cell `lowest` `[C]` to cell `highest` `[C]`; empty where not `possible` `[C]`."""
        low = jnp.where(possible, self.edge(lowest), jnp.inf)
        high = jnp.where(possible, self.edge(highest + 1), -jnp.inf)
        return Interval(low.reshape(self.box.shape), high.reshape(self.box.shape))

    def point(self, index: Array, allowed: Allowed) -> Array:
        """The native value that stands for cell `index` `[C]`: the point nearest to the centre that is allowed.

        Where the cell and an Interval share no point, or for any other set, it is the centre.
        """
        low, high = self.edge(index), self.edge(index + 1)
        point = land(allowed, low, high, 0.5 * low + 0.5 * high)
        return self.box.join(jnp.zeros((), jnp.int32), point)


@dataclass(frozen=True, eq=False)
class Grid(Partition):
    """N equal cells along every coordinate of a bounded Box."""

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self.box.lows.astype(np.float32).reshape(-1), self.box.highs.astype(np.float32).reshape(-1)

    def edge(self, index: Array) -> Array:
        low, high = self._bounds()
        inside = jnp.minimum(low + (high - low) * (index.astype(jnp.float32) / self.count), high)
        return jnp.where(index == self.count, high, inside)

    def locate(self, vector: Array) -> Array:
        """As documented; an edge between two cells belongs to the upper one."""
        low, high = self._bounds()
        span = np.where(high > low, high - low, np.float32(1))
        guess = jnp.clip(jnp.floor((vector - low) / span * self.count), 0, self.count - 1).astype(jnp.int32)
        # the quotient is rounded, the edges are rounded otherwise: settle it by the edges
        guess = jnp.where((guess > 0) & (vector < self.edge(guess)), guess - 1, guess)
        return jnp.where((guess < self.count - 1) & (vector >= self.edge(guess + 1)), guess + 1, guess)


@dataclass(frozen=True, eq=False)
class Edges(Partition):
    """Cells between given edges; equal edges make a cell of a single number."""

    edges: Array
    """float32 `[C, N + 1]`, never falling."""

    def edge(self, index: Array) -> Array:
        return jnp.take_along_axis(self.edges, index[:, None], axis=1)[:, 0]

    def locate(self, vector: Array) -> Array:
        """As documented; an edge belongs to the upper cell, and a number that has its own cell to that."""
        below = jnp.sum(self.edges < vector[:, None], axis=1, dtype=jnp.int32)
        until = jnp.sum(self.edges <= vector[:, None], axis=1, dtype=jnp.int32)
        alone = until - below >= 2  # edges below .. until - 1 are this very number
        return jnp.clip(jnp.where(alone, until - 2, until - 1), 0, self.count - 1)


@singledispatch
def land(allowed: Allowed, low: Array, high: Array, point: Array) -> Array:
    """`point` `[C]` moved as little as possible so that it lies in the set and still in [`low`, `high`]."""
    return point


@land.register
def _(allowed: Interval, low: Array, high: Array, point: Array) -> Array:
    low = jnp.maximum(low, jnp.asarray(allowed.low, jnp.float32).reshape(-1))
    high = jnp.minimum(high, jnp.asarray(allowed.high, jnp.float32).reshape(-1))
    return jnp.where(low <= high, jnp.clip(point, low, high), point)
