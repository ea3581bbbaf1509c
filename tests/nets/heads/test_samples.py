"""Every kind of head, with sets and without: samples follow the distribution that `log_prob` declares.

Outcomes by a chi-square test, every coordinate by a Kolmogorov-Smirnov test against the distribution function that
the declared density integrates to. The seed is fixed; each comparison raises a false alarm with a chance of `ALARM`
(about fifty of them: 0.5 % for the file).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from actlab.core.keys import fold
from actlab.core.sets import Interval
from actlab.core.spaces import MultiDiscrete
from tests.nets.heads import test_autoregressive as words
from tests.nets.heads import test_distributions as laws

pytestmark = pytest.mark.slow
ALARM = 1e-4
SAMPLES = 4_000
GRID = np.tanh(np.linspace(-6.0, 6.0, 1_201))  # dense at the ends, where a squashed density may have its peaks

RANGES = {
    ("interval", "set"): ([-1.0, 0.5], [1.0, 3.0]),
    ("interval", "free"): ([-2.0, -2.0], [3.0, 3.0]),
    ("tuple", "set"): ([0.0, 0.0], [1.0, 1.0]),
    ("tuple", "free"): ([-1.0, -1.0], [1.0, 1.0]),
    ("dict", "free"): ([0.0, 0.0, 0.0, -1.0], [1.0, 4.0, 4.0, 1.0]),
    ("dict", "set"): ([0.0, 0.0, 0.0, -1.0], [1.0, 4.0, 4.0, 1.0]),
    ("hybrid", "set"): ([1.0, 1.0, -1.0], [2.0, 2.0, 1.0]),
    ("hybrid", "free"): ([0.0, 0.0, -1.0], [4.0, 4.0, 1.0]),
}
"""(case, with its set or without) -> the lowest and the highest legal value of every coordinate."""
FINITE = [
    *((name, limits) for name in ("discrete", "factored", "ordered") for limits in ("set", "free")),
    ("switches", "free"),
    ("automaton", "set"),
    ("cells", "set"),
]
CASES = [*FINITE, *RANGES]


def made(name, limits):
    """Space, and features -> distribution."""
    if name == "automaton":
        head = laws.random_head(MultiDiscrete((2, 2, 2)), {"autoregressive": True, "order": (2, 0, 1)})
        return MultiDiscrete((2, 2, 2)), lambda features: head(features, words.exactly_one(3))
    if name == "cells":
        codec = words.TwoLevels()
        native = Interval(jnp.array([-0.9, 0.35]), jnp.array([-0.5, 0.4]))
        head = laws.random_head(codec.code, {"autoregressive": True, "codec": codec})
        return codec.code, lambda features: head(features, codec.restrict(native), codec)
    space, allowed, options = laws.CASES[name]
    head = laws.random_head(space, options)
    return space, lambda features: head(features, allowed if limits == "set" else None)


def ask(name, limits):
    """Declared outcome probabilities, sampled outcomes and vectors, and log-densities on a grid `[C, G]`."""
    space, distribution = made(name, limits)
    low, high = (np.asarray(end, np.float32) for end in RANGES.get((name, limits), ([], [])))
    grid = ((low + high)[:, None] / 2 + (high - low)[:, None] / 2 * GRID).astype(np.float32)
    middle = (low + high) / 2

    @partial(jax.jit, compiler_options=laws.QUICKLY)
    def compute(features, key):
        d = distribution(features)
        declared = d.outcome_log_probs()
        samples = jax.vmap(d.sample)(jax.random.split(fold(key, "samples"), SAMPLES))
        outcomes, vectors = jax.vmap(space.split)(samples)

        def density(c, value):
            """Of a code in which coordinate c counts: the other coordinates are the same along the grid."""
            outcome = jnp.argmax(jnp.where(jnp.asarray(space.relevant)[:, c], declared, -jnp.inf)).astype(jnp.int32)
            return d.log_prob(space.join(outcome, jnp.asarray(middle).at[c].set(value)))

        curves = [jax.vmap(partial(density, c))(grid[c]) for c in range(space.dims)]
        return declared, outcomes, vectors, curves

    features = np.random.default_rng(4).standard_normal(laws.WIDTH, np.float32)
    return space, grid, *jax.device_get(compute(features, jax.random.key(9)))


@pytest.mark.parametrize(("name", "limits"), CASES, ids=[" ".join(case) for case in CASES])
def test_samples_follow_the_declared_distribution(name, limits):
    space, grid, declared, outcomes, vectors, curves = ask(name, limits)
    expected = SAMPLES * np.exp(np.asarray(declared, np.float64))
    observed = np.bincount(outcomes, minlength=expected.size)
    assert observed[expected == 0.0].sum() == 0
    often = expected >= 5.0
    observed, expected = (np.append(counts[often], counts[~often].sum()) for counts in (observed, expected))
    if expected[-1] < 5.0:  # too rare even together
        observed, expected = observed[:-1], expected[:-1]
    if expected.size > 1:
        assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > ALARM

    for c in range(space.dims):
        numbers = vectors[space.relevant[outcomes, c], c].astype(np.float64)
        points = grid[c].astype(np.float64)
        # what rounds onto an end has no density there: the law between the grid's ends is compared
        numbers = numbers[(numbers >= points[0]) & (numbers <= points[-1])]
        assert len(numbers) > 100
        heights = np.exp(curves[c].astype(np.float64) - curves[c].max())
        cumulative = np.append(0.0, np.cumsum((heights[1:] + heights[:-1]) / 2 * np.diff(points)))
        assert stats.kstest(np.interp(numbers, points, cumulative / cumulative[-1]), "uniform").pvalue > ALARM


def test_the_tests_notice_a_distribution_that_is_a_little_off():
    """Samples of a law narrower by a fifth, and of probabilities off by a fifth of one, raise the alarm."""
    generator = np.random.default_rng(0)
    assert stats.kstest(stats.norm.cdf(0.8 * generator.standard_normal(SAMPLES)), "uniform").pvalue < ALARM
    observed = np.bincount(generator.choice(3, SAMPLES, p=[0.4, 0.3, 0.3]), minlength=3)
    assert stats.chisquare(observed, SAMPLES * np.array([0.333, 0.333, 0.334])).pvalue < ALARM
