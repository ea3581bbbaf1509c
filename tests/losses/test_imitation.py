"""Terms on demonstrated decisions, worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from actlab.losses import imitation

VALUES = jnp.array([[0.0, -1.0, -4.0], [-2.0, -0.5, -9.0]])
TAKEN = jnp.array([1, 0])
LEGAL = jnp.array([[True, True, True], [True, True, False]])


def test_margin_is_the_mean_excess_of_the_other_legal_categories():
    first = (max(0.0 + 1.0, -1.0) + max(-4.0 + 1.0, -1.0)) / 2
    second = max(-0.5 + 2.0, -1.0)
    np.testing.assert_allclose(imitation.margin(VALUES, TAKEN, LEGAL, -1.0), first + second)
    slope = jax.grad(lambda v: imitation.margin(v, TAKEN, LEGAL, -1.0))(VALUES)
    np.testing.assert_allclose(slope, [[0.5, -0.5, 0.0], [-1.0, 1.0, 0.0]])
    assert not jax.grad(lambda v: imitation.margin(v, TAKEN, LEGAL, 3.0))(VALUES).any()  # all is clipped


def test_soft_margin_is_against_the_soft_maximum_of_the_others():
    first = np.logaddexp(0.0 / 0.5, -4.0 / 0.5) * 0.5 + 1.0
    second = -0.5 + 2.0
    np.testing.assert_allclose(imitation.soft_margin(VALUES, TAKEN, LEGAL, -1.0, 0.5), first + second, rtol=1e-6)
    alone = jnp.array([[False, True, False], [True, False, False]])
    assert imitation.soft_margin(VALUES, TAKEN, alone, -1.0) == 0.0


def test_expectation_margin():
    first = max(0.1 - (-1.0 - 0.0), 0.0) / 3  # against 0; -4 is far enough below
    second = max(0.1 - (-2.0 + 0.5), 0.0) / 2
    np.testing.assert_allclose(imitation.expectation_margin(VALUES, TAKEN, LEGAL, 0.1), (first + second) / 2, rtol=1e-6)


def test_dominance_is_zero_exactly_where_the_demonstrated_distribution_lies_higher():
    low, high = jnp.array([0.7, 0.2, 0.1]), jnp.array([0.1, 0.2, 0.7])
    legal = jnp.ones((1, 2), bool)
    pair = jnp.stack([low, high])[None]
    assert imitation.dominance(pair, jnp.array([1]), legal) == 0.0
    np.testing.assert_allclose(imitation.dominance(pair, jnp.array([0]), legal), (0.6 + 0.6) / 2, rtol=1e-6)
