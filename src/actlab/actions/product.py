"""Codecs that act on one kind of leaf, and how they are lifted over Tuple, Dict and OneOf.

`Bins().fit(Dict(arm=Box, tool=Discrete))` cuts the arm and leaves the tool as it is: one codec is bound
for each leaf, and every question is answered leaf by leaf.

Axis letters: T time in native steps.
"""

import abc
from collections.abc import Callable, Iterator, Sequence
from functools import singledispatch
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.actions.identity import Identity
from actlab.core import spaces
from actlab.core.codec import Codec, Episode, Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Cells
from actlab.core.spaces import Choice, Space
from actlab.core.steps import TimeStep

Tree = Any


class LeafCodec(Codec):
    """A codec for one kind of leaf space. Over a compound space, `fit` returns a `Product` of it."""

    acts_on: ClassVar[type[Space]] = spaces.Box

    @abc.abstractmethod
    def bind(self, native: Any, episodes: Episodes | None) -> Codec:
        """Bind to one leaf, a space of the kind `acts_on`; arguments and errors as for `fit`."""

    def fit(self, native: Space, episodes: Episodes | None = None) -> Codec:
        if not any(isinstance(leaf, self.acts_on) for leaf in leaves(native)):
            raise SpaceError(f"{type(self).__name__} acts on {self.acts_on.__name__} spaces; received {native!r}.")
        return lift(native, self, episodes)


class Product(Codec):
    """One codec for each part of a Tuple, Dict or OneOf; the error of each leaf is that leaf's own.

    Every part lasts one native step.
    """

    parts: tuple[Codec, ...]
    """In the order of the space's parts (a Dict's names are sorted)."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if any(part.length > 1 for part in self.parts):
            raise SpaceError("A codec that lasts several steps acts on the whole action: chain it, `product >> chunk`.")

    def fit(self, native: Space, episodes: Episodes | None = None) -> "Product":
        below = children(native)
        if len(below) != len(self.parts):
            raise SpaceError(f"A product of {len(self.parts)} codecs needs as many parts; received {native!r}.")
        return _bind(native, lambda i: self.parts[i].fit(below[i], part_of_episodes(native, episodes, i)))

    def _each(self, value: Tree) -> Iterator[tuple[Codec, Tree]]:
        return zip(self.parts, entries(self.native, value), strict=True)

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Tree, Array]:
        pairs = [part.encode(value, step) for part, value in self._each(native)]
        valid = jnp.all(jnp.stack([pair[1] for pair in pairs]), axis=0)
        return gather(self.native, [pair[0] for pair in pairs], native), valid

    def decode(self, code: Tree, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        steps = self._steps(step)
        values = [part.decode(value, steps[n], i, key) for n, (part, value) in enumerate(self._each(code))]
        return gather(self.native, values, code)

    def _steps(self, step: TimeStep | None) -> Sequence[TimeStep | None]:
        """The step as each part sees it: with its own part of the set."""
        if step is None or step.allowed is None or isinstance(step.allowed, Cells):
            return [step if step is None else step._replace(allowed=None)] * len(self.parts)
        return [step._replace(allowed=allowed) for allowed in entries(self.native, step.allowed)]

    def image(self, cell: Allowed) -> Allowed:
        return gather(self.native, [part.image(value) for part, value in self._each(cell)], cell)

    def restrict(self, allowed: Allowed) -> Allowed:
        if allowed is None or isinstance(allowed, Cells):
            return super().restrict(allowed)
        return gather(self.native, [part.restrict(value) for part, value in self._each(allowed)], allowed)


# --- lifting: one codec for each leaf ----------------------------------------------------------------


@singledispatch
def lift(native: Space, codec: LeafCodec, episodes: Episodes | None) -> Codec:
    """`codec` bound to every leaf of `native` that it acts on; leaves of other kinds stay as they are."""
    return codec.bind(native, episodes) if isinstance(native, codec.acts_on) else Identity().fit(native)


@lift.register(spaces.Tuple)
@lift.register(spaces.Dict)
@lift.register(spaces.OneOf)
def _(native: Space, codec: LeafCodec, episodes: Episodes | None) -> Product:
    below = children(native)
    return _bind(native, lambda i: lift(below[i], codec, part_of_episodes(native, episodes, i)))


def _bind(native: Space, part: Callable[[int], Codec]) -> Product:
    parts = tuple(part(i) for i in range(len(children(native))))
    return Product(parts, native, rebuild(native, [code for p in parts if (code := p.code) is not None]))


def leaves(space: Space) -> Iterator[Space]:
    """All spaces below `space` that have no parts themselves."""
    below = children(space)
    if not below:
        yield space
    for part in below:
        yield from leaves(part)


def part_of_episodes(native: Space, episodes: Episodes | None, i: int) -> Episodes | None:
    """The episodes of the i-th part; of a OneOf, only the steps that took the branch."""
    if episodes is None:
        return None
    parts = []
    for episode in episodes:
        rows = taken(native, episode.native, i)
        part = jax.tree.map(lambda leaf, rows=rows: leaf[rows], (entries(native, episode.native)[i], episode.step))
        parts.append(Episode(*part))
    return parts


# --- compound spaces, and values, sets or cells of them ----------------------------------------------


@singledispatch
def children(space: Space) -> tuple[Space, ...]:
    """The parts of a Tuple, Dict or OneOf; none for the other spaces."""
    return ()


@children.register(spaces.Tuple)
@children.register(spaces.OneOf)
def _(space: Any) -> tuple[Space, ...]:
    return space.spaces


@children.register
def _(space: spaces.Dict) -> tuple[Space, ...]:
    return tuple(part for _, part in space.items)


@singledispatch
def labels(space: Space) -> tuple:
    """What the parts of a compound space are called: the names of a Dict, numbers otherwise."""
    return tuple(range(len(children(space))))


@labels.register
def _(space: spaces.Dict) -> tuple:
    return tuple(space.names)


@singledispatch
def rebuild(space: Space, parts: Sequence[Space]) -> Space:
    """A space of the same kind and names with other parts."""
    raise SpaceError(f"A product needs a Tuple, a Dict or a OneOf; received {space!r}.")


@rebuild.register(spaces.Tuple)
@rebuild.register(spaces.OneOf)
def _(space: Any, parts: Sequence[Space]) -> Space:
    return type(space)(parts)


@rebuild.register
def _(space: spaces.Dict, parts: Sequence[Space]) -> Space:
    return spaces.Dict(dict(zip(space.names, parts, strict=True)))


@singledispatch
def entries(space: Any, value: Tree) -> tuple:
    """The entries of a value, a set or a cell, one for each part of `space`."""
    raise SpaceError(f"A product needs a Tuple, a Dict or a OneOf; received {space!r}.")


@entries.register
def _(space: spaces.Tuple, value: tuple) -> tuple:
    return tuple(value)


@entries.register
def _(space: spaces.Dict, value: dict) -> tuple:
    return tuple(value[name] for name in space.names)


@entries.register
def _(space: spaces.OneOf, value: Choice) -> tuple:
    return value.values


@singledispatch
def gather(space: Any, parts: Sequence[Tree], like: Tree) -> Tree:
    """Inverse of `entries`; the branch of a `Choice` is taken from `like`."""
    raise SpaceError(f"A product needs a Tuple, a Dict or a OneOf; received {space!r}.")


@gather.register
def _(space: spaces.Tuple, parts: Sequence[Tree], like: Tree) -> tuple:
    return tuple(parts)


@gather.register
def _(space: spaces.Dict, parts: Sequence[Tree], like: Tree) -> dict:
    return dict(zip(space.names, parts, strict=True))


@gather.register
def _(space: spaces.OneOf, parts: Sequence[Tree], like: Choice) -> Choice:
    return Choice(like.index, tuple(parts))


@singledispatch
def taken(space: Space, value: Tree, i: int) -> np.ndarray:
    """bool `[T]`: at which steps does the i-th part of `space` count?"""
    return np.ones((jax.tree.leaves(value)[0].shape[0],), bool)


@taken.register
def _(space: spaces.OneOf, value: Choice, i: int) -> np.ndarray:
    return np.asarray(value.index) == i
