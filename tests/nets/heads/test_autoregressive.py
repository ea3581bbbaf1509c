"""Auto-regressive heads: teacher forcing is stepping, later digits stay unseen, cells condition and mask."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.core import sets
from actlab.core.codec import Codec
from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.sets import Automaton, Cells, Interval, Linear, Mask
from actlab.core.spaces import Box, MultiBinary, MultiDiscrete, Space
from actlab.nets import optimisers
from actlab.nets.heads import build
from actlab.nets.heads.autoregressive import open_midpoint
from actlab.nets.heads.distributions import entropies, pick

WIDTH = 5
FEATURES = np.linspace(-1.0, 1.0, WIDTH, dtype=np.float32)
SPACE = MultiDiscrete((3, 2, 3, 2))
QUICKLY = {"xla_backend_optimization_level": 0}  # compiling is what takes the time here


class TwoLevels(Codec):
    """Two coordinates in [-1, 1], each three bins within three bins; all coarse digits first."""

    native: Space | None = Box(-1.0, 1.0, (2,))
    code: Space | None = MultiDiscrete((3, 3, 3, 3))

    def fit(self, native, episodes=None):
        return self

    def encode(self, native, step=None):
        ninth = jnp.clip(jnp.floor((native + 1.0) * 4.5), 0, 8).astype(jnp.int32)
        return jnp.concatenate([ninth // 3, ninth % 3], axis=1), jnp.ones(native.shape[0], bool)

    def decode(self, code, step, i, key):
        return (code[:2] * 3 + code[2:]).astype(jnp.float32) * (2.0 / 9.0) - 8.0 / 9.0

    def image(self, cell):
        bins = jnp.arange(3)
        lowest = jnp.min(jnp.where(cell.mask, bins[None, :], 2), axis=1)
        highest = jnp.max(jnp.where(cell.mask, bins[None, :], 0), axis=1)
        ninths = lowest[:2] * 3 + lowest[2:], highest[:2] * 3 + highest[2:] + 1
        return Interval(*(n.astype(jnp.float32) * (2.0 / 9.0) - 1.0 for n in ninths))


def random_head(space, **options):
    """A head with random weights, without the cost of compiling its initialisation."""
    shapes = eqx.filter_eval_shape(partial(build, space, WIDTH, autoregressive=True, **options), key=jax.random.key(0))
    draw = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: jnp.asarray(0.7 * draw.standard_normal(leaf.shape, np.float32)), shapes)


ORDERS = {
    "one by one": None,
    "permuted": (2, 0, 3, 1),
    "grouped": ((1, 3), 0, 2),
    "all at once": ((0, 1, 2, 3),),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_teacher_forcing_equals_stepping_for_every_code(order):
    head = random_head(SPACE, order=order)
    allowed = Mask(jnp.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [0, 1, 0]], bool))

    def stepwise(code):
        """The chain rule spelled out: only digits decided before are ever handed over."""
        d = head(FEATURES, allowed)
        empty, known, total = jnp.zeros(4, jnp.int32), jnp.zeros(4, bool), jnp.zeros(())
        for g, members in enumerate(head.order):
            rows = d.conditional(empty, known, g)
            for s, digit in enumerate(members):
                total = total + pick(rows[s], code[digit])
            for digit in members:
                empty, known = empty.at[digit].set(code[digit]), known.at[digit].set(True)
        return total

    @partial(jax.jit, compiler_options=QUICKLY)
    def ask(codes):
        d = head(FEATURES, allowed)
        return jax.vmap(stepwise)(codes), jax.vmap(d.log_prob)(codes), d.outcome_log_probs()

    codes = jax.vmap(lambda n: SPACE.join(n, jnp.zeros(0)))(jnp.arange(SPACE.outcomes))
    sequential, forced, every = ask(codes)
    legal = np.asarray(jax.vmap(partial(sets.contains, allowed))(codes))
    np.testing.assert_allclose(forced[legal], sequential[legal], atol=1e-5)
    np.testing.assert_allclose(every, forced, atol=1e-5)
    assert float(jnp.exp(every).sum()) == pytest.approx(1.0, abs=1e-5)
    assert (np.exp(np.asarray(every)) > 0.0).tolist() == legal.tolist()


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_digit_sees_the_embeddings_of_earlier_groups_only(order):
    head = random_head(SPACE, order=order)
    code = jnp.array([2, 1, 0, 1], jnp.int32)

    def ask(embedding):
        forced = eqx.tree_at(lambda h: h.digit, head, embedding)(FEATURES).conditionals(code)
        return pick(forced, code)

    jacobian = jax.jit(jax.jacrev(ask), compiler_options=QUICKLY)(head.digit)
    sees = np.abs(np.asarray(jacobian)).max(axis=(2, 3)) > 0.0  # [digit, digit looked at]
    group = {digit: g for g, members in enumerate(head.order) for digit in members}
    expected = [[group[other] < group[digit] for other in range(4)] for digit in range(4)]
    assert sees.tolist() == expected


def test_later_digits_change_nothing_with_sets_and_codec():
    codec = TwoLevels()
    allowed = codec.restrict(Interval(jnp.array([-0.9, -0.2]), jnp.array([0.1, 0.3])))
    head = random_head(codec.code, codec=codec)

    @partial(jax.jit, compiler_options=QUICKLY)
    def ask(code):
        return head(FEATURES, allowed, codec).conditionals(code)

    code = jnp.array([1, 1, 0, 1], jnp.int32)
    for digit in range(4):
        other = code.at[digit:].set((code[digit:] + 1) % 3)
        np.testing.assert_array_equal(ask(code)[: digit + 1], ask(other)[: digit + 1])
    assert float(jnp.abs(ask(code)[2:] - ask(code.at[0].set(0))[2:]).max()) > 1e-3


# --- entropy -----------------------------------------------------------------------------------------


def test_the_entropy_estimator_and_its_gradient_are_unbiased(key):
    space = MultiDiscrete((3, 2, 2))
    head = random_head(space, order=(1, (0, 2)))
    weights, form = eqx.partition(head, eqx.is_array)
    count = 4000

    def exact(weights):
        return entropies(eqx.combine(weights, form)(FEATURES).outcome_log_probs())

    def estimated(weights, k):
        return eqx.combine(weights, form)(FEATURES).entropy(k)

    @partial(jax.jit, compiler_options=QUICKLY)
    def ask(weights, keys):
        return (
            jax.value_and_grad(exact)(weights),
            jax.vmap(jax.value_and_grad(estimated), in_axes=(None, 0))(weights, keys),
        )

    (value, gradient), (values, gradients) = ask(weights, jax.random.split(key, count))
    assert abs(float(values.mean() - value)) < 4.0 * float(values.std()) / np.sqrt(count)
    pathwise = 0
    for one, many in zip(jax.tree.leaves(gradient), jax.tree.leaves(gradients), strict=True):
        error = np.asarray(many).std(axis=0) / np.sqrt(count)
        assert (np.abs(np.asarray(many).mean(axis=0) - np.asarray(one)) < 5.0 * error + 1e-5).all()
        pathwise += int((error > 1e-6).sum())
    assert pathwise > 0  # the estimates do vary, so the comparison says something


# --- sets and codecs ---------------------------------------------------------------------------------


def exactly_one(digits: int) -> Automaton:
    """Words of 0 and 1 with exactly one 1: node 2 d + u after d digits of which u were 1."""
    rows = []
    for d in range(digits + 1):
        for ones in range(2):
            zero = 2 * (d + 1) + ones if d < digits and (ones or d < digits - 1) else -1
            one = 2 * (d + 1) + 1 if d < digits and not ones else -1
            rows.append([zero, one])
    return Automaton(jnp.array(rows, jnp.int32), jnp.zeros((), jnp.int32))


@pytest.mark.parametrize("order", [None, (2, 0, 1)])
def test_an_automaton_is_honoured_in_any_order(key, order):
    space, allowed = MultiBinary(3), exactly_one(3)
    head = random_head(space, order=order)

    @partial(jax.jit, compiler_options=QUICKLY)
    def ask(keys):
        d = head(FEATURES, allowed)
        return d.outcome_log_probs(), jax.vmap(d.sample)(keys), d.mode()

    every, samples, mode = ask(jax.random.split(key, 500))
    assert np.flatnonzero(np.exp(np.asarray(every)) > 0.0).tolist() == [1, 2, 4]
    assert float(jnp.exp(every).sum()) == pytest.approx(1.0, abs=1e-5)
    assert (np.asarray(samples).sum(axis=1) == 1).all()
    assert int(mode.sum()) == 1


def test_cells_are_honoured_through_a_codec(key):
    codec = TwoLevels()
    native = Interval(jnp.array([-0.9, 0.35]), jnp.array([-0.5, 0.4]))
    head = random_head(codec.code, codec=codec)

    @partial(jax.jit, compiler_options=QUICKLY)
    def ask(keys):
        d = head(FEATURES, codec.restrict(native), codec)
        return jax.vmap(d.sample)(keys), d.outcome_log_probs()

    samples, every = ask(jax.random.split(key, 300))
    codes = jax.vmap(lambda n: codec.code.join(n, jnp.zeros(0)))(jnp.arange(81))
    legal = np.asarray(jax.jit(jax.vmap(partial(sets.contains, codec.restrict(native))))(codes))
    assert 1 < legal.sum() < 81
    np.testing.assert_array_equal(np.exp(np.asarray(every)) > 0.0, legal)
    assert bool(jax.vmap(partial(sets.contains, codec.restrict(native)))(samples).all())


def test_the_open_midpoint_is_that_of_the_known_digits(key):
    codec, code = TwoLevels(), jnp.array([2, 0, 1, 2], jnp.int32)
    expected = [(0.0, 0.0), (2 / 3, 0.0), (2 / 3, -2 / 3), (2 / 3, -2 / 3), (2 / 3, -4 / 9)]
    for known, midpoint in enumerate(expected):
        received = open_midpoint(codec, code, jnp.arange(4) < known)
        np.testing.assert_allclose(received, midpoint, atol=1e-6)


def test_the_midpoint_conditions_the_head():
    codec = TwoLevels()
    head = random_head(codec.code, codec=codec)
    blind = eqx.tree_at(lambda h: h.digit, head, jnp.zeros_like(head.digit))  # only the midpoint is left

    @partial(jax.jit, compiler_options=QUICKLY)
    def ask(code):
        return blind(FEATURES, None, codec).conditionals(code)

    one, other = ask(jnp.array([0, 0, 0, 0])), ask(jnp.array([2, 0, 0, 0]))
    np.testing.assert_array_equal(one[0], other[0])
    assert float(jnp.abs(one[1:] - other[1:]).max(axis=1).min()) > 1e-3


# --- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (0, 1, 2, 2), ((0, 1), 2, 3, ()), (0, 1, 2, 4)])
def test_an_order_names_every_digit_once(order):
    with pytest.raises(SpaceError, match="exactly once"):
        random_head(SPACE, order=order)


def test_digits_decided_together_cannot_honour_a_coupling_set(key):
    space, allowed = MultiBinary(3), exactly_one(3)
    factored = build(space, WIDTH, key=key)
    with pytest.raises(SpaceError, match="autoregressive=True"):
        factored(FEATURES, allowed)
    with pytest.raises(SpaceError, match="autoregressive=True"):
        random_head(space, order=(0, (1, 2)))(FEATURES, allowed)
    with pytest.raises(SpaceError, match="Cells"):
        build(MultiDiscrete((3, 3, 3, 3)), WIDTH, key=key)(FEATURES, Cells(TwoLevels(), None))
    admitted = eqx.filter_eval_shape(build(space, WIDTH, key=key, marginal=True), FEATURES, allowed)
    assert admitted.log_probs.shape == (3, 2)
    with pytest.raises(SpaceError, match="host"):
        random_head(space)(FEATURES, Linear(np.ones((1, 3)), np.zeros((1, 0)), np.ones(1))).mode()


def test_a_head_with_a_codec_needs_it_at_every_call():
    codec = TwoLevels()
    with pytest.raises(SpaceError, match="codec"):
        random_head(codec.code, codec=codec)(FEATURES)


# --- what it is for ----------------------------------------------------------------------------------


def test_it_learns_a_joint_law_that_independent_digits_cannot_express(key):
    space = MultiBinary(2)
    codes = jnp.array([[0, 0], [1, 1]], jnp.int32)  # equally often

    @partial(jax.jit, static_argnums=0)
    def fit(autoregressive, key):
        head = build(space, WIDTH, key=fold(key, "head"), autoregressive=autoregressive, final_gain=1.0)
        weights, form = eqx.partition(head, eqx.is_array)
        optimiser = optimisers.adam(0.05)

        def loss(weights):
            return -jax.vmap(lambda code: eqx.combine(weights, form)(FEATURES).log_prob(code))(codes).mean()

        def update(carry, _):
            weights, moments = carry
            value, gradient = jax.value_and_grad(loss)(weights)
            return optimisers.step(optimiser, gradient, moments, weights), value

        _, losses = jax.lax.scan(update, (weights, optimisers.begin(optimiser, weights)), length=150)
        return losses[-1]

    assert float(fit(True, key)) < np.log(2.0) + 0.05
    assert float(fit(False, key)) > 2.0 * np.log(2.0) - 0.05
