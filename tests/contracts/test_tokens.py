"""Stands for token policies trained by verifiable rewards (group-relative policy optimisation; arXiv 2505.22617).

The cut it proves: one `act` is one whole response, its auto-regression stays inside the head. A roll-out comes in
groups that share a context (the prompt), and `accept` refuses the groups that teach nothing - all right, or all
wrong -, which are then rolled out again, at most `attempts` times. `learn` reshapes the rows by group and
normalises their advantages there.

The task: the prompt is a number; the right response spells it, plus one, in base three.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.contracts import Metrics, TaskSpec, hyperparameters
from actlab.core.keys import fold
from actlab.core.sources import Rollout
from actlab.core.spaces import Box, MultiDiscrete
from actlab.core.steps import Batch, TimeStep, first_step, next_step
from actlab.losses.policy_gradient import clipped_surrogate
from actlab.nets import heads, optimisers
from actlab.nets.mlp import MLP
from actlab.tasks.make import make_task
from actlab.training.graph import GraphDriver
from tests.contracts.helpers import greedy

PROMPTS = 4

# --- the learner ---------------------------------------------------------------------------------------


def mixed(group: Batch) -> Array:
    """Does a group `[g, T]` hold right and wrong responses?"""
    right = group.next.reward[:, 0] > 0.0
    return jnp.any(right) & ~jnp.all(right)


class State(eqx.Module):
    networks: tuple[MLP, Any]
    moments: Any


@hyperparameters
class GroupRelative:
    """Clipped policy gradient whose baseline is the mean reward of the group."""

    learning_rate: float = 1e-2
    groups: int = 8
    group: int = 8
    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Any]:
        lanes = self.groups * self.group
        return {"rollout": Rollout(episodes=1, environments=lanes, group=self.group, accept=mixed)}

    def init(self, spec: TaskSpec, key: Array, start: Any = None) -> State:
        trunk = MLP([spec.observation.width, 32], key=fold(key, "trunk"), activation="tanh", activate_final=True)
        networks = (trunk, heads.build(spec.code, 32, key=fold(key, "head"), autoregressive=True))
        return State(networks, optimisers.begin(optimisers.adam(self.learning_rate), networks))

    def begin(self, state: State, context: Any, key: Array) -> tuple:
        return ()

    def act(self, state: State, memory: tuple, step: TimeStep, key: Array, *, explore: bool) -> Any:
        distribution = respond(state.networks, step)
        code = distribution.sample(key) if explore else distribution.mode()
        return code, memory, {"log_prob": distribution.log_prob(code)}

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        rows = jax.tree.map(lambda leaf: leaf[:, 0], batch["rollout"])
        rewards = rows.next.reward.reshape(self.groups, self.group)
        centred = rewards - jnp.mean(rewards, axis=1, keepdims=True)
        advantages = (centred / (jnp.std(rewards, axis=1, keepdims=True) + 1e-6)).reshape(-1)
        advantages = jnp.where(rows.valid, advantages, 0.0)

        def loss(networks: Any, old: Array) -> Array:
            new = jax.vmap(lambda row: respond(networks, row.step).log_prob(row.code))(rows)
            return jnp.mean(clipped_surrogate(new, old, advantages, 0.2))

        def update(carry: tuple[Any, Any], _: Any) -> tuple[tuple[Any, Any], None]:
            gradients = eqx.filter_grad(loss)(carry[0], rows.extras["log_prob"])
            networks, moments = optimisers.step(optimisers.adam(self.learning_rate), gradients, carry[1], carry[0])
            return (networks, moments), None

        (networks, moments), _ = jax.lax.scan(update, (state.networks, state.moments), None, length=2)
        prompts = rows.context.reshape(self.groups, self.group)
        useful, shared = advantages != 0.0, prompts == prompts[:, :1]
        shares = {"useful": useful, "valid": rows.valid, "shared": shared}
        return State(networks, moments), {name: jnp.mean(x, dtype=jnp.float32) for name, x in shares.items()}

    def export(self, state: State) -> Any:
        return self, state


def respond(networks: tuple[MLP, Any], step: TimeStep) -> Any:
    """The distribution of responses to the prompt that is seen."""
    return networks[1](networks[0](step.observation))


# --- the task ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spelling:
    """The context is the prompt; the observation shows it; the one action is the whole response."""

    compiled = True
    observation = Box(0.0, 1.0, (PROMPTS,))
    action = MultiDiscrete((3, 3))
    horizon = 1

    def reset(self, key: Array, context: Array) -> tuple[Array, TimeStep]:
        return context, first_step(jax.nn.one_hot(context, PROMPTS, dtype=jnp.float32))

    def step(self, key: Array, state: Array, native: Array) -> tuple[Array, TimeStep]:
        right = jnp.all(native == jnp.stack([(state + 1) // 3, (state + 1) % 3]))
        return state, next_step(jnp.zeros(PROMPTS), right.astype(jnp.float32), True)


def prompt(key: Array) -> Array:
    """A number to spell."""
    return jax.random.randint(key, (), 0, PROMPTS, jnp.int32)


TASK = make_task(Spelling(), "spelling", contexts=prompt)


def test_groups_share_a_prompt_and_those_that_teach_nothing_are_rolled_out_again():
    agent = GroupRelative()
    driver, source = GraphDriver(TASK, agent), agent.experience(TASK.spec)["rollout"]
    carry = driver.start(agent, jax.random.key(0), {}, None, 0)
    assert greedy(driver, agent, carry.learner, episodes=16)["return"].mean() < 0.6
    carry, first, metrics = driver.run(agent, carry, 1, uniform=False)
    # every group that is learned from shares one prompt, and holds right and wrong responses:
    assert metrics == {"useful": 1.0, "valid": 1.0, "shared": 1.0}
    assert 64 < first.decisions < 64 * source.attempts  # because others were refused, and paid for

    carry, _, _ = driver.run(agent, carry, 40, uniform=False)
    assert greedy(driver, agent, carry.learner, episodes=16)["return"].mean() == 1.0  # whatever the prompt
    # where all are right, a group is refused at every attempt; it stays, but is not valid: nothing is left to learn
    _, last, metrics = driver.run(agent, carry, 1, uniform=False)
    assert last.decisions == 64 * source.attempts
    assert metrics["useful"] == metrics["valid"] < 1.0
