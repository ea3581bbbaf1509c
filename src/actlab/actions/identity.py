"""The native action as it is: what an agent decides is what the environment takes.

Axis letters: T time in native steps.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.checks import refuse_nonfinite
from actlab.core.codec import Codec, Episodes
from actlab.core.sets import Allowed
from actlab.core.spaces import Space
from actlab.core.steps import TimeStep

Tree = Any


class Identity(Codec):
    """Code and native action are equal, for every space. `decode(encode(a))` is exactly `a`."""

    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def fit(self, native: Space, episodes: Episodes | None = None) -> "Identity":
        return Identity(native, native)

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Tree, Array]:
        refuse_nonfinite(native)
        return native, jnp.ones((jax.tree.leaves(native)[0].shape[0],), bool)

    def decode(self, code: Tree, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        return code

    def image(self, cell: Allowed) -> Allowed:
        return cell

    def restrict(self, allowed: Allowed) -> Allowed:
        return allowed
