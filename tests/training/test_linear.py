"""Functions as lists of operations: what is known is computed, what is not needed is gone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from actlab.core.errors import ActlabError
from actlab.training.linear import Symbol, linearise

X = jax.ShapeDtypeStruct((3,), jnp.float32)


def names(program) -> list[str]:
    return [operation.name for operation in program.operations]


def test_calls_are_inlined_and_known_numbers_are_computed():
    weights = jnp.arange(3.0)

    @jax.jit
    def inner(x):
        return jax.nn.relu(x * (weights + 1.0))

    program = linearise(lambda x: [inner(x), weights * 2.0], X)
    assert names(program) == ["mul", "max"]
    np.testing.assert_array_equal(program.operations[0].inputs[1], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(program.outputs[1], [0.0, 2.0, 4.0])
    assert isinstance(program.outputs[0], Symbol)


def test_what_no_output_needs_is_gone():
    def act(x, key):
        noise = jax.random.normal(key, (3,))
        return {"mode": jnp.tanh(x), "sample": x + noise}

    key = jax.random.key(0)
    mode = linearise(lambda x, key: [act(x, key)["mode"]], X, key)
    assert names(mode) == ["tanh"]
    assert mode.used == {0}
    assert linearise(lambda x, key: [act(x, key)["sample"]], X, key).used == {0, 1}


def test_loops_of_known_length_are_unrolled():
    def scanned(x):
        total, rows = lax.scan(lambda carry, row: (carry + row, carry * row), jnp.zeros(()), x, reverse=True)
        return [total, rows]

    program = linearise(scanned, X)
    assert names(program).count("add") + names(program).count("mul") >= 5
    looped = linearise(lambda x: [lax.fori_loop(0, 4, lambda i, y: y * 2.0, x)], X)
    assert names(looped) == ["mul"] * 4
    counted = linearise(lambda x: [lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] + x), (0, x))[1]], X)
    assert names(counted) == ["add"] * 3
    with pytest.raises(ActlabError, match="length depends on what it sees"):
        linearise(lambda x: [lax.while_loop(lambda y: y.sum() < 9.0, lambda y: y + 1.0, x)], X)


def test_a_branch_that_is_known_is_taken_and_others_are_chosen_among():
    taken = linearise(lambda x: [lax.cond(True, jnp.sin, jnp.cos, x)], X)
    assert names(taken) == ["sin"]
    chosen = linearise(lambda x: [lax.cond(x[0] > 0, jnp.sin, jnp.cos, x)], X)
    assert {"sin", "cos", "select_n"} <= set(names(chosen))
