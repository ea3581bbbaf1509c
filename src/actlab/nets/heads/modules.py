"""Heads: trainable layers from features to a distribution, one class a kind of space. `build` makes them.

Axis letters: D digits, K categories, C coordinates, P parts or branches.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.codec import Codec
from actlab.core.keys import fold
from actlab.core.sets import Allowed
from actlab.core.spaces import Box
from actlab.nets.heads import masks
from actlab.nets.heads.distributions import (
    Branch,
    Categorical,
    Distribution,
    Factored,
    Joint,
    SquashedGaussian,
    masked_log_softmax,
)
from actlab.nets.mlp import linear

LOG_STD_RANGE = (-20.0, 2.0)
"""Clip of a log standard deviation that depends on the state (the reference implementations of SAC)."""


class Head(eqx.Module):
    """The last layers of a policy: features of one example -> distribution over codes."""

    @abc.abstractmethod
    def __call__(self, features: Array, allowed: Allowed = None, codec: Codec | None = None) -> Distribution:
        """
        Args:
            features: float32 `[width]`.
            allowed: the set over the code (`codec.restrict(step.allowed)`).
            codec: the bound codec, for heads that were built with one; the others ignore it.

        Raises:
            SpaceError: the set does not fit the space, or couples digits that this head decides independently.
        """


def output(width: int, size: int, gain: float | None, key: Array) -> eqx.nn.Linear:
    """An output layer: orthogonal of that gain, or PyTorch's default where `gain` is None."""
    if gain is None:
        return linear(width, size, key=key, initialisation="uniform")
    return linear(width, size, key=key, initialisation="orthogonal", gain=gain)


class CategoricalHead(Head):
    """Discrete."""

    logits: eqx.nn.Linear

    def __init__(self, width: int, categories: int, *, key: Array, gain: float | None):
        self.logits = output(width, categories, gain, fold(key, "logits"))

    def __call__(self, features: Array, allowed: Allowed = None, codec: Codec | None = None) -> Categorical:
        logits = self.logits(features)
        none = jnp.zeros((), jnp.int32)
        legal = masks.legal(allowed, none, jnp.zeros((), bool), none, logits.shape[0])
        return Categorical(masked_log_softmax(logits, legal))


class FactoredHead(Head):
    """MultiDiscrete and MultiBinary, every digit by itself."""

    logits: eqx.nn.Linear
    nvec: tuple[int, ...] = eqx.field(static=True)
    marginal: bool = eqx.field(static=True)

    def __init__(self, width: int, nvec: tuple[int, ...], *, key: Array, gain: float | None, marginal: bool):
        self.logits = output(width, len(nvec) * max(nvec), gain, fold(key, "logits"))
        self.nvec = nvec
        self.marginal = marginal

    def __call__(self, features: Array, allowed: Allowed = None, codec: Codec | None = None) -> Factored:
        digits, categories = len(self.nvec), max(self.nvec)
        masks.require_product(allowed, digits, self.marginal)
        code, known = jnp.zeros((digits,), jnp.int32), jnp.zeros((digits,), bool)
        legal = jax.vmap(lambda d: masks.legal(allowed, code, known, d, categories))(jnp.arange(digits))
        logits = self.logits(features).reshape(digits, categories)
        return Factored(masked_log_softmax(logits, legal, existing(self.nvec)), self.nvec)


def existing(nvec: tuple[int, ...]) -> Array:
    """bool `[D, K]`: which categories each digit has."""
    return jnp.asarray(np.arange(max(nvec)) < np.asarray(nvec)[:, None])


class GaussianHead(Head):
    """Box: a squashed Gaussian over the space's bounds, or over the Interval inside them."""

    mean: eqx.nn.Linear
    log_std: eqx.nn.Linear | Array
    """A layer (the standard deviation depends on the state) or a free parameter `[C]`."""
    space: Box = eqx.field(static=True)

    def __init__(self, width: int, space: Box, *, key: Array, gain: float | None, std: str, log_std_init: float):
        self.mean = output(width, space.dims, gain, fold(key, "mean"))
        self.log_std = jnp.full((space.dims,), log_std_init)
        if std == "state":
            layer = output(width, space.dims, gain, fold(key, "log_std"))
            assert layer.bias is not None
            self.log_std = eqx.tree_at(lambda x: x.bias, layer, layer.bias + log_std_init)
        self.space = space

    def __call__(self, features: Array, allowed: Allowed = None, codec: Codec | None = None) -> SquashedGaussian:
        lows, highs = self.space.lows.astype(np.float32), self.space.highs.astype(np.float32)
        low, high = masks.bounds(allowed, lows, highs)
        log_std = self.log_std
        if isinstance(log_std, eqx.nn.Linear):
            log_std = jnp.clip(log_std(features), *LOG_STD_RANGE)
        return SquashedGaussian(self.mean(features), log_std, low.reshape(-1), high.reshape(-1), self.space.shape)


class JointHead(Head):
    """Tuple and Dict: the parts are independent, given the features."""

    parts: tuple[Head, ...]
    names: tuple[str, ...] | None = eqx.field(static=True)

    def __call__(self, features: Array, allowed: Allowed = None, codec: Codec | None = None) -> Joint:
        sets = masks.parts(allowed, self.names, len(self.parts))
        return Joint(tuple(part(features, inner) for part, inner in zip(self.parts, sets, strict=True)), self.names)


class BranchHead(Head):
    """OneOf: which branch, and what in each of them. A branch in which nothing is legal is not taken."""

    index: eqx.nn.Linear
    branches: tuple[Head, ...]

    def __call__(self, features: Array, allowed: Allowed = None, codec: Codec | None = None) -> Branch:
        legal, sets = masks.branches(allowed, len(self.branches))
        index = Categorical(masked_log_softmax(self.index(features), legal))
        return Branch(index, tuple(branch(features, inner) for branch, inner in zip(self.branches, sets, strict=True)))
