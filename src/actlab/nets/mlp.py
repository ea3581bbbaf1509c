"""Multi-layer perceptrons for one example, their published initialisations, and ensembles of them.

Axis letters: I inputs, O outputs, E members of an ensemble.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.errors import SpaceError, UnknownName
from actlab.core.keys import fold

ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
}

HIDDEN_GAIN = math.sqrt(2.0)
"""Gain of orthogonal hidden layers, as PPO's reference implementation publishes it."""


def _lecun(key: Array, shape: tuple[int, int], gain: float) -> tuple[Array, Array]:
    weight = jax.nn.initializers.lecun_normal(in_axis=1, out_axis=0)(key, shape, jnp.float32)
    return gain * weight, jnp.zeros(shape[:1])


def _orthogonal(key: Array, shape: tuple[int, int], gain: float) -> tuple[Array, Array]:
    # A batched QR decomposition waits, on a thread of XLA's pool, for work that it gives to that same pool: where as
    # many are under way as the pool has threads, all wait forever (JAX 0.10 on two cores). So one after the other.
    draw = jax.custom_batching.sequential_vmap(
        lambda key: jax.nn.initializers.orthogonal(gain)(key, shape, jnp.float32)
    )
    return draw(key), jnp.zeros(shape[:1])


def _uniform(key: Array, shape: tuple[int, int], gain: float) -> tuple[Array, Array]:
    bound = gain / math.sqrt(shape[1])
    outputs, inputs = shape
    values = jax.random.uniform(key, (outputs, inputs + 1), minval=-bound, maxval=bound)  # one draw: half to compile
    return values[:, :inputs], values[:, inputs]


INITIALISATIONS: Mapping[str, Callable[[Array, tuple[int, int], float], tuple[Array, Array]]] = {
    "lecun": _lecun,
    "orthogonal": _orthogonal,
    "uniform": _uniform,
}


def linear(inputs: int, outputs: int, *, key: Array, initialisation: str = "lecun", gain: float = 1.0) -> eqx.nn.Linear:
    """An affine layer `[I] -> [O]`.

    Args:
        inputs, outputs: I and O.
        key: typed key.
        initialisation: "lecun" (truncated normal of variance 1/I, biases 0), "orthogonal" (biases 0) or
            "uniform" (weights and biases within 1/sqrt(I): the default of PyTorch's Linear, which is
            Kaiming-uniform with a = sqrt(5)).
        gain: factor on the weights (and, for "uniform", on the biases).

    Raises:
        UnknownName: there is no such initialisation.
    """
    if initialisation not in INITIALISATIONS:
        raise UnknownName("initialisation", initialisation, INITIALISATIONS)
    weight, bias = INITIALISATIONS[initialisation](fold(key, "values"), (outputs, inputs), gain)
    empty = eqx.filter_eval_shape(eqx.nn.Linear, inputs, outputs, key=key)  # its own draw would be wasted
    return eqx.tree_at(lambda layer: (layer.weight, layer.bias), empty, (weight, bias))


class MLP(eqx.Module):
    """Affine layers with one activation between them: `[I] -> [O]`, for one example."""

    layers: tuple[eqx.nn.Linear, ...]
    norms: tuple[eqx.nn.LayerNorm, ...]
    activation: str = eqx.field(static=True)
    activate_final: bool = eqx.field(static=True)

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        key: Array,
        activation: str = "relu",
        initialisation: str = "lecun",
        final_gain: float = 1.0,
        layer_norm: bool = False,
        activate_final: bool = False,
    ):
        """
        Args:
            sizes: widths of all layers, the input's and the output's included: `(I, 256, 256, O)`.
            key: typed key.
            activation: "relu", "tanh", "silu" or "gelu".
            initialisation: see `linear`; with "orthogonal" hidden layers have gain sqrt(2).
            final_gain: gain of the last layer, where no activation follows it (PPO: 0.01 for the policy, 1 for
                the value).
            layer_norm: normalise before every activation.
            activate_final: the last layer is a hidden one (a torso under heads).

        Raises:
            UnknownName: there is no such activation or initialisation.
            SpaceError: fewer than two sizes.
        """
        if activation not in ACTIVATIONS:
            raise UnknownName("activation", activation, ACTIVATIONS)
        if len(sizes) < 2:
            raise SpaceError(f"An MLP needs at least the sizes of its input and output; received {tuple(sizes)}.")
        last = len(sizes) - 2
        hidden_gain = HIDDEN_GAIN if initialisation == "orthogonal" else 1.0
        gains = [hidden_gain if i < last or activate_final else final_gain for i in range(last + 1)]
        self.layers = tuple(
            linear(inputs, outputs, key=fold(key, i), initialisation=initialisation, gain=gains[i])
            for i, (inputs, outputs) in enumerate(pairwise(sizes))
        )
        normalised = sizes[1:] if activate_final else sizes[1:-1]
        self.norms = tuple(eqx.nn.LayerNorm(size) for size in normalised) if layer_norm else ()
        self.activation = activation
        self.activate_final = activate_final

    def __call__(self, x: Array) -> Array:
        """float32 `[I]` -> `[O]`."""
        activate = ACTIVATIONS[self.activation]
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if self.activate_final or i + 1 < len(self.layers):
                x = activate(self.norms[i](x) if self.norms else x)
        return x


class Ensemble(eqx.Module):
    """E independent networks of one shape, evaluated together (one batched product a layer)."""

    members: Any
    """The network with a leading axis `[E, ...]` on every array."""

    def __call__(self, *inputs: Any) -> Any:
        """The same inputs to every member: outputs `[E, ...]`."""
        evaluate = eqx.filter_vmap(lambda member, given: member(*given), in_axes=(eqx.if_array(0), None))
        return evaluate(self.members, inputs)


def ensemble(make: Callable[[Array], Any], count: int, key: Array) -> Ensemble:
    """`count` independently initialised networks.

    Args:
        make: key -> network.
        count: E.
        key: typed key.
    """
    return Ensemble(eqx.filter_vmap(make)(jax.random.split(key, count)))
