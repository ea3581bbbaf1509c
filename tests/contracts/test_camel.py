"""Stands for CAMEL (arXiv 2502.11896): TD3 inside a box of actions that a program allows, phased out in time.

The cut it proves: a `Constraint` wraps any program, memory included, and writes an `Interval` into every step;
whether the agent *uses* it is the agent's affair - a flag that `begin` draws from the learner's state, that memory
carries, and that `act` leaves in `extras` (the flag in force at s and the one at s'), so that the target action is
mapped into the interval that will hold at s'. An agent may leave the interval on purpose: the loop counts that as a
violation and alters nothing.

The task has two stages. The share g of one's stake that goes on to stage two is chosen first and pays 0.5 (1 - g);
the second action pays g times itself. The program allows at most 0.2 there, so inside of it one should not go on;
without it one should.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest
from jax import Array

from actlab.core.contracts import Metrics, TaskSpec, hyperparameters
from actlab.core.keys import fold
from actlab.core.sets import Interval
from actlab.core.sources import Replay, Rollout
from actlab.core.spaces import Box
from actlab.core.steps import Batch, TimeStep, first_step, next_step
from actlab.data.views import transitions
from actlab.losses.temporal_difference import one_step_target, polyak
from actlab.tasks.make import make_task
from actlab.training.graph import GraphDriver
from tests.contracts.helpers import driven, greedy

# --- the learner ---------------------------------------------------------------------------------------


class State(NamedTuple):
    critics: Array
    """`[2, 8]`: twins, linear in the features of state and action."""
    actor: Array
    """`[2]`: for each stage the place inside the bounds, from -1 (low) to 1 (high)."""
    slow: tuple[Array, Array]
    updates: Array


@hyperparameters
class Camel:
    """TD3 in the allowed interval while the flag says so, in the whole box else."""

    phase_out: float = 500.0
    """Updates until the flag is never drawn again; its probability falls linearly."""
    masked_target: float = 1.0
    """0 is the ablation: the target action is not mapped into the interval at s'."""
    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Any]:
        return {"replay": Replay(Rollout(decisions=2, environments=8), 64, transitions(), 4096, updates=10)}

    def init(self, spec: TaskSpec, key: Array, start: Any = None) -> State:
        critics, actor = 0.1 * jax.random.normal(key, (2, 8)), jnp.zeros(2)
        return State(critics, actor, (critics, actor), jnp.zeros(()))

    def begin(self, state: State, context: Any, key: Array) -> Array:
        return jax.random.uniform(key) < 1.0 - state.updates / self.phase_out

    def act(self, state: State, memory: Array, step: TimeStep, key: Array, *, explore: bool) -> Any:
        low, high = bounds(step, memory)
        noise = jax.random.normal(fold(key, "noise"), (1,)) if explore else 0.0
        code = jnp.clip(inside(state.actor, step, low, high) + noise * 0.5 * (high - low), low, high)
        following = self.begin(state, (), fold(key, "flag"))
        return code, following, {"flag": memory, "next_flag": following}

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        rows = jax.tree.map(lambda leaf: leaf[:, 0], batch["replay"])

        def target(row: Batch, key: Array) -> Array:
            flag = row.extras["next_flag"] & (self.masked_target > 0.0)
            low, high = bounds(row.next, flag)
            noise = jnp.clip(0.2 * jax.random.normal(key, (1,)), -0.5, 0.5) * 0.5 * (high - low)
            code = jnp.clip(inside(state.slow[1], row.next, low, high) + noise, low, high)
            value = jnp.min(state.slow[0] @ features(row.next, code))
            return one_step_target(row.next.reward, row.next.elapsed, row.next.terminated, value, 1.0)

        targets = jax.vmap(target)(rows, jax.random.split(key, rows.valid.size))

        def loss(critics: Array, actor: Array) -> Array:
            errors = jax.vmap(lambda row, y: critics @ features(row.step, row.code) - y)(rows, targets)
            mapped = lambda row: inside(actor, row.step, *bounds(row.step, row.extras["flag"]))  # noqa: E731
            values = jax.vmap(lambda row: jax.lax.stop_gradient(critics[0]) @ features(row.step, mapped(row)))(rows)
            return jnp.mean(jnp.sum(errors**2, axis=-1)) - jnp.mean(values)

        error, (critic_slope, actor_slope) = jax.value_and_grad(loss, argnums=(0, 1))(state.critics, state.actor)
        critics, actor = state.critics - 0.3 * critic_slope, jnp.clip(state.actor - 0.2 * actor_slope, -1.0, 1.0)
        return State(critics, actor, polyak(state.slow, (critics, actor), 0.1), state.updates + 1.0), {"loss": error}

    def export(self, state: State) -> Any:
        return self, state


def bounds(step: TimeStep, flag: Array) -> tuple[Array, Array]:
    """The interval where the flag is set, else the whole box."""
    return jnp.where(flag, step.allowed.low, -1.0), jnp.where(flag, step.allowed.high, 1.0)


def inside(actor: Array, step: TimeStep, low: Array, high: Array) -> Array:
    """The actor's action, mapped affinely into [low, high]: no dead zone, as clipping would have."""
    return low + 0.5 * (1.0 + actor[step.observation[0].astype(jnp.int32)]) * (high - low)


def features(step: TimeStep, code: Array) -> Array:
    """float32 `[8]`: 1, g, a and g a, for each stage."""
    stage, share = step.observation
    each = jnp.stack([jnp.ones(()), share, code[0], share * code[0]])
    return jnp.concatenate([(1.0 - stage) * each, stage * each])


# --- the task, and the program -------------------------------------------------------------------------


@dataclass(frozen=True)
class Stake:
    """Observations are (stage, g); g = (1 + first action) / 2."""

    compiled = True
    observation = Box(0.0, 1.0, (2,))
    action = Box(-1.0, 1.0, (1,))
    horizon = 2

    def reset(self, key: Array, context: Any) -> tuple[Array, TimeStep]:
        return jnp.zeros(2), first_step(jnp.zeros(2))

    def step(self, key: Array, state: Array, native: Array) -> tuple[Array, TimeStep]:
        stage, share = state
        chosen = 0.5 * (1.0 + native[0])
        reward = jnp.where(stage == 0.0, 0.5 * (1.0 - chosen), share * native[0])
        after = jnp.stack([jnp.ones(()), jnp.where(stage == 0.0, chosen, share)])
        return after, next_step(after, reward, stage == 1.0)


def program(observation: Array, memory: Array) -> tuple[Interval, Array]:
    """A crude controller that counts its own calls: anything at first, then at most 0.2."""
    return Interval(jnp.full(1, -1.0), jnp.where(memory == 0, jnp.ones(1), jnp.full(1, 0.2))), memory + 1


class Program:
    """The constraint: what the program allows, and what it remembers."""

    compiled = True

    def begin(self, key: Array, context: Any) -> Array:
        return jnp.zeros((), jnp.int32)

    def allowed(self, memory: Array, step: TimeStep) -> tuple[Interval, Array]:
        return program(step.observation, memory)


TASK = make_task(Stake(), "stake", discount=1.0, constraint=Program())


def test_the_flag_decides_which_interval_the_target_is_mapped_into():
    driver = GraphDriver(TASK, Camel())

    def result(agent: Camel) -> tuple[Any, float, int]:
        carry = driven(driver, agent, ticks=120)
        scores = greedy(driver, agent, carry.learner)
        return carry.buffers["replay"], float(scores["return"][0]), int(scores["violations"][0])

    assert result(Camel(phase_out=1e9))[1:] == (pytest.approx(0.5, abs=0.05), 0)  # 0.2 is the most: one keeps the stake
    naive = Camel(phase_out=1e9, masked_target=0.0)
    assert result(naive)[1:] == (pytest.approx(0.2, abs=0.05), 0)  # a target outside of the interval promises 1
    replay, score, violations = result(Camel())
    assert (score, violations) == (pytest.approx(1.0, abs=0.05), 1)  # the program is surpassed, and that is counted

    # the flags in the replay: what was foretold for s' is what held there, and a set flag binds the action
    rows, flag = replay.rows, replay.rows.extras["flag"]
    goes_on = ~rows.next.ended[:, : replay.size - 1]
    assert jnp.array_equal(rows.extras["next_flag"][:, : replay.size - 1][goes_on], flag[:, 1 : replay.size][goes_on])
    beyond = rows.code[..., 0] > rows.step.allowed.high[..., 0]
    assert jnp.any(beyond)
    assert not jnp.any(beyond & flag)
    assert flag[:, :20].mean(dtype=jnp.float32) > 0.8 > 0.1 > flag[:, -20:].mean(dtype=jnp.float32)
