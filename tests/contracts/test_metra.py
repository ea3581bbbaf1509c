"""Stands for METRA (arXiv 2310.08887): skills that go far in different directions, without any reward.

The cut it proves: a skill is drawn in `begin`, kept in `Memory` for one whole episode, and left in `extras` with
every decision, so that replayed rows know it. The reward is never stored: `learn` recomputes it with the present
representation phi. The dual variable lambda, which keeps phi within the temporal distance, is a part of the state
like any other. A replay source collects whole episodes and then asks for several updates.

The task is a plane on which one takes ten steps of half a unit, up, down, left or right, and nothing pays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from actlab.core.contracts import Metrics, TaskSpec, hyperparameters
from actlab.core.keys import fold
from actlab.core.sources import Replay, Rollout
from actlab.core.spaces import Box, Discrete
from actlab.core.steps import Batch, TimeStep, first_step, next_step
from actlab.data.views import transitions
from actlab.tasks.make import make_task
from actlab.training.graph import GraphDriver
from tests.contracts.helpers import driven, greedy

MOVES = 0.5 * np.asarray([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
SKILLS = np.asarray([[1, 1], [-1, -1], [1, -1], [-1, 1]], np.float32) / np.sqrt(np.float32(2))

# --- the learner ---------------------------------------------------------------------------------------


class State(NamedTuple):
    phi: Array
    """`[2, 2]`: the representation is phi @ observation."""
    log_dual: Array
    """log lambda."""
    values: Array
    """`[skills, moves]`: advantage of a move; where one stands does not matter here."""


@hyperparameters
class METRA:
    """Maximise (phi(s') - phi(s)) . z subject to |phi(s') - phi(s)| <= 1."""

    dual_rate: float = 0.2
    """0 is an ablation: lambda stays what it was, and nothing holds phi."""
    first_dual: float = 1.0
    mixed: float = 0.0
    """1 is an ablation: the skills of a batch are shuffled against its rows."""
    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Any]:
        collect = Rollout(episodes=1, environments=8)
        return {"replay": Replay(collect, 128, transitions(), capacity=8000, updates=20)}

    def init(self, spec: TaskSpec, key: Array, start: Any = None) -> State:
        return State(0.1 * jax.random.normal(key, (2, 2)), jnp.log(self.first_dual), jnp.zeros((4, 4)))

    def begin(self, state: State, context: Any, key: Array) -> Array:
        return jax.random.randint(key, (), 0, len(SKILLS), jnp.int32)

    def act(self, state: State, memory: Array, step: TimeStep, key: Array, *, explore: bool) -> Any:
        values = state.values[memory]
        chosen = jax.random.categorical(key, values / 0.2) if explore else jnp.argmax(values)
        return chosen.astype(jnp.int32), memory, {"skill": memory}

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        rows = jax.tree.map(lambda leaf: leaf[:, 0], batch["replay"])
        skill, steps = rows.extras["skill"], rows.next.observation - rows.step.observation
        skill = jnp.where(self.mixed > 0.0, jax.random.permutation(fold(key, "mix"), skill), skill)
        skills = jnp.asarray(SKILLS)[skill]

        def objective(phi: Array) -> tuple[Array, tuple[Array, Array]]:
            moved = steps @ phi.T
            reward, slack = jnp.sum(moved * skills, axis=-1), 1.0 - jnp.sum(moved**2, axis=-1)
            held = jnp.minimum(slack, 1e-3)
            weight = rows.valid.astype(jnp.float32) / jnp.maximum(jnp.sum(rows.valid), 1).astype(jnp.float32)
            return jnp.sum(weight * (reward + jnp.exp(state.log_dual) * held)), (reward, jnp.sum(weight * held))

        (_, (_, held)), slope = jax.value_and_grad(objective, has_aux=True)(state.phi)
        phi = state.phi + 0.05 * slope
        reward = objective(phi)[1][0]  # with phi as it is now, not as it was when the row was made
        error = jnp.where(rows.valid, reward - state.values[skill, rows.code], 0.0)
        values = state.values.at[skill, rows.code].add(0.02 * error)
        dual = state.log_dual - self.dual_rate * held
        return State(phi, dual, values), {"slack": held, "dual": jnp.exp(dual)}

    def export(self, state: State) -> Any:
        return self, state


# --- the task ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plane:
    """Observations are positions; an episode is ten moves."""

    compiled = True
    observation = Box(-np.inf, np.inf, (2,))
    action = Discrete(4)
    horizon = 10

    def reset(self, key: Array, context: Any) -> tuple[tuple[Array, Array], TimeStep]:
        return (jnp.zeros(2), jnp.zeros((), jnp.int32)), first_step(jnp.zeros(2))

    def step(self, key: Array, state: tuple[Array, Array], native: Array) -> tuple[tuple[Array, Array], TimeStep]:
        place, time = state[0] + jnp.asarray(MOVES)[native], state[1] + 1
        return (place, time), next_step(place, jnp.zeros(()), False, time >= self.horizon)


def score(episode: Batch) -> dict[str, Array]:
    """Where the episode ended, and which skill it followed all the way (-1 where it changed)."""
    skill = episode.extras["skill"]
    place = episode.next.observation[-1]
    return {"x": place[0], "y": place[1], "skill": jnp.where(jnp.all(skill == skill[0]), skill[0], -1)}


TASK = make_task(Plane(), "plane", score=score)


def test_skills_part_and_the_dual_variable_holds_the_representation():
    driver = GraphDriver(TASK, METRA())

    def outcome(agent: METRA) -> tuple[State, dict[int, set[tuple[float, float]]], Any]:
        carry = driven(driver, agent, ticks=40)
        scores = greedy(driver, agent, carry.learner, episodes=32)
        ends: dict[int, set[tuple[float, float]]] = {}
        for skill, x, y in zip(scores["skill"], scores["x"], scores["y"], strict=True):
            ends.setdefault(int(skill), set()).add((float(x), float(y)))
        return carry.learner, ends, carry.buffers["replay"]

    state, ends, replay = outcome(METRA())
    assert sorted(ends) == [0, 1, 2, 3]  # one skill for the whole of every episode
    assert sorted(end for places in ends.values() for end in places) == [(-5, 0), (0, -5), (0, 5), (5, 0)]
    # a step of half a unit has length 1 in phi, for the temporal distance is what bounds it
    steps = np.linalg.norm(MOVES @ np.asarray(state.phi).T, axis=-1)
    assert steps == pytest.approx(1.0, abs=0.1)
    skill = replay.rows.extras["skill"].reshape(8, -1, 10)
    assert jnp.array_equal(skill, jnp.broadcast_to(skill[..., :1], skill.shape))
    assert not jnp.any(replay.rows.next.reward)

    free, _, _ = outcome(METRA(dual_rate=0.0, first_dual=1e-6))
    assert np.linalg.norm(MOVES @ np.asarray(free.phi).T, axis=-1).max() > 2.0  # nothing holds it
    _, ends, _ = outcome(METRA(mixed=1.0))
    assert len({end for places in ends.values() for end in places}) < 4  # a skill that says nothing leads nowhere
