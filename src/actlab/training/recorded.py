"""Recorded decisions that a training run is given: do they fit the task, and are they the same as before?

Axis letters: E lanes, N decisions of a lane.
"""

import hashlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.spaces import Space
from actlab.core.steps import Batch


def check_rows(data: Mapping[str, Batch], task: Task) -> None:
    """Check the form of recorded decisions.

    Args:
        data: rows `[E, N]`, by name.
        task: whose code and observations they should hold.

    Raises:
        ActlabError: rows are no `Batch` of two leading axes, or codes or observations are not those of the task.
    """
    for name, rows in data.items():
        if not isinstance(rows, Batch) or rows.valid is None or np.ndim(rows.valid) != 2 or np.size(rows.valid) == 0:
            raise ActlabError(
                f"The data set {name!r} should be a Batch of decisions [E, N] with `valid`, at least one."
            )
        lanes = np.shape(rows.valid)
        for what, held, space in (
            ("codes", rows.code, task.spec.code),
            ("observations", rows.step.observation, task.spec.observation),
        ):
            if jax.tree.map(np.shape, held) != _leaf_shapes(space, lanes):
                raise ActlabError(
                    f"The {what} of the data set {name!r} should be those of {task.spec.name}, {space}, in "
                    f"{lanes[0]} x {lanes[1]} rows; received leaves of shapes {_shapes(held)}."
                )


def _leaf_shapes(space: Space, lanes: tuple[int, ...]) -> Any:
    """A value-shaped PyTree of the shapes that many values have."""
    return jax.tree.map(lambda leaf: (*lanes, *leaf.shape), jax.eval_shape(space.zeros))


def _shapes(tree: Any) -> str:
    return ", ".join(str(list(np.shape(leaf))) for leaf in jax.tree.leaves(tree))


def read_inputs(readers: Mapping[str, str], inputs: Mapping[str, Path], task: Task) -> dict[str, Batch]:
    """The data sets that a training cell gets from other cells.

    Args:
        readers: name of a data set -> `module:function` of (folder, task) that returns its rows `[E, N]` (see
            `check_rows`).
        inputs: name -> folder of the finished cell that made it.

    Raises:
        ActlabError: a data set has no input of its name, or its rows do not fit the task.
    """
    data = {}
    for name, reader in readers.items():
        if name not in inputs:
            raise ActlabError(f"The data set {name!r} should be an input of the cell; received {sorted(inputs)}.")
        module, _, function = reader.partition(":")
        data[name] = getattr(import_module(module), function)(inputs[name], task)
    check_rows(data, task)
    return data


def fingerprints(data: Mapping[str, Batch]) -> dict[str, str]:
    """The first 20 hex digits of the SHA-256 of every data set: shapes, types and numbers of all that is learned from.

    `memory` does not count: it is not learned from.
    """
    return {name: _fingerprint(rows._replace(memory=())) for name, rows in sorted(data.items())}


def _fingerprint(rows: Batch) -> str:
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(rows):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:20]
