"""Companding: fine steps near zero, coarse ones far from it, before anything is cut into bins.

The mu-law of ITU-T G.711, F(x) = sign(x) ln(1 + mu |x| / M) / ln(1 + mu) for |x| <= M, in the continuous form
that WaveNet (van den Oord et al. 2016, section 2.2) uses before its 256 uniform bins. Chained with uniform
bins it gives mu-law bins: `mu-law+bins:bins=256`. Gato (Reed et al. 2022, appendix B) writes
sign(x) ln(1 + 100 |x|) / ln(1 + 100 * 256): that is M = 256 and mu = 25600, so its 1,024 bins are
`mu-law:mu=25600,largest=256+bins:bins=1024`. Deviations: the code's bounds are the images of the native
bounds, so that no bin is spent on what the Box does not hold; and G.711's own table is piecewise linear.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.actions.checks import bounded_box, float_box
from actlab.actions.measure import Numbers, per_coordinate
from actlab.actions.monotone import Monotone
from actlab.core.codec import Episodes
from actlab.core.errors import SpaceError
from actlab.core.spaces import Box, Space


class MuLaw(Monotone):
    """Box `[*shape]` -> Box `[*shape]` inside of [-1, 1]: every coordinate companded by the mu-law.

    What lies beyond -M or M is clipped, so an unbounded Box becomes a bounded one where `largest` is given.
    Otherwise `decode(encode(a))` is `a` up to float32 rounding (at most 4 + 2 ln(1 + mu) units in the last
    place of M).
    Chained with K uniform bins, the error is at most half of the cell that the bin has in the native Box:
    about (M / mu + |a|) ln(1 + mu) / K, which is small near zero.
    """

    mu: float = eqx.field(static=True, default=255.0)
    """Strength of the compression, above 0 (255 for 8 bits)."""
    largest: Numbers = eqx.field(static=True, default=None)
    """M, the largest magnitude that has a code: one for all coordinates, or one for each (in C order); the Box's
    own bounds where none is given."""
    scale: Array | None = None
    """float32 `[*shape]`: M; None before `fit`."""
    lower: Array | None = None
    """float32 `[*shape]`: the larger of -M and the Box's lower bound."""
    upper: Array | None = None
    """float32 `[*shape]`: the smaller of M and its upper bound."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if not 0 < self.mu <= 1e6:
            raise SpaceError(f"The mu of the mu-law lies above 0 and is at most 1e6; received {self.mu}.")
        if self.largest is not None and not (np.asarray(self.largest) > 0).all():
            raise SpaceError(f"The largest magnitude must be positive; received {self.largest}.")

    def bind(self, native: Box, episodes: Episodes | None) -> "MuLaw":
        """
        Raises:
            SpaceError: the Box does not hold floats, is unbounded where `largest` is not given, or holds no
                number between -M and M; or there are more or fewer magnitudes than coordinates.
        """
        lows, highs = float_box(native, "MuLaw").lows, native.highs
        if self.largest is None:
            bounded_box(native, "MuLaw")
            scale = np.maximum(np.abs(lows), np.abs(highs))
        else:
            scale = per_coordinate(self.largest, native, "MuLaw", "largest").astype(np.float32)
        if ((lows > scale) | (highs < -scale)).any():
            raise SpaceError(f"MuLaw: {native!r} holds nothing of a magnitude up to largest={self.largest}.")
        scale = np.where(scale > 0, scale, np.float32(1)).astype(np.float32)
        lower, upper = np.maximum(lows, -scale).astype(np.float32), np.minimum(highs, scale).astype(np.float32)
        ends = [np.sign(end) * np.log1p(self.mu * np.abs(end / scale)) / np.log1p(self.mu) for end in (lower, upper)]
        code = Box(np.maximum(ends[0], -1.0), np.minimum(ends[1], 1.0), native.shape)
        return MuLaw(self.mu, self.largest, jnp.asarray(scale), jnp.asarray(lower), jnp.asarray(upper), native, code)

    def to_code(self, value: Array) -> Array:
        code: Any = self.code
        part = jnp.clip(value, self.lower, self.upper) / self.scale
        law = jnp.sign(part) * jnp.log1p(self.mu * jnp.abs(part)) / np.float32(np.log1p(self.mu))
        return jnp.clip(law, code.lows, code.highs)

    def to_native(self, code: Array) -> Array:
        part = jnp.sign(code) * jnp.expm1(jnp.abs(code) * np.float32(np.log1p(self.mu))) / self.mu
        return jnp.clip(part * self.scale, self.lower, self.upper)
