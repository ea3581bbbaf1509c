"""What codecs refuse before they compute: values that are no numbers, spaces that they cannot cut."""

from typing import Any

import jax
import numpy as np

from actlab.core.errors import SpaceError
from actlab.core.spaces import Box

Tree = Any


def refuse_nonfinite(native: Tree) -> None:
    """Refuse actions that hold NaN or infinity.

    Only values that are there can be looked at: inside of a compiled function nothing happens here, and
    `native_space.contains`, which NaN never satisfies, is the check to make.

    Raises:
        SpaceError: a number is NaN or infinite.
    """
    for leaf in jax.tree.leaves(native):
        if isinstance(leaf, jax.core.Tracer) or not np.issubdtype(leaf.dtype, np.floating):
            continue
        wrong = ~np.isfinite(np.asarray(leaf))
        if wrong.any():
            place = [int(i) for i in np.argwhere(wrong)[0]]
            raise SpaceError(f"Actions must be finite; received {np.asarray(leaf)[tuple(place)]} at index {place}.")


def float_box(box: Box, who: str) -> Box:
    """The Box itself, if its values are floats.

    Raises:
        SpaceError: they are not.
    """
    if not np.issubdtype(np.dtype(box.dtype), np.floating):
        raise SpaceError(f"{who} needs a Box of floats; received {box!r}.")
    return box


def bounded_box(box: Box, who: str) -> Box:
    """The Box itself, if it can be cut into intervals.

    Raises:
        SpaceError: its numbers are no floats, a bound is infinite, or its range overflows float32.
    """
    float_box(box, who)
    with np.errstate(over="ignore"):
        span = np.float32(1) * (box.highs.astype(np.float32) - box.lows.astype(np.float32))
    if not np.isfinite(span).all():
        raise SpaceError(
            f"{who} needs a Box with finite bounds; received {box!r} "
            "(put normalise in front of it, with low= and high= or with statistics measured from episodes)."
        )
    return box
