"""Targets, errors and slow copies against numbers worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from actlab.losses.temporal_difference import huber, one_step_target, polyak


def test_target_bootstraps_by_elapsed_steps_and_stops_at_termination():
    reward, value = jnp.array([1.0, 1.0, 1.0]), jnp.array([2.0, 2.0, jnp.inf])
    target = one_step_target(reward, jnp.array([1, 3, 1]), jnp.array([False, False, True]), value, 0.9)
    np.testing.assert_allclose(target, [1.0 + 0.9 * 2.0, 1.0 + 0.729 * 2.0, 1.0], rtol=1e-6)


def test_no_gradient_flows_through_the_target():
    def through(value):
        return jnp.sum(one_step_target(jnp.ones(2), jnp.ones(2, jnp.int32), jnp.zeros(2, bool), value, 0.9))

    np.testing.assert_array_equal(jax.grad(through)(jnp.ones(2)), np.zeros(2))


def test_huber_is_quadratic_inside_and_linear_outside():
    error = jnp.array([-3.0, -0.5, 0.0, 1.0, 2.0])
    np.testing.assert_allclose(huber(error), [2.5, 0.125, 0.0, 0.5, 1.5])
    np.testing.assert_allclose(huber(error, 2.0), [4.0, 0.125, 0.0, 0.5, 2.0])
    gradient = jax.vmap(jax.grad(huber))(jnp.array([-3.0, -0.5, 0.25, 4.0]))
    np.testing.assert_allclose(gradient, [-1.0, -0.5, 0.25, 1.0])


def test_polyak_moves_every_leaf_by_the_rate():
    slow, fast = {"a": jnp.array([0.0, 2.0]), "b": jnp.array(4.0)}, {"a": jnp.array([1.0, 1.0]), "b": jnp.array(0.0)}
    moved = polyak(slow, fast, 0.25)
    np.testing.assert_allclose(moved["a"], [0.25, 1.75])
    np.testing.assert_allclose(moved["b"], 3.0)
    np.testing.assert_array_equal(polyak(slow, fast, 1.0)["a"], fast["a"])
