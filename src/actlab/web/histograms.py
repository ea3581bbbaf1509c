"""How often actions are what they are, natively and under a code: of a recorded data set, or drawn uniformly."""

from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np

from actlab.core.errors import ActlabError
from actlab.core.spaces import Choice

Tree = Any

DRAWN = 512
"""Actions that are drawn uniformly."""
MOST_STEPS = 5_000
"""Recorded actions that are counted: those of the first episodes."""
MOST = 8
"""Histograms of a space."""
BARS = 32


class Histogram(NamedTuple):
    """One coordinate or one digit."""

    label: str
    heights: list[float]
    """Of its bars, from left to right; the tallest is 1."""
    low: float
    high: float
    """What the first bar begins with and the last one ends with; of a digit its first and its last category."""
    count: int


class Histograms(NamedTuple):
    """Of the same actions."""

    native: list[Histogram]
    coded: list[Histogram]
    source: str


def data_sets() -> list[str]:
    """The ids of the data sets on this machine."""
    from actlab.data.formats.minari import names

    try:
        return names()
    except (OSError, ActlabError):
        return []


def histograms(task: Any, codec: Any, data: str) -> Histograms:
    """Of a task's actions under a code.

    Args:
        task: the task over its native actions.
        codec: not bound yet, so that it can measure the data.
        data: id of a data set; "" draws uniformly.

    Raises:
        ActlabError: there is no such data set, its actions are not this task's, or the code does not fit.
    """
    native, coded, source = _recorded(task, codec, data) if data else _drawn(task, codec)
    return Histograms(_several(native), _several(coded), source)


def _recorded(task: Any, codec: Any, data: str) -> tuple[Tree, Tree, str]:
    import jax

    from actlab.data.episodes import first, for_codec, rows
    from actlab.data.formats.minari import folder_of, read

    if data not in data_sets():
        raise ActlabError(f"There is no data set {data!r} on this machine; actlab data list shows them.")
    recordings = first(read(folder_of(data))[0], MOST_STEPS)
    batch = rows(recordings, task.with_code(codec, episodes=for_codec(recordings, task)))
    native = jax.tree.map(lambda leaf: np.asarray(leaf)[0, :, 0], batch.native)
    coded = jax.tree.map(lambda leaf: np.asarray(leaf)[0][np.asarray(batch.valid)[0]], batch.code)
    return native, coded, f"{recordings.steps:,} recorded actions of {data}"


def _drawn(task: Any, codec: Any) -> tuple[Tree, Tree, str]:
    import jax
    import jax.numpy as jnp

    from actlab.core.keys import fold

    space = task.environment.action
    bound = codec.fit(space)
    keys = jnp.stack([fold(jax.random.key(0), "histogram", i) for i in range(DRAWN)])

    def one(key: Any) -> tuple[Tree, Tree]:
        native = space.sample(key)
        held = jax.tree.map(lambda leaf: jnp.stack([leaf] * bound.length), native)
        codes, _ = bound.encode(held)
        return native, jax.tree.map(lambda leaf: leaf[0], codes)

    native, coded = jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(keys))
    return native, coded, f"{DRAWN} actions, drawn uniformly"


def _several(values: Tree) -> list[Histogram]:
    """Of the first coordinates and digits of values with a leading axis."""
    found = []
    for label, column in _columns(values, ""):
        if len(found) == MOST:
            break
        if len(column):
            found.append(_one(label, column))
    return found


def _one(label: str, column: np.ndarray) -> Histogram:
    if column.dtype.kind == "f":
        low, high = float(column.min()), float(column.max())
        counts, _ = np.histogram(column, BARS, (low, high) if high > low else (low - 0.5, high + 0.5))
    else:
        low, high = int(column.min()), int(column.max())
        counts, _ = np.histogram(column, min(high - low + 1, BARS), (low - 0.5, high + 0.5))
    return Histogram(label, (counts / counts.max()).round(4).tolist(), low, high, len(column))


@singledispatch
def _columns(values: Any, label: str) -> Iterator[tuple[str, np.ndarray]]:
    """Every coordinate or digit with its name."""
    array = np.asarray(values)
    flat = array.reshape(len(array), -1)
    for i in range(flat.shape[1]):
        yield f"{label}, {i}".strip(", ") if array.ndim > 1 else label or "value", flat[:, i]


@_columns.register
def _(values: tuple, label: str) -> Iterator[tuple[str, np.ndarray]]:
    for i, part in enumerate(values):
        yield from _columns(part, f"{label} part {i}".strip())


@_columns.register
def _(values: Mapping, label: str) -> Iterator[tuple[str, np.ndarray]]:
    for name, part in values.items():
        yield from _columns(part, f"{label} {name}".strip())


@_columns.register
def _(values: Choice, label: str) -> Iterator[tuple[str, np.ndarray]]:
    import jax

    index = np.asarray(values.index)
    yield f"{label} branch".strip(), index
    for i, part in enumerate(values.values):  # where the branch was taken
        taken = jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[index == i], part)
        yield from _columns(taken, f"{label} branch {i}".strip())
