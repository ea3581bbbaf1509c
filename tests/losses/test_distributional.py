"""The projection of C51: mass, mean, edges."""

import jax.numpy as jnp
import numpy as np

from actlab.losses.distributional import projection, support

ATOMS = support(-1.0, 1.0, 5)


def test_atoms_are_even():
    np.testing.assert_allclose(ATOMS, [-1.0, -0.5, 0.0, 0.5, 1.0])
    np.testing.assert_allclose(support(3.0, 9.0, 1), [3.0])


def test_mass_between_atoms_is_shared_by_distance_and_keeps_its_mean():
    weight = projection(ATOMS, jnp.array([-1.0, -0.4, 0.0, 0.3, 1.0]))
    np.testing.assert_allclose(weight.sum(1), 1.0, atol=1e-6)
    np.testing.assert_allclose(weight[1], [0.0, 0.8, 0.2, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(weight[0], [1.0, 0.0, 0.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(weight @ ATOMS, [-1.0, -0.4, 0.0, 0.3, 1.0], atol=1e-6)


def test_what_leaves_the_range_lands_on_the_edge():
    weight = projection(ATOMS, jnp.array([-7.0, 0.0, 0.0, 0.0, 7.0]))
    np.testing.assert_allclose(weight[np.array([0, 4])], np.eye(5)[[0, 4]], atol=1e-6)
