"""Clipping, for every space: the policy proposes any action, and the nearest legal one is played.

Axis letters: T time in native steps.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.checks import refuse_nonfinite
from actlab.actions.landing import all_or_nothing, everything
from actlab.core import sets
from actlab.core.codec import Codec, Episodes
from actlab.core.sets import Allowed
from actlab.core.spaces import Space
from actlab.core.steps import TimeStep

Tree = Any


class Project(Codec):
    """Every space to itself: `decode` is the legal action nearest to the code, as `sets.project` measures it.

    Clipped into an Interval, the nearest category of a Mask, the fewest changed digits of an Automaton; a
    set of Cells cannot be projected onto. `decode(encode(a))` is exactly `a` wherever `a` is legal.

    The head then sees no set: all codes are legal if anything is. That treats a constraint as a property of
    the actuator, where a head that keeps to the set (every other code) treats it as one of the policy; several
    codes become one action, and the policy's density is that of the proposal.
    """

    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def fit(self, native: Space, episodes: Episodes | None = None) -> "Project":
        return Project(native, native)

    def encode(self, native: Tree, step: TimeStep | None = None) -> tuple[Tree, Array]:
        refuse_nonfinite(native)
        return native, jnp.ones((jax.tree.leaves(native)[0].shape[0],), bool)

    def decode(self, code: Tree, step: TimeStep | None, i: Array, key: Array | None) -> Tree:
        return code if step is None else sets.project(step.allowed, code)

    def image(self, cell: Allowed) -> Allowed:
        """The whole native space: where a code is moved depends on the step."""
        native: Any = self.native
        return None if cell is None else everything(native)

    def restrict(self, allowed: Allowed) -> Allowed:
        """All codes, or none where nothing is allowed."""
        return all_or_nothing(self, allowed)
