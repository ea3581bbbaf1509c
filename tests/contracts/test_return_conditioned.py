"""Stands for return-conditioned sequence models (Decision Transformer, Decision Mamba; arXiv 2106.01345).

The cut it proves: what a policy must remember is its `Memory`. Here that is a window of what it saw, and the return
that is still wanted: it begins as the episode's context (`context["target"]`) and loses, at every act, the reward
that the step brought. Learning is supervised, on windows of a recorded data set, and never acts.

The task: a cue is shown at the first of three decisions only; every decision that equals it pays 1. Asked for a
return of 0, 1, 2 or 3, the policy has to bring exactly that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.agents.simple import Random
from actlab.agents.simple import State as RandomState
from actlab.core.contracts import Metrics, TaskSpec, episode_score, hyperparameters
from actlab.core.keys import fold
from actlab.core.sources import Dataset
from actlab.core.spaces import Box, Discrete
from actlab.core.steps import Batch, TimeStep, first_step, next_step
from actlab.data.views import windows
from actlab.nets import heads, optimisers
from actlab.nets.mlp import MLP
from actlab.tasks.make import make_task
from actlab.training.graph import GraphDriver
from tests.contracts.helpers import greedy, learned, record

WINDOW = 3

# --- the learner ---------------------------------------------------------------------------------------


class State(eqx.Module):
    networks: tuple[MLP, Any]
    moments: Any


class Memory(eqx.Module):
    wanted: Array
    """float32 `[]`: the return that is still to come."""
    seen: Array
    """float32 `[W, 1 + observation]`: (wanted, observation) of the decisions so far, the others 0."""
    count: Array


@hyperparameters
class ReturnConditioned:
    """The action that followed, in the data, on this window of observations and returns-to-go."""

    learning_rate: float = 1e-2
    subtract: float = 1.0
    """0 is the ablation: what is wanted stays what was asked for at first."""
    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Any]:
        return {"data": Dataset(64, windows(WINDOW))}

    def init(self, spec: TaskSpec, key: Array, start: Any = None) -> State:
        trunk = MLP([WINDOW * (1 + spec.observation.width), 64], key=fold(key, "trunk"), activate_final=True)
        networks = (trunk, heads.build(spec.code, 64, key=fold(key, "head")))
        return State(networks, optimisers.begin(optimisers.adam(self.learning_rate), networks))

    def begin(self, state: State, context: Any, key: Array) -> Memory:
        return Memory(context["target"], jnp.zeros((WINDOW, 3)), jnp.zeros((), jnp.int32))

    def act(self, state: State, memory: Memory, step: TimeStep, key: Array, *, explore: bool) -> Any:
        wanted = memory.wanted - self.subtract * step.reward  # the reward of a first step is 0
        seen = memory.seen.at[memory.count].set(jnp.concatenate([wanted[None], step.observation]))
        distribution = predict(state.networks, seen)
        code = distribution.sample(key) if explore else distribution.mode()
        return code, Memory(wanted, seen, memory.count + 1), ()

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        rows = batch["data"]

        def window(networks: Any, rows: Batch) -> Array:
            rewards = jnp.where(rows.valid, rows.next.reward, 0.0)
            wanted = jnp.cumsum(rewards[::-1])[::-1]  # windows are as long as episodes: each reaches its end
            seen = jnp.concatenate([wanted[:, None], rows.step.observation], axis=1)
            so_far = jnp.tri(WINDOW, dtype=bool)[:, :, None] & rows.valid[None, :, None]
            scores = jax.vmap(lambda mask, code: predict(networks, jnp.where(mask, seen, 0.0)).log_prob(code))
            return jnp.where(rows.valid, scores(so_far, rows.code), 0.0)

        loss = lambda networks: -jnp.mean(jax.vmap(window, (None, 0))(networks, rows))  # noqa: E731
        error, gradients = eqx.filter_value_and_grad(loss)(state.networks)
        optimiser = optimisers.adam(self.learning_rate)
        return State(*optimisers.step(optimiser, gradients, state.moments, state.networks)), {"loss": error}

    def export(self, state: State) -> Any:
        return self, state


def predict(networks: tuple[MLP, Any], seen: Array) -> Any:
    """The distribution of the next action after a window `[W, 3]`."""
    return networks[1](networks[0](seen.reshape(-1)))


# --- the task ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cue:
    """Observations are (cue is 0, cue is 1) at first and zeros later."""

    compiled = True
    observation = Box(0.0, 1.0, (2,))
    action = Discrete(2)
    horizon = 3

    def reset(self, key: Array, context: Any) -> tuple[tuple[Array, Array], TimeStep]:
        cue = jax.random.randint(key, (), 0, 2, jnp.int32)
        return (cue, jnp.zeros((), jnp.int32)), first_step(jax.nn.one_hot(cue, 2, dtype=jnp.float32))

    def step(self, key: Array, state: tuple[Array, Array], native: Array) -> tuple[tuple[Array, Array], TimeStep]:
        cue, time = state
        pays = (native == cue).astype(jnp.float32)
        return (cue, time + 1), next_step(jnp.zeros(2), pays, time + 1 >= self.horizon)


def target(key: Array) -> dict[str, Array]:
    """The return that an episode is asked for."""
    return {"target": jax.random.randint(key, (), 0, 4, jnp.int32).astype(jnp.float32)}


def score(episode: Batch) -> dict[str, Array]:
    """What came, and what was asked for."""
    return {**episode_score(episode), "target": episode.context["target"][0]}


TASK = make_task(Cue(), "cue", discount=1.0, contexts=target, score=score)


class Wanderer(Random):
    """Uniform actions, without a state of its own."""

    def act(self, state: Any, memory: Any, step: TimeStep, key: Array, *, explore: bool) -> Any:
        return super().act(RandomState(TASK.spec.codec), memory, step, key, explore=explore)


def test_the_policy_brings_exactly_the_return_that_it_is_asked_for(tmp_path):
    data = {"data": record(TASK, Wanderer(), jax.random.key(1), decisions=150, environments=16)}
    assert data["data"].next.reward.mean() < 0.6  # nobody in the data knows what to do
    agent, driver = ReturnConditioned(), GraphDriver(TASK, ReturnConditioned())
    state = learned(agent, TASK, 400, tmp_path, driver=driver, data=data)
    scores = greedy(driver, agent, state, episodes=32)
    assert set(scores["target"].tolist()) == {0.0, 1.0, 2.0, 3.0}
    assert np.array_equal(scores["return"], scores["target"])
    # the same weights, without taking off what has come: asked for 2 they bring 3, for nothing seems to have come yet
    scores = greedy(driver, ReturnConditioned(subtract=0.0), state, episodes=32)
    extremes = np.isin(scores["target"], (0.0, 3.0))
    assert np.array_equal(scores["return"][extremes], scores["target"][extremes])
    assert (scores["return"][scores["target"] == 2.0] == 3.0).all()
