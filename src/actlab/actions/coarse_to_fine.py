"""Bins within bins: a Box is zoomed into, all coordinates at the coarse level first.

The representation of coarse-to-fine Q-networks (CQN, arXiv 2407.07787) and of ARSQ (arXiv 2502.00288): level l
cuts what level l - 1 left of every coordinate into K equal bins. Deviation: the papers fix the box to
[-1, 1] and walk the intervals in floating point; here the digits of a coordinate are read as one number
in base K, so that cells of all levels share their edges exactly, in any bounded Box.

Axis letters: T time in native steps, C coordinates, L levels, K bins of a level.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.actions.bins import first_true, last_true
from actlab.actions.checks import bounded_box, refuse_nonfinite
from actlab.actions.grid import Grid
from actlab.actions.product import LeafCodec
from actlab.core.codec import Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed
from actlab.core.spaces import Box, MultiDiscrete, Space
from actlab.core.steps import TimeStep


class CoarseToFine(LeafCodec):
    """Box `[*shape]` (bounded) -> MultiDiscrete `[L * C]`: digit l * C + c is the bin of coordinate c at level l.

    `decode` is the centre of the finest bin, so `decode(encode(a))` is at most half a finest bin from `a` in
    every coordinate: (high - low) / (2 K**L), for `a` in the Box. Under an Interval that meets the bin but
    not its centre, `decode` is the point of both nearest to the centre, as for uniform bins.

    A native Interval has no closed form over the digits (whether a fine bin is legal depends on the coarse
    one), so `restrict` gives Cells. They are exact in any order of digits that decides each coordinate's
    coarse level before its fine one; with a fine digit known and its coarse one open, the image is a hull.
    """

    levels: int = eqx.field(static=True, default=2)
    """Levels of every coordinate (L), at least 1."""
    bins: int = eqx.field(static=True, default=7)
    """Bins of every level (K), at least 2; K**L at most 2**24."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.levels < 1 or self.bins < 2 or self.bins**self.levels > 2**24:
            raise SpaceError(
                "CoarseToFine needs at least 1 level of at least 2 bins, and at most 2**24 finest bins; "
                f"received levels={self.levels}, bins={self.bins}."
            )

    def bind(self, native: Box, episodes: Episodes | None) -> "CoarseToFine":
        """
        Raises:
            SpaceError: the Box is unbounded or does not hold floats.
        """
        code = MultiDiscrete((self.bins,) * (self.levels * native.dims))
        return CoarseToFine(self.levels, self.bins, bounded_box(native, "CoarseToFine"), code)

    @property
    def grid(self) -> Grid:
        """The finest cells of the native Box."""
        box: Any = self.native
        return Grid(box, self.bins**self.levels)

    @property
    def _places(self) -> np.ndarray:
        """int32 `[L]`: how many finest bins one bin of each level spans."""
        return self.bins ** np.arange(self.levels - 1, -1, -1, dtype=np.int32)

    def _number(self, digits: Array) -> Array:
        """int32 `[C]`: the finest bin that the digits `[L * C]` name."""
        return jnp.sum(digits.reshape(self.levels, -1) * self._places[:, None], axis=0)

    def encode(self, native: Array, step: TimeStep | None = None) -> tuple[Array, Array]:
        refuse_nonfinite(native)
        rows = jnp.asarray(native).astype(jnp.float32)

        def digits(vector: Array) -> Array:
            return (self.grid.locate(vector)[None, :] // self._places[:, None] % self.bins).reshape(-1)

        return jax.vmap(digits)(rows.reshape(rows.shape[0], -1)), jnp.ones((rows.shape[0],), bool)

    def decode(self, code: Array, step: TimeStep | None, i: Array, key: Array | None) -> Array:
        return self.grid.point(self._number(code), None if step is None else step.allowed)

    def image(self, cell: Allowed) -> Allowed:
        """From the lowest to the highest finest bin in `cell`, a Mask `[L * C, K]`."""
        if cell is None:
            return None
        mask = jnp.asarray(cell.mask)
        possible = jnp.all(jnp.any(mask, axis=-1).reshape(self.levels, -1), axis=0)
        return self.grid.interval(self._number(first_true(mask)), self._number(last_true(mask)), possible)
