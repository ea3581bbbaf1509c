"""The recurrent memory: unrolled in time it is what stepping gives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.nets.recurrent import GRU


def step_by_step(cell, memory, features, first):
    outputs = []
    for x, restart in zip(features, first, strict=True):
        memory, out = cell(cell.begin() if restart else memory, x)
        outputs.append(out)
    return memory, jnp.stack(outputs)


@pytest.mark.parametrize("first", [[0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 1], [0, 1, 1, 0, 0, 0]])
def test_unroll_equals_stepping(key, first):
    cell = GRU(3, 5, key=key)
    first = jnp.array(first, bool)
    features = jax.random.normal(jax.random.key(1), (6, 3))
    memory = jax.random.normal(jax.random.key(2), (5,))
    expected = step_by_step(cell, memory, features, first)
    received = eqx.filter_jit(cell.unroll)(memory, features, first)
    np.testing.assert_allclose(received[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(received[1], expected[1], atol=1e-6)


def test_a_restart_forgets_everything_before_it(key):
    cell = GRU(2, 4, key=key)
    first = jnp.array([False, False, True, False])

    def last(features):
        return cell.unroll(cell.begin(), features, first)[1][-1].sum()

    gradient = jax.grad(last)(jax.random.normal(jax.random.key(3), (4, 2)))
    assert float(jnp.abs(gradient[:2]).max()) == 0.0
    assert float(jnp.abs(gradient[2:]).min()) > 0.0


def test_one_step_equals_the_equations(key):
    cell = GRU(2, 3, key=key)
    x, h = np.array([0.3, -0.7], np.float32), np.array([0.1, 0.2, -0.5], np.float32)
    given = np.asarray(cell.inner.weight) @ x + np.asarray(cell.inner.bias)
    own = np.asarray(cell.outer) @ h

    def sigmoid(v):
        return 1.0 / (1.0 + np.exp(-v))

    reset, update = sigmoid(given[:3] + own[:3]), sigmoid(given[3:6] + own[3:6])
    new = np.tanh(given[6:] + reset * (own[6:] + np.asarray(cell.bias)))
    memory, out = cell(jnp.asarray(h), jnp.asarray(x))
    np.testing.assert_allclose(memory, (1 - update) * new + update * h, rtol=1e-5)
    np.testing.assert_array_equal(memory, out)


def test_weights_start_within_one_over_root_width(key):
    cell = GRU(50, 16, key=key)
    for values in jax.tree.leaves(cell):
        assert 0.15 < float(jnp.abs(values).max()) <= 0.25
