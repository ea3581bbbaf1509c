"""TD3 against targets, gradients and groups worked out by hand, under sets, and on two probe tasks."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.agents.enumeration import situation
from actlab.agents.td3 import (
    TD3,
    Actor,
    best_outcome,
    groups,
    next_value,
    policy_values,
    smoothing_noise,
)
from actlab.core import sets
from actlab.core.contracts import Learner, Policy
from actlab.core.errors import SpaceError
from actlab.core.sets import Interval, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step
from actlab.tasks.probes import PROBES
from tests.agents.helpers import (
    LEARN,
    Constant,
    batch_of,
    begin,
    changed,
    fixed_actor_critic,
    learn_probe,
    quick,
    shapes,
    spec_of,
)

SMALL = TD3(width=16, layers=1, learning_rate=1e-2)
HYBRID = OneOf([Box(0.0, 4.0, (1,)), Discrete(2), Tuple([Discrete(2), Box(-1.0, 1.0, (2,))])])
HYBRID_SET = Choice(
    None,
    (
        Interval(jnp.array([1.0]), jnp.array([2.0])),
        Mask(jnp.array([False, True])),
        (None, Interval(jnp.array([0.0, 0.5]), jnp.array([1.0, 0.5]))),
    ),
)
"""Outcomes: branch 0; branch 1 with 0 (illegal) or 1; branch 2 with 0 or 1. Coordinate 2 is fixed to 0.5."""


UNITS = np.array([0.4, -0.8], np.float32)
BASE = np.array([[1.0], [1.5]], np.float32)
SLOPE = np.array([[[2.0, -1.0]], [[0.5, 1.0]]], np.float32)
BOX = Box(-1.0, 3.0, (2,))


@pytest.mark.parametrize(("options", "bootstrap"), [({}, 0.9), ({"elapsed": 3}, 0.9**3), ({"terminated": True}, 0.0)])
def test_critic_target_by_hand(options, bootstrap, key):
    agent, state = replace(SMALL, smoothing=0.0), fixed_actor_critic(BOX, UNITS, BASE, SLOPE)
    code = np.array([[0.5, 2.0], [0.0, 0.0]], np.float32)
    batch = batch_of(jnp.asarray(code), [0.7, 99.0], valid=[True, False], **options)
    _, metrics = LEARN(agent, state, {"replay": batch}, key)
    following = 1.0 + 2.0 * np.tanh(0.5 * UNITS)  # half the width of the Box is 2, its centre 1
    bound = min(0.5 * (BASE[e, 0] + SLOPE[e, 0] @ following) for e in range(2))
    target = 0.7 + bootstrap * bound
    values = BASE[:, 0] + SLOPE[:, 0] @ code[0]
    np.testing.assert_allclose(metrics["critic_loss"], np.sum((values - target) ** 2), rtol=1e-5)
    np.testing.assert_allclose(metrics["value"], values.mean(), rtol=1e-5)


def test_smoothing_is_scaled_to_the_interval_and_clipped(key):
    noise = np.asarray(smoothing_noise(key, (20_000, 2), 0.2, 0.5))
    np.testing.assert_allclose(noise.std(axis=0), 0.2, rtol=0.03)
    assert np.abs(noise).max() == 0.5
    assert 0.005 < (np.abs(noise) == 0.5).mean() < 0.02  # of a normal, 1.2 % lie beyond 2.5 deviations
    state = fixed_actor_critic(BOX, UNITS, BASE, SLOPE)
    step = first_step(jnp.ones(2), Interval(jnp.array([0.0, 2.0]), jnp.array([0.5, 2.0])))
    for amount in (0.3, 5.0):
        value = quick(next_value)(state, step, jnp.full(2, amount))
        moved = min(0.25 + 0.25 * (np.tanh(0.5 * UNITS[0]) + amount), 0.5)
        wanted = min(0.5 * (BASE[e, 0] + SLOPE[e, 0] @ np.array([moved, 2.0])) for e in range(2))
        np.testing.assert_allclose(value, wanted, rtol=1e-5)


def test_the_target_takes_the_outcome_that_the_first_slow_critic_values_most(key):
    space = Tuple([Discrete(3), Box(-1.0, 1.0, (1,))])
    base = np.array([[1.0, 5.0, 9.0], [4.0, 3.0, 0.0]], np.float32)
    state = fixed_actor_critic(space, np.zeros(1, np.float32), base, np.zeros((2, 3, 1), np.float32))
    step = first_step(jnp.ones(2))
    assert float(next_value(state, step, jnp.zeros(1))) == 0.5 * 0.0  # the third, for the lower of the two
    masked = step._replace(allowed=(Mask(jnp.array([True, True, False])), None))
    assert float(next_value(state, masked, jnp.zeros(1))) == 0.5 * 3.0


def test_actor_gradient_by_hand():
    """d worth / d units = slope of the first critic, times half the interval, times 1 - tanh^2."""
    state = fixed_actor_critic(BOX, UNITS, BASE, SLOPE)
    interval = Interval(jnp.array([0.0, -1.0]), jnp.array([1.0, 3.0]))
    steps = jax.tree.map(lambda leaf: leaf[None], first_step(jnp.ones(2), interval))

    def worth(units):
        coordinates, values = policy_values(state, Actor(Constant(units)), steps)
        return values[0], coordinates[0]

    (value, coordinates), gradient = quick(jax.value_and_grad(worth, has_aux=True))(jnp.asarray(UNITS))
    half, centre = np.array([0.5, 2.0]), np.array([0.5, 1.0])
    np.testing.assert_allclose(coordinates, centre + half * np.tanh(UNITS), rtol=1e-5)
    np.testing.assert_allclose(value, BASE[0, 0] + SLOPE[0, 0] @ np.asarray(coordinates), rtol=1e-5)
    np.testing.assert_allclose(gradient, SLOPE[0, 0] * half * (1.0 - np.tanh(UNITS) ** 2), rtol=1e-4)


def test_every_group_climbs_its_best_legal_outcome_and_nothing_else():
    members, outcomes = groups(HYBRID.relevant)
    found = {tuple(np.flatnonzero(m)): tuple(np.flatnonzero(n)) for m, n in zip(members, outcomes, strict=True)}
    assert found == {(0,): (0,), (1, 2): (3, 4)}
    assert groups(BOX.relevant).members.tolist() == [[True, True]]
    # the illegal outcome 1 is worth most, the second of branch 2 more than the first
    base = np.array([[1.0, 900.0, 5.0, 2.0, 3.0]] * 2, np.float32)
    slope = np.arange(30, dtype=np.float32).reshape(2, 5, 3)
    state = fixed_actor_critic(HYBRID, np.zeros(3, np.float32), base, slope)
    steps = jax.tree.map(lambda leaf: leaf[None], first_step(jnp.ones(2), HYBRID_SET))

    def worth(units):
        coordinates, values = policy_values(state, Actor(Constant(units)), steps)
        return values[0], coordinates[0]

    (value, x), gradient = quick(jax.value_and_grad(worth, has_aux=True))(jnp.zeros(3))
    np.testing.assert_allclose(x, [1.5, 0.5, 0.5])
    q = base[0] + slope[0] @ np.asarray(x)
    np.testing.assert_allclose(value, q[0] + q[4], rtol=1e-6)
    # half widths 0.5, 0.5 and 0: the last coordinate is fixed
    np.testing.assert_allclose(gradient, [0.5 * slope[0, 0, 0], 0.5 * slope[0, 4, 1], 0.0], rtol=1e-6)
    first_branch = Choice(Mask(jnp.array([True, False, False])), HYBRID_SET.values)
    only_first = steps._replace(allowed=jax.tree.map(lambda leaf: leaf[None], first_branch))
    _, values = quick(policy_values)(state, Actor(Constant(jnp.zeros(3))), only_first)
    np.testing.assert_allclose(values[0], q[0], rtol=1e-6)


def test_actor_and_slow_copies_wait_for_their_turn(key):
    agent = replace(SMALL, policy_delay=3, target_rate=0.25)
    state = begin(agent, HYBRID, key)
    codes = quick(jax.vmap(HYBRID.sample))(jax.random.split(key, 16))
    batch = {"replay": batch_of(codes, jnp.linspace(-1.0, 1.0, 16), allowed=HYBRID_SET)}
    now, before = state, state
    for update in range(1, 7):
        now, before = LEARN(agent, now, batch, jax.random.fold_in(key, update))[0], now
        assert any(changed(before.values, now.values))
        due = update % 3 == 0
        assert any(changed(before.actor, now.actor)) == due
        assert any(changed(before.slow_actor, now.slow_actor)) == due
        assert any(changed(before.moments[1], now.moments[1])) == due
        if due:
            for slow, old, new in (
                (now.slow_actor, before.slow_actor, now.actor),
                (now.slow_values, before.slow_values, now.values),
            ):
                moved = jax.tree.map(lambda s, n: 0.75 * s + 0.25 * n, old, new)
                jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), slow, moved)
        else:
            assert not any(changed(before.slow_values, now.slow_values))
        assert (float(now.actor_metrics["actor_loss"]) == 0.0) == (update < 3)
    assert int(now.updates) == 6
    assert all(changed((state.actor, state.values), (now.actor, now.values)))
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(now))


def test_decisions_are_legal_and_noise_is_as_published(key):
    agent = replace(SMALL, exploration=0.5)
    state = begin(agent, HYBRID, key)
    step = first_step(jnp.ones(2), HYBRID_SET)
    act = quick(jax.vmap(lambda key: agent.act(state, (), step, key, explore=True)[0]))
    codes = act(jax.random.split(key, 500))
    assert jnp.all(quick(jax.vmap(lambda code: sets.contains(HYBRID_SET, code) & HYBRID.contains(code)))(codes))
    assert len(np.unique(codes.index)) == 3
    greedy = quick(lambda key: agent.act(state, (), step, key, explore=False)[0])(key)
    here = situation(state.codec, state.values.encoder, step)
    values = state.values.critics(here.features, state.actor(here))[0]
    assert int(HYBRID.split(greedy)[0]) == int(best_outcome(values, here.legal)) != 1
    assert int(best_outcome(jnp.array([0.0, 9.0, 1.0, 2.0, 3.0]), here.legal)) == 4

    agent, state = SMALL, fixed_actor_critic(BOX, np.zeros(2, np.float32), BASE, SLOPE)
    act = quick(jax.vmap(lambda key: agent.act(state, (), first_step(jnp.ones(2)), key, explore=True)[0]))
    drawn = np.asarray(act(jax.random.split(key, 4000)))
    np.testing.assert_allclose(drawn.mean(axis=0), 1.0, atol=0.02)
    np.testing.assert_allclose(drawn.std(axis=0), 0.1 * 2.0, rtol=0.05)  # half the width of the Box is 2


SPACES = [
    (Box(-1.0, 3.0, (2,)), Interval(jnp.array([0.0, -1.0]), jnp.array([0.5, 3.0]))),
    (Tuple([Discrete(2), Box(0.0, 1.0, (1,))]), (Mask(jnp.array([False, True])), None)),
    (Dict({"a": Box(0.0, 1.0, ()), "b": Discrete(3)}), None),
    (HYBRID, HYBRID_SET),
]


@pytest.mark.parametrize(("space", "allowed"), SPACES, ids=lambda part: type(part).__name__)
def test_every_space_with_coordinates(space, allowed, key):
    spec = spec_of(space)
    state = jax.eval_shape(lambda key: SMALL.init(spec, key), key)
    step = first_step(jnp.ones(2), allowed)
    for explore in (True, False):
        code, _, _ = jax.eval_shape(lambda s, k, e=explore: SMALL.act(s, (), step, k, explore=e), state, key)
        assert shapes(code) == shapes(space.zeros())
    codes = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), space.zeros())
    batch = {"replay": batch_of(codes, [0.0, 1.0], allowed=allowed)}
    after, metrics = jax.eval_shape(SMALL.learn, state, batch, key)
    assert shapes(after) == shapes(state)
    assert metrics.keys() == {"critic_loss", "value", "actor_loss"}


def test_codes_that_do_not_fit_are_refused_in_words(key):
    with pytest.raises(SpaceError, match="has none"):
        TD3().init(spec_of(Discrete(3)), key)
    with pytest.raises(SpaceError, match="normalise"):
        TD3().init(spec_of(Box(-jnp.inf, jnp.inf, (2,))), key)
    with pytest.raises(SpaceError, match=r"4,096.*117,649"):
        TD3().init(spec_of(Tuple([MultiDiscrete((7,) * 6), BOX])), key)


def test_contracts_and_sources():
    assert isinstance(TD3(), Learner)
    assert isinstance(TD3(), Policy)
    source = TD3(environments=4, updates=2).experience(spec_of(BOX))["replay"]
    assert (source.updates, source.warmup, source.batch_size, source.capacity) == (2, 1000, 256, 1_000_000)
    assert (source.collect.decisions, source.collect.environments) == (1, 4)


@pytest.mark.slow
@pytest.mark.parametrize("probe", ["policy-box", "policy-one-of"])
def test_learns_a_probe(probe):
    agent = TD3(width=64, batch_size=64, warmup=500, learning_rate=3e-3)
    assert learn_probe(agent, probe, 2_500, warmup=500) >= PROBES[f"probe/{probe}"].solved
