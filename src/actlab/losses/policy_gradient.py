"""Policy-gradient losses: advantages and the clipped surrogate.

Axis letters: T time (decisions).
"""

import jax
import jax.numpy as jnp
from jax import Array


def generalised_advantages(
    rewards: Array, discounts: Array, values: Array, next_values: Array, ended: Array, decay: float | Array
) -> Array:
    """GAE (Schulman et al. 2016, eq. 16) over decisions of varying length: float32 `[T]`.

    delta_t = r_t + discounts_t V(s'_t) - V(s_t);   A_t = delta_t + (1 - ended_t) discounts_t decay A_{t+1}

    Args:
        rewards: `[T]`, discounted over the native steps of each decision.
        discounts: `[T]`, discount**elapsed, and 0 where the episode terminated (truncation bootstraps).
        values, next_values: `[T]`, of the state and of its true successor.
        ended: bool `[T]`, terminated or truncated: no advantage flows across.
        decay: lambda, in [0, 1].
    """
    deltas = rewards + discounts * next_values - values
    carry_on = jnp.where(ended, 0.0, discounts * decay)

    def backward(advantage: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        delta, weight = now
        advantage = delta + weight * advantage
        return advantage, advantage

    _, advantages = jax.lax.scan(backward, jnp.zeros_like(deltas[0]), (deltas, carry_on), reverse=True)
    return advantages


def clipped_surrogate(log_prob: Array, old_log_prob: Array, advantage: Array, clip: float | Array) -> Array:
    """-min(rho A, clip(rho, 1 - clip, 1 + clip) A) with rho = exp(log_prob - old_log_prob).

    Schulman et al. 2017, eq. 7, negated; elementwise.
    """
    ratio = jnp.exp(log_prob - old_log_prob)
    return -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1.0 - clip, 1.0 + clip) * advantage)
