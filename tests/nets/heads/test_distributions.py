"""Every distribution is one: it sums to one, samples what it declares, and splits as its space does."""

import math
from functools import cache, partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from actlab.core import sets
from actlab.core.keys import fold
from actlab.core.sets import Automaton, Interval, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.nets.heads import FLOOR, Categorical, SquashedGaussian, build
from actlab.nets.heads.distributions import entropies, masked_log_softmax

WIDTH, SAMPLES = 6, 2000
QUICKLY = {"xla_backend_optimization_level": 0}  # compiling is what takes the time here
LEGAL = jnp.array([True, False, True, True, False])
DIGITS = jnp.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 1]], bool)
HYBRID = OneOf([Discrete(2), Box(0.0, 4.0, (2,)), Tuple([Discrete(3), Box(-1.0, 1.0, ())])])

CASES = {
    "discrete": (Discrete(5), Mask(LEGAL), {}),
    "factored": (MultiDiscrete((3, 2, 4)), Mask(DIGITS), {}),
    "switches": (MultiBinary(3), None, {}),
    "ordered": (MultiDiscrete((3, 2, 4)), Mask(DIGITS), {"autoregressive": True, "order": (2, (0, 1))}),
    "interval": (
        Box(-2.0, 3.0, (2,)),
        Interval(jnp.array([-1.0, 0.5]), jnp.array([1.0, 9.0])),
        {"std": "free"},
    ),
    "tuple": (
        Tuple([Discrete(5), Box(-1.0, 1.0, (2,)), MultiBinary(2)]),
        (Mask(LEGAL), Interval(jnp.zeros(2), jnp.ones(2)), None),
        {},
    ),
    "dict": (
        Dict({"b": Discrete(5), "a": Tuple([Box(0.0, 1.0, ()), HYBRID])}),
        {"b": Mask(LEGAL), "a": (None, None)},
        {},
    ),
    "hybrid": (
        HYBRID,
        Choice(
            Mask(jnp.array([True, True, True])),
            (
                Mask(jnp.array([False, False])),
                Interval(jnp.ones(2), jnp.full((2,), 2.0)),
                (Mask(jnp.array([True, False, True])), None),
            ),
        ),
        {},
    ),
}


class Facts(NamedTuple):
    """What one distribution says of itself, computed in one compiled call."""

    outcome_log_probs: jax.Array
    identity: jax.Array
    legal: jax.Array
    samples: object
    outcomes: jax.Array
    vectors: jax.Array
    inside: jax.Array
    sample_log_probs: jax.Array
    entropies: jax.Array
    mode: object


def random_head(space, options):
    """A head with random weights, without the cost of compiling its initialisation."""
    shapes = eqx.filter_eval_shape(partial(build, space, WIDTH, **options), key=jax.random.key(0))
    draw = np.random.default_rng(3)
    return jax.tree.map(lambda leaf: jnp.asarray(0.25 * draw.standard_normal(leaf.shape, np.float32)), shapes)


@cache
def made(name):
    space, allowed, options = CASES[name]
    return space, allowed, random_head(space, options), np.random.default_rng(4).standard_normal(WIDTH, np.float32)


@cache
def facts(name) -> Facts:
    space, allowed, head, features = made(name)

    def ask(features, key):
        d = head(features, allowed)
        probabilities = d.outcome_log_probs()
        x, density = d.vector(fold(key, "vector"))
        every = jnp.arange(space.outcomes)
        codes = jax.vmap(lambda n: space.join(n, x))(every)
        said = jax.vmap(d.log_prob)(codes)
        expected = probabilities + jnp.sum(jnp.where(space.relevant, density[None, :], 0.0), axis=1)
        samples = jax.vmap(d.sample)(jax.random.split(fold(key, "samples"), SAMPLES))
        outcomes, vectors = jax.vmap(space.split)(samples)
        return Facts(
            probabilities,
            jnp.where(probabilities > -100.0, said - expected, 0.0),
            jax.vmap(lambda code: sets.contains(allowed, code))(codes),
            samples,
            outcomes,
            vectors,
            jax.vmap(lambda code: sets.contains(allowed, code) & space.contains(code))(samples),
            jax.vmap(d.log_prob)(samples),
            jax.vmap(d.entropy)(jax.random.split(fold(key, "entropies"), SAMPLES)),
            d.mode(),
        )

    return jax.jit(ask, compiler_options=QUICKLY)(features, jax.random.key(5))


@pytest.mark.parametrize("name", CASES)
def test_outcomes_sum_to_one_and_none_is_illegal(name):
    answer = facts(name)
    probabilities = np.exp(np.asarray(answer.outcome_log_probs, np.float64))
    assert probabilities.shape == (CASES[name][0].outcomes,)
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(probabilities > 0.0, answer.legal)


@pytest.mark.parametrize("name", CASES)
def test_a_code_is_as_probable_as_its_outcome_and_its_coordinates(name):
    np.testing.assert_allclose(facts(name).identity, 0.0, atol=2e-4)


@pytest.mark.parametrize("name", CASES)
def test_samples_are_legal_and_as_frequent_as_declared(name):
    answer = facts(name)
    assert bool(answer.inside.all())
    expected = SAMPLES * np.exp(np.asarray(answer.outcome_log_probs, np.float64))
    observed = np.bincount(np.asarray(answer.outcomes), minlength=expected.size)
    assert observed[expected == 0.0].sum() == 0
    often = expected >= 5.0
    observed, expected = (np.append(counts[often], counts[~often].sum()) for counts in (observed, expected))
    if expected[-1] < 5.0:  # too rare even together
        observed, expected = observed[:-1], expected[:-1]
    if expected.size > 1:
        assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_entropy_is_the_mean_surprise_of_samples(name):
    answer = facts(name)
    surprise = -np.asarray(answer.sample_log_probs, np.float64)
    estimates = np.asarray(answer.entropies, np.float64)
    error = math.sqrt((surprise.var() + estimates.var()) / SAMPLES)
    assert abs(surprise.mean() - estimates.mean()) < 4.0 * error + 1e-4


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][0].dims == 0])
def test_entropy_of_finite_codes_equals_enumeration(name):
    _, allowed, head, features = made(name)
    answer, d = facts(name), eqx.filter_eval_shape(head, features, allowed)
    expected = float(entropies(answer.outcome_log_probs))
    if d.entropy_is_exact:
        assert d.entropy_method == "exact"
        np.testing.assert_allclose(answer.entropies, expected, rtol=1e-4, atol=1e-5)
    else:
        assert "unbiased" in d.entropy_method
        spread = float(answer.entropies.std()) / math.sqrt(SAMPLES)
        assert abs(float(answer.entropies.mean()) - expected) < 4.0 * spread + 1e-5


@pytest.mark.parametrize("name", CASES)
def test_the_mode_is_legal(name):
    space, allowed, _ = CASES[name]
    assert bool(sets.contains(allowed, facts(name).mode) & space.contains(facts(name).mode))


def test_eager_agrees_with_jit_and_vmap():
    name = "hybrid"
    _, allowed, head, features = made(name)
    answer, d = facts(name), head(features, allowed)
    code = jax.tree.map(lambda leaf: leaf[0], answer.samples)
    assert float(d.log_prob(code)) == pytest.approx(float(answer.sample_log_probs[0]), abs=2e-5)
    for one, other in zip(jax.tree.leaves(d.mode()), jax.tree.leaves(answer.mode), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_most_probable_outcome_is_the_mode():
    for name in ("discrete", "factored", "switches"):
        outcome, _ = CASES[name][0].split(facts(name).mode)
        assert int(outcome) == int(jnp.argmax(facts(name).outcome_log_probs))


# --- masks -------------------------------------------------------------------------------------------


ONLY = 4321


@partial(jax.jit, compiler_options=QUICKLY)
def ask_ten_thousand(logits, key):
    def numbers(logits):
        d = Categorical(masked_log_softmax(logits, jnp.arange(10_000) == ONLY))
        return d.log_prob(jnp.int32(ONLY)), d.entropy(key), jnp.sum(d.outcome_log_probs())

    d = Categorical(masked_log_softmax(logits, jnp.arange(10_000) == ONLY))
    values, pull_back = jax.vjp(numbers, logits)
    gradients = jax.vmap(lambda row: pull_back(tuple(row))[0])(jnp.eye(3))
    return values, gradients, jax.random.categorical(key, d.log_probs, shape=(200,)), d.sample(key), d.log_probs


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("legal_is_low", [True, False])
def test_a_mask_holds_with_ten_thousand_categories_and_one_legal(key, scale, legal_is_low):
    logits = np.where(np.random.default_rng(0).random(10_000) < 0.5, scale, -scale).astype(np.float32)
    logits[ONLY] = -scale if legal_is_low else scale
    (log_prob, entropy, _), gradients, draws, sample, log_probs = ask_ten_thousand(jnp.asarray(logits), key)
    assert float(log_prob) == 0.0
    assert float(entropy) == 0.0
    assert set(np.asarray(draws).tolist()) | {int(sample)} == {ONLY}
    assert (np.delete(np.asarray(log_probs), ONLY) == FLOOR).all()
    assert (np.asarray(gradients) == 0.0).all()


def test_illegal_logits_get_no_gradient_and_legal_ones_the_softmax(key):
    logits = jnp.array([1e4, 0.3, -1e4, 0.9])
    legal = jnp.array([False, True, False, True])
    gradient = jax.grad(lambda x: masked_log_softmax(x, legal)[1])(logits)
    p = 1.0 / (1.0 + math.exp(0.3 - 0.9))
    np.testing.assert_allclose(gradient, [0.0, p, 0.0, -p], rtol=1e-5)


@pytest.mark.parametrize(
    ("space", "allowed", "options"),
    [
        (Discrete(5), Mask(jnp.zeros(5, bool)), {}),
        (MultiDiscrete((3, 2)), Mask(jnp.zeros((2, 3), bool)), {}),
        (MultiDiscrete((3, 3)), Automaton(jnp.full((1, 3), -1), jnp.int32(0)), {"autoregressive": True}),
        (Box(-1.0, 1.0, (2,)), Interval(jnp.ones(2), -jnp.ones(2)), {}),
        (
            OneOf([Discrete(2), Box(0.0, 1.0, (1,))]),
            Choice(Mask(jnp.zeros(2, bool)), (Mask(jnp.zeros(2, bool)), Interval(jnp.ones(1), jnp.zeros(1)))),
            {},
        ),
    ],
    ids=["discrete", "factored", "automaton", "box", "hybrid"],
)
def test_nothing_legal_stays_finite_and_inside_the_space(key, space, allowed, options):
    head = random_head(space, options)
    weights, form = eqx.partition(head, eqx.is_array)

    def ask(weights):
        d = eqx.combine(weights, form)(jnp.ones(WIDTH), allowed)
        code = d.sample(fold(key, "sample"))
        x, density = d.vector(fold(key, "vector"))
        total = d.log_prob(code) + d.entropy(fold(key, "entropy")) + x.sum() + density.sum()
        return total + d.outcome_log_probs().sum() * 1e-9, code

    (total, code), gradient = jax.jit(jax.value_and_grad(ask, has_aux=True), compiler_options=QUICKLY)(weights)
    assert not bool(sets.possible(allowed))
    assert bool(jnp.isfinite(total))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))
    if not space.dims:
        assert bool(space.contains(code))


# --- squashed Gaussians ------------------------------------------------------------------------------


def gaussian(mean, std, low=-1.0, high=1.0):
    row = [jnp.atleast_1d(jnp.asarray(v, jnp.float32)) for v in (mean, np.log(std), low, high)]
    return SquashedGaussian(*row, (1,))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.5, 0.3), (-0.5, 2.0), (0.2, 4.0)])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (2.0, 12.0)])
def test_the_density_integrates_to_one_and_its_entropy_is_right(key, mean, std, low, high):
    d = gaussian(mean, std, low, high)
    u = np.linspace(-7.0, 7.0, 4001)  # a grid over the squashed values, where the density has no peaks
    half = 0.5 * (high - low)
    codes = low + half * (1.0 + np.tanh(u))
    log_probs = np.asarray(jax.jit(jax.vmap(d.log_prob))(jnp.asarray(codes, jnp.float32)[:, None]), np.float64)
    weights = half * (1.0 - np.tanh(u) ** 2) * (u[1] - u[0])
    outside = 2.0 * stats.norm.sf((7.0 - abs(mean)) / std)
    assert np.sum(np.exp(log_probs) * weights) == pytest.approx(1.0, abs=5e-3 + outside)
    if outside < 1e-3:
        entropy = -np.sum(np.exp(log_probs) * log_probs * weights)
        assert float(d.entropy(key)) == pytest.approx(entropy, abs=5e-3)


@pytest.mark.parametrize(("std", "bound"), [(1.0, 1e-6), (2.0, 2e-4), (4.0, 0.02), (7.4, 0.1)])
def test_the_stated_error_of_the_entropy_holds(key, std, bound):
    z = np.linspace(-9.0, 9.0, 20_001)
    for mean in (0.0, 0.4, 1.0, 3.0, 10.0):
        u = mean + std * z
        slope = 2.0 * (math.log(2.0) - np.abs(u) - np.log1p(np.exp(-2.0 * np.abs(u))))
        expected = 0.5 * math.log(2.0 * math.pi * math.e) + math.log(std) + np.sum(stats.norm.pdf(z) * slope) * 9e-4
        assert abs(float(gaussian(mean, std).entropy(key)) - expected) < bound + 4e-6 * (1.0 + mean)


@pytest.mark.parametrize("name", ["interval", "tuple"])
def test_coordinates_follow_the_declared_law(name):
    space, allowed, head, features = made(name)
    d = head(features, allowed)
    d = d.parts[1] if name == "tuple" else d
    for c in range(space.dims):
        low, high = float(d.low[c]), float(d.high[c])
        unit = np.clip((np.asarray(facts(name).vectors[:, c], np.float64) - low) / (high - low) * 2.0 - 1.0, -1.0, 1.0)
        with np.errstate(divide="ignore"):
            z = (np.arctanh(unit) - float(d.mean[c])) / math.exp(float(d.log_std[c]))
        assert stats.kstest(z, "norm").pvalue > 1e-3


def test_reparameterised_samples_carry_the_gradient(key):
    def first(mean):
        return gaussian(mean, 0.5, 0.0, 4.0).vector(key)[0][0]

    value, slope = jax.value_and_grad(first)(jnp.float32(0.3))
    assert float(slope) == pytest.approx(2.0 * (1.0 - (float(value) / 2.0 - 1.0) ** 2), rel=1e-4)


def test_a_coordinate_without_room_is_decided_by_the_set(key):
    space = Box(-1.0, 1.0, (2,))
    head = random_head(space, {})
    fixed = Interval(jnp.array([0.25, -1.0]), jnp.array([0.25, 1.0]))

    def ask(features):
        d = head(features, fixed)
        code, density = d.vector(key)
        return code, density, d.entropy(key), d.log_prob(code)

    both = jax.jit(lambda features: (ask(features), jax.jacobian(ask)(features)), compiler_options=QUICKLY)
    (code, density, entropy, log_prob), jacobian = both(jnp.ones(WIDTH))
    assert float(code[0]) == 0.25
    assert float(density[0]) == 0.0
    assert float(log_prob) == pytest.approx(float(density[1]), abs=1e-4)
    assert bool(jnp.isfinite(entropy))
    assert bool(jnp.all(jacobian[0][0] == 0.0))
    assert float(jnp.abs(jacobian[0][1]).max()) > 0.0
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(jacobian))


@pytest.mark.parametrize("mean", [-30.0, 30.0])
def test_saturated_policies_stay_inside_and_finite(key, mean):
    d = gaussian(mean, 1.0, 0.1, 0.3)
    code, density = d.vector(key)
    assert 0.1 <= float(np.float32(code[0])) <= float(np.float32(0.3))
    assert bool(jnp.isfinite(density[0]) & jnp.isfinite(d.log_prob(code)) & jnp.isfinite(d.entropy(key)))
    gradient = jax.grad(lambda m: gaussian(m, 1.0, 0.1, 0.3).log_prob(code))(jnp.float32(mean))
    assert bool(jnp.isfinite(gradient))
