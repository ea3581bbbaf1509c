"""Sets and codecs over several actions in a row (`space.repeat(H)`), built from those over one.

Axis letters: H rows, D digits of one row, K categories, M automaton nodes, T time in native steps.
"""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core import spaces
from actlab.core.codec import Codec, Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Automaton, Cells, Interval, Linear, Mask
from actlab.core.spaces import Choice, Space
from actlab.core.steps import TimeStep

Tree = Any


# --- every row the same set --------------------------------------------------------------------------


@singledispatch
def repeat_set(allowed: Allowed, space: Space, count: int) -> Allowed:
    """The set over `space.repeat(count)` whose every row is in `allowed`, a set over `space`."""
    raise SpaceError(f"{type(allowed).__name__} is not a set of actions.")


@repeat_set.register(type(None))
def _(allowed: None, space: Space, count: int) -> None:
    return None


@repeat_set.register(Mask)
@repeat_set.register(Interval)
def _(allowed: Mask | Interval, space: Space, count: int) -> Allowed:
    return join_rows(space, [allowed] * count)


@repeat_set.register
def _(allowed: Automaton, space: spaces.MultiDiscrete | spaces.MultiBinary, count: int) -> Automaton:
    # A word of one row is any D digits, so nodes have to know how many digits of the row are read: node
    # d * M + m is node m after d of them, and the last digit leads back to the start.
    digits, (nodes, _) = len(space.zeros()), allowed.next.shape
    follow = jnp.asarray(allowed.next)
    within = [jnp.where(follow >= 0, follow + nodes * (d + 1), -1) for d in range(digits - 1)]
    last = jnp.where(follow >= 0, jnp.asarray(allowed.start, jnp.int32), -1)
    return Automaton(jnp.concatenate([*within, last]).astype(jnp.int32), jnp.asarray(allowed.start, jnp.int32))


@repeat_set.register
def _(allowed: Linear, space: Space, count: int) -> Linear:
    once = np.eye(count)
    return Linear(np.kron(once, allowed.A), np.kron(once, allowed.G), np.tile(allowed.b, count))


@repeat_set.register
def _(allowed: Cells, space: Space, count: int) -> Cells:
    return Cells(Rows(allowed.codec, count), repeat_set(allowed.allowed, allowed.codec.native, count))


@repeat_set.register
def _(allowed: tuple, space: spaces.Tuple, count: int) -> tuple:
    return tuple(repeat_set(part, below, count) for part, below in zip(allowed, space.spaces, strict=True))


@repeat_set.register
def _(allowed: Mapping, space: spaces.Dict, count: int) -> dict:
    return {name: repeat_set(allowed[name], below, count) for name, below in space.items}


@repeat_set.register
def _(allowed: Choice, space: spaces.OneOf, count: int) -> tuple:
    return (allowed,) * count


# --- rows of a set over several actions --------------------------------------------------------------


@singledispatch
def cut_rows(space: Space, cell: Any, count: int) -> list[Allowed]:
    """The rows, sets over `space`, of a Mask, an Interval or a nest over `space.repeat(count)`."""
    raise SpaceError(f"{space!r} has no rows.")


@cut_rows.register
def _(space: spaces.Box, cell: Interval, count: int) -> list[Allowed]:
    return [Interval(cell.low[h], cell.high[h]) for h in range(count)]


@cut_rows.register
def _(space: spaces.Discrete, cell: Mask, count: int) -> list[Allowed]:
    return [Mask(cell.mask[h]) for h in range(count)]


@cut_rows.register(spaces.MultiDiscrete)
@cut_rows.register(spaces.MultiBinary)
def _(space: Space, cell: Mask, count: int) -> list[Allowed]:
    return [Mask(part) for part in jnp.split(jnp.asarray(cell.mask), count)]


@cut_rows.register
def _(space: spaces.Tuple, cell: tuple, count: int) -> list[Allowed]:
    return list(
        zip(*(cut_rows(below, part, count) for below, part in zip(space.spaces, cell, strict=True)), strict=True)
    )


@cut_rows.register
def _(space: spaces.Dict, cell: dict, count: int) -> list[Allowed]:
    parts = {name: cut_rows(below, cell[name], count) for name, below in space.items}
    return [{name: rows[h] for name, rows in parts.items()} for h in range(count)]


@cut_rows.register
def _(space: spaces.OneOf, cell: tuple, count: int) -> list[Allowed]:
    return list(cell)


@singledispatch
def join_rows(space: Space, rows: Sequence[Any]) -> Allowed:
    """Inverse of `cut_rows`."""
    raise SpaceError(f"{space!r} has no rows.")


@join_rows.register
def _(space: spaces.Box, rows: Sequence[Interval]) -> Interval:
    return Interval(jnp.stack([row.low for row in rows]), jnp.stack([row.high for row in rows]))


@join_rows.register
def _(space: spaces.Discrete, rows: Sequence[Mask]) -> Mask:
    return Mask(jnp.stack([row.mask for row in rows]))


@join_rows.register(spaces.MultiDiscrete)
@join_rows.register(spaces.MultiBinary)
def _(space: Space, rows: Sequence[Mask]) -> Mask:
    return Mask(jnp.concatenate([row.mask for row in rows]))


@join_rows.register
def _(space: spaces.Tuple, rows: Sequence[tuple]) -> tuple:
    return tuple(join_rows(below, part) for below, part in zip(space.spaces, zip(*rows, strict=True), strict=True))


@join_rows.register
def _(space: spaces.Dict, rows: Sequence[dict]) -> dict:
    return {name: join_rows(below, [row[name] for row in rows]) for name, below in space.items}


@join_rows.register
def _(space: spaces.OneOf, rows: Sequence[Choice]) -> tuple:
    return tuple(rows)


# --- the same codec in every row ---------------------------------------------------------------------


class Rows(Codec):
    """`codec` in each of H rows: native `codec.native.repeat(H)`, code `codec.code.repeat(H)`.

    All rows are decoded at once, so this is no chunk: it is what `Cells` over a chunk ask. The error is
    that of `codec`, row by row.
    """

    codec: Codec
    count: int = eqx.field(static=True)
    """H."""

    @property
    def native(self) -> Space | None:  # type: ignore[override]
        return None if self.codec.native is None else self.codec.native.repeat(self.count)

    @property
    def code(self) -> Space | None:  # type: ignore[override]
        return None if self.codec.code is None else self.codec.code.repeat(self.count)

    def fit(self, native: Space, episodes: Episodes | None = None) -> "Rows":
        """Bind `codec` to the space of ONE row, `native`; episodes are of single rows, too."""
        return Rows(self.codec.fit(native, episodes), self.count)

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Tree, Array]:
        one: Any = self.codec.native
        code: Any = self.codec.code
        index = jnp.arange(self.count)
        rows = jax.vmap(lambda values: jax.vmap(lambda h: one.row(values, h))(index))(native)
        codes, valid = jax.vmap(lambda row: self.codec.encode(row, step), in_axes=1, out_axes=1)(rows)
        return jax.vmap(code.stack)(codes), jnp.all(valid, axis=1)

    def decode(self, code: Tree, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        one: Any = self.codec.native
        space: Any = self.codec.code
        blind = None if step is None else step._replace(allowed=None)
        index = jnp.arange(self.count)
        return one.stack(jax.vmap(lambda h: self.codec.decode(space.row(code, h), blind, i, key))(index))

    def image(self, cell: Allowed) -> Allowed:
        if cell is None:
            return None
        one: Any = self.codec.native
        space: Any = self.codec.code
        return join_rows(one, [self.codec.image(row) for row in cut_rows(space, cell, self.count)])
