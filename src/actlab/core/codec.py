"""Codecs: how a native action is represented by the code that an agent decides over.

A codec holds both directions, its statistics and its mask rule, and is saved with the weights. Native
actions are grouped into codes by `encode` (hindsight, over a whole episode) and played by `decode`
(causal, one native action at a time), so a chunk, an option and a plain re-scaling are one case.

Axis letters: T time in native steps, D digits, H length of a chunk.
"""

import abc
from collections.abc import Sequence
from functools import singledispatch
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core import sets, spaces
from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.sets import Allowed, Cells, Interval, Mask
from actlab.core.spaces import Choice, Space
from actlab.core.steps import TimeStep

Tree = Any


class Episode(NamedTuple):
    """A recorded episode, as `encode` takes it."""

    native: Tree
    """Actions as executed, `[T, ...]`."""
    step: TimeStep | None = None
    """The steps they were taken in, `[T, ...]`, for codecs that depend on the state."""


Episodes = Sequence[Episode]


class Codec(eqx.Module):
    """A treatment of the action space. `a >> b` chains: `a` is nearer to the environment.

    A codec is made without spaces (`Bins(bins=7)`) and bound by `fit`, which returns a copy. All array
    fields are statistics and are saved with the run. Subclasses say in their docstring how far
    `decode(encode(a))` may lie from `a`.
    """

    native: eqx.AbstractVar[Space | None]
    """The space that `decode` lands in; None before `fit`."""
    code: eqx.AbstractVar[Space | None]
    """The space that an agent decides over; None before `fit`."""

    @property
    def length(self) -> int:
        """Most native steps that one code lasts."""
        return 1

    @property
    def shortest(self) -> int:
        """Fewest native steps that one code lasts, unless the episode ends."""
        return self.length

    @abc.abstractmethod
    def fit(self, native: Space, episodes: Episodes | None = None) -> "Codec":
        """Bind the spaces and measure statistics.

        Over a compound space, a codec for one kind of leaf returns a product of itself.

        Raises:
            SpaceError: the native space does not fit, or statistics are needed and no episodes are given.
        """

    @abc.abstractmethod
    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Tree, Array]:
        """Hindsight: the code that starts at each native step of an episode.

        Args:
            native: actions `[T, ...]`.
            step: the steps they were taken in, `[T, ...]`, for codecs that depend on the state. Its
                `allowed` is never read: what was recorded is encoded, legal or not.

        Returns:
            codes `[T, ...]` and `valid` bool `[T]` (False where the episode is too short for a full code).
        """

    @abc.abstractmethod
    def decode(self, code: Tree, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        """Causal: the i-th native action of `code`, given the step where it is taken.

        Args:
            code: a value of the code space.
            step: its `allowed` is a set over this codec's `native`; None where nothing is known.
            i: int `[]`: native steps since the code began.
            key: for codecs that decode at random; None asks for the most likely action.
        """

    @abc.abstractmethod
    def image(self, cell: Allowed) -> Allowed:
        """The (hull of the) native first actions that the codes in `cell` can decode to.

        Args:
            cell: a Mask over digits, an Interval over a Box, or a nest of them.
        """

    def cell(self, code: Tree, known: Tree) -> Allowed:
        """The native set that a partly decided code still leaves open.

        Args:
            code: a code; digits that are not `known` are ignored.
            known: bool for each digit (`code_space.known(False)` has the structure).
        """
        return self.image(cell_of(self.code, code, known))

    def restrict(self, allowed: Allowed) -> Allowed:
        """The set over the codes that a native set leaves: what heads and samplers use."""
        return None if allowed is None else Cells(self, allowed)

    def finished(self, code: Tree, step: TimeStep | None, i: Array) -> Array:
        """bool `[]`: has `code` ended after its i-th native action? Options and skills may end early."""
        return jnp.asarray(i + 1 >= self.length)

    def __rshift__(self, other: "Codec") -> "Chain":
        return Chain(self, other)


class Chain(Codec):
    """`outer >> inner`: the agent's code is `inner`'s, the environment's action is `outer`'s."""

    outer: Codec
    inner: Codec

    @property
    def native(self) -> Space | None:  # type: ignore[override]
        return self.outer.native

    @property
    def code(self) -> Space | None:  # type: ignore[override]
        return self.inner.code

    @property
    def length(self) -> int:
        return self.outer.length * self.inner.length

    @property
    def shortest(self) -> int:
        return self.outer.shortest * self.inner.shortest

    def fit(self, native: Space, episodes: Episodes | None = None) -> "Chain":
        if self.outer.length > 1 and self.inner.length > 1:
            raise SpaceError("A chunk of chunks is one chunk: chain only one codec that lasts several steps.")
        outer = self.outer.fit(native, episodes)
        assert outer.code is not None
        middle = None if episodes is None else [_encoded(outer, episode) for episode in episodes]
        return Chain(outer, self.inner.fit(outer.code, middle))

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Tree, Array]:
        middle, valid = self.outer.encode(native, step)
        code, also = self.inner.encode(middle, None if step is None else step._replace(allowed=None))
        return code, valid & also

    def decode(self, code: Tree, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        # two consumers of randomness, two streams
        keys = (None, None) if key is None else (fold(key, "inner"), fold(key, "outer"))
        middle = self.inner.decode(code, self._inside(step), i // self.outer.length, keys[0])
        return self.outer.decode(middle, step, i % self.outer.length, keys[1])

    def _inside(self, step: TimeStep | None) -> TimeStep | None:
        """The step as the inner codec sees it: its set is over the space between the two."""
        return None if step is None else step._replace(allowed=self.outer.restrict(step.allowed))

    def image(self, cell: Allowed) -> Allowed:
        return self.outer.image(self.inner.image(cell))

    def restrict(self, allowed: Allowed) -> Allowed:
        return self.inner.restrict(self.outer.restrict(allowed))

    def finished(self, code: Tree, step: TimeStep | None, i: Array) -> Array:
        inside = self._inside(step)
        middle = self.inner.decode(code, inside, i // self.outer.length, None)
        outer = self.outer.finished(middle, step, i % self.outer.length)
        return outer & self.inner.finished(code, inside, i // self.outer.length)


def _encoded(codec: Codec, episode: Episode) -> Episode:
    """The episode in the codec's own terms: the codes that are whole, and the steps where they begin."""
    code, valid = codec.encode(*episode)
    step = None if episode.step is None else episode.step._replace(allowed=None)
    rows = np.asarray(valid)
    return Episode(*jax.tree.map(lambda leaf: leaf[rows], (code, step)))


@singledispatch
def cell_of(space: Space, value: Tree, known: Tree) -> Allowed:
    """All values of `space` that agree with `value` in every digit that is `known`."""
    raise SpaceError(f"{space} has no cells.")


@cell_of.register
def _(space: spaces.Box, value: Array, known: Array) -> Interval:
    return Interval(jnp.where(known, value, space.lows), jnp.where(known, value, space.highs))


@cell_of.register
def _(space: spaces.Discrete, value: Array, known: Array) -> Mask:
    return Mask(~known | (jnp.arange(space.n) == value))


@cell_of.register
def _(space: spaces.MultiDiscrete, value: Array, known: Array) -> Mask:
    hot = jnp.arange(space.categories)[None, :] == value[:, None]
    return Mask(space.digits & (~known[:, None] | hot))


@cell_of.register
def _(space: spaces.MultiBinary, value: Array, known: Array) -> Mask:
    return Mask(~known[:, None] | (jnp.arange(2)[None, :] == value[:, None]))


@cell_of.register
def _(space: spaces.Tuple, value: tuple, known: tuple) -> tuple:
    return tuple(map(cell_of, space.spaces, value, known))


@cell_of.register
def _(space: spaces.Dict, value: dict, known: dict) -> dict:
    return {name: cell_of(part, value[name], known[name]) for name, part in space.items}


@cell_of.register
def _(space: spaces.OneOf, value: Choice, known: Choice) -> Choice:
    index = cell_of(spaces.Discrete(len(space.spaces)), value.index, known.index)
    return Choice(index, tuple(map(cell_of, space.spaces, value.values, known.values)))


def next_mask(allowed: Allowed, codec: Codec, prefix: Array, digits: Array | int) -> Array:
    """bool `[K]`: legal values of digit number `digits`, given the first `digits` digits of `prefix`.

    One rule masks across all codecs: a digit is legal if its cell meets the native set `allowed`.
    """
    space: Any = codec.code
    known = jnp.arange(len(prefix)) < digits if jnp.ndim(prefix) else space.known(False)
    legal = codec.restrict(allowed)
    if legal is None:  # digits of a MultiDiscrete may have fewer than K categories
        legal = cell_of(space, space.zeros(), space.known(False))
    return sets.next_mask(legal, prefix, known, jnp.asarray(digits), space.categories)
