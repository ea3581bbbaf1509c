"""DQN on tables whose targets are worked out by hand, under sets, and on bandits without an environment."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions.identity import Identity
from actlab.agents.dqn import DQN
from actlab.agents.enumeration import legal_outcomes
from actlab.core import sets
from actlab.core.contracts import Learner, Policy, TaskSpec
from actlab.core.errors import SpaceError
from actlab.core.sets import Automaton, Mask
from actlab.core.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import Batch, TimeStep, first_step

SMALL = DQN(width=16, layers=1, learning_rate=1e-2)


def quick(function):
    """Compiled in a hurry rather than well: these programs run once."""
    options = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function, compiler_options=options)


LEARN = quick(lambda agent, state, batch, key: agent.learn(state, batch, key))


class Table(eqx.Module):
    """Values `[S, N]` of S states: a network whose outputs a person can choose."""

    values: jax.Array

    def __call__(self, observation):
        return self.values[observation]


def spec_of(space, states=2, discount=0.9):
    return TaskSpec("test", Discrete(states), Identity().fit(space), horizon=10, discount=discount)


def batch_of(codes, reward, state=0, after=1, elapsed=1, terminated=False, allowed=None, valid=True):
    """Decisions `[B, 1]` in one state; `allowed` is the set in the state after."""
    reward = jnp.asarray(reward, jnp.float32)[:, None]

    def fill(value, dtype):
        return jnp.full(reward.shape, value, dtype)

    def step(observation, rewards, length, ended, inside):
        no = fill(False, bool)
        return TimeStep(
            fill(observation, jnp.int32), inside, rewards, fill(length, jnp.int32), no, fill(ended, bool), no
        )

    inside = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (*reward.shape, *leaf.shape)), allowed)
    codes = jax.tree.map(lambda leaf: leaf[:, None], codes)
    here, there = step(state, 0.0 * reward, 0, False, None), step(after, reward, elapsed, terminated, inside)
    return {
        "replay": Batch(
            here, codes, codes, there, valid=jnp.broadcast_to(jnp.asarray(valid), reward.shape[:1])[:, None]
        )
    }


def tabular(agent, space, network, target, key):
    state = quick(lambda key: agent.init(spec_of(space), key))(key)
    moments = agent._optimiser.init(Table(network))
    return replace(state, network=Table(network), target=Table(target), moments=moments)


NETWORK = jnp.array([[1.0, 2.0, 3.0], [5.0, 9.0, 7.0]])
TARGET = jnp.array([[0.0, 0.0, 0.0], [4.0, 1.0, 2.0]])


@pytest.mark.parametrize(
    ("agent", "options", "wanted"),
    [
        (DQN(double=False), {}, 0.5 + 0.9 * 4.0),
        (DQN(double=True), {}, 0.5 + 0.9 * 1.0),
        (DQN(double=True), {"elapsed": 3}, 0.5 + 0.9**3 * 1.0),
        (DQN(double=False), {"terminated": True}, 0.5),
        (DQN(double=False), {"allowed": Mask(jnp.array([False, True, True]))}, 0.5 + 0.9 * 2.0),
        (DQN(double=True), {"allowed": Mask(jnp.array([True, False, True]))}, 0.5 + 0.9 * 2.0),
    ],
)
def test_targets_by_hand(agent, options, wanted, key):
    state = tabular(agent, Discrete(3), NETWORK, TARGET, key)
    _, metrics = LEARN(agent, state, batch_of(jnp.array([1]), [0.5], **options), key)
    error = 2.0 - wanted  # the decision was outcome 1 in state 0
    np.testing.assert_allclose(metrics["loss"], abs(error) - 0.5 if abs(error) > 1 else 0.5 * error**2, rtol=1e-5)


def test_only_the_outcome_taken_is_changed_and_invalid_rows_do_not_count(key):
    agent = DQN(learning_rate=0.1)
    state = tabular(agent, Discrete(3), NETWORK, TARGET, key)
    batch = batch_of(jnp.array([1, 2]), [50.0, -50.0], valid=[True, False])
    after, _ = LEARN(agent, state, batch, key)
    change = np.array(after.network.values - NETWORK)
    assert change[0, 1] > 0.0
    change[0, 1] = 0.0
    np.testing.assert_array_equal(change, 0.0)


def test_slow_copy_moves_every_k_updates(key):
    state = tabular(SMALL, Discrete(3), NETWORK, TARGET, key)
    batch = batch_of(jnp.array([1]), [50.0])
    for rate in (1.0, 0.25):
        agent, now = replace(SMALL, target_every=2, target_rate=rate), state
        now, _ = LEARN(agent, now, batch, key)
        np.testing.assert_array_equal(now.target.values, TARGET)
        now, _ = LEARN(agent, now, batch, key)
        np.testing.assert_allclose(now.target.values, (1 - rate) * TARGET + rate * now.network.values, rtol=1e-6)
    assert int(now.updates) == 2


def test_greedy_and_random_decisions_are_legal(key):
    agent = DQN(exploration_updates=10)
    state = tabular(agent, Discrete(3), NETWORK, TARGET, key)
    step = first_step(jnp.asarray(0, jnp.int32), Mask(jnp.array([True, True, False])))

    def decisions(updates):
        at = replace(state, updates=jnp.asarray(updates, jnp.int32))
        act = quick(jax.vmap(lambda key: agent.act(at, (), step, key, explore=True)[0]))
        return np.bincount(np.asarray(act(jax.random.split(key, 2000))), minlength=3) / 2000

    code, _, _ = agent.act(state, (), step, key, explore=False)
    assert int(code) == 1  # 2 has the highest value and is illegal
    np.testing.assert_allclose(decisions(0), [0.5, 0.5, 0.0], atol=0.05)
    np.testing.assert_allclose(decisions(1000), [0.02, 0.98, 0.0], atol=0.015)
    np.testing.assert_allclose(agent.epsilon(jnp.asarray(5, jnp.int32)), 1.0 - 0.96 / 2, rtol=1e-6)


def test_legal_outcomes_of_sets_that_couple_digits():
    # two digits of {0, 1, 2} whose sum is 2
    rule = Automaton(jnp.array([[1, 2, 3], [-1, -1, 4], [-1, 4, -1], [4, -1, -1], [-1, -1, -1]]), jnp.asarray(0))
    legal = legal_outcomes(rule, MultiDiscrete((3, 3)), jnp.zeros((0,)))
    np.testing.assert_array_equal(np.flatnonzero(legal), [2, 4, 6])


FINITE = [
    (Discrete(3), Mask(jnp.array([True, False, True]))),
    (MultiDiscrete((2, 3)), Mask(jnp.array([[True, True, False], [False, True, True]]))),
    (MultiBinary(3), Mask(jnp.array([[True, True], [True, False], [True, True]]))),
    (Tuple([Discrete(2), MultiDiscrete((2, 2))]), (Mask(jnp.array([False, True])), None)),
    (Dict({"a": Discrete(2), "b": Discrete(3)}), {"a": None, "b": Mask(jnp.array([True, False, True]))}),
    (OneOf([Discrete(2), MultiBinary(2)]), None),
]


@pytest.mark.parametrize(("space", "allowed"), FINITE, ids=lambda part: type(part).__name__)
def test_every_finite_space(space, allowed, key):
    legal = legal_outcomes(allowed, space, jnp.zeros((0,)))
    listed = [space.join(jnp.asarray(n), jnp.zeros((0,))) for n in range(space.outcomes)]
    np.testing.assert_array_equal(legal, [bool(sets.contains(allowed, code)) for code in listed])
    spec, agent = spec_of(space), replace(SMALL, dueling=True)
    state = jax.eval_shape(lambda key: agent.init(spec, key), key)
    step = first_step(jnp.asarray(0, jnp.int32), allowed)
    code, _, _ = jax.eval_shape(lambda s, k: agent.act(s, (), step, k, explore=True), state, key)
    wanted = jax.eval_shape(space.zeros)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), code) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), wanted
    )
    codes = jax.tree.map(lambda *leaves: jnp.stack(leaves), *listed[:2])
    after, metrics = jax.eval_shape(agent.learn, state, batch_of(codes, [0.0, 1.0], allowed=allowed), key)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert all(leaf.shape == () for leaf in metrics.values())


def test_codes_that_cannot_be_enumerated_are_refused_in_words(key):
    with pytest.raises(SpaceError, match=r"bins\+flatten"):
        DQN().init(spec_of(Tuple([Discrete(2), Box(-1.0, 1.0, (2,))])), key)
    with pytest.raises(SpaceError, match=r"4,096.*117,649"):
        DQN().init(spec_of(MultiDiscrete((7,) * 6)), key)
    jax.eval_shape(lambda key: DQN().init(spec_of(Discrete(100_000)), key), key)
    with pytest.raises(SpaceError, match="100,000"):
        DQN().init(spec_of(Discrete(100_001)), key)


def test_dueling_advantages_have_mean_zero_and_every_weight_learns(key):
    agent = replace(SMALL, dueling=True)
    state = quick(lambda key: agent.init(spec_of(Discrete(3)), key))(key)
    seen = jnp.asarray(0, jnp.int32)
    hidden = state.network.torso(state.network.encoder(seen))
    np.testing.assert_allclose(jnp.mean(state.network(seen)), state.network.state_value(hidden)[0], rtol=1e-5)
    after, _ = LEARN(agent, state, batch_of(jnp.array([0, 1]), [1.0, 2.0]), key)
    changes = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state.network, after.network)
    assert all(jax.tree.leaves(changes))


def test_contracts_and_sources():
    assert isinstance(DQN(), Learner)
    assert isinstance(DQN(), Policy)
    source = DQN(updates=3, warmup=7).experience(spec_of(Discrete(2)))["replay"]
    assert (source.updates, source.warmup, source.batch_size, source.collect.decisions) == (3, 7, 64, 256)


@pytest.mark.parametrize("space", [Discrete(4), OneOf([Discrete(2), MultiDiscrete((2, 2))])], ids=repr)
def test_learns_a_bandit(space, key):
    agent = replace(SMALL, target_every=1)
    outcomes = jnp.arange(64, dtype=jnp.int32) % space.outcomes
    codes = jax.vmap(lambda n: space.join(n, jnp.zeros((0,))))(outcomes)
    best = space.outcomes - 2
    batch = batch_of(codes, jnp.where(outcomes == best, 1.0, 0.1 * outcomes.astype(jnp.float32)), terminated=True)

    @quick
    def train(key):
        state = agent.init(spec_of(space), key)
        return jax.lax.scan(lambda s, i: (agent.learn(s, batch, key)[0], None), state, jnp.arange(300))[0]

    state = train(key)
    code, _, _ = agent.act(state, (), first_step(jnp.asarray(0, jnp.int32)), key, explore=False)
    assert int(space.split(code)[0]) == best
    np.testing.assert_allclose(state.network(jnp.asarray(0, jnp.int32))[best], 1.0, atol=0.1)
