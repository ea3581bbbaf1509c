"""Memory over time: a gated recurrent unit that restarts where an episode begins.

Axis letters: T time, I features, H width of the memory.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.keys import fold
from actlab.nets.mlp import linear


class GRU(eqx.Module):
    """A gated recurrent unit (Cho et al. 2014, arXiv:1406.1078, with the reset gate after the product).

    With x the features, h the memory and * element-wise:
    r = sigmoid(W_r x + b_r + U_r h), z = sigmoid(W_z x + b_z + U_z h),
    n = tanh(W_n x + b_n + r * (U_n h + c)), h' = (1 - z) * n + z * h.

    Weights and biases start uniform within 1/sqrt(H).
    """

    inner: eqx.nn.Linear
    outer: Array
    bias: Array
    width: int = eqx.field(static=True)

    def __init__(self, inputs: int, width: int, *, key: Array):
        """
        Args:
            inputs: I.
            width: H, of the memory and of the output.
            key: typed key.
        """
        bound = 1.0 / math.sqrt(width)
        gain = bound * math.sqrt(inputs)  # "uniform" draws within gain / sqrt(I)
        self.inner = linear(inputs, 3 * width, key=fold(key, "inner"), initialisation="uniform", gain=gain)
        self.outer = jax.random.uniform(fold(key, "outer"), (3 * width, width), minval=-bound, maxval=bound)
        self.bias = jax.random.uniform(fold(key, "bias"), (width,), minval=-bound, maxval=bound)
        self.width = width

    def begin(self) -> Array:
        """float32 `[H]`: the memory at the start of an episode."""
        return jnp.zeros((self.width,))

    def __call__(self, memory: Array, features: Array) -> tuple[Array, Array]:
        """One step: memory `[H]`, features `[I]` -> memory `[H]`, output `[H]` (they are equal)."""
        memory = self._advance(memory, self.inner(features))
        return memory, memory

    def unroll(self, memory: Array, features: Array, first: Array) -> tuple[Array, Array]:
        """T steps; where `first` is set, the memory restarts before that step.

        The products with the features are one matrix product over all T.

        Args:
            memory: `[H]`, before the first step.
            features: `[T, I]`.
            first: bool `[T]`.

        Returns:
            the memory after the last step `[H]` and the outputs `[T, H]`.
        """

        def advance(memory: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
            given, restart = row
            memory = self._advance(jnp.where(restart, self.begin(), memory), given)
            return memory, memory

        return jax.lax.scan(advance, memory, (jax.vmap(self.inner)(features), first))

    def _advance(self, memory: Array, given: Array) -> Array:
        given_reset, given_update, given_new = jnp.split(given, 3)
        own_reset, own_update, own_new = jnp.split(self.outer @ memory, 3)
        reset = jax.nn.sigmoid(given_reset + own_reset)
        update = jax.nn.sigmoid(given_update + own_update)
        new = jnp.tanh(given_new + reset * (own_new + self.bias))
        return (1.0 - update) * new + update * memory
