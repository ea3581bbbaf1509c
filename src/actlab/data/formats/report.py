"""What was found in recorded episodes: shapes, ranges, ends, and what a reader had to guess."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jax
import numpy as np

from actlab.data.episodes import Recordings, statistics


@dataclass(frozen=True)
class Part:
    """One kind of numbers, over all episodes."""

    name: str
    """Such as "observations['camera']"."""
    shapes: tuple[tuple[int, ...], ...]
    """Of one entry; more than one where episodes differ."""
    types: tuple[str, ...]
    least: float | None
    most: float | None
    """Of the finite numbers; None where there are none."""
    nonfinite: int
    """NaN and infinity."""


@dataclass(frozen=True)
class Report:
    """The findings."""

    path: str
    format: str
    statistics: dict[str, Any]
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    """Sentences: what is missing, and how it was read all the same."""

    @property
    def facts(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def report(path: Any, name: str, recordings: Recordings, notes: Sequence[str]) -> Report:
    """The report on what a reader has read.

    Args:
        name: of the format.
        notes: what the reader has to say; what is wrong with the numbers is added here.
    """
    pooled: dict[str, list[np.ndarray]] = {}
    for episode in recordings.episodes:
        content = {
            "observations": episode.observations,
            "actions": episode.actions,
            "rewards": episode.rewards,
            **{f"info {told}": values for told, values in episode.info.items()},
        }
        for kind, tree in content.items():
            for path_in, leaf in jax.tree_util.tree_leaves_with_path(tree):
                pooled.setdefault(kind + jax.tree_util.keystr(path_in), []).append(np.asarray(leaf))
    parts = tuple(_part(kind, arrays) for kind, arrays in pooled.items())
    told = statistics(recordings)
    said = list(notes)
    if not told["episodes"]:
        said.append("there are no episodes")
    if told["unended"]:
        said.append(f"{told['unended']} episodes have no end on record: learning takes them as truncated")
    for part in parts:
        if part.nonfinite:
            said.append(f"{part.name} holds {part.nonfinite} numbers that are NaN or infinite: they cannot be learned")
        if len(part.shapes) > 1:
            said.append(f"{part.name} differs in shape between episodes: {', '.join(map(str, part.shapes))}")
    return Report(str(path), name, told, parts, tuple(said))


def _part(name: str, arrays: list[np.ndarray]) -> Part:
    least, most, nonfinite = [], [], 0
    for array in arrays:
        finite = array
        if array.dtype.kind == "f":
            finite = array[np.isfinite(array)]
            nonfinite += array.size - finite.size
        if finite.size and array.dtype.kind in "fiub":
            least.append(finite.min())
            most.append(finite.max())
    return Part(
        name,
        tuple(sorted({array.shape[1:] for array in arrays})),
        tuple(sorted({str(array.dtype) for array in arrays})),
        float(min(least)) if least else None,
        float(max(most)) if most else None,
        int(nonfinite),
    )
