"""The running episodes of lanes as a flat dict of arrays, and rows of batched trees.

Axis letters: n lanes, T native steps.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from actlab.core.contracts import Context, Native
from actlab.core.errors import ActlabError
from actlab.core.spaces import Space
from actlab.core.steps import Tree
from actlab.tasks.door import each

Snapshot = dict[str, np.ndarray]


def row(tree: Tree, i: int) -> Tree:
    """Lane i."""
    return each(lambda leaf: leaf[i], tree)


def mix(where: np.ndarray, yes: Tree, no: Tree) -> Tree:
    """Lane by lane `yes` where `where`, else `no` (`yes` if the two have different structures)."""
    if jax.tree.structure(yes) != jax.tree.structure(no):
        return yes

    def mix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(np.reshape(where, (-1,) + (1,) * (np.ndim(a) - 1)), a, b)

    return jax.tree.map(mix, yes, no)


def packed(actions: Sequence[Native], space: Space, count: int | None = None) -> Snapshot:
    """Actions in a row: `native/k` is leaf k of all of them, `[T, ...]`."""
    leaves = [jax.tree.leaves(action) for action in actions]
    lead = () if count is None else (count,)
    empty = [np.zeros((0, *lead, *np.shape(leaf)), np.asarray(leaf).dtype) for leaf in jax.tree.leaves(space.zeros())]
    return {f"native/{k}": np.stack([row[k] for row in leaves]) if leaves else empty[k] for k in range(len(empty))}


def unpacked(snapshot: Snapshot, space: Space) -> list[Native]:
    """Inverse of `packed`."""
    structure = jax.tree.structure(space.zeros())
    leaves = [snapshot[f"native/{k}"] for k in range(structure.num_leaves)]
    return [jax.tree.unflatten(structure, row) for row in zip(*leaves, strict=True)]


def named(prefix: str, context: Context) -> Snapshot:
    """The leaves of a nested dict by their paths."""
    if not isinstance(context, Mapping):
        return {} if isinstance(context, tuple) else {prefix: np.asarray(context)}
    return {path: leaf for name, part in context.items() for path, leaf in named(f"{prefix}/{name}", part).items()}


def unnamed(prefix: str, snapshot: Snapshot) -> Context:
    """Inverse of `named`."""
    context: dict[str, Any] = {}
    for path, leaf in snapshot.items():
        if path.startswith(f"{prefix}/"):
            *folders, name = path.split("/")[1:]
            at = context
            for folder in folders:
                at = at.setdefault(folder, {})
            at[name] = leaf
    return context or ()


def check_lanes(snapshot: Snapshot, count: int, name: str) -> None:
    """Does a snapshot, with `name` an array `[n]`, belong to `count` lanes of this kind?

    Raises:
        ActlabError: it does not.
    """
    if name not in snapshot or len(snapshot[name]) != count:
        received = f"{len(snapshot[name])} lanes" if name in snapshot else "one of another kind of lanes"
        raise ActlabError(f"The snapshot does not fit: expected {count} lanes, received {received}.")
