"""Running moments are those of all rows together, whatever the batches."""

import jax
import jax.numpy as jnp
import numpy as np

from actlab.nets import moments


def test_batches_merge_to_the_moments_of_all_rows(key):
    rows = 3.0 + 2.0 * jax.random.normal(key, (60, 4)) * jnp.arange(1.0, 5.0)[None]
    valid = jnp.arange(60) % 7 != 0
    held = moments.begin(4)
    for start, stop in ((0, 10), (10, 11), (11, 60)):
        held = held.update(rows[start:stop], valid[start:stop])
    kept = np.asarray(rows)[np.asarray(valid)]
    assert held.count == len(kept)
    np.testing.assert_allclose(held.mean, kept.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(held.variance, kept.var(axis=0), rtol=1e-4)
    normalised = jax.vmap(held.normalise)(jnp.asarray(kept))
    np.testing.assert_allclose(np.asarray(normalised).std(axis=0), 1.0, rtol=1e-4)


def test_nothing_counted_changes_nothing_and_no_row_is_no_update():
    held = moments.begin(2)
    row = jnp.asarray([0.5, -20.0])
    np.testing.assert_allclose(held.normalise(row), [0.5, -10.0], rtol=1e-6)
    same = held.update(jnp.ones((3, 2)), jnp.zeros((3,), bool))
    np.testing.assert_array_equal(same.mean, held.mean)
    np.testing.assert_array_equal(same.variance, held.variance)


def test_scaling_keeps_the_mean_where_it_is_and_no_gradient_reaches_the_moments():
    held = moments.begin(1).update(jnp.asarray([[1.0], [3.0]]), jnp.ones((2,), bool))
    np.testing.assert_allclose(held.scale(jnp.asarray([2.0])), [2.0], rtol=1e-6)  # deviation 1: no shift
    gradient = jax.grad(lambda moments: moments.normalise(jnp.asarray([2.5]))[0])(held)
    assert all(float(jnp.sum(jnp.abs(leaf))) == 0.0 for leaf in jax.tree.leaves(gradient))
