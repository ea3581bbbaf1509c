"""The mu-law and measured bins: published formulas, exact cells, statistics that are never absent."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions import Bins, MuLaw, Normalise, QuantileBins
from actlab.actions.parse import parse_code
from actlab.core import sets
from actlab.core.codec import Episode
from actlab.core.errors import SpaceError
from actlab.core.sets import Interval
from actlab.core.spaces import Box, Discrete
from actlab.core.steps import first_step

ZERO = jnp.zeros((), jnp.int32)
UNIT = Box(-1.0, 1.0, (1,))


def column(*numbers):
    return np.asarray(numbers, np.float32)[:, None]


def back(codec, native):
    """Native actions `[T, C]` through the codec and back."""
    return np.asarray(_back(codec, native))


@eqx.filter_jit
def _back(codec, native):
    return jax.vmap(lambda code: codec.decode(code, None, ZERO, None))(codec.encode(native)[0])


@eqx.filter_jit
def asked(codec, low, high):
    """Of every code of one digit: its cell, is it legal under the Interval, does its cell meet it, what is played."""
    allowed = Interval(low[None], high[None])
    step, legal = first_step(jnp.zeros(1), allowed), codec.restrict(allowed)

    def one(code):
        cell = codec.cell(code, jnp.ones(1, bool))
        return cell, sets.contains(legal, code), sets.meets(allowed, cell), codec.decode(code, step, ZERO, None)[0]

    return jax.vmap(one)(jnp.arange(codec.code.categories, dtype=jnp.int32)[:, None])


# --- the mu-law --------------------------------------------------------------------------------------


def test_the_law_is_the_published_one():
    values = np.array([-1.0, -0.5, -0.01, 0.0, 0.01, 0.5, 1.0])
    wanted = np.sign(values) * np.log(1 + 255 * np.abs(values)) / np.log(256)
    np.testing.assert_allclose(MuLaw().fit(UNIT).encode(column(*values))[0][:, 0], wanted, atol=1e-6)
    assert wanted[5] > 0.87  # half of the range has an eighth of the codes


def test_gato_is_a_large_mu_over_a_large_range():
    codec = parse_code("mu-law:mu=25600,largest=256").fit(Box(-np.inf, np.inf, (1,)))
    values = np.array([-300.0, -256.0, -1.0, 0.3, 40.0, 256.0])
    wanted = np.sign(values) * np.log(100 * np.abs(values) + 1) / np.log(100 * 256 + 1)
    np.testing.assert_allclose(codec.encode(column(*values))[0][:, 0], np.clip(wanted, -1, 1), atol=1e-6)
    assert codec.code == UNIT
    assert back(codec, column(-300.0)).tolist() == [[-256.0]]


def test_the_code_spans_what_the_box_holds_and_no_more():
    codec = MuLaw().fit(Box([-0.5, 0.0, 0.0], [1.0, 3.0, 0.0]))
    assert codec.scale.tolist() == [1.0, 3.0, 1.0]
    np.testing.assert_allclose(codec.code.lows, [-np.log(128.5) / np.log(256), 0, 0], rtol=1e-6)
    assert codec.code.highs.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("mu", [0.1, 255.0, 1e6])
def test_rounding_is_within_the_stated_units_in_the_last_place(mu):
    for box in (UNIT, Box(-3.0, 1000.0, (1,)), Box(-2e-6, 1e-6, (1,))):
        native = np.random.default_rng(0).uniform(box.lows, box.highs, (500, 1)).astype(np.float32)
        error = np.abs(back(MuLaw(mu=mu).fit(box), native) - native).max()
        assert error <= (4 + 2 * np.log1p(mu)) * np.spacing(np.float32(max(-box.lows.min(), box.highs.max())))


def test_mu_law_bins_are_narrow_near_zero_and_their_cells_are_exact():
    codec = (MuLaw() >> Bins(bins=8)).fit(UNIT)
    cells = asked(codec, jnp.float32(-1.0), jnp.float32(1.0))[0]
    edges = [*cells.low[:, 0].tolist(), float(cells.high[-1, 0])]
    grid = np.linspace(-1, 1, 9)
    np.testing.assert_allclose(edges, np.sign(grid) * (256 ** np.abs(grid) - 1) / 255, atol=1e-6)
    assert cells.high[:, 0].tolist() == edges[1:]
    native = np.random.default_rng(1).uniform(-1, 1, (200, 1)).astype(np.float32)
    digits = np.asarray(codec.encode(native)[0])[:, 0]
    assert all(edges[k] <= value <= edges[k + 1] for k, value in zip(digits, native[:, 0], strict=True))
    bound = (1 / 255 + np.abs(native)) * np.log(256) * 2 / 8  # a whole cell: near zero the law bends within one
    assert (np.abs(back(codec, native) - native) <= bound).all()


def test_a_legal_mu_law_bin_lands_in_the_interval():
    codec, generator = (MuLaw() >> Bins(bins=8)).fit(UNIT), np.random.default_rng(2)
    for low, high in np.sort(generator.uniform(-1, 1, (20, 2)).astype(np.float32), axis=1):
        _, legal, meets, played = asked(codec, low, high)
        assert legal.tolist() == meets.tolist()
        assert ((low <= played) & (played <= high))[legal].all()


@pytest.mark.parametrize(
    ("make", "box", "words"),
    [
        (lambda: MuLaw(mu=0.0), UNIT, "above 0"),
        (lambda: MuLaw(largest=-1.0), UNIT, "positive"),
        (lambda: MuLaw(largest=(1.0, 2.0)), UNIT, "2 numbers"),
        (lambda: MuLaw(largest=1.0), Box(2.0, 3.0, (1,)), "up to largest"),
        (MuLaw, Box(-np.inf, 1.0, (1,)), "finite bounds"),
        (MuLaw, Box(0, 255, (1,), "uint8"), "floats"),
        (MuLaw, Discrete(2), "acts on Box"),
    ],
)
def test_what_the_mu_law_cannot_do_is_a_sentence(make, box, words):
    with pytest.raises(SpaceError, match=words):
        make().fit(box)


# --- quantile bins -----------------------------------------------------------------------------------

SKEWED = np.random.default_rng(3).exponential(1.0, (1000, 1)).astype(np.float32)
LINE = Box(0.0, np.inf, (1,))


def counts(codec, rows):
    return np.bincount(np.asarray(codec.encode(rows)[0])[:, 0], minlength=codec.bins)


def test_every_bin_holds_an_equal_share():
    codec = QuantileBins(bins=8).fit(LINE, [Episode(SKEWED[:300]), Episode(SKEWED[300:])])
    assert counts(codec, SKEWED).tolist() == [125] * 8
    widths = np.diff(np.asarray(codec.cuts)[0])
    assert widths[-1] > 10 * widths[0]
    error = np.abs(back(codec, SKEWED) - SKEWED)[:, 0]
    digits = np.asarray(codec.encode(SKEWED)[0])[:, 0]
    assert (error <= widths[digits] / 2 + 1e-6).all()


def test_equal_widths_between_percentiles():
    codec = parse_code("quantile-bins:bins=4,spacing=width,tail=0.01").fit(LINE, [Episode(SKEWED)])
    low, high = np.quantile(SKEWED.astype(np.float64), [0.01, 0.99])
    np.testing.assert_allclose(codec.cuts[0], np.linspace(low, high, 5), rtol=1e-6)
    found = back(codec, column(0.0, 99.0))
    np.testing.assert_allclose(found[:, 0], [low + (high - low) / 8, high - (high - low) / 8], rtol=1e-5)


def test_coordinates_are_measured_by_themselves():
    rows = np.stack([np.linspace(0, 1, 101), np.linspace(0, 1, 101) ** 2], axis=1).astype(np.float32)
    codec = QuantileBins(bins=2).fit(Box(-9.0, 9.0, (2,)), [Episode(rows)])
    np.testing.assert_allclose(codec.cuts, [[0, 0.5, 1], [0, 0.25, 1]], atol=1e-6)


def test_a_number_that_is_common_comes_back_exactly():
    """A gripper, open or closed: no bin centre between the two may stand for either."""
    rows = column(*[0.0] * 40, *[1.0] * 60)
    for bins in (3, 4, 8):
        codec = QuantileBins(bins=bins).fit(UNIT, [Episode(rows)])
        assert back(codec, column(0.0, 1.0)).tolist() == [[0.0], [1.0]]
        assert bool((jnp.diff(codec.cuts, axis=1) >= 0).all())


def test_given_edges_need_no_recording():
    codec = parse_code("quantile-bins:bins=3,edges=-1.0x-0.5x0.0x1.0").fit(Box(-1.0, 1.0, (2,)))
    assert codec.encode(np.array([[-0.7, 0.0], [-0.5, 1.0]], np.float32))[0].tolist() == [[0, 2], [1, 2]]
    each = QuantileBins(bins=2, edges=(0.0, 0.1, 1.0, 0.0, 0.9, 1.0)).fit(Box(0.0, 1.0, (2,)))
    assert each.encode(np.array([[0.5, 0.5]], np.float32))[0].tolist() == [[1, 0]]


def test_bins_of_any_width_carry_intervals():
    """By enumeration: a bin is legal exactly if it meets the interval, and then its action lies in it."""
    edges = (0.0, 0.0, 1.0, 1.0, 1.5, 4.0)
    codec = QuantileBins(bins=5, edges=edges).fit(Box(0.0, 4.0, (1,)))
    for low, high in ((0.0, 0.0), (0.25, 0.5), (1.0, 1.0), (1.25, 2.0), (3.0, 9.0), (5.0, 6.0), (2.0, 1.0)):
        _, legal, _, played = asked(codec, jnp.float32(low), jnp.float32(high))
        assert legal.tolist() == [low <= edges[k + 1] and edges[k] <= high and low <= high for k in range(5)]
        assert ((low <= played) & (played <= high))[legal].all()


@pytest.mark.parametrize(
    ("make", "box", "words"),
    [
        (QuantileBins, UNIT, "none are given"),
        (lambda: QuantileBins(bins=1), UNIT, "between 2"),
        (lambda: QuantileBins(spacing="even"), UNIT, "mass or width"),
        (lambda: QuantileBins(tail=0.5), UNIT, "below 0.5"),
        (lambda: QuantileBins(bins=2, edges=(0.0, 1.0)), UNIT, "3 edges"),
        (lambda: QuantileBins(bins=2, edges=(0.0, 1.0, 0.5)), UNIT, "must not fall"),
        (lambda: QuantileBins(bins=2, edges=(0.0, 1.0, 1.5)), UNIT, "inside of"),
        (QuantileBins, Box(0, 255, (1,), "uint8"), "floats"),
    ],
)
def test_what_quantile_bins_cannot_do_is_a_sentence(make, box, words):
    with pytest.raises(SpaceError, match=words):
        make().fit(box)


def test_measured_statistics_follow_the_chain():
    """Behind another codec, its codes are measured."""
    codec = (Normalise() >> QuantileBins(bins=2)).fit(Box(0.0, 4.0, (1,)), [Episode(column(1.0, 2.0, 3.0))])
    np.testing.assert_allclose(codec.inner.cuts, [[-0.5, 0.0, 0.5]], atol=1e-6)
