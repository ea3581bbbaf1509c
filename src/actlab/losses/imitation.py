"""Losses that hold a value function to demonstrated decisions: what was demonstrated should be worth most.

Everything is for one decision over digits; `taken` is the demonstrated category of every digit, and only categories
that are `legal` count. Average over demonstrated decisions.

Axis letters: D digits, K categories, N atoms of a distribution.
"""

import jax
import jax.numpy as jnp
from jax import Array


def _others(taken: Array, legal: Array) -> Array:
    """bool `[D, K]`: the legal categories that were not taken."""
    return legal & (jnp.arange(legal.shape[1])[None, :] != taken[:, None])


def _of(values: Array, taken: Array) -> Array:
    """The values `[D, K, ...]` of the categories that were taken, `[D, 1, ...]`."""
    return jnp.take_along_axis(values, taken.reshape(-1, *(1,) * (values.ndim - 1)), axis=1)


def margin(values: Array, taken: Array, legal: Array, least: float | Array) -> Array:
    """Every other category should be worth less, until the difference is `least` (ARSQ, arXiv 2502.00288).

    sum over d of the mean over k != taken of max(v_d(k) - v_d(taken), least)

    Args:
        values: float32 `[D, K]`, such as advantages.
        taken: int32 `[D]`.
        legal: bool `[D, K]`.
        least: where differences stop to count; no gradient flows below it.
    """
    others = _others(taken, legal)
    excess = jnp.where(others, jnp.maximum(values - _of(values, taken), least), 0.0)
    return jnp.sum(jnp.sum(excess, axis=1) / jnp.maximum(jnp.sum(others, axis=1), 1).astype(jnp.float32))


def soft_margin(
    values: Array, taken: Array, legal: Array, least: float | Array, temperature: float | Array = 1.0
) -> Array:
    """As `margin`, against the soft maximum of the other categories at once (the "cql" term of ARSQ's release).

    sum over d of max(T log sum over k != taken of exp(v_d(k) / T) - v_d(taken), least)

    Args:
        values, taken, legal, least: as for `margin`.
        temperature: T.
    """
    others = _others(taken, legal)
    alone = ~jnp.any(others, axis=1)
    scaled = jnp.where(others, values / temperature, -1e9)
    excess = temperature * jax.nn.logsumexp(scaled, axis=1) - _of(values, taken)[:, 0]
    return jnp.sum(jnp.where(alone, 0.0, jnp.maximum(excess, least)))


def expectation_margin(values: Array, taken: Array, legal: Array, least: float | Array) -> Array:
    """Every other category should be worth less by `least` (as Hester et al. 2018 for the best other; CQN).

    mean over d and k of max(least - (v_d(taken) - v_d(k)), 0) for k != taken, 0 for the others

    Args:
        values: float32 `[D, K]`.
        taken, legal: as for `margin`.
        least: the margin, in units of value.
    """
    short = jnp.maximum(least - (_of(values, taken) - values), 0.0)
    return _mean(jnp.where(_others(taken, legal), short, 0.0), legal)


def dominance(probabilities: Array, taken: Array, legal: Array) -> Array:
    """The demonstrated category's distribution should dominate all others to the first order (CQN, arXiv 2407.07787).

    mean over d and k of the sum over atoms n of max(F_d,taken(n) - F_d,k(n), 0), with F the cumulated distribution

    Args:
        probabilities: float32 `[D, K, N]`, atoms in rising order.
        taken, legal: as for `margin`.
    """
    cumulated = jnp.cumsum(probabilities, axis=-1)
    excess = jnp.sum(jnp.maximum(_of(cumulated, taken) - cumulated, 0.0), axis=-1)
    return _mean(jnp.where(_others(taken, legal), excess, 0.0), legal)


def _mean(values: Array, legal: Array) -> Array:
    """Over the digits and their legal categories."""
    return jnp.mean(jnp.sum(values, axis=1) / jnp.maximum(jnp.sum(legal, axis=1), 1).astype(jnp.float32))
