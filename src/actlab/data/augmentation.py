"""Augmentation of recorded observations, one example at a time.

Axis letters: H height, W width, K channels, T images of a stack.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.keys import fold


def random_shift(observation: Any, key: Array, pad: int) -> Any:
    """Every image of an observation, moved by up to `pad` pixels both ways (DrQ: Kostrikov et al. 2020).

    The border is repeated outwards. Images of one observation (several views) move independently, the images of a
    stack together; what is no image stays as it is.

    Args:
        observation: a PyTree; images are bytes `[H, W, K]` or `[K, H, W]`, stacks `[T, ...]` of them.
        key: typed key.
        pad: pixels, at least 1.
    """
    leaves, structure = jax.tree.flatten(observation)
    moved = [
        _shift(leaf, fold(key, "view", i), pad) if leaf.dtype == jnp.uint8 and leaf.ndim in (3, 4) else leaf
        for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, moved)


def _shift(image: Array, key: Array, pad: int) -> Array:
    """One image or stack; channels are where the shorter end of the last three axes is (as in `nets.encoder`)."""
    rows = image.ndim - (2 if image.shape[-3] < image.shape[-1] else 3)
    widths = [(pad, pad) if axis in (rows, rows + 1) else (0, 0) for axis in range(image.ndim)]
    offsets = jax.random.randint(key, (2,), 0, 2 * pad + 1, jnp.int32)
    starts = [jnp.zeros((), jnp.int32)] * image.ndim
    starts[rows], starts[rows + 1] = offsets[0], offsets[1]
    return jax.lax.dynamic_slice(jnp.pad(image, widths, mode="edge"), starts, image.shape)
