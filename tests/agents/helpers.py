"""What the tests of several agents need: quick compilation, batches made by hand, a probe task learned and scored."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from actlab.actions.identity import Identity
from actlab.agents.sac import Values
from actlab.agents.td3 import Actor, State
from actlab.core import sets
from actlab.core.contracts import TaskSpec
from actlab.core.spaces import Box
from actlab.core.steps import Batch, TimeStep, select
from actlab.nets import encoder as encoders
from actlab.nets import optimisers
from actlab.nets.mlp import Ensemble
from actlab.tasks.catalogue import task
from actlab.training.graph import GraphDriver
from actlab.training.play import begin_episode


def quick(function):
    """Compiled in a hurry rather than well: these programs run once."""
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function, compiler_options=options)


LEARN = quick(lambda agent, state, batch, key: agent.learn(state, batch, key))


def spec_of(space, codec=None, discount=0.9):
    """A task whose observations are two numbers."""
    return TaskSpec("test", Box(-1.0, 1.0, (2,)), (codec or Identity()).fit(space), horizon=10, discount=discount)


def begin(agent, space, key):
    """The agent's first state."""
    return quick(lambda key: agent.init(spec_of(space), key))(key)


def batch_of(codes, reward, elapsed=1, terminated=False, allowed=None, valid=True, seen=1.0) -> Batch:
    """Decisions `[B, 1]`; `allowed` is the set before and after; all observe `seen` (a number, or `[B, 2]`)."""
    reward = jnp.asarray(reward, jnp.float32)[:, None]
    no = jnp.zeros(reward.shape, bool)
    inside = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (*reward.shape, *leaf.shape)), allowed)
    codes = jax.tree.map(lambda leaf: leaf[:, None], codes)
    observed = jnp.asarray(
        np.broadcast_to(np.asarray(seen, np.float32)[..., None, :] if np.ndim(seen) else seen, (*reward.shape, 2)),
        jnp.float32,
    )
    here = TimeStep(observed, inside, 0.0 * reward, jnp.zeros(reward.shape, jnp.int32), no, no, no)
    there = here._replace(reward=reward, elapsed=jnp.full(reward.shape, elapsed), terminated=no | terminated)
    return Batch(here, codes, codes, there, valid=~no & jnp.asarray(valid).reshape(-1, 1))


class Constant(eqx.Module):
    """A network that gives the same numbers everywhere."""

    output: jax.Array

    def __call__(self, features):
        return self.output


class Linear(eqx.Module):
    """The values `[N]` of one critic: base + slope x, whatever is observed."""

    base: jax.Array
    slope: jax.Array

    def __call__(self, features, coordinates):
        return self.base + self.slope @ coordinates


def fixed_actor_critic(space, units, base, slope, metrics=("actor_loss",)):
    """A state of TD3 (or TD3 + BC) whose actor gives tanh(units) and whose critics are `Linear`.

    The slow copies have half of all these numbers.
    """
    spec = spec_of(space)
    encoder = encoders.build(spec.observation, key=jax.random.key(0))

    def make(share):
        critics = Ensemble(Linear(share * jnp.asarray(base), share * jnp.asarray(slope)))
        return Actor(Constant(share * jnp.asarray(units))), Values(encoder, critics)

    (actor, values), (slow_actor, slow_values) = make(1.0), make(0.5)
    return State(
        actor=actor,
        values=values,
        slow_actor=slow_actor,
        slow_values=slow_values,
        moments=tuple(optimisers.begin(optimisers.adam(1.0), part) for part in (values, actor)),
        updates=jnp.zeros((), jnp.int32),
        actor_metrics={name: jnp.zeros(()) for name in metrics},
        codec=spec.codec,
        discount=jnp.asarray(spec.discount, jnp.float32),
    )


def shapes(tree):
    """Shapes and types of all leaves."""
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def changed(one, other) -> list[bool]:
    """For every leaf: does it differ?"""
    return [bool(jnp.any(a != b)) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)]


def learn_probe(agent, probe: str, ticks: int, *, warmup: int = 0, data: Any = None) -> float:
    """Mean score of the greedy policy after `ticks` of the real driver on a probe of one step."""
    driver = GraphDriver(task(f"probe/{probe}"), agent)
    carry = driver.start(agent, jax.random.key(0), data or {}, None, ticks)
    if warmup:
        carry, _, _ = driver.run(agent, carry, warmup, True)
    carry, _, _ = driver.run(agent, carry, ticks - warmup, False)
    return probe_score(driver.task, agent, carry.learner)


def probe_score(probe, agent, state, episodes: int = 64) -> float:
    """Mean reward of the greedy policy on a task of one step; forbidden actions, which pay more than 1, count -1."""
    assert probe.environment.horizon == 1

    def play(key):
        hidden, step, _ = begin_episode(probe, key, ())
        code, _, _ = agent.act(state, (), step, key, explore=False)
        native = probe.spec.codec.decode(code, step, jnp.zeros((), jnp.int32), None)
        return probe.environment.step(key, hidden, native)[1].reward

    rewards = np.asarray(quick(jax.vmap(play))(jax.random.split(jax.random.key(1), episodes)))
    return float(np.where(rewards > 1.0, -1.0, rewards).mean())


def expert_rows(probe: str, count: int, key, noise: float = 0.0, codec=None) -> Batch:
    """Decisions `[1, count]` of an expert for a probe of one step: the target of the cue shown.

    With `noise`, that share of the decisions is uniform over the allowed actions instead. They are native actions, or
    their codes.
    """
    made = task(f"probe/{probe}")

    def one(key):
        keys = jax.random.split(key, 5)
        hidden, step, _ = begin_episode(made, keys[0], ())
        natives = jax.vmap(lambda k: sets.sample(step.allowed, made.spec.code, k))(jax.random.split(keys[1], 64))
        pays = jax.vmap(lambda native: made.environment.step(keys[2], hidden, native)[1].reward)(natives)
        best = jax.tree.map(lambda leaf: leaf[jnp.argmax(pays)], natives)
        uniform = jax.tree.map(lambda leaf: leaf[0], natives)
        native = select(jax.random.uniform(keys[3]) < noise, uniform, best)
        after = made.environment.step(keys[4], hidden, native)[1]
        return Batch(step, native, jax.tree.map(lambda leaf: leaf[None], native), after, valid=jnp.ones((), bool))

    rows = quick(jax.vmap(one))(jax.random.split(key, count))
    if codec is not None:
        rows = rows._replace(code=quick(lambda rows: codec.encode(rows.code, rows.step)[0])(rows))
    return jax.tree.map(lambda leaf: leaf[None], rows)
