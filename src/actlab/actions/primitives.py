"""Primitives: named sequences of native actions, decided as one and played to their end.

Options in the sense of Sutton, Precup and Singh (1999, Artificial Intelligence 112): here the inner policy is a
table, and the termination is the end of a sequence or, in `TerminatingPrimitives`, what its subclass says
of the step. `ScaledPrimitives` have a parameter each, as the parameterised primitives of MAPLE (Nasiriany et
al. 2022, arXiv 2110.03655) do. Deviation: there a primitive is a controller with feedback; here it is played
without looking.

Axis letters: T time in native steps, N primitives, H actions of the longest, n numbers of one action.
"""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.actions.checks import float_box, refuse_nonfinite
from actlab.actions.flatten import hull
from actlab.core import sets
from actlab.core.codec import Codec, Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Interval, Linear, Mask
from actlab.core.spaces import Box, Choice, Discrete, OneOf, Space
from actlab.core.steps import TimeStep

Tree = Any

TOLERANCE = 1e-5
"""How far a recorded sequence may lie from a scaled one, as a share of the sequence's largest number."""


class Sequences(Codec):
    """What the codecs below share: the table.

    It is written as numbers, so that a codec with its table is one text; `of` writes it. An action of
    several leaves is its leaves' numbers one after the other (a Dict's names sorted).
    """

    lengths: tuple[int, ...] = eqx.field(static=True, default=())
    """Native actions of each sequence."""
    actions: tuple[float, ...] = eqx.field(static=True, default=())
    """The numbers of all native actions, sequence after sequence."""
    names: str | None = eqx.field(static=True, default=None)
    """Names of the sequences, joined by a slash (left/right); for people."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if any(length < 1 for length in self.lengths):
            raise SpaceError(f"A sequence has at least one action; received lengths={self.lengths}.")
        if self.names is not None and len(self.names.split("/")) != len(self.lengths):
            raise SpaceError(f"{len(self.lengths)} sequences need as many names; received {self.names!r}.")

    @classmethod
    def of(cls, sequences: Mapping[str, Sequence[Tree]]) -> Self:
        """From names and native actions: `Primitives.of({"left": [0, 0], "right": [2, 2, 2]})`."""
        numbers = [np.ravel(leaf) for rows in sequences.values() for row in rows for leaf in jax.tree.leaves(row)]
        flat = tuple(float(number) for array in numbers for number in array)
        return cls(tuple(map(len, sequences.values())), flat, "/".join(sequences) or None)

    @abc.abstractmethod
    def codes(self, native: Space) -> Space:
        """The code's space.

        Raises:
            SpaceError: the native space does not fit.
        """

    def fit(self, native: Space, episodes: Episodes | None = None) -> Self:
        """
        Raises:
            SpaceError: there is no table, its numbers are not those of such actions, or one of them lies
                outside of the space.
        """
        if not self.lengths:
            kind = type(self).__name__
            raise SpaceError(f"{kind} needs a table: {kind}.of({{name: native actions}}), or lengths= and actions=.")
        bound = replace(self, native=native, code=self.codes(native))
        size = sum(np.size(leaf) for leaf in jax.tree.leaves(native.zeros()))
        if len(self.actions) != size * sum(self.lengths):
            raise SpaceError(
                f"{sum(self.lengths)} actions of {native!r} have {size} numbers each; received {len(self.actions)}."
            )
        inside = np.asarray(jax.vmap(native.contains)(jax.tree.map(jnp.asarray, bound._actions())))
        if not inside.all():
            raise SpaceError(f"Action {int(np.argmin(inside))} of the table lies outside of {native!r}.")
        return bound

    @property
    def length(self) -> int:
        return max(self.lengths, default=1)

    @property
    def shortest(self) -> int:
        return min(self.lengths, default=1)

    def _actions(self) -> Tree:
        """All native actions, sequence after sequence, as numpy arrays."""
        native: Any = self.native
        like, structure = jax.tree.flatten(native.zeros())
        numbers = np.asarray(self.actions, np.float64).reshape(sum(self.lengths), -1)
        parts = np.split(numbers, np.cumsum([leaf.size for leaf in like])[:-1], axis=1)
        shaped = [part.reshape(-1, *leaf.shape).astype(leaf.dtype) for part, leaf in zip(parts, like, strict=True)]
        return jax.tree.unflatten(structure, shaped)

    @property
    def rows(self) -> Tree:
        """Native actions `[N, H, ...]`; behind its end, a sequence repeats its last action."""
        starts = np.cumsum((0, *self.lengths[:-1]))[:, None]
        index = starts + np.minimum(np.arange(self.length), np.asarray(self.lengths)[:, None] - 1)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf[index]), self._actions())

    @property
    def first(self) -> Tree:
        """The first native action of every sequence, `[N, ...]`."""
        return jax.tree.map(lambda leaf: leaf[:, 0], self.rows)

    def _windows(self, native: Tree) -> tuple[Array, Array]:
        """The numbers `[T, H, n]` of the H actions from each step on, and which sequences fit in, bool `[T, N]`."""
        space: Any = self.native
        numbers = jax.vmap(space.flatten)(jax.tree.map(jnp.asarray, native))
        steps = numbers.shape[0]
        index = jnp.arange(steps)[:, None] + jnp.arange(self.length)[None, :]
        room = steps - jnp.arange(steps)
        return numbers[jnp.minimum(index, steps - 1)], np.asarray(self.lengths)[None, :] <= room[:, None]

    def _table(self) -> tuple[Array, np.ndarray]:
        """The numbers `[N, H, n]` of all sequences, and which of their actions are no padding, bool `[N, H]`."""
        space: Any = self.native
        return jax.vmap(jax.vmap(space.flatten))(self.rows), np.arange(self.length) < np.asarray(self.lengths)[:, None]

    def _longest(self, fits: Array) -> Array:
        """int32 `[T]`: of the sequences that fit, bool `[T, N]`, the longest (of equal ones the first)."""
        return jnp.argmax(jnp.where(fits, np.asarray(self.lengths)[None, :], 0), axis=1).astype(jnp.int32)


class Primitives(Sequences):
    """Every space -> Discrete(N): a code is one of N sequences of native actions, each of its own length.

    `encode` is `valid` where the recorded actions are exactly a sequence (the longest, if several), so
    `decode(encode(a), i)` is exactly `a[t + i]` until the code has `finished`.

    Only the set at the decision is known, so `restrict` keeps the sequences all of whose actions are in it.
    Where sets change on the way, a later action may be illegal by then; the loop counts it as a violation.
    """

    def codes(self, native: Space) -> Discrete:
        return Discrete(len(self.lengths))

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Array, Array]:
        refuse_nonfinite(native)
        windows, room = self._windows(native)
        table, real = self._table()
        equal = jnp.all(windows[:, None] == table[None], axis=3) | ~real[None]
        fits = jnp.all(equal, axis=2) & room
        return self._longest(fits), jnp.any(fits, axis=1)

    def decode(self, code: Array, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        return jax.tree.map(lambda leaf: leaf[code, i], self.rows)

    def image(self, cell: Allowed) -> Allowed:
        """The hull of the first actions of the sequences in `cell`; exact for a single one."""
        space: Any = self.native
        return None if cell is None else hull(space, self.first, jnp.asarray(cell.mask))

    def restrict(self, allowed: Allowed) -> Allowed:
        """A Mask `[N]`: the sequences that stay in the set. Exact for every kind of set."""
        if allowed is None:
            return None
        if isinstance(allowed, Linear):  # answered by a solver, on the host
            rows = np.asarray(self.rows)
            legal = [all(bool(sets.contains(allowed, action)) for action in sequence) for sequence in rows]
            return Mask(jnp.asarray(legal))
        return Mask(jnp.all(jax.vmap(jax.vmap(lambda action: sets.contains(allowed, action)))(self.rows), axis=1))

    def finished(self, code: Array, step: TimeStep | None, i: Array) -> Array:
        return i + 1 >= jnp.asarray(self.lengths)[code]


class TerminatingPrimitives(Primitives):
    """Primitives that also end where the step says so: an abstract class, whose subclass says when.

        class UntilContact(TerminatingPrimitives):
            def ends(self, code, step, i):
                return step.observation["force"] > 1.0

    Registered under a name (`CODES.add("until-contact", UntilContact)`), it is chosen, written as text and
    saved like every code. A recording of a sequence that was cut short is no `valid` code.
    """

    @abc.abstractmethod
    def ends(self, code: Array, step: TimeStep, i: Array) -> Array:
        """bool `[]`: should primitive `code` end, its i-th action having led to `step`? Compilable."""

    @property
    def shortest(self) -> int:
        return 1

    def finished(self, code: Array, step: TimeStep | None, i: Array) -> Array:
        over = super().finished(code, step, i)
        return over if step is None else over | self.ends(code, step, i)


class ScaledPrimitives(Sequences):
    """Box `[*shape]` that holds 0 -> OneOf of N Box(0, 1, []): a sequence, and the factor that scales its actions.

    `encode` is `valid` where the recorded actions are a multiple of a sequence, up to a hundred-thousandth
    of its largest number (the longest, if several): so far `decode(encode(a), i)` may lie from `a[t + i]`.

    `restrict` of an Interval gives each branch the factors with which all of its actions stay in it; a legal
    code lands there, whatever the rounding, as long as the set stays. Sets of other kinds are refused.
    """

    def codes(self, native: Space) -> OneOf:
        if not isinstance(native, Box):
            raise SpaceError(f"ScaledPrimitives scale the actions of a Box; received {native!r}.")
        if (float_box(native, "ScaledPrimitives").lows > 0).any() or (native.highs < 0).any():
            raise SpaceError(f"ScaledPrimitives scale towards 0, which {native!r} does not hold.")
        return OneOf([Box(0.0, 1.0, ())] * len(self.lengths))

    def encode(self, native: Array, step: TimeStep | None = None) -> tuple[Choice, Array]:
        refuse_nonfinite(native)
        windows, room = self._windows(native)
        table, real = self._table()
        table = jnp.where(real[:, :, None], table, 0.0)
        weight = jnp.sum(table**2, axis=(1, 2))
        product = jnp.einsum("thn,phn->tp", windows, table, precision="highest")
        factor = jnp.clip(product / jnp.where(weight > 0, weight, 1.0)[None], 0.0, 1.0)
        error = jnp.abs(windows[:, None] - factor[:, :, None, None] * table[None])
        close = error <= TOLERANCE * jnp.max(jnp.abs(table), axis=(1, 2))[None, :, None, None]
        fits = jnp.all(close | ~real[None, :, :, None], axis=(2, 3)) & room
        return Choice(self._longest(fits), tuple(factor.T)), jnp.any(fits, axis=1)

    def decode(self, code: Choice, step: TimeStep | None, i: Array, key: Array | None) -> Array:
        space: Any = self.native
        factor = jnp.stack(code.values)[code.index]
        point = self.rows[code.index, i] * factor
        if step is not None and step.allowed is not None:
            legal = sets.contains(self.restrict(step.allowed), code)
            low, high = (jnp.asarray(end, jnp.float32) for end in (step.allowed.low, step.allowed.high))
            point = jnp.where(legal, jnp.clip(point, low, high), point)
        return space.join(jnp.zeros((), jnp.int32), point.reshape(-1))

    def finished(self, code: Choice, step: TimeStep | None, i: Array) -> Array:
        return i + 1 >= jnp.asarray(self.lengths)[code.index]

    def image(self, cell: Allowed) -> Allowed:
        """The hull of the scaled first actions of all branches in `cell`; exact for a single code."""
        if cell is None:
            return None
        space: Any = self.native
        low, high = (jnp.stack([getattr(part, end) for part in cell.values]) for end in ("low", "high"))
        taken = jnp.asarray(cell.index.mask) & (low <= high)
        ends = [jax.vmap(jnp.multiply)(self.first, jnp.broadcast_to(end, low.shape)) for end in (low, high)]
        hulls = [hull(space, values, taken) for values in ends]
        return Interval(jnp.minimum(hulls[0].low, hulls[1].low), jnp.maximum(hulls[0].high, hulls[1].high))

    def restrict(self, allowed: Allowed) -> Allowed:
        """As documented: a Choice of Intervals of an Interval.

        Raises:
            SpaceError: the set is no Interval.
        """
        if allowed is None:
            return None
        if not isinstance(allowed, Interval):
            raise SpaceError(f"ScaledPrimitives keep to Intervals; received a set of kind {type(allowed).__name__}.")
        rows = self.rows
        low, high = jnp.asarray(allowed.low, jnp.float32), jnp.asarray(allowed.high, jnp.float32)
        divisor = jnp.where(rows == 0, 1.0, rows)
        ends = jnp.stack([low[None, None] / divisor, high[None, None] / divisor])
        still = ((low <= 0) & (high >= 0))[None, None]  # what an action of 0 asks of the set, with any factor
        least = jnp.where(rows == 0, jnp.where(still, 0.0, 2.0), jnp.min(ends, axis=0))
        most = jnp.where(rows == 0, 1.0, jnp.max(ends, axis=0))
        axes = tuple(range(1, rows.ndim))
        least = jnp.maximum(jnp.max(least, axis=axes, initial=0.0), 0.0)
        most = jnp.where(jnp.all(low <= high), jnp.min(most, axis=axes, initial=1.0), -1.0)
        return Choice(None, tuple(Interval(a, b) for a, b in zip(least, most, strict=True)))
