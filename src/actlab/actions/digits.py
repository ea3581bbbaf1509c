"""Every digit of a finite space in one row: a Dict or Tuple of switches and choices as one MultiDiscrete.

Axis letters: T time in native steps, D digits, K categories of the largest digit.
"""

import itertools
import math
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.product import children, entries
from actlab.core import spaces
from actlab.core.codec import Codec, Episodes, cell_of
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Cells, Mask
from actlab.core.spaces import MultiDiscrete, Space
from actlab.core.steps import TimeStep

Tree = Any


class Digits(Codec):
    """A Dict or Tuple of finite spaces, nested or not -> MultiDiscrete, part by part in the space's own order.

    For learners that decide digit by digit and know no nests, as `branching-dqn`: `bins + digits` is a code of any
    space without a OneOf. Unlike `flatten` it enumerates nothing. `decode(encode(a))` is exactly `a`.
    """

    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def fit(self, native: Space, episodes: Episodes | None = None) -> "Digits":
        """
        Raises:
            SpaceError: the space has continuous coordinates, or a OneOf.
        """
        return Digits(native, MultiDiscrete(categories(native)))

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Array, Array]:
        leaves = [jnp.asarray(leaf, jnp.int32) for leaf in jax.tree.leaves(native)]
        codes = jnp.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in leaves], axis=1)
        return codes, jnp.ones((codes.shape[0],), bool)

    def decode(self, code: Array, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        space: Any = self.native
        return _fill(space.zeros(), code)

    def image(self, cell: Allowed) -> Allowed:
        """A nest of Masks. Exact."""
        space: Any = self.native
        if cell is None:
            return None
        wide = _everything(space)
        leaves, structure = jax.tree.flatten(wide)
        rows = iter(jnp.asarray(cell.mask))
        parts = [
            jnp.stack([next(rows)[: leaf.shape[-1]] for _ in range(math.prod(leaf.shape[:-1]))]) for leaf in leaves
        ]
        return jax.tree.unflatten(structure, [p.reshape(leaf.shape) for p, leaf in zip(parts, leaves, strict=True)])

    def restrict(self, allowed: Allowed) -> Allowed:
        """A Mask `[D, K]` where every part of the set is a Mask or None, else Cells; exact for every kind of set."""
        if allowed is None:
            return None
        space: Any = self.native
        masks = list(_masks(space, allowed))
        if not all(isinstance(part, Mask) for part in masks):
            return Cells(self, allowed)
        size = max(categories(space))
        rows = [jnp.atleast_2d(jnp.asarray(part.mask)) for part in masks]
        return Mask(jnp.concatenate([jnp.pad(row, ((0, 0), (0, size - row.shape[1]))) for row in rows]))


@singledispatch
def categories(space: Space) -> tuple[int, ...]:
    """How many categories each digit of a finite space has.

    Raises:
        SpaceError: the space has continuous coordinates, or a OneOf.
    """
    raise SpaceError(f"Digits are of finite spaces, and {space!r} has real coordinates; cut them first, `bins+digits`.")


@categories.register
def _(space: spaces.Discrete) -> tuple[int, ...]:
    return (space.n,)


@categories.register
def _(space: spaces.MultiDiscrete) -> tuple[int, ...]:
    return tuple(space.nvec)


@categories.register
def _(space: spaces.MultiBinary) -> tuple[int, ...]:
    return (2,) * space.n


@categories.register(spaces.Tuple)
@categories.register(spaces.Dict)
def _(space: Any) -> tuple[int, ...]:
    return tuple(count for part in children(space) for count in categories(part))


@categories.register
def _(space: spaces.OneOf) -> tuple[int, ...]:
    raise SpaceError(f"The digits of {space!r} mean something only in the branch that is taken; join them, `flatten`.")


def _everything(space: Any) -> Tree:
    """The nest of Masks that allow all."""
    return cell_of(space, space.zeros(), space.known(False))


def _fill(like: Tree, row: Array) -> Tree:
    """A row of digits `[D]` in the shape of a value."""
    leaves, structure = jax.tree.flatten(like)
    ends = [0]
    for leaf in leaves:
        ends.append(ends[-1] + leaf.size)
    slices = [row[start:end] for start, end in itertools.pairwise(ends)]
    parts = [part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in zip(slices, leaves, strict=True)]
    return jax.tree.unflatten(structure, parts)


def _masks(space: Space, allowed: Allowed) -> Iterator[Allowed]:
    """The sets of all leaves, in order; None becomes the Mask that allows all."""
    if allowed is None:
        yield from jax.tree.leaves(_everything(space), is_leaf=lambda node: isinstance(node, Mask))
    elif children(space) and not isinstance(allowed, Cells):
        for part, inside in zip(children(space), entries(space, allowed), strict=True):
            yield from _masks(part, inside)
    else:
        yield allowed
