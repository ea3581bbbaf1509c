"""Distributions of returns over fixed atoms: C51 (Bellemare, Dabney & Munos 2017, arXiv 1707.06887).

Axis letters: N atoms.
"""

import jax.numpy as jnp
from jax import Array


def support(low: float | Array, high: float | Array, atoms: int) -> Array:
    """float32 `[N]`: the atoms z, evenly spaced from `low` to `high`."""
    steps = jnp.arange(atoms, dtype=jnp.float32) / max(atoms - 1, 1)
    return low + steps * (jnp.asarray(high, jnp.float32) - low)


def projection(atoms: Array, moved: Array) -> Array:
    """How the mass at moved atoms is shared among the fixed ones (Bellemare et al., eq. 7).

    weight[j, i] = max(1 - |clip(moved_j) - z_i| / spacing, 0)

    Args:
        atoms: float32 `[N]`, z, evenly spaced, at least two.
        moved: float32 `[N]`, where the mass of each atom goes: r + discount z; clipped to the atoms' range.

    Returns:
        float32 `[N, N]`, rows of sum 1: `probabilities @ weight` is the projected distribution.
    """
    clipped = jnp.clip(moved, atoms[0], atoms[-1])
    spacing = (atoms[-1] - atoms[0]) / (len(atoms) - 1)
    return jnp.maximum(1.0 - jnp.abs(clipped[:, None] - atoms[None, :]) / spacing, 0.0)
