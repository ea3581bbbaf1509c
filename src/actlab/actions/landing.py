"""For codecs whose every code lands in the set of the step where it is played: all codes are legal, or none.

What such a code means depends on the step, which a cell does not know. So its image is the whole native
space, and its set over the codes is everything, unless nothing native is legal.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import jax.numpy as jnp
from jax import Array

from actlab.core import sets
from actlab.core.codec import Codec, cell_of
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Interval, Mask
from actlab.core.spaces import Choice, Space


def everything(space: Space) -> Allowed:
    """All values of `space`, as a Mask, an Interval or a nest of them."""
    return cell_of(space, space.zeros(), space.known(False))


def all_or_nothing(codec: Codec, allowed: Allowed) -> Allowed:
    """The set over the codes of `codec` that holds all of them if anything native is `allowed`, and else none."""
    if allowed is None:
        return None
    native: Any = codec.native
    code: Any = codec.code
    return only_if(everything(code), jnp.asarray(sets.meets(allowed, everything(native))))


@singledispatch
def only_if(cell: Allowed, keep: Array) -> Allowed:
    """`cell` if `keep` bool `[]`, and else the empty set, in the same form."""
    raise SpaceError(f"{type(cell).__name__} is no cell.")


@only_if.register
def _(cell: Mask, keep: Array) -> Mask:
    return Mask(cell.mask & keep)


@only_if.register
def _(cell: Interval, keep: Array) -> Interval:
    return Interval(jnp.where(keep, cell.low, 1.0), jnp.where(keep, cell.high, -1.0))


@only_if.register
def _(cell: tuple, keep: Array) -> tuple:
    return tuple(only_if(part, keep) for part in cell)


@only_if.register
def _(cell: Mapping, keep: Array) -> dict:
    return {name: only_if(part, keep) for name, part in cell.items()}


@only_if.register
def _(cell: Choice, keep: Array) -> Choice:
    return Choice(only_if(cell.index, keep), cell.values)
