"""From an observation of any space to the numbers that a network reads."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.spaces import Space


def encode(space: Space, observation: Any) -> Array:
    """float32 `[space.width]`: bytes (pixels) scaled to [0, 1], categories one-hot, all parts in a row.

    Statistics of observations belong to a learner's state and are applied there, not here.

    Args:
        space: the observation's space.
        observation: one value of it.
    """
    return space.flatten(jax.tree.map(_scale, observation))


def _scale(leaf: Any) -> Array:
    leaf = jnp.asarray(leaf)
    return leaf.astype(jnp.float32) / 255.0 if leaf.dtype == jnp.uint8 else leaf
