"""Numbers that codecs are given for every coordinate, or measure from recorded actions.

Axis letters: T time in native steps (of all episodes).
"""

from typing import Any

import numpy as np

from actlab.actions.checks import refuse_nonfinite
from actlab.core.codec import Episodes
from actlab.core.errors import SpaceError
from actlab.core.spaces import Box

Numbers = float | tuple[float, ...] | None
"""An option: one number for all coordinates, one for each (in C order), or none."""


def per_coordinate(numbers: Any, native: Box, who: str, name: str) -> np.ndarray:
    """float64 `[*shape]` from one number for all coordinates, or one for each (in C order).

    Raises:
        SpaceError: there are more or fewer numbers than coordinates.
    """
    array = np.asarray(numbers, np.float64)
    if array.ndim == 1 and array.size != native.dims:
        raise SpaceError(f"{who}: {name} has {array.size} numbers for the {native.dims} of {native!r}.")
    return np.full(native.shape, array) if array.ndim == 0 else array.reshape(native.shape)


def recorded(native: Box, episodes: Episodes | None, who: str, instead: str) -> np.ndarray:
    """float64 `[T, *shape]`: all recorded actions of all episodes.

    Args:
        native: the space that they are actions of.
        episodes: the recording; None is none.
        who: the codec that asks, with the option that makes it ask.
        instead: what a person can do who has no recording.

    Raises:
        SpaceError: nothing is recorded, the actions have another shape, or a number is not finite.
    """
    rows = [np.asarray(episode.native, np.float64) for episode in episodes or ()]
    if sum(len(row) for row in rows) == 0:
        raise SpaceError(f"{who} measures recorded actions of {native!r}, and none are given: {instead}.")
    wrong = next((row.shape[1:] for row in rows if row.shape[1:] != native.shape), None)
    if wrong is not None:
        raise SpaceError(f"Recorded actions of shape {list(native.shape)} are expected; received {list(wrong)}.")
    refuse_nonfinite(rows)
    return np.concatenate(rows)
