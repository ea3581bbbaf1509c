"""Gradient steps with Optax, in the one place where its arithmetic is exempt from strict promotion."""

from typing import Any

import equinox as eqx
import jax
import optax
from jax import Array

Tree = Any


def adam(
    learning_rate: float | Array, *, epsilon: float = 1e-8, max_gradient: float | Array | None = None
) -> optax.GradientTransformation:
    """Adam (Kingma & Ba 2015), after scaling gradients down to the global norm `max_gradient`, where given."""
    update = optax.adam(learning_rate, eps=epsilon)
    return update if max_gradient is None else optax.chain(optax.clip_by_global_norm(max_gradient), update)


def begin(optimiser: optax.GradientTransformation, parameters: Tree) -> optax.OptState:
    """Moments for the arrays of `parameters`."""
    return optimiser.init(eqx.filter(parameters, eqx.is_inexact_array))


def step(
    optimiser: optax.GradientTransformation, gradients: Tree, moments: optax.OptState, parameters: Tree
) -> tuple[Tree, optax.OptState]:
    """Parameters and moments after one step.

    Optax raises Python floats to the power of its int32 counter, which strict dtype promotion refuses.
    """
    with jax.numpy_dtype_promotion("standard"):
        updates, moments = optimiser.update(gradients, moments, parameters)
        return eqx.apply_updates(parameters, updates), moments
