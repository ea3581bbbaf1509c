"""Stands for world models and the planners that act in them (OneLife, HyperCRL and others).

The cut it proves: what a learner exports need not be a policy. This one never acts - a `behaviour` collects for it -
and its `export` is an `Environment` like any other: a task can be made of it, and a planner takes one to look ahead.
`reset` is given the state to start from as its context, so the planner needs nothing beyond the contract. Learner and
planner know nothing of each other; the planner is then scored in the true task.

The task is a slippery shore of eight places: a little at its left end, much at the right one, for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from actlab.core.contracts import Environment, Learner, Metrics, Policy, TaskSpec, hyperparameters
from actlab.core.keys import fold
from actlab.core.sources import Rollout
from actlab.core.spaces import Discrete, Space
from actlab.core.steps import Batch, TimeStep, first_step, next_step
from actlab.tasks.make import make_task, measure
from actlab.training.graph import GraphDriver
from tests.contracts.helpers import driven, greedy

PLACES, HORIZON = 8, 9

# --- the learner, and what it exports ------------------------------------------------------------------


class World(eqx.Module):
    """A learned model: places follow each other as often as they were seen to, and pay what they paid on average."""

    counts: Array
    """`[S, A, S]`."""
    pay: Array
    """`[S, A, S]`, summed."""
    observation: Space = eqx.field(static=True)
    action: Space = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    compiled = True

    def reset(self, key: Array, context: Array) -> tuple[tuple[Array, Array], TimeStep]:
        """Begin at the place `context`."""
        return (context, jnp.zeros((), jnp.int32)), first_step(context)

    def step(self, key: Array, state: tuple[Array, Array], native: Array) -> tuple[tuple[Array, Array], TimeStep]:
        place, time = state[0], state[1] + 1
        seen, paid = self.counts[place, native], self.pay[place, native]
        after = jax.random.categorical(key, jnp.log(seen + 1e-6)).astype(jnp.int32)
        reward = paid[after] / jnp.maximum(seen[after], 1.0)
        return (after, time), next_step(after, reward, False, time >= self.horizon)


class Explorer:
    """Who collects: uniform actions."""

    compiled = True

    def begin(self, state: Any, context: Any, key: Array) -> tuple:
        return ()

    def act(self, state: Any, memory: Any, step: TimeStep, key: Array, *, explore: bool) -> Any:
        return jax.random.randint(key, (), 0, 2, jnp.int32), memory, ()


@hyperparameters
class Modeller:
    """Counts what follows what. No `begin`, no `act`: a learner, and no policy."""

    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Any]:
        return {"rollout": Rollout(decisions=16, environments=8, behaviour=Explorer())}

    def init(self, spec: TaskSpec, key: Array, start: Any = None) -> World:
        none = jnp.zeros((spec.observation.outcomes, spec.code.outcomes, spec.observation.outcomes))
        return World(none, none, spec.observation, spec.codec.native, spec.horizon)

    def learn(self, state: World, batch: Mapping[str, Batch], key: Array) -> tuple[World, Metrics]:
        rows = batch["rollout"]
        at = rows.step.observation, rows.native[:, :, 0], rows.next.observation
        weight = rows.valid.astype(jnp.float32)
        counts, pay = state.counts.at[at].add(weight), state.pay.at[at].add(weight * rows.next.reward)
        return World(counts, pay, state.observation, state.action, state.horizon), {"rows": jnp.sum(weight)}

    def export(self, state: World) -> World:
        return state


# --- the planner ---------------------------------------------------------------------------------------


@hyperparameters
class Shooting:
    """Random shooting: the first action of the sequence that did best in the model. Its state is the model."""

    candidates: int = 256
    ahead: int = 8
    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Any]:
        return {}

    def begin(self, state: Environment, context: Any, key: Array) -> tuple:
        return ()

    def act(self, state: Environment, memory: tuple, step: TimeStep, key: Array, *, explore: bool) -> Any:
        def imagine(key: Array) -> tuple[Array, Array]:
            plan = jax.random.randint(fold(key, "plan"), (self.ahead,), 0, state.action.outcomes, jnp.int32)

            def advance(world: Any, i: Array) -> tuple[Any, Array]:
                after, arrived = state.step(fold(key, "world", i), world, plan[i])
                return after, arrived.reward

            world, _ = state.reset(fold(key, "reset"), step.observation)
            _, rewards = jax.lax.scan(advance, world, jnp.arange(self.ahead, dtype=jnp.int32))
            return plan[0], jnp.sum(rewards)

        first, totals = jax.vmap(imagine)(jax.random.split(key, self.candidates))
        return first[jnp.argmax(totals)], memory, ()


# --- the task ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shore:
    """0 goes left, 1 goes right; one step in twenty slips and stays. Place 0 pays 0.1, place 7 pays 1, each time.

    The context is where one starts.
    """

    compiled = True
    observation = Discrete(PLACES)
    action = Discrete(2)
    horizon = HORIZON

    def reset(self, key: Array, context: Array) -> tuple[tuple[Array, Array], TimeStep]:
        return (context, jnp.zeros((), jnp.int32)), first_step(context)

    def step(self, key: Array, state: tuple[Array, Array], native: Array) -> tuple[tuple[Array, Array], TimeStep]:
        moved = jnp.clip(state[0] + 2 * native - 1, 0, PLACES - 1)
        place, time = jnp.where(jax.random.uniform(key) < 0.05, state[0], moved), state[1] + 1
        reward = jnp.where(place == 0, 0.1, 0.0) + jnp.where(place == PLACES - 1, 1.0, 0.0)
        return (place, time), next_step(place, reward, False, time >= self.horizon)


def near_the_left(key: Array) -> Array:
    """A start where the little is near and the much is far."""
    return jax.random.randint(key, (), 1, 3, jnp.int32)


def anywhere(key: Array) -> Array:
    """A start for those who explore."""
    return jax.random.randint(key, (), 0, PLACES, jnp.int32)


TASK = make_task(Shore(), "shore", discount=1.0, contexts=near_the_left)


def test_a_planner_acts_in_the_environment_that_a_learner_exports():
    agent, planner = Modeller(), Shooting()
    assert isinstance(agent, Learner)
    assert not isinstance(agent, Policy)
    explored = replace(TASK, spec=replace(TASK.spec, contexts=anywhere))
    driver = GraphDriver(explored, agent)
    carry = driven(driver, agent, ticks=40)
    world = agent.export(carry.learner)
    assert isinstance(world, Environment)
    assert int(world.counts.sum()) == 40 * 16 * 8
    # the model is right about the true world: it moves, slips, and pays
    follows = np.asarray(world.counts / world.counts.sum(axis=-1, keepdims=True))
    assert follows[3, 1, 4] == pytest.approx(0.95, abs=0.03)
    assert follows[3, 0, [2, 3]] == pytest.approx([0.95, 0.05], abs=0.03)

    true = GraphDriver(TASK, planner)
    planned = greedy(true, planner, world, episodes=16)["return"].mean()
    ignorant = jax.tree.map(jnp.zeros_like, world)
    assert planned > 1.5 > 0.5 > greedy(true, planner, ignorant, episodes=16)["return"].mean()
    # a task can be made of the model as of any other environment: a policy brings there what it brings outside
    inside = make_task(world, "shore, as learned", discount=1.0, contexts=near_the_left)
    right = lambda step, key: jnp.ones((), jnp.int32)  # noqa: E731
    outside, imagined = (float(measure(t, right, 256, jax.random.key(3)).mean()) for t in (TASK, inside))
    assert imagined == pytest.approx(outside, abs=0.3)
