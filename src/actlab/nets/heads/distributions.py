"""Distributions over the codes of a space, as heads give them.

Every distribution splits as its space does (`core.spaces`): a finite part, `outcome_log_probs`, and a
continuous part, `vector`. With `x, density = d.vector(key)` and any outcome n,

    d.log_prob(space.join(n, x)) = d.outcome_log_probs()[n] + sum_c relevant[n, c] * density[c],

up to rounding, so a learner can enumerate what is finite and sample what is not.

Illegal categories have the log-probability `FLOOR`: finite, so that no gradient becomes NaN, and so low
that its exponential is zero beside any legal one. Where nothing is legal at all, every category of the
space counts as legal (the training loop reports such a set; here the numbers only stay finite).

Axis letters: D digits, K categories, N joint outcomes, C continuous coordinates, P parts or branches.
"""

import abc
import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.spaces import Choice

Code = Any

FLOOR = -1e9
"""Log-probability of what is illegal (times a thousand digits it still is far from float32's end)."""

MOST_OUTCOMES = 4096
"""Most joint outcomes that are multiplied out; a single Discrete may be larger."""

EXACT = "exact"

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_NODES, _WEIGHTS = _NODES.astype(np.float32), (_WEIGHTS / _WEIGHTS.sum()).astype(np.float32)


class Distribution(eqx.Module):
    """A distribution over the codes of one space, for one example. To batch, `vmap` the whole question."""

    @property
    @abc.abstractmethod
    def entropy_method(self) -> str:
        """How `entropy` is computed, in words; "exact" where it is."""

    @property
    def entropy_is_exact(self) -> bool:
        """Is `entropy` exact up to rounding?"""
        return self.entropy_method == EXACT

    @abc.abstractmethod
    def sample(self, key: Array) -> Code:
        """A code drawn from the distribution; an illegal one never is."""

    @abc.abstractmethod
    def mode(self) -> Code:
        """The code of a deterministic policy: the most probable categories, the image of the mean of a Box."""

    @abc.abstractmethod
    def log_prob(self, code: Code) -> Array:
        """float32 `[]`: log-probability of the discrete part plus log-density of the continuous part."""

    @abc.abstractmethod
    def entropy(self, key: Array) -> Array:
        """float32 `[]`: the entropy in nats, by `entropy_method`; `key` is used only by estimators."""

    @abc.abstractmethod
    def outcome_log_probs(self) -> Array:
        """float32 `[N]`: log-probability of every joint outcome, in the order of `space.join`.

        Raises:
            SpaceError: there are too many to multiply out.
        """

    @abc.abstractmethod
    def vector(self, key: Array) -> tuple[Array, Array]:
        """Reparameterised samples of all continuous coordinates `[C]`, and the log-density of each `[C]`."""


def masked_log_softmax(logits: Array, legal: Array, exists: Array | None = None) -> Array:
    """Log-probabilities `[..., K]` over the legal categories; `FLOOR` for the others.

    Args:
        logits: float32 `[..., K]`.
        legal: bool `[..., K]`.
        exists: bool `[..., K]`, the categories of the space, which count where nothing is legal; None for all.
    """
    exists = jnp.ones_like(legal) if exists is None else exists
    legal = legal & exists
    legal = jnp.where(jnp.any(legal, axis=-1, keepdims=True), legal, exists)
    # The largest legal logit is taken off before anything is compared with FLOOR or exponentiated, so that
    # neither a huge illegal logit nor a common offset matters.
    top = jax.lax.stop_gradient(jnp.max(jnp.where(legal, logits, -jnp.inf), axis=-1, keepdims=True))
    shifted = jnp.where(legal, logits - top, 0.0)
    total = jnp.sum(jnp.where(legal, jnp.exp(shifted), 0.0), axis=-1, keepdims=True)
    return jnp.where(legal, shifted - jnp.log(total), FLOOR)


def entropies(log_probs: Array) -> Array:
    """Entropy of every row: `[..., K]` -> `[...]`. Illegal terms are 0 (times FLOOR, which is finite)."""
    return -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)


def pick(log_probs: Array, category: Array) -> Array:
    """Log-probability of one category for every row: `[..., K]`, `[...]` -> `[...]`; FLOOR outside 0 .. K-1."""
    category = jnp.asarray(category)
    inside = (category >= 0) & (category < log_probs.shape[-1])
    column = jnp.expand_dims(jnp.where(inside, category, 0), -1)
    return jnp.where(inside, jnp.take_along_axis(log_probs, column, axis=-1)[..., 0], FLOOR)


def outer_sum(parts: Sequence[Array]) -> Array:
    """Log-probabilities of all combinations of independent parts `[N_1], [N_2], ...` -> `[N_1 * N_2 * ...]`.

    The last part varies fastest, as in `space.join`.

    Raises:
        SpaceError: more than one part has several outcomes and there are more than 4,096 combinations.
    """
    sizes = [part.shape[0] for part in parts]
    require_enumerable(sizes)
    total = jnp.zeros((1,))
    for part in parts:
        total = (total[:, None] + part[None, :]).reshape(-1)
    return total


def require_enumerable(sizes: Sequence[int]) -> None:
    """Check that the combinations of independent parts with these numbers of outcomes may be multiplied out.

    Raises:
        SpaceError: more than one part has several outcomes and there are more than 4,096 combinations.
    """
    count = math.prod(sizes)
    if count > MOST_OUTCOMES and count > max(sizes):
        raise SpaceError(
            f"The code has {count:,} joint outcomes and at most {MOST_OUTCOMES:,} can be enumerated; use an agent that "
            "only samples (ppo), or a code with fewer outcomes (`bins` with fewer bins, a shorter `chunk`)."
        )


def nothing_continuous() -> tuple[Array, Array]:
    return jnp.zeros((0,)), jnp.zeros((0,))


class Categorical(Distribution):
    """One of K categories (Discrete)."""

    log_probs: Array
    """`[K]`, normalised."""

    @property
    def entropy_method(self) -> str:
        return EXACT

    def sample(self, key: Array) -> Array:
        return jax.random.categorical(key, self.log_probs).astype(jnp.int32)

    def mode(self) -> Array:
        return jnp.argmax(self.log_probs).astype(jnp.int32)

    def log_prob(self, code: Array) -> Array:
        return pick(self.log_probs, code)

    def entropy(self, key: Array) -> Array:
        return entropies(self.log_probs)

    def outcome_log_probs(self) -> Array:
        return self.log_probs

    def vector(self, key: Array) -> tuple[Array, Array]:
        return nothing_continuous()


class Factored(Distribution):
    """D independent digits (MultiDiscrete, MultiBinary)."""

    log_probs: Array
    """`[D, K]`, every row normalised; FLOOR where a digit has fewer than K categories."""
    nvec: tuple[int, ...] = eqx.field(static=True)
    """Number of categories of every digit."""

    @property
    def entropy_method(self) -> str:
        return EXACT

    def sample(self, key: Array) -> Array:
        return jax.random.categorical(key, self.log_probs, axis=-1).astype(jnp.int32)

    def mode(self) -> Array:
        return jnp.argmax(self.log_probs, axis=-1).astype(jnp.int32)

    def log_prob(self, code: Array) -> Array:
        return jnp.sum(pick(self.log_probs, code))

    def entropy(self, key: Array) -> Array:
        return jnp.sum(entropies(self.log_probs))

    def outcome_log_probs(self) -> Array:
        return outer_sum([self.log_probs[digit, :size] for digit, size in enumerate(self.nvec)])

    def vector(self, key: Array) -> tuple[Array, Array]:
        return nothing_continuous()


class SquashedGaussian(Distribution):
    """Independent Gaussians squashed by tanh onto `[low, high]` (Box; Haarnoja et al. 2018, appendix C).

    a = centre + half * tanh(u) with u ~ N(mean, exp(log_std)); the log-density of a is that of u minus
    log(half) and minus log(1 - tanh(u)^2), the latter computed as 2 (log 2 - u - softplus(-2 u)).

    A coordinate whose interval is one point (or empty) is decided by the set and not by the policy: its value is
    `low`, its log-density and entropy are 0, and it has no gradient.
    """

    mean: Array
    """`[C]`, before squashing."""
    log_std: Array
    """`[C]`, before squashing."""
    low: Array
    high: Array
    """`[C]` finite bounds."""
    shape: tuple[int, ...] = eqx.field(static=True)
    """Of the code."""

    @property
    def entropy_method(self) -> str:
        # The error was measured against a fine grid over |mean| <= 10.
        return (
            "Gauss-Hermite, 32 nodes (error a coordinate below 1e-6 for std <= 1, 2e-4 for 2, 0.02 for 4, 0.1 for 7.4)"
        )

    @property
    def _free(self) -> Array:
        return self.high > self.low

    @property
    def _half(self) -> Array:
        return jnp.where(self._free, 0.5 * (self.high - self.low), 1.0)

    def _place(self, u: Array) -> Array:
        """The coordinates `[C]` that pre-squashed values `[C]` land on."""
        inside = self.low + self._half * (1.0 + jnp.tanh(u))
        return jnp.where(self._free, jnp.clip(inside, self.low, self.high), self.low)  # rounding stays inside

    def _densities(self, u: Array) -> Array:
        """Log-density `[C]` of the coordinates that `u` lands on."""
        z = (u - self.mean) * jnp.exp(-self.log_std)
        normal = -0.5 * jnp.square(z) - self.log_std - 0.5 * math.log(2.0 * math.pi)
        return jnp.where(self._free, normal - jnp.log(self._half) - _log_slope(u), 0.0)

    def sample(self, key: Array) -> Array:
        return self.vector(key)[0].reshape(self.shape)

    def mode(self) -> Array:
        """The image of the mean (it is the median; the density's own maximum may lie at an edge)."""
        return self._place(self.mean).reshape(self.shape)

    def log_prob(self, code: Array) -> Array:
        """Log-density of a code; one at (or beyond) a bound counts as 1e-6 of the half-width inside it.

        u is recovered by artanh: a code that float32 rounds by 1e-7 of the half-width has u off by
        1e-7 / (1 - tanh(u)^2), so the density of a nearly saturated code is less exact than `vector` gives it.
        """
        unit = (jnp.asarray(code, jnp.float32).reshape(-1) - self.low) / self._half - 1.0
        return jnp.sum(self._densities(jnp.arctanh(jnp.clip(unit, -1.0 + 1e-6, 1.0 - 1e-6))))

    def entropy(self, key: Array) -> Array:
        nodes = self.mean[:, None] + jnp.exp(self.log_std)[:, None] * _NODES[None, :]
        slope = jnp.sum(_log_slope(nodes) * _WEIGHTS[None, :], axis=1)
        gaussian = 0.5 * math.log(2.0 * math.pi * math.e) + self.log_std
        return jnp.sum(jnp.where(self._free, gaussian + jnp.log(self._half) + slope, 0.0))

    def outcome_log_probs(self) -> Array:
        return jnp.zeros((1,))

    def vector(self, key: Array) -> tuple[Array, Array]:
        u = self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)
        return self._place(u), self._densities(u)


def _log_slope(u: Array) -> Array:
    """log(1 - tanh(u)^2), stable for large |u|."""
    return 2.0 * (math.log(2.0) - u - jax.nn.softplus(-2.0 * u))


class Joint(Distribution):
    """Independent parts (Tuple, Dict)."""

    parts: tuple[Distribution, ...]
    names: tuple[str, ...] | None = eqx.field(static=True)
    """Of the parts of a Dict, sorted; None for a Tuple."""

    @property
    def entropy_method(self) -> str:
        return _methods(self.parts)

    def _nest(self, values: Sequence[Code]) -> Code:
        return tuple(values) if self.names is None else dict(zip(self.names, values, strict=True))

    def _values(self, code: Code) -> tuple:
        return tuple(code) if self.names is None else tuple(code[name] for name in self.names)

    def sample(self, key: Array) -> Code:
        return self._nest([part.sample(fold(key, i)) for i, part in enumerate(self.parts)])

    def mode(self) -> Code:
        return self._nest([part.mode() for part in self.parts])

    def log_prob(self, code: Code) -> Array:
        values = self._values(code)
        return jnp.sum(jnp.stack([part.log_prob(value) for part, value in zip(self.parts, values, strict=True)]))

    def entropy(self, key: Array) -> Array:
        return jnp.sum(jnp.stack([part.entropy(fold(key, i)) for i, part in enumerate(self.parts)]))

    def outcome_log_probs(self) -> Array:
        return outer_sum([part.outcome_log_probs() for part in self.parts])

    def vector(self, key: Array) -> tuple[Array, Array]:
        return _vectors(self.parts, key)


class Branch(Distribution):
    """One of P branches, each with its own distribution (OneOf).

    `sample` and `mode` fill every branch; only the branch taken counts in `log_prob`. The entropy is that of the
    index plus the expected entropy of the branch taken.
    """

    index: Categorical
    branches: tuple[Distribution, ...]

    @property
    def entropy_method(self) -> str:
        return _methods(self.branches)

    def sample(self, key: Array) -> Choice:
        values = tuple(branch.sample(fold(key, i)) for i, branch in enumerate(self.branches))
        return Choice(self.index.sample(fold(key, "index")), values)

    def mode(self) -> Choice:
        return Choice(self.index.mode(), tuple(branch.mode() for branch in self.branches))

    def log_prob(self, code: Choice) -> Array:
        pairs = zip(self.branches, code.values, strict=True)
        inside = jnp.stack([branch.log_prob(value) for branch, value in pairs])
        return self.index.log_prob(code.index) + pick(inside, code.index)

    def entropy(self, key: Array) -> Array:
        inside = jnp.stack([branch.entropy(fold(key, i)) for i, branch in enumerate(self.branches)])
        return self.index.entropy(key) + jnp.sum(jnp.exp(self.index.log_probs) * inside)

    def outcome_log_probs(self) -> Array:
        inside = [branch.outcome_log_probs() for branch in self.branches]
        return jnp.concatenate([self.index.log_probs[i] + part for i, part in enumerate(inside)])

    def vector(self, key: Array) -> tuple[Array, Array]:
        return _vectors(self.branches, key)


def _methods(parts: Sequence[Distribution]) -> str:
    others = sorted({part.entropy_method for part in parts} - {EXACT})
    return "; ".join(others) or EXACT


def _vectors(parts: Sequence[Distribution], key: Array) -> tuple[Array, Array]:
    pairs = [part.vector(fold(key, i)) for i, part in enumerate(parts)]
    return jnp.concatenate([pair[0] for pair in pairs]), jnp.concatenate([pair[1] for pair in pairs])
