"""Bins whose edges follow the recorded actions.

`spacing=mass`: between two edges lies an equal share of the recording, so a uniform code is distributed as
the data are. `spacing=width` with `tail=0.01`: equal bins from the 1st to the 99th percentile, the actions of
OpenVLA (Kim et al. 2024, section 3.2), where RT-2 (Brohan et al. 2023, section 3.2) has equal bins over the
given bounds (`bins:bins=256` here); both have 256. Deviation: OpenVLA's reference takes 256 edges and so
decodes to 255 centres; here K bins have K + 1 edges.

Axis letters: T time in native steps, C coordinates, K bins of a coordinate.
"""

from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.actions.bins import Binning
from actlab.actions.checks import bounded_box, float_box
from actlab.actions.grid import Edges
from actlab.actions.measure import recorded
from actlab.core.codec import Episodes
from actlab.core.errors import SpaceError
from actlab.core.spaces import Box, MultiDiscrete


class QuantileBins(Binning):
    """Box `[*shape]` -> MultiDiscrete `[C]`: digit c is the bin of coordinate c, between measured (or given) edges.

    `decode` is the bin's centre, so `decode(encode(a))` is at most half of `a`'s own bin from `a`, for `a`
    between the outermost edges; what lies outside is put into the nearest bin. A number that makes up more
    than 2 / K of the recording (a gripper's 0 and 1) has bins of width 0 and comes back exactly; of these the
    highest is the one that `encode` names. Under an Interval, `decode` lands as that of uniform bins.
    """

    bins: int = eqx.field(static=True, default=256)
    """Bins of every coordinate (K), at least 2."""
    spacing: Literal["mass", "width"] = eqx.field(static=True, default="mass")
    """`mass`: every bin holds an equal share of the recorded actions. `width`: all bins are equally wide."""
    tail: float = eqx.field(static=True, default=0.0)
    """Share of the recorded actions beyond the outermost edges, on each side; below 0.5."""
    edges: tuple[float, ...] | None = eqx.field(static=True, default=None)
    """Edges instead of measured ones: K + 1 for all coordinates, or as many for each (in C order)."""
    cuts: Array | None = None
    """float32 `[C, K + 1]`: the edges; None before `fit`."""

    def __check_init__(self) -> None:
        if self.spacing not in ("mass", "width"):
            raise SpaceError(f"The spacing is mass or width; received {self.spacing!r}.")
        if not 0 <= self.tail < 0.5:
            raise SpaceError(f"The tail is a share of at least 0 and below 0.5; received {self.tail}.")

    def bind(self, native: Box, episodes: Episodes | None) -> "QuantileBins":
        """
        Raises:
            SpaceError: the Box does not hold floats, neither edges nor episodes are given, or the edges are
                of another number, fall somewhere or lie outside of the Box.
        """
        float_box(native, "QuantileBins")
        cuts = (self._measured(native, episodes) if self.edges is None else self._given(native)).astype(np.float32)
        bounded_box(Box(cuts[:, 0], cuts[:, -1]), "QuantileBins")
        code = MultiDiscrete((self.bins,) * native.dims)
        return QuantileBins(self.bins, native, code, self.spacing, self.tail, self.edges, jnp.asarray(cuts))

    def _measured(self, native: Box, episodes: Episodes | None) -> np.ndarray:
        rows = recorded(native, episodes, "QuantileBins", "pass episodes, or give edges")
        shares = np.linspace(self.tail, 1.0 - self.tail, self.bins + 1)
        if self.spacing == "mass":
            cuts = np.quantile(rows.reshape(len(rows), -1), shares, axis=0)
        else:
            low, high = np.quantile(rows.reshape(len(rows), -1), shares[[0, -1]], axis=0)
            cuts = np.linspace(low, high, self.bins + 1)
        cuts = np.clip(cuts, native.lows.reshape(-1), native.highs.reshape(-1))
        return np.maximum.accumulate(cuts.astype(np.float32), axis=0).T

    def _given(self, native: Box) -> np.ndarray:
        numbers = np.asarray(self.edges, np.float64)
        if numbers.size not in (self.bins + 1, native.dims * (self.bins + 1)):
            raise SpaceError(
                f"QuantileBins: {self.bins} bins have {self.bins + 1} edges, or {native.dims * (self.bins + 1)} for "
                f"each coordinate of {native!r}; received {numbers.size}."
            )
        cuts = np.broadcast_to(numbers.reshape(-1, self.bins + 1), (native.dims, self.bins + 1))
        if not (np.diff(cuts, axis=1) >= 0).all():
            raise SpaceError(f"QuantileBins: the edges must not fall; received {self.edges}.")
        cuts = cuts.astype(np.float32)
        if (cuts[:, 0] < native.lows.reshape(-1)).any() or (cuts[:, -1] > native.highs.reshape(-1)).any():
            raise SpaceError(f"QuantileBins: the edges {self.edges} must lie inside of {native!r}.")
        return cuts

    @property
    def grid(self) -> Edges:
        box: Any = self.native
        assert self.cuts is not None, "the codec is not bound"
        return Edges(box, self.bins, self.cuts)
