"""Action chunks: several native actions decided at once and played one after the other.

Axis letters: T time in native steps, H actions of a chunk.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.checks import refuse_nonfinite
from actlab.actions.rows import cut_rows, repeat_set
from actlab.core.codec import Codec, Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed
from actlab.core.spaces import Space
from actlab.core.steps import TimeStep

Tree = Any


class Chunk(Codec):
    """Any space -> `space.repeat(H)`: a code is H native actions, row i is played at its i-th step.

    `decode(encode(a), i)` is exactly `a[t + i]`. `encode` gives every window of H actions; the last H - 1
    steps of an episode begin no full one and are not `valid`.

    Only the set at the decision is known when a chunk is decided, so `restrict` applies it to every row,
    whatever the kind of set. Where sets change while a chunk is played, a later row may be illegal by then;
    the loop counts it as a violation. `image` and `cell` speak of the first row.
    """

    length: int = eqx.field(static=True, default=4)  # type: ignore[assignment]
    """Native actions of a chunk (H), at least 1; all that are predicted are executed."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.length < 1:
            raise SpaceError(f"A chunk needs at least one action; received length={self.length}.")

    def fit(self, native: Space, episodes: Episodes | None = None) -> "Chunk":
        return Chunk(self.length, native, native.repeat(self.length))

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Tree, Array]:
        refuse_nonfinite(native)
        space: Any = self.native
        steps = jax.tree.leaves(native)[0].shape[0]
        window = jnp.arange(steps, dtype=jnp.int32)[:, None] + jnp.arange(self.length, dtype=jnp.int32)[None, :]
        inside = jnp.minimum(window, steps - 1)  # padding of the windows that are not valid
        codes = jax.vmap(space.stack)(jax.tree.map(lambda leaf: jnp.asarray(leaf)[inside], native))
        return codes, window[:, -1] < steps

    def decode(self, code: Tree, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        space: Any = self.native
        return space.row(code, jnp.asarray(i))

    def image(self, cell: Allowed) -> Allowed:
        if cell is None:
            return None
        space: Any = self.native
        return cut_rows(space, cell, self.length)[0]

    def restrict(self, allowed: Allowed) -> Allowed:
        space: Any = self.native
        return repeat_set(allowed, space, self.length)
