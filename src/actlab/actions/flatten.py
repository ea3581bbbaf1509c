"""All digits of a finite space joined into one: an ordinary Discrete, whose every outcome is a whole action.

Axis letters: T time in native steps, N joint outcomes, D digits, K categories.
"""

from functools import singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.unflatten import Unflatten
from actlab.core import sets, spaces
from actlab.core.codec import Codec, Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Cells, Interval, Linear, Mask
from actlab.core.spaces import Choice, Discrete, Space
from actlab.core.steps import TimeStep

Tree = Any

LIMIT = 100_000
"""Most outcomes that are enumerated."""


class Flatten(Codec):
    """A space without continuous coordinates -> Discrete(N), numbered as the space's own `join` does.

    `decode(encode(a))` is exactly `a`, except for branches of a OneOf that were not taken (they are zero).
    """

    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def fit(self, native: Space, episodes: Episodes | None = None) -> "Flatten":
        """
        Raises:
            SpaceError: the space has continuous coordinates, or more than 100,000 outcomes.
        """
        if native.dims:
            raise SpaceError(
                f"Flatten joins finite spaces, and {native!r} has {native.dims} continuous coordinates; "
                "cut them first, `bins+flatten`."
            )
        if native.outcomes > LIMIT:
            raise SpaceError(
                f"Flatten enumerates at most {LIMIT:,} outcomes, and {native!r} has {native.outcomes:,}; keep the "
                "digits apart (identity, with an autoregressive head) or use fewer bins."
            )
        return Flatten(native, Discrete(native.outcomes))

    def _value(self, outcome: Array) -> Tree:
        space: Any = self.native
        return space.join(outcome, jnp.zeros((0,)))

    def _values(self) -> Tree:
        """All outcomes, `[N, ...]`."""
        space: Any = self.native
        return jax.vmap(self._value)(jnp.arange(space.outcomes, dtype=jnp.int32))

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Array, Array]:
        space: Any = self.native
        codes = jax.vmap(lambda value: space.split(value)[0])(jax.tree.map(jnp.asarray, native))
        return codes, jnp.ones((codes.shape[0],), bool)

    def decode(self, code: Array, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        return self._value(code)

    def image(self, cell: Allowed) -> Allowed:
        """The hull, digit by digit, of the outcomes in `cell`; exact for a single outcome."""
        space: Any = self.native
        return None if cell is None else hull(space, self._values(), jnp.asarray(cell.mask))

    def restrict(self, allowed: Allowed) -> Allowed:
        """A Mask `[N]`: which outcomes the set contains. Exact for every kind of set."""
        if allowed is None:
            return None
        if isinstance(allowed, Cells) and isinstance(allowed.codec, Unflatten) and allowed.codec.code == self.native:
            return allowed.allowed  # the words are listed already, in the same order
        values = self._values()
        if not _needs_solver(allowed):
            return Mask(jax.vmap(lambda value: sets.contains(allowed, value))(values))
        space: Any = self.native
        rows = [jax.tree.map(lambda leaf, n=n: leaf[n], values) for n in range(space.outcomes)]
        return Mask(jnp.asarray([bool(sets.contains(allowed, row)) for row in rows]))


def _needs_solver(allowed: Allowed) -> bool:
    nodes = jax.tree.leaves(allowed, is_leaf=lambda node: isinstance(node, Linear))
    return any(isinstance(node, Linear) for node in nodes)


@singledispatch
def hull(space: Space, values: Tree, chosen: Array) -> Allowed:
    """The smallest Mask, Interval or nest over `space` that holds the values `[N, ...]` that are `chosen` `[N]`."""
    raise SpaceError(f"{space!r} cannot be enumerated.")


@hull.register
def _(space: spaces.Box, values: Array, chosen: Array) -> Interval:
    taken = chosen.reshape(-1, *[1] * len(space.shape))
    return Interval(
        jnp.min(values, axis=0, where=taken, initial=jnp.inf), jnp.max(values, axis=0, where=taken, initial=-jnp.inf)
    )


@hull.register(spaces.Discrete)
@hull.register(spaces.MultiDiscrete)
@hull.register(spaces.MultiBinary)
def _(space: Any, values: Array, chosen: Array) -> Mask:
    hot = jax.nn.one_hot(values, space.categories, dtype=bool)
    return Mask(jnp.any(hot & chosen.reshape(-1, *[1] * (hot.ndim - 1)), axis=0))


@hull.register
def _(space: spaces.Tuple, values: tuple, chosen: Array) -> tuple:
    return tuple(hull(part, value, chosen) for part, value in zip(space.spaces, values, strict=True))


@hull.register
def _(space: spaces.Dict, values: dict, chosen: Array) -> dict:
    return {name: hull(part, values[name], chosen) for name, part in space.items}


@hull.register
def _(space: spaces.OneOf, values: Choice, chosen: Array) -> Choice:
    index = hull(Discrete(len(space.spaces)), values.index, chosen)
    below = zip(space.spaces, values.values)
    parts = tuple(hull(part, value, chosen & (values.index == b)) for b, (part, value) in enumerate(below))
    return Choice(index, parts)
