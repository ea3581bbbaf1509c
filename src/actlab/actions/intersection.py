"""Values that are in two sets at once, where that is again a set in closed form.

Axis letters: D digits, K categories, M automaton nodes.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actlab.actions.unflatten import Unflatten
from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Automaton, Cells, Interval, Linear, Mask
from actlab.core.spaces import Choice


@singledispatch
def intersection(first: Allowed, second: Any) -> Allowed:
    """The values in both sets. None allows everything, also inside of nests.

    Two sets of one kind have one; so have a Mask `[D, K]` and an Automaton over the same digits, and any of
    these with a set whose words are listed (`subset.enumerated`).

    Raises:
        SpaceError: the two sets have no common form, or are over different spaces.
    """
    raise _unlike(first, second)


def _unlike(first: Any, second: Any) -> SpaceError:
    kinds = f"a set of kind {type(first).__name__} and one of kind {type(second).__name__}"
    return SpaceError(f"Two sets over one space, of one kind, are expected; received {kinds} that cannot be joined.")


def _check(first: Any, second: Any, fits: bool) -> None:
    if not fits:
        raise _unlike(first, second)


@intersection.register
def _(first: None, second: Any) -> Allowed:
    return second


@intersection.register
def _(first: Mask, second: Any) -> Allowed:
    if second is None or isinstance(second, Automaton | Cells):
        return first if second is None else intersection(second, first)
    _check(first, second, isinstance(second, Mask) and jnp.shape(first.mask) == jnp.shape(second.mask))
    return Mask(jnp.asarray(first.mask) & second.mask)


@intersection.register
def _(first: Interval, second: Any) -> Allowed:
    if second is None:
        return first
    _check(first, second, isinstance(second, Interval) and jnp.shape(first.low) == jnp.shape(second.low))
    return Interval(jnp.maximum(first.low, second.low), jnp.minimum(first.high, second.high))


@intersection.register
def _(first: Automaton, second: Any) -> Allowed:
    if second is None or isinstance(second, Cells):
        return first if second is None else intersection(second, first)
    if isinstance(second, Mask) and jnp.ndim(second.mask) == 2:
        second = automaton_of(second)
    _check(first, second, isinstance(second, Automaton) and first.next.shape[1] == second.next.shape[1])
    # a node of the product is a pair of nodes, n * M2 + m: both machines read the same word
    (nodes, size), more = first.next.shape, second.next.shape[0]
    one, two = jnp.asarray(first.next)[:, None, :], jnp.asarray(second.next)[None, :, :]
    follow = jnp.where((one >= 0) & (two >= 0), one * more + two, -1).reshape(nodes * more, size)
    start = jnp.asarray(first.start, jnp.int32) * more + jnp.asarray(second.start, jnp.int32)
    return Automaton(follow.astype(jnp.int32), start)


@intersection.register
def _(first: Linear, second: Any) -> Allowed:
    if second is None:
        return first
    _check(first, second, isinstance(second, Linear) and first.A.shape[1] == second.A.shape[1])
    rows, columns = first.G.shape
    more_rows, more_columns = second.G.shape
    hidden = np.block([[first.G, np.zeros((rows, more_columns))], [np.zeros((more_rows, columns)), second.G]])
    return Linear(np.concatenate([first.A, second.A]), hidden, np.concatenate([first.b, second.b]))


@intersection.register
def _(first: Cells, second: Any) -> Allowed:
    if second is None:
        return first
    _check(first, second, isinstance(first.codec, Unflatten) and isinstance(second, Mask | Automaton | Cells))
    also = jax.vmap(lambda word: sets.contains(second, word))(first.codec.words())
    return Cells(first.codec, Mask(jnp.asarray(first.allowed.mask) & also))


@intersection.register
def _(first: tuple, second: Any) -> Allowed:
    if second is None:
        return first
    _check(first, second, isinstance(second, tuple) and len(first) == len(second))
    return tuple(map(intersection, first, second))


@intersection.register
def _(first: Mapping, second: Any) -> Allowed:
    if second is None:
        return first
    _check(first, second, isinstance(second, Mapping) and first.keys() == second.keys())
    return {name: intersection(first[name], second[name]) for name in first}


@intersection.register
def _(first: Choice, second: Any) -> Allowed:
    if second is None:
        return first
    _check(first, second, isinstance(second, Choice) and len(first.values) == len(second.values))
    return Choice(intersection(first.index, second.index), tuple(map(intersection, first.values, second.values)))


def automaton_of(allowed: Mask) -> Automaton:
    """The Automaton `[D + 1, K]` of the words that a Mask `[D, K]` allows: one node for each count of digits read."""
    mask = jnp.asarray(allowed.mask)
    digits = mask.shape[0]
    after = jnp.arange(1, digits + 1, dtype=jnp.int32)[:, None]
    last = jnp.full((1, mask.shape[1]), -1, jnp.int32)
    return Automaton(jnp.concatenate([jnp.where(mask, after, -1), last]), jnp.zeros((), jnp.int32))
