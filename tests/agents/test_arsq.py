"""ARSQ: what the paper proves of its decomposition, its losses by hand, its order of digits, and its sources."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions.bins import Bins
from actlab.actions.coarse_to_fine import CoarseToFine
from actlab.agents.arsq import ARSQ
from actlab.agents.cqn import CQN
from actlab.core import sets
from actlab.core.contracts import Learner, Policy
from actlab.core.errors import ActlabError, SpaceError
from actlab.core.sets import Interval
from actlab.core.spaces import Box, Discrete, MultiDiscrete
from actlab.core.steps import first_step
from actlab.tasks.catalogue import task
from actlab.tasks.three_modes import recorded
from actlab.training.graph import GraphDriver
from tests.agents.helpers import LEARN, batch_of, begin, changed, quick, spec_of

SMALL = ARSQ(width=16, layers=1, alpha=0.3, batch_size=8, recorded_rows=4)
BOX = Box(-1.0, 1.0, (2,))
CODEC = CoarseToFine(levels=2, bins=3)
CODES = np.stack(np.unravel_index(np.arange(81), (3,) * 4), axis=-1).astype(np.int32)
STEP = first_step(jnp.array([0.3, -0.7]))


def started(agent=SMALL, codec=CODEC, seed=0):
    """A state whose output rows are not near zero, so that advantages differ."""
    spec = spec_of(BOX, codec)
    state = quick(lambda key: agent.init(spec, key))(jax.random.key(seed))
    grow = lambda values: eqx.tree_at(lambda v: v.critics.members.rows.weight, values, replace_fn=lambda w: 50.0 * w)  # noqa: E731
    return replace(state, values=grow(state.values), targets=grow(state.targets))


@pytest.fixture(scope="module")
def state():
    return started()


def test_v_is_the_soft_maximum_over_all_codes_and_no_code_is_worth_more(state):
    q, v = quick(jax.vmap(lambda code: SMALL.q_values(state, STEP, code)))(CODES)  # [81, E]
    assert np.ptp(q, axis=0).min() > 0.1
    np.testing.assert_allclose(SMALL.alpha * jax.nn.logsumexp(q / SMALL.alpha, axis=0), v[0], atol=1e-4)
    assert (q <= v + 1e-6).all()


def test_conditionals_sum_to_one_and_the_soft_policy_is_their_product(state):
    features, chain = state.values.encoder(STEP.observation), SMALL.chain(state, None)
    tables, legal = quick(lambda code: SMALL.tables(chain, state.values.critics, features, code))(CODES[37])
    np.testing.assert_allclose(jnp.exp(tables / SMALL.alpha).sum(-1), 1.0, atol=1e-5)
    assert legal.all()


def test_teacher_forcing_equals_the_sequence(state):
    features, chain = state.values.encoder(STEP.observation), SMALL.chain(state, None)
    for code in CODES[[5, 42, 77]]:
        forced, _ = quick(lambda code: SMALL.tables(chain, state.values.critics, features, code))(code)
        known = jnp.zeros((4,), bool)
        for digit in range(4):
            one = SMALL.advantages(chain, state.values.critics, features, jnp.asarray(code), known, digit)
            np.testing.assert_allclose(one[:, 0], forced[:, digit], atol=1e-5)
            known = known.at[digit].set(True)


def influence(agent, state):
    """bool `[4, 4]`: does the row's digit depend on the column's?"""
    features, chain = state.values.encoder(STEP.observation), agent.chain(state, None)
    table = quick(lambda code: agent.tables(chain, state.values.critics, features, code)[0])
    base, seen = np.asarray(table(CODES[0])), np.zeros((4, 4), bool)
    for digit in range(4):
        other = np.asarray(table(CODES[0] + 2 * np.eye(4, dtype=np.int32)[digit]))
        seen[:, digit] = np.abs(other - base).max((0, 2)) > 1e-6
    return seen


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, np.tri(4, k=-1, dtype=bool)),
        ({"order": (3, 2, 1, 0)}, np.tri(4, k=-1, dtype=bool).T),
        ({"grouping": "level"}, np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]], bool)),
        ({"grouping": "all"}, np.zeros((4, 4), bool)),
    ],
)
def test_a_digit_sees_those_before_it_and_no_other(options, expected):
    agent = replace(SMALL, **options)
    np.testing.assert_array_equal(influence(agent, started(agent)), expected)


def test_greedy_and_sampled_digits_follow_the_lower_advantages(state):
    chain, features = SMALL.chain(state, None), state.values.encoder(STEP.observation)
    greedy = quick(lambda: SMALL.act(state, (), STEP, jax.random.key(0), explore=False)[0])()
    known = jnp.zeros((4,), bool)
    for digit in range(4):
        both = SMALL.advantages(chain, state.values.critics, features, greedy, known, digit)[:, 0]
        assert greedy[digit] == jnp.argmax(jnp.min(both, axis=0))
        known = known.at[digit].set(True)
    first = jnp.min(SMALL.advantages(chain, state.values.critics, features, greedy, known & False, 0)[:, 0], axis=0)
    drawn = quick(jax.vmap(lambda key: SMALL.act(state, (), STEP, key, explore=True)[0]))(
        jax.random.split(jax.random.key(1), 4000)
    )
    shares = np.bincount(np.asarray(drawn[:, 0]), minlength=3) / 4000
    np.testing.assert_allclose(shares, jax.nn.softmax(first / SMALL.alpha), atol=0.03)


def batches(data, replay):
    return {"data": data, "replay": replay}


def test_losses_by_hand(state):
    codes = jnp.asarray(CODES[[3, 70]])
    data = batch_of(codes, [1.0, 2.0], seen=[[0.1, 0.2], [0.5, -0.5]])
    replay = batch_of(codes, [5.0, 7.0], terminated=True, valid=[True, False], seen=0.4)
    after, metrics = LEARN(replace(SMALL, imitation="margin"), state, batches(data, replay), jax.random.key(0))
    rows = [(data, 0, 1.0, 0.9), (data, 1, 2.0, 0.9), (replay, 0, 5.0, 0.0)]
    error, term = 0.0, 0.0
    for batch, i, reward, discount in rows:
        step = jax.tree.map(lambda leaf, i=i: leaf[i, 0], batch.step)
        q, soft = SMALL.q_values(state, step, codes[i])
        y = reward + discount * jnp.min(soft)  # what is seen does not change, and slow copies are copies
        error += jnp.sum((q - y) ** 2) / 3
        if batch is data:
            chain, features = SMALL.chain(state, None), state.values.encoder(step.observation)
            tables, _ = SMALL.tables(chain, state.values.critics, features, codes[i])
            for table in np.asarray(tables):
                for digit, taken in enumerate(np.asarray(codes[i])):
                    others = np.delete(table[digit], taken) - table[digit, taken]
                    term += np.maximum(others, -1.0).mean() / 2
    np.testing.assert_allclose(metrics["critic_loss"], error, rtol=1e-4)
    np.testing.assert_allclose(metrics["imitation_loss"], term, rtol=1e-4)
    assert all(changed(state.values.critics, after.values.critics))


def test_what_the_imitation_term_is_averaged_over(state):
    codes = jnp.asarray(CODES[[3, 70]])
    same = batch_of(codes, [1.0, 2.0], seen=0.4)
    terms = {
        mean: float(
            LEARN(replace(SMALL, imitation_mean=mean), state, batches(same, same), jax.random.key(0))[1][
                "imitation_loss"
            ]
        )
        for mean in ("demonstrations", "batch", "release")
    }
    np.testing.assert_allclose(terms["batch"], terms["demonstrations"] / 2, rtol=1e-5)
    np.testing.assert_allclose(terms["release"], terms["demonstrations"] * 4, rtol=1e-5)


def test_only_demonstrated_rows_feel_the_imitation_term(state):
    codes = jnp.asarray(CODES[[3, 70]])
    replay = batch_of(codes, [1.0, 2.0])
    own = LEARN(replace(SMALL, recorded_rows=0), state, {"replay": replay}, jax.random.key(0))[1]
    assert float(own["imitation_loss"]) == 0.0


def test_intervals_leave_legal_cells_alone_and_v_counts_only_them(state):
    step = first_step(jnp.ones(2), Interval(jnp.array([0.5, -1.0]), jnp.array([1.0, -0.8])))
    codes = quick(jax.vmap(lambda key: SMALL.act(state, (), step, key, explore=True)[0]))(
        jax.random.split(jax.random.key(0), 200)
    )
    native = np.asarray(jax.vmap(lambda code: state.codec.decode(code, step, jnp.asarray(0), None))(codes))
    assert (native[:, 0] >= 0.5).all()
    assert (native[:, 1] <= -0.8).all()
    inside = quick(jax.vmap(lambda code: sets.contains(state.codec.restrict(step.allowed), code)))(CODES)
    legal = CODES[np.asarray(inside)]
    assert len(legal) == 3
    q, v = quick(jax.vmap(lambda code: SMALL.q_values(state, step, code)))(legal)
    np.testing.assert_allclose(SMALL.alpha * jax.nn.logsumexp(q / SMALL.alpha, axis=0), v[0], atol=1e-4)


def test_the_shares_of_a_batch():
    spec = spec_of(BOX, CODEC)
    sources = ARSQ().experience(spec)
    assert (sources["data"].batch_size, sources["replay"].batch_size, sources["replay"].prefill) == (256, 256, "data")
    assert set(ARSQ(recorded_rows=0).experience(spec)) == {"replay"}
    assert set(ARSQ(recorded_rows=512).experience(spec)) == {"data"}
    with pytest.raises(ActlabError, match="recorded_rows=513"):
        ARSQ(recorded_rows=513).experience(spec)


def test_what_does_not_fit_is_refused_in_words(key):
    for space in (Discrete(3), BOX):
        with pytest.raises(SpaceError, match="MultiDiscrete and MultiBinary"):
            SMALL.init(spec_of(space), key)
    for options in ({"order": (0, 0, 1, 2)}, {"grouping": "pairs"}, {"grouping": "all", "order": (0, 1, 2, 3)}):
        with pytest.raises(SpaceError):
            replace(SMALL, **options).init(spec_of(BOX, CODEC), key)
    with pytest.raises(ActlabError, match="cql, margin"):
        replace(SMALL, imitation="mse").init(spec_of(BOX, CODEC), key)


def test_digits_that_are_no_cells_condition_by_themselves(key):
    space = MultiDiscrete((3, 2))
    state = begin(SMALL, space, key)
    assert state.values.critics.members.torso.layers[0].weight.shape[-1] == 2 + 6
    assert isinstance(SMALL, Learner)
    assert isinstance(SMALL, Policy)
    halves = started(codec=Bins(bins=5))
    assert halves.values.critics.members.torso.layers[0].weight.shape[-1] == 2 + 2


BANDIT = task("actlab/ThreeModes-v0").with_code(CoarseToFine(levels=1, bins=5))
OFFLINE = {"batch_size": 128, "recorded_rows": 128, "width": 32, "learning_rate": 3e-3}
CHAIN = ARSQ(**OFFLINE, layers=2, imitation_weight=0.0, alpha=0.02)
ZOOM = CQN(**OFFLINE, features=16, atoms=1, dominance_weight=0.0, margin_weight=0.0)


def solved(agent, seeds) -> int:
    """Seeds whose greedy action, after learning from the recorded rewards alone, is the best pair."""
    driver, count = GraphDriver(BANDIT, agent), 0
    for seed in range(seeds):
        key = jax.random.key(seed)
        carry = driver.start(agent, key, {"data": recorded(BANDIT, 2_000, key)}, None, 0)
        carry, _, _ = driver.run(agent, carry, 1_500, False)
        code, _, _ = agent.act(carry.learner, (), first_step(jnp.ones((1,))), key, explore=False)
        count += bool((np.asarray(code) == [4, 4]).all())
    return count


@pytest.mark.slow
def test_only_digits_that_see_each_other_solve_the_bandit():
    assert solved(CHAIN, 20) >= 19
    assert solved(replace(CHAIN, order=(1, 0)), 20) >= 19
    assert solved(replace(CHAIN, grouping="all"), 20) <= 1
    assert solved(ZOOM, 20) <= 1
