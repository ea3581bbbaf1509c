"""Stands for SEQUOIA (arXiv 2503.01919): combinatorial actions, whose best one a solver finds.

The cut it proves: code that needs a solver says `compiled = False` and is then called outside of JAX, in `act`
and in `learn` alike, over a task in the graph. Steps carry the set of legal actions, at s and at s', so that the
target maximises over what will be legal *then*. Learning starts from an earlier cell's state (`start`), here a
myopic one.

The task: load goods onto vans, each of which carries 2 and leaves for good. Today's goods pay a little; tomorrow
one pays much, and needs every van.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from actlab.core import sets
from actlab.core.contracts import Metrics, TaskSpec, hyperparameters
from actlab.core.sets import Linear
from actlab.core.sources import Rollout
from actlab.core.spaces import Box, MultiBinary
from actlab.core.steps import Batch, TimeStep, first_step, next_step
from actlab.tasks.make import make_task
from actlab.training.host import HostDriver
from tests.contracts.helpers import greedy, learned

# --- the learner ---------------------------------------------------------------------------------------


@hyperparameters
class Sequoia:
    """Q(s, x) = bias(day) + weights(day) . x, which a mixed-integer program maximises over the x legal in s."""

    discount: float = 1.0
    """0 is the myopic cell."""
    learning_rate: float = 0.3
    set_at_successor: bool = True
    """False is the ablation: the target maximises over the set at s."""
    compiled = False

    def experience(self, spec: TaskSpec) -> Mapping[str, Any]:
        return {"rollout": Rollout(decisions=2, environments=4)}

    def init(self, spec: TaskSpec, key: Array, start: Any = None) -> Any:
        days = spec.horizon + 1
        return start or {"weights": np.zeros((days, spec.code.n)), "bias": np.zeros(days)}

    def begin(self, state: Any, context: Any, key: Array) -> tuple:
        return ()

    def act(self, state: Any, memory: tuple, step: TimeStep, key: Array, *, explore: bool) -> Any:
        draw, weights = np.random.default_rng(np.asarray(jax.random.key_data(key))), state["weights"][day(step)]
        if explore and draw.random() < 0.8:
            weights = draw.normal() + draw.normal(size=weights.shape)  # a random wish
        return self.best(weights, step.allowed), memory, ()

    def best(self, weights: np.ndarray, allowed: Linear) -> np.ndarray:
        """argmax of weights . x over the set: the x in it that lies nearest to (1 + weights) / 2.

        For |x - v|^2 = sum of x (1 - 2 v) + a constant, x being 0 or 1.
        """
        return sets.project(allowed, 0.5 * (1.0 + weights))

    def learn(self, state: Any, batch: Mapping[str, Batch], key: Array) -> tuple[Any, Metrics]:
        weights, bias, errors = state["weights"].copy(), state["bias"].copy(), []
        for at in np.ndindex(batch["rollout"].valid.shape):
            row = jax.tree.map(lambda leaf, at=at: np.asarray(leaf)[at], batch["rollout"])
            now, after, target = day(row.step), day(row.next), float(row.next.reward)
            if not row.next.terminated and self.discount > 0:
                x = self.best(weights[after], row.next.allowed if self.set_at_successor else row.step.allowed)
                target += self.discount * (bias[after] + weights[after] @ x)
            error = target - bias[now] - weights[now] @ row.code
            bias[now] += self.learning_rate * error
            weights[now] += self.learning_rate * error * row.code
            errors.append(abs(error))
        return {"weights": weights, "bias": bias}, {"error": np.mean(errors)}

    def export(self, state: Any) -> Any:
        return self, state


def day(step: TimeStep) -> int:
    """The row of the tables."""
    return int(np.asarray(step.observation)[0])


# --- the task ------------------------------------------------------------------------------------------

VANS = 2
SIZES = np.asarray([1.0, 2.0, 3.0])
PAYS = np.asarray([[1.0, 2.0, 1.0], [0.0, 0.0, 9.0]], np.float32)


@dataclass(frozen=True)
class Loading:
    """Two days; an observation is (day, vans left). Goods that fit into no van are not paid."""

    compiled = True
    observation = Box(np.zeros(2), np.asarray([2.0, VANS]))
    action = MultiBinary(3)
    horizon = 2

    def reset(self, key: Array, context: Any) -> tuple[Array, TimeStep]:
        state = jnp.asarray([0.0, VANS])
        return state, first_step(state)

    def step(self, key: Array, state: Array, native: Array) -> tuple[Array, TimeStep]:
        loaded = native.astype(jnp.float32)
        needed = jnp.ceil(jnp.dot(jnp.asarray(SIZES, jnp.float32), loaded) / 2.0)
        fits = needed <= state[1]
        pay = jnp.dot(jnp.asarray(PAYS)[state[0].astype(jnp.int32)], loaded)
        after = jnp.stack([state[0] + 1.0, jnp.where(fits, state[1] - needed, state[1])])
        return after, next_step(after, jnp.where(fits, pay, 0.0), after[0] >= 2.0)


class Vans:
    """x is legal if some whole number y of the vans left carries it: sizes . x - 2 y <= 0, y <= vans."""

    compiled = False

    def begin(self, key: Array, context: Any) -> tuple:
        return ()

    def allowed(self, memory: tuple, step: TimeStep) -> tuple[Linear, tuple]:
        left = float(np.asarray(step.observation)[1])
        return Linear(np.stack([SIZES, np.zeros(3)]), np.asarray([[-2.0], [1.0]]), np.asarray([0.0, left])), memory


TASK = make_task(Loading(), "loading", discount=1.0, constraint=Vans())


STEPS = 160


def test_a_solver_in_act_and_learn_saves_the_vans_for_tomorrow(tmp_path):
    driver = HostDriver(TASK, Sequoia())
    myopic = learned(Sequoia(discount=0.0), TASK, STEPS, tmp_path / "myopic", driver=driver)
    assert greedy(driver, Sequoia(), myopic)["return"] == pytest.approx(3.0)  # goods 0 and 1 today, no van tomorrow
    far = learned(Sequoia(), TASK, STEPS, tmp_path / "far", driver=driver, start=myopic)
    scores = greedy(driver, Sequoia(), far)
    assert scores["return"] == pytest.approx(9.0)
    assert scores["violations"].sum() == 0
    # a target over the set at s believes in vans that are gone by s'
    believer = Sequoia(set_at_successor=False)
    fooled = learned(believer, TASK, STEPS, tmp_path / "fooled", driver=driver, start=myopic)
    assert greedy(driver, believer, fooled)["return"] == pytest.approx(3.0)
    # the solver is needed: what is wished for does not fit, and the set knows it
    wish = (myopic["weights"][0] > 0).astype(np.int32)
    today, _ = Vans().allowed((), first_step(np.asarray([0.0, VANS])))
    assert wish.tolist() == [1, 1, 1]
    assert not sets.contains(today, wish)
    one_known = np.asarray([0, 0, 1]), np.asarray([False, False, True])
    assert sets.next_mask(today, *one_known, 0, 2).tolist() == [True, True]  # goods 2 and 0 need both vans
    assert sets.next_mask(today, *one_known, 1, 2).tolist() == [True, False]  # goods 2 and 1 need three


def test_the_first_state_is_the_earlier_cells(tmp_path):
    start = {"weights": np.full((3, 3), 0.5), "bias": np.ones(3)}
    frozen = learned(Sequoia(learning_rate=0.0), TASK, 8, tmp_path, start=start)
    assert jax.tree.all(jax.tree.map(np.array_equal, frozen, start))
