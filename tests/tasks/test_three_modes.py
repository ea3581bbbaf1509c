"""The bandit of three modes: what pays, what was recorded, and why its parts mislead."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions.bins import Bins
from actlab.tasks.catalogue import task
from actlab.tasks.make import measure, uniform
from actlab.tasks.three_modes import MODES, PAYS, pay, recorded

TASK = task("actlab/ThreeModes-v0")


def test_modes_pay_and_all_else_costs():
    for mode, paid in zip(MODES, PAYS, strict=True):
        assert float(pay((), 0, jnp.asarray(mode + 0.1))[1]) == pytest.approx(float(paid))
    assert float(pay((), 0, jnp.array([-0.8, 0.8]))[1]) == -1.0


def test_the_references_are_measured():
    random = measure(TASK, uniform(TASK.spec.code), 10_000, jax.random.key(0))
    assert float(random.mean()) == pytest.approx(TASK.spec.reference["random"], abs=0.02)
    assert TASK.spec.reference["expert"] == PAYS.max()


def test_by_themselves_the_coordinates_prefer_the_pair_that_nobody_played():
    rows = recorded(TASK.with_code(Bins(bins=5)), 20_000, jax.random.key(0))
    codes, rewards = rows.code[0], rows.next.reward[0]
    assert rows.valid.all()
    means = np.array([[rewards[codes[:, d] == k].mean() for k in range(5)] for d in range(2)])
    np.testing.assert_array_equal(means.argmax(1), [0, 4])
    cells = {(a, b): (codes == [a, b]).all(1).sum() for a in range(5) for b in range(5)}
    assert min(cells.values()) > 10  # every cell was seen
    assert (rewards[(codes == [0, 4]).all(1)] == -1.0).all()
    assert (rewards[(codes == [4, 4]).all(1)] == 1.0).all()
