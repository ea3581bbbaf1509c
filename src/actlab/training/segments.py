"""Replay buffers on disk: rows are written once, when they are new, and not again with every checkpoint.

A buffer of N rows is a list of segments, files of consecutive rows `begin` to `end` (counted from the first row
that was ever added). A save writes the rows since the last one, together with the segments before them that are at
most twice as long as what it writes. So lengths at least halve from segment to segment: there are O(log N) files,
and a row is written O(log N) times in all.

A segment is complete before a checkpoint names it, and goes only when the checkpoint that names it no more is
complete: whenever a process is killed, the last checkpoint can be read. Data sets are not written at all: they
are given again (and recognised by their fingerprint).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actlab.core.errors import ActlabError
from actlab.core.files import remove_temporaries
from actlab.core.steps import Batch
from actlab.data.buffer import Buffer
from actlab.training.checkpoint import load_tree, save_tree

FOLDER = "replay"

Ledger = dict[str, list[list[int]]]
"""What a checkpoint says of its buffers: by name, `[begin, end]` of every segment, in the order of time."""


class Segments:
    """The replay buffers of one run folder.

    Args:
        folder: the run's.
        names: the replay buffers among all buffers of the run.
    """

    def __init__(self, folder: Path, names: list[str]):
        self._folder = folder / FOLDER
        self._ledger: Ledger = {name: [] for name in names}

    def save(self, buffers: Mapping[str, Buffer]) -> Ledger:
        """Write the rows that are new; returns what the checkpoint has to say.

        Raises:
            ActlabError: the disk refuses a file.
        """
        for name, known in self._ledger.items():
            buffer = buffers[name]
            added = int(buffer.added)
            oldest = added - min(added, buffer.capacity)
            kept = [segment for segment in known if segment[1] > oldest]
            begin = max(kept[-1][1] if kept else oldest, oldest)
            if begin == added:
                continue
            while kept and kept[-1][1] - kept[-1][0] <= 2 * (added - begin):
                begin = max(kept.pop()[0], oldest)
            save_tree(self._path(name, begin, added), _rows(buffer, begin, added), {})
            self._ledger[name] = [*kept, [begin, added]]
        return self._ledger

    def prune(self) -> None:
        """Remove the files that the checkpoint, now complete, does not name, and what killed writers left."""
        if not self._folder.exists():
            return
        remove_temporaries(self._folder / "*.safetensors")
        named = {self._path(name, *segment) for name, known in self._ledger.items() for segment in known}
        for path in self._folder.iterdir():
            if re.fullmatch(r".+-\d+-\d+\.safetensors", path.name) and path not in named:
                path.unlink()

    def load(self, buffers: Mapping[str, Buffer], ledger: Ledger) -> dict[str, Buffer]:
        """The buffers that were saved.

        Args:
            buffers: of the same shapes, as they are before the first row.
            ledger: what the checkpoint says.

        Raises:
            ActlabError: a segment is missing, damaged or of another shape.
        """
        if ledger.keys() != self._ledger.keys():
            raise ActlabError(
                f"The run has the replay buffers {sorted(self._ledger)}, the checkpoint {sorted(ledger)}."
            )
        found = dict(buffers)
        for name, segments in ledger.items():
            buffer = buffers[name]
            rows = jax.tree.map(lambda leaf: np.array(_plain(leaf)), buffer.rows)
            for begin, end in segments:
                shapes = jax.eval_shape(lambda b, n=end - begin: jax.tree.map(lambda x: x[:, :n], b.rows), buffer)
                loaded = load_tree(self._path(name, begin, end), shapes)[0]
                first = max(begin, segments[-1][1] - buffer.capacity)
                places = np.arange(first, end) % buffer.capacity
                for ring, new in zip(jax.tree.leaves(rows), jax.tree.leaves(loaded), strict=True):
                    ring[:, places] = _plain(new)[:, first - begin :]
            typed = jax.tree.map(_typed, rows, buffer.rows)
            found[name] = Buffer(typed, jnp.asarray(segments[-1][1] if segments else 0, jnp.int32))
        self._ledger = {name: [list(segment) for segment in segments] for name, segments in ledger.items()}
        return found

    def _path(self, name: str, begin: int, end: int) -> Path:
        return self._folder / f"{name}-{begin}-{end}.safetensors"


def _rows(buffer: Buffer, begin: int, end: int) -> Batch:
    """The rows `[E, end - begin]`, on the host."""
    places = np.arange(begin, end) % buffer.capacity
    return jax.tree.map(lambda leaf: _typed(_plain(leaf)[:, places], leaf), buffer.rows)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _typed(array: np.ndarray, like: Any) -> Any:
    """`array` as the kind of array that `like` is."""
    return jax.random.wrap_key_data(jnp.asarray(array)) if _is_key(like) else jnp.asarray(array)
