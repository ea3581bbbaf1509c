"""Temporal-difference losses: targets, errors, and the slow copy of a network that targets are made with.

Everything is element-wise, so shapes are free as long as they agree.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Tree = Any


def one_step_target(
    reward: Array, elapsed: Array, terminated: Array, next_value: Array, discount: float | Array
) -> Array:
    """What the value of a decision should be, given what came of it; no gradient flows through it.

    y = r + discount^elapsed V(s')   and   y = r where the episode terminated

    For one native step a decision this is Sutton & Barto (2018), eq. 6.2; with `elapsed` k it is the semi-Markov
    target of Sutton, Precup & Singh (1999), which covers chunks, options and (with rewards already summed over
    n decisions) n-step returns alike. Truncation bootstraps.

    Args:
        reward: float32, discounted over the elapsed native steps.
        elapsed: int32, native steps between the decision and s'.
        terminated: bool; `next_value` does not count there, whatever it is.
        next_value: float32, V(s').
        discount: per native step, in [0, 1].
    """
    factor = jnp.asarray(discount, jnp.float32) ** elapsed.astype(jnp.float32)
    return jax.lax.stop_gradient(reward + jnp.where(terminated, 0.0, factor * next_value))


def huber(error: Array, threshold: float | Array = 1.0) -> Array:
    """Quadratic near zero, linear far away (Huber 1964); its gradient is the error clipped to +-threshold.

    L(e) = e^2 / 2 for |e| <= d,   d (|e| - d / 2) else

    Mnih et al. (2015), Methods, clip the error of DQN to [-1, 1], which is the gradient of this with d = 1.
    """
    size = jnp.abs(error)
    inner = jnp.minimum(size, threshold)
    return inner * (size - 0.5 * inner)


def polyak(target: Tree, online: Tree, rate: float | Array) -> Tree:
    """The slow copy moved towards the network: target + rate (online - target), leaf by leaf.

    Lillicrap et al. (2016), algorithm 1, with rate tau; rate 1 copies exactly.
    """
    return jax.tree.map(lambda slow, fast: (1.0 - rate) * slow + rate * fast, target, online)
