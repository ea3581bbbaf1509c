"""CQN: its network level by level, its targets by hand, what demonstrations add, its exploration, and its sources."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions.bins import Bins
from actlab.actions.coarse_to_fine import CoarseToFine
from actlab.agents.cqn import CQN
from actlab.core.contracts import Learner, Policy
from actlab.core.errors import SpaceError
from actlab.core.sets import Interval
from actlab.core.spaces import Box, Discrete, MultiDiscrete
from actlab.core.steps import first_step
from tests.agents.helpers import LEARN, batch_of, begin, changed, quick, spec_of

SMALL = CQN(width=16, features=8, atoms=5, lowest=-2.0, highest=2.0, batch_size=8, recorded_rows=4, margin=0.1)
SCALAR = replace(SMALL, atoms=1)
BOX = Box(-1.0, 1.0, (2,))
CODEC = CoarseToFine(levels=2, bins=3)
STEP = first_step(jnp.array([0.3, -0.7]))
CODES = jnp.array([[0, 2, 1, 1], [2, 0, 0, 2]])


def started(agent, codec=CODEC):
    """A state whose output is not zero, and whose slow copy has other weights."""
    spec = spec_of(BOX, codec)

    def make(key):
        network = agent.init(spec, key).network
        heads = lambda n: (n.advantages.head.weight, n.state_values.head.weight)  # noqa: E731
        drawn = [jax.random.normal(jax.random.fold_in(key, i), head.shape) for i, head in enumerate(heads(network))]
        return eqx.tree_at(heads, network, tuple(drawn))

    state = quick(lambda key: agent.init(spec, key))(jax.random.key(0))
    return replace(state, network=quick(make)(jax.random.key(1)), target=quick(make)(jax.random.key(2)))


@pytest.fixture(scope="module")
def scalar():
    return started(SCALAR)


@pytest.fixture(scope="module")
def state():
    return started(SMALL)


def table(agent, state, code, network=None):
    network = network or state.network
    features = network.encoder(STEP.observation)
    return np.asarray(quick(lambda code: agent.logits(network, state.codec, features, code))(code))


def test_a_level_sees_the_levels_before_and_nothing_of_its_own(scalar):
    base = table(SCALAR, scalar, CODES[0])
    for digit in range(4):
        other = table(SCALAR, scalar, CODES[0].at[digit].set((CODES[0][digit] + 1) % 3))
        np.testing.assert_array_equal(np.abs(other - base).max((1, 2)) > 1e-6, [False, False, digit < 2, digit < 2])
    np.testing.assert_allclose((base - base.mean(1, keepdims=True)).sum(1), 0.0, atol=1e-5)


def test_greedy_takes_the_best_bin_of_every_digit(scalar):
    features = scalar.network.encoder(STEP.observation)
    code = quick(lambda: SCALAR.greedy(scalar.network, scalar.codec, features, None, None))()
    np.testing.assert_array_equal(code, table(SCALAR, scalar, code)[:, :, 0].argmax(1))


def test_targets_by_hand(scalar):
    """The network picks the next code, the slow copy says what it is worth, digit by digit."""
    data = batch_of(CODES, [1.0, 2.0], seen=0.4)
    own = batch_of(CODES, [5.0, 7.0], terminated=True, valid=[True, False], seen=0.4)
    agent = replace(SCALAR, margin_weight=0.0)
    after, metrics = LEARN(agent, scalar, {"data": data, "replay": own}, jax.random.key(0))
    step = jax.tree.map(lambda leaf: leaf[0, 0], data.step)
    features = scalar.network.encoder(step.observation)
    best = SCALAR.greedy(scalar.network, scalar.codec, features, None, None)
    slow = np.asarray(SCALAR.logits(scalar.target, scalar.codec, features, best))[:, :, 0]
    following = np.take_along_axis(slow, np.asarray(best)[:, None], 1)[:, 0]
    error = 0.0
    for code, reward, discount in ((CODES[0], 1.0, 0.9), (CODES[1], 2.0, 0.9), (CODES[0], 5.0, 0.0)):
        values = np.asarray(SCALAR.logits(scalar.network, scalar.codec, features, code))[:, :, 0]
        taken = np.take_along_axis(values, np.asarray(code)[:, None], 1)[:, 0]
        error += np.mean((taken - (reward + discount * following)) ** 2) / 3
    np.testing.assert_allclose(metrics["critic_loss"], error, rtol=1e-4)
    assert all(changed(scalar.network, after.network))


def test_the_labelled_variant_bootstraps_at_terminations(scalar):
    batch = {name: batch_of(CODES, [1.0, 2.0], terminated=True) for name in ("data", "replay")}
    right, wrong = (
        float(LEARN(agent, scalar, batch, jax.random.key(0))[1]["critic_loss"])
        for agent in (SCALAR, replace(SCALAR, ignore_termination=True))
    )
    assert abs(right - wrong) > 1e-3


def test_a_distribution_has_the_mean_of_its_target(state):
    after = jax.tree.map(lambda leaf: leaf[0, 0], batch_of(CODES, [0.5, 0.0]).next)
    target = quick(lambda: SMALL._target(state, after, jax.random.key(0)))()
    np.testing.assert_allclose(target.sum(-1), 1.0, atol=1e-5)
    ended = quick(lambda: SMALL._target(state, after._replace(terminated=jnp.asarray(True)), jax.random.key(0)))()
    np.testing.assert_allclose(ended, np.tile([0.0, 0.0, 0.5, 0.5, 0.0], (4, 1)), atol=1e-5)


def test_demonstrated_bins_come_to_be_worth_most():
    """No reward tells anything: only the two terms on demonstrated rows rank the bins."""
    agent = replace(SMALL, learning_rate=3e-3)
    state = quick(lambda key: agent.init(spec_of(BOX, CODEC), key))(jax.random.key(0))  # it says nothing at first
    data = batch_of(CODES[:1], [0.0], terminated=True, seen=0.4)
    own = batch_of(CODES[1:], [0.0], terminated=True, seen=0.4)
    step = jax.tree.map(lambda leaf: leaf[0, 0], data.step)

    @quick
    def many(state):
        learn = lambda i, state: agent.learn(state, {"data": data, "replay": own}, jax.random.key(0))[0]  # noqa: E731
        return jax.lax.fori_loop(0, 300, learn, state)

    after = many(state)
    greedy = agent.greedy(after.network, after.codec, after.network.encoder(step.observation), None, None)
    np.testing.assert_array_equal(greedy, CODES[0])


def test_exploration_is_noise_on_the_action(scalar):
    still = replace(SCALAR, exploration_noise=0.0)
    act = quick(lambda state, key: still.act(state, (), STEP, key, explore=True)[0])
    np.testing.assert_array_equal(
        act(scalar, jax.random.key(0)), SCALAR.act(scalar, (), STEP, jax.random.key(0), explore=False)[0]
    )
    middle = jnp.ones((4,), jnp.int32)  # the action (0, 0)
    noisy = quick(jax.vmap(lambda key: SCALAR._disturbed(scalar.codec, middle, STEP, key)))
    codes = noisy(jax.random.split(jax.random.key(0), 2000))
    played = jax.vmap(lambda code: scalar.codec.decode(code, None, jnp.asarray(0), None))(codes)
    cells = np.round(np.asarray(played) * 4.5)  # bins are 2/9 wide
    assert {-1.0, 0.0, 1.0} <= set(np.unique(cells))
    share = 2 * 0.1333  # P(|noise| > 1/9) for a deviation of 0.1
    np.testing.assert_allclose((cells != 0).mean(axis=0), share, atol=0.03)


def test_an_interval_is_respected_greedily_and_with_noise(scalar):
    allowed = Interval(jnp.array([0.5, -1.0]), jnp.array([1.0, -0.8]))
    step = first_step(jnp.array([0.3, -0.7]), allowed)
    for explore in (False, True):
        act = quick(jax.vmap(lambda key, e=explore: SCALAR.act(scalar, (), step, key, explore=e)[0]))
        codes = act(jax.random.split(jax.random.key(0), 300))
        native = np.asarray(jax.vmap(lambda code: scalar.codec.decode(code, step, jnp.asarray(0), None))(codes))
        assert (native[:, 0] >= 0.5).all()
        assert (native[:, 1] <= -0.8).all()


def test_codes_levels_and_contracts(key):
    assert begin(SMALL, MultiDiscrete((3, 2)), key).network.levels == 1
    assert started(SMALL).network.levels == 2
    assert started(SMALL, Bins(bins=5)).network.levels == 1
    with pytest.raises(SpaceError, match="MultiDiscrete and MultiBinary"):
        SMALL.init(spec_of(Discrete(3)), key)
    assert isinstance(SMALL, Learner)
    assert isinstance(SMALL, Policy)
    assert set(SMALL.experience(spec_of(BOX, CODEC))) == {"data", "replay"}


def test_natively_discrete_digits_are_explored_uniformly(key):
    agent = replace(SCALAR, exploration_noise=1.0)
    state = begin(agent, MultiDiscrete((3, 2)), key)
    act = quick(jax.vmap(lambda key: agent.act(state, (), STEP, key, explore=True)[0]))
    codes = np.asarray(act(jax.random.split(key, 3000)))
    np.testing.assert_allclose(np.bincount(codes[:, 0], minlength=3) / 3000, [1 / 3] * 3, atol=0.04)
    assert set(codes[:, 1]) == {0, 1}
