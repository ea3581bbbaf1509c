"""Generalised advantages against their definition, and the clipped surrogate case by case."""

import jax
import jax.numpy as jnp
import numpy as np

from actlab.losses.policy_gradient import clipped_surrogate, generalised_advantages


def test_advantages_are_the_discounted_sum_of_errors_up_to_an_end(key):
    rewards, values, next_values = np.asarray(jax.random.normal(key, (3, 7)))
    discounts = np.array([0.9, 0.9, 0.0, 0.9, 0.81, 0.9, 0.9])  # terminated after 2; a code of two steps at 4
    ended = np.array([0, 0, 1, 0, 0, 1, 0], bool)  # truncated after 5: bootstrap, but no further sum
    decay = 0.7
    errors = rewards + discounts * next_values - values
    expected = []
    for t in range(7):
        total, weight = 0.0, 1.0
        for later in range(t, 7):
            total += weight * errors[later]
            if ended[later]:
                break
            weight *= discounts[later] * decay
        expected.append(total)
    inputs = (jnp.asarray(x, jnp.float32) for x in (rewards, discounts, values, next_values))
    found = generalised_advantages(*inputs, jnp.asarray(ended), decay)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_surrogate_stops_rewarding_what_leaves_the_clip_range():
    def gradient(ratio: float, advantage: float) -> float:
        loss = lambda new: clipped_surrogate(new, jnp.zeros(()), jnp.asarray(advantage), 0.2)  # noqa: E731
        return float(jax.grad(loss)(jnp.log(jnp.asarray(ratio))))

    np.testing.assert_allclose(gradient(1.1, 2.0), -2.2, rtol=1e-5)  # inside: -ratio A
    assert gradient(1.3, 2.0) == 0.0  # better already
    np.testing.assert_allclose(gradient(0.7, 2.0), -1.4, rtol=1e-5)  # worse: pulled back
    assert gradient(0.7, -2.0) == 0.0
    np.testing.assert_allclose(gradient(1.3, -2.0), 2.6, rtol=1e-5)
