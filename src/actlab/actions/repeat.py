"""Action repeat: one native action held for several steps, a fixed number of them or a decided one.

Fixed: the frame skip of the Arcade Learning Environment and of DQN (Mnih et al. 2015). Decided: FiGAR (Sharma
et al. 2017, arXiv 1702.06054), whose policy has one factor for the action and one for the repetition.

Axis letters: T time in native steps, H most steps that an action is held.
"""

from dataclasses import replace
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.checks import refuse_nonfinite
from actlab.actions.landing import only_if
from actlab.core.codec import Codec, Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed
from actlab.core.spaces import Discrete, Space, Tuple
from actlab.core.steps import TimeStep

Tree = Any


class Repeat(Codec):
    """Every space to itself: a code is one native action, played H times.

    `encode` is `valid` where the next H recorded actions are equal, so `decode(encode(a), i)` is exactly
    `a[t + i]`; a stretch in which the action changes is no code.

    The set of the decision restricts the code as it is. Where sets change while the action is held, a later
    one may make it illegal; the loop counts that as a violation.
    """

    times: int = eqx.field(static=True, default=4)
    """Native steps that every action is held (H), at least 1."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.times < 1:
            raise SpaceError(f"An action is held at least once; received times={self.times}.")

    @property
    def length(self) -> int:
        return self.times

    def fit(self, native: Space, episodes: Episodes | None = None) -> Self:
        return replace(self, native=native, code=native)

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Tree, Array]:
        refuse_nonfinite(native)
        space: Any = self.native
        native = jax.tree.map(jnp.asarray, native)
        return native, held(space, native) >= self.times

    def decode(self, code: Tree, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        return code

    def image(self, cell: Allowed) -> Allowed:
        return cell

    def restrict(self, allowed: Allowed) -> Allowed:
        return allowed


class RepeatCount(Codec):
    """Every space -> Tuple(space, Discrete(H)): an action, and one less than the number of steps it is held.

    `encode` counts how long the recorded action stays the same, up to H: `decode(encode(a), i)` is exactly
    `a[t + i]` until the code has `finished`, and every step begins a code. Sets act as for `Repeat`; every
    count is legal.
    """

    longest: int = eqx.field(static=True, default=4)
    """Most native steps that an action is held (H), at least 1."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.longest < 1:
            raise SpaceError(f"An action is held at least once; received longest={self.longest}.")

    @property
    def length(self) -> int:
        return self.longest

    @property
    def shortest(self) -> int:
        return 1

    def fit(self, native: Space, episodes: Episodes | None = None) -> "RepeatCount":
        return RepeatCount(self.longest, native, Tuple([native, Discrete(self.longest)]))

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Tree, Array]:
        refuse_nonfinite(native)
        space: Any = self.native
        native = jax.tree.map(jnp.asarray, native)
        times = jnp.minimum(held(space, native), self.longest)
        return (native, times - 1), jnp.ones(times.shape, bool)

    def decode(self, code: Tree, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        return code[0]

    def image(self, cell: Allowed) -> Allowed:
        return None if cell is None else only_if(cell[0], jnp.any(cell[1].mask))

    def restrict(self, allowed: Allowed) -> Allowed:
        return None if allowed is None else (allowed, None)

    def finished(self, code: Tree, step: TimeStep | None, i: Array) -> Array:
        return i >= code[1]


def held(space: Space, native: Tree) -> Array:
    """int32 `[T]`: how many recorded actions, from each step on, are equal to the one at that step."""
    rows = jax.vmap(space.flatten)(native)  # branches of a OneOf that were not taken are zero
    index = jnp.arange(rows.shape[0], dtype=jnp.int32)
    changes = jnp.concatenate([jnp.any(rows[1:] != rows[:-1], axis=1), jnp.ones((1,), bool)])
    last = jax.lax.cummin(jnp.where(changes, index, rows.shape[0]), reverse=True)
    return last - index + 1
