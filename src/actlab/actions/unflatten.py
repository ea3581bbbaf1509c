"""A large Discrete as several digits: the opposite of `flatten`.

Axis letters: T time in native steps, N outcomes, D digits, K categories.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.product import LeafCodec
from actlab.core import sets, spaces
from actlab.core.codec import Episodes
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Mask
from actlab.core.spaces import Discrete, MultiBinary, MultiDiscrete, Space
from actlab.core.steps import TimeStep

Tree = Any


class Unflatten(LeafCodec):
    """Discrete(N) -> MultiDiscrete(nvec): category n is the word of digits whose number, as `split` counts, is n.

    For an action set of hundreds or thousands that has factors (device x level x room): the first digit is
    the slowest. `decode(encode(a))` is exactly `a`. `restrict` gives Cells over a Mask `[N]`, exact in every
    order of digits; a head honours them digit by digit (`autoregressive`).
    """

    acts_on = spaces.Discrete

    nvec: tuple[int, ...] = eqx.field(static=True, default=())
    """Categories of each digit; their product is N."""
    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def bind(self, native: Discrete, episodes: Episodes | None) -> "Unflatten":
        """
        Raises:
            SpaceError: no digits are given, or their categories do not multiply to N.
        """
        code = MultiDiscrete(self.nvec)
        if not self.nvec or min(self.nvec) < 1 or code.outcomes != native.n:
            raise SpaceError(
                f"Unflatten needs digits whose categories multiply to the {native.n} of {native!r}; "
                f"received nvec={self.nvec}."
            )
        return Unflatten(self.nvec, native, code)

    @staticmethod
    def onto(code: MultiDiscrete | MultiBinary) -> "Unflatten":
        """Bound: from the joint outcomes of `code` to its digits."""
        return Unflatten((), Discrete(code.outcomes), code)

    def words(self) -> Array:
        """int32 `[N, D]`: all codes."""
        code: Any = self.code
        none = jnp.zeros((0,))
        return jax.vmap(lambda n: code.join(n, none))(jnp.arange(code.outcomes, dtype=jnp.int32))

    def encode(self, native: Array, step: TimeStep | None = None) -> tuple[Array, Array]:
        codes = self.words()[jnp.asarray(native)]
        return codes, jnp.ones((codes.shape[0],), bool)

    def decode(self, code: Array, step: TimeStep | None, i: Array, key: Array | None) -> Array:
        space: Any = self.code
        return space.split(code)[0]

    def image(self, cell: Allowed) -> Allowed:
        """A Mask `[N]`: the words in `cell`. Exact."""
        return None if cell is None else Mask(jax.vmap(lambda word: sets.contains(cell, word))(self.words()))
