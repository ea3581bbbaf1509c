"""The policies that learn nothing: allowed codes only, scripts encoded, states untouched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions.bins import Bins
from actlab.actions.chunk import Chunk
from actlab.actions.identity import Identity
from actlab.agents.simple import Random, Scripted, policy
from actlab.core import sets
from actlab.core.contracts import Learner, Policy, TaskSpec
from actlab.core.errors import SpaceError
from actlab.core.sets import Interval, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step

HYBRID = OneOf([Discrete(3), Box(-1.0, 1.0, (2,))])
HYBRID_SET = Choice(None, (Mask(jnp.array([False, False, True])), Interval(jnp.zeros(2), jnp.ones(2))))


def spec_of(space, codec=None):
    return TaskSpec("test", Box(-1.0, 1.0, (2,)), (codec or Identity()).fit(space), horizon=10)


def codes_of(agent, spec, allowed, count):
    state = jax.jit(lambda key: agent.init(spec, key))(jax.random.key(0))
    step = first_step(jnp.zeros(2), allowed)
    act = jax.jit(jax.vmap(lambda key: agent.act(state, (), step, key, explore=True)[0]))
    return act(jax.random.split(jax.random.key(1), count))


@pytest.mark.parametrize(
    ("space", "allowed"),
    [
        (Box(-2.0, 3.0, (2,)), None),
        (Box(-2.0, 3.0, (2,)), Interval(jnp.array([0.0, 1.0]), jnp.array([0.5, 1.0]))),
        (Discrete(4), Mask(jnp.array([False, True, False, True]))),
        (MultiDiscrete((2, 3)), Mask(jnp.array([[True, False, False], [True, False, True]]))),
        (MultiBinary(3), None),
        (Tuple([Discrete(2), Box(0.0, 1.0, (1,))]), (Mask(jnp.array([False, True])), None)),
        (Dict({"a": Discrete(2), "b": Discrete(3)}), {"a": None, "b": Mask(jnp.array([True, False, True]))}),
        (HYBRID, HYBRID_SET),
    ],
    ids=lambda part: type(part).__name__,
)
def test_random_stays_inside_the_space_and_the_set(space, allowed):
    codes = codes_of(Random(), spec_of(space), allowed, 64)
    assert jnp.all(jax.vmap(space.contains)(codes))
    assert jnp.all(jax.vmap(lambda code: sets.contains(allowed, code))(codes))


def test_random_is_uniform_over_the_allowed():
    codes = codes_of(Random(), spec_of(Discrete(4)), Mask(jnp.array([True, True, False, True])), 3000)
    shares = np.bincount(np.asarray(codes), minlength=4) / 3000
    assert shares[2] == 0.0
    np.testing.assert_allclose(shares[[0, 1, 3]], 1 / 3, atol=0.04)  # 4.6 standard errors


def test_random_draws_codes_whose_native_actions_are_allowed():
    spec = spec_of(Box(-1.0, 1.0, (2,)), Bins(bins=4))
    allowed = Interval(jnp.array([0.1, -1.0]), jnp.array([1.0, -0.6]))
    codes = codes_of(Random(), spec, allowed, 64)
    legal = jax.vmap(lambda code: sets.contains(spec.codec.restrict(allowed), code))(codes)
    assert jnp.all(legal)
    assert len(np.unique(np.asarray(codes), axis=0)) > 1


def test_learning_changes_nothing_and_needs_nothing(key):
    for agent in (Random(), Scripted(lambda observation, key: jnp.asarray(1, jnp.int32))):
        spec = spec_of(Discrete(3))
        assert isinstance(agent, Learner)
        assert isinstance(agent, Policy)
        assert agent.experience(spec) == {}
        state = agent.init(spec, key)
        after, metrics = agent.learn(state, {}, key)
        assert after is state
        assert metrics == {}
        assert agent.export(state) == (agent, state)


def test_scripted_encodes_native_actions(key):
    space = Box(-1.0, 1.0, (2,))
    spec = spec_of(space, Bins(bins=4))
    agent = Scripted(lambda observation, key: observation)
    state = agent.init(spec, key)
    step = first_step(jnp.array([-0.9, 0.3]))
    code, memory, extras = jax.jit(lambda s, key: agent.act(state, (), s, key, explore=False))(step, key)
    np.testing.assert_array_equal(code, [0, 2])
    assert (memory, extras) == ((), ())


def test_scripted_may_return_codes_and_run_on_the_host(key):
    chunk = Chunk(length=3)
    spec = spec_of(Discrete(3), chunk)
    with pytest.raises(SpaceError, match="native=False"):
        Scripted(lambda observation, key: jnp.asarray(1, jnp.int32)).init(spec, key)
    agent = Scripted(lambda observation, key: np.array([0, 1, 2], np.int32), compiled=False, native=False)
    assert not agent.compiled
    code, _, _ = agent.act(agent.init(spec, key), (), first_step(jnp.zeros(2)), key, explore=True)
    np.testing.assert_array_equal(code, [0, 1, 2])


def chosen_by(function, space, observed, codec=None, **others):
    """The code that a policy from elsewhere decides for an observation (numbers, unless its space is given)."""
    observation = others.pop("observation", Box(-1.0, 1.0, (2,)))
    spec = TaskSpec("test", observation, (codec or Identity()).fit(space), horizon=10)
    agent = policy(function, others.pop("stochastic", None))
    state = agent.init(spec, jax.random.key(0))
    step = first_step(jax.tree.map(np.asarray, observed), others.pop("allowed", None))
    code, memory, extras = agent.act(state, (), step, jax.random.key(1), **{"explore": False, **others})
    assert (memory, extras) == ((), ())
    return code


@pytest.mark.parametrize(
    ("space", "returned"),
    [
        (Box(-1.0, 1.0, (2,)), np.array([0.25, -1.0])),
        (Discrete(3), np.int64(2)),
        (Discrete(3), np.array(2)),
        (Discrete(3), 2),
        (MultiDiscrete((2, 3)), np.array([1, 2])),
        (MultiBinary(3), np.array([1, 0, 1], np.int8)),
        (Tuple([Discrete(2), Box(0.0, 1.0, (1,))]), (1, np.array([0.5], np.float32))),
        (Dict({"a": Discrete(2), "b": Discrete(3)}), {"b": np.int64(2), "a": 0}),
        (HYBRID, (1, np.array([0.5, -0.5]))),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_policy_from_elsewhere_returns_what_gymnasium_takes(space, returned):
    code = chosen_by(lambda observation: returned, space, np.zeros(2, np.float32))
    assert jax.tree.map(lambda leaf: leaf.dtype, code) == jax.tree.map(lambda leaf: leaf.dtype, space.zeros())
    played, expected = space.to_host(code), space.to_host(space.from_host(returned))
    assert jax.tree.all(jax.tree.map(np.array_equal, played, expected))


def test_a_policy_from_elsewhere_sees_what_gymnasium_shows():
    seen = []

    def function(observation):
        seen.append(observation)
        return 0

    space = Dict({"hand": Discrete(5), "place": Box(0, 255, (2,), "uint8")})
    chosen_by(function, Discrete(2), {"hand": np.int32(3), "place": np.array([7, 9], np.uint8)}, observation=space)
    assert space.to_gymnasium().contains(seen[0])
    assert seen[0]["hand"] == 3
    np.testing.assert_array_equal(seen[0]["place"], [7, 9])


def test_a_policy_from_elsewhere_is_encoded_and_may_explore():
    observed = np.array([-0.9, 0.3], np.float32)
    code = chosen_by(lambda observation: observation, Box(-1.0, 1.0, (2,)), observed, Bins(bins=4))
    np.testing.assert_array_equal(code, [0, 2])
    for explore, expected in ((False, 1), (True, 2)):
        found = chosen_by(lambda o: 1, Discrete(3), observed, stochastic=lambda o: 2, explore=explore)
        assert int(found) == expected
        assert int(chosen_by(lambda o: 1, Discrete(3), observed, explore=explore)) == 1


@pytest.mark.parametrize(
    "returned",
    [(np.zeros(1), None), np.zeros((1, 1)), np.array([np.nan]), np.array([2.5]), None, "left"],
    ids=["a pair", "a batch", "nan", "outside", "nothing", "a word"],
)
def test_what_is_no_action_is_refused(returned):
    with pytest.raises(SpaceError, match=r"should return one action of Box\(-1, 1, \[1\]\)"):
        chosen_by(lambda observation: returned, Box(-1.0, 1.0, (1,)), np.zeros(2, np.float32))


def test_a_policy_from_elsewhere_is_an_agent_but_not_of_chunks(key):
    agent = policy(lambda observation: 1)
    assert isinstance(agent, Learner)
    assert isinstance(agent, Policy)
    assert not agent.compiled
    spec = spec_of(Discrete(3))
    state = agent.init(spec, key)
    assert agent.experience(spec) == {}
    assert agent.learn(state, {}, key) == (state, {})
    assert agent.export(state) == (agent, state)
    with pytest.raises(SpaceError, match="lasts 3"):
        agent.init(spec_of(Discrete(3), Chunk(length=3)), key)
