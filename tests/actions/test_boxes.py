"""The codecs of Boxes: stated statistics, stated error, layout of the digits, landing in Intervals."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions import Bins, CoarseToFine, Normalise
from actlab.actions.grid import Grid
from actlab.core import sets
from actlab.core.codec import Episode, next_mask
from actlab.core.errors import SpaceError
from actlab.core.sets import Interval, Mask
from actlab.core.spaces import Box, Dict, Discrete, OneOf
from actlab.core.steps import first_step

BOX = Box([-1.0, 0.0], [1.0, 3.0])
RECORDED = np.array([[-0.5, 1.0], [0.5, 2.0], [0.0, 1.5], [0.0, 1.5]], np.float32)
EPISODES = [Episode(RECORDED[:3]), Episode(RECORDED[3:])]
ZERO = jnp.zeros((), jnp.int32)


def numbers(array):
    return np.round(np.asarray(array, np.float64), 5).tolist()


def ends(allowed):
    return numbers(allowed.low), numbers(allowed.high)


def points(box, count=400, seed=0):
    return np.random.default_rng(seed).uniform(box.lows, box.highs, (count, *box.shape)).astype(np.float32)


# --- normalise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "lower", "upper"),
    [
        (Normalise(), [-1.0, 0.0], [1.0, 3.0]),
        (Normalise(statistics="range"), [-0.5, 1.0], [0.5, 2.0]),
        (Normalise(low=-0.25, high=0.75), [-0.25, -0.25], [0.75, 0.75]),
        (Normalise(low=(-0.5, 0.5), high=(0.5, 1.0)), [-0.5, 0.5], [0.5, 1.0]),
    ],
)
def test_the_interval_is_what_the_statistics_say(codec, lower, upper):
    box = BOX if codec.low != -0.25 else Box(-1.0, 1.0, (2,))
    bound = codec.fit(box, EPISODES)
    assert (numbers(bound.lower), numbers(bound.upper)) == (lower, upper)
    assert bound.code == Box(-1.0, 1.0, (2,))
    assert numbers(bound.encode(np.array([lower, upper]))[0]) == [[-1, -1], [1, 1]]
    for code, native in ((-1.0, lower), (1.0, upper)):
        assert numbers(bound.decode(jnp.full((2,), code), None, ZERO, None)) == native


def test_deviation_is_cut_to_the_bounds():
    mean, deviation = RECORDED.mean(axis=0), RECORDED.std(axis=0)
    bound = Normalise(statistics="deviation", deviations=2.0).fit(BOX, EPISODES)
    assert numbers(bound.lower) == numbers(np.maximum(mean - 2 * deviation, [-1, 0]))
    assert numbers(bound.upper) == numbers(mean + 2 * deviation)
    wide = Normalise(statistics="deviation", deviations=50.0).fit(BOX, EPISODES)
    assert (numbers(wide.lower), numbers(wide.upper)) == ([-1.0, 0.0], [1.0, 3.0])


def test_actions_outside_of_the_interval_come_back_as_its_end():
    bound = Normalise(statistics="range").fit(BOX, EPISODES)
    code, _ = bound.encode(np.array([[-1.0, 3.0]], np.float32))
    assert code.tolist() == [[-1.0, 1.0]]
    assert bound.decode(code[0], None, ZERO, None).tolist() == [-0.5, 2.0]


def test_rounding_is_within_four_units_in_the_last_place():
    for box in (BOX, Box(-1000.0, 3.0, (2,)), Box(-1e-6, 2e-6, (2,)), Box(1e6, 1e6 + 1, (2,))):
        bound, native = Normalise().fit(box), points(box)
        codes = jax.jit(lambda rows, b=bound: b.encode(rows)[0])(native)
        back = jax.jit(jax.vmap(lambda code, b=bound: b.decode(code, None, ZERO, None)))(codes)
        assert np.abs(np.asarray(back) - native).max() <= 4 * np.spacing(
            max(np.abs(box.lows).max(), np.abs(box.highs).max())
        )


def test_a_coordinate_that_never_moves_is_encoded_as_zero():
    bound = Normalise(statistics="range").fit(BOX, [Episode(np.array([[0.5, 1.0], [0.5, 2.0]], np.float32))])
    assert bound.encode(np.array([[0.5, 1.5]], np.float32))[0].tolist() == [[0.0, 0.0]]
    assert bound.decode(jnp.array([0.7, 0.0]), None, ZERO, None).tolist() == [0.5, 1.5]
    around = bound.restrict(Interval(jnp.array([0.4, 0.0]), jnp.array([0.6, 3.0])))
    assert ends(around) == ([-1.0, -1.0], [1.0, 1.0])
    assert not bool(sets.possible(bound.restrict(Interval(jnp.array([0.6, 0.0]), jnp.array([0.9, 3.0])))))


def test_an_interval_is_mapped_to_an_interval():
    bound = Normalise().fit(BOX)
    assert ends(bound.restrict(Interval(jnp.array([-0.5, 1.5]), jnp.array([0.5, 9.0])))) == ([-0.5, 0.0], [0.5, 1.0])
    for low, high in (([-0.5, 1.0], [0.5, 0.5]), ([2.0, 0.0], [3.0, 1.0]), ([-9.0, 0.0], [-8.0, 1.0])):
        assert not bool(sets.possible(bound.restrict(Interval(jnp.array(low), jnp.array(high)))))
    assert bound.restrict(None) is None
    assert ends(bound.cell(jnp.array([0.5, 0.0]), jnp.ones((), bool))) == ([0.5, 1.5], [0.5, 1.5])
    assert ends(bound.cell(jnp.array([0.5, 0.0]), jnp.zeros((), bool))) == ([-1.0, 0.0], [1.0, 3.0])


def test_a_legal_code_lands_in_the_interval_whatever_the_rounding():
    box = Box(-0.7, 0.9, (50,))
    bound, generator = Normalise().fit(box), np.random.default_rng(3)
    low, high = np.sort(generator.uniform(-0.7, 0.9, (2, 50)).astype(np.float32), axis=0)
    allowed = Interval(jnp.asarray(low), jnp.asarray(high))
    legal = bound.restrict(allowed)
    for code in (legal.low, legal.high):
        assert bool(sets.contains(allowed, bound.decode(code, first_step(jnp.zeros(1), allowed), ZERO, None)))
    beyond = bound.decode(jnp.ones(50), first_step(jnp.zeros(1), allowed), ZERO, None)
    assert numbers(beyond) == numbers(box.highs)  # an illegal code is played as it is, and counted


@pytest.mark.parametrize(
    ("codec", "box", "words"),
    [
        (Normalise(statistics="range"), BOX, "none are given"),
        (Normalise(statistics="deviation"), BOX, "none are given"),
        (Normalise(), Box(-np.inf, np.inf, (2,)), "finite bounds"),
        (Normalise(low=(0.0, 0.0, 0.0), high=(1.0, 1.0, 1.0)), BOX, "3 numbers"),
        (Normalise(low=0.0, high=2.0), BOX, "inside of"),
        (Normalise(low=1.0, high=0.0), BOX, "low <= high"),
        (Normalise(), Discrete(3), "acts on Box"),
        (Normalise(), Dict({"a": Discrete(3)}), "acts on Box"),
    ],
)
def test_what_normalise_cannot_do_is_a_sentence(codec, box, words):
    with pytest.raises(SpaceError, match=words):
        codec.fit(box)


@pytest.mark.parametrize("rows", [np.zeros((3, 5), np.float32), np.zeros((0, 2), np.float32)])
def test_recorded_actions_of_another_shape_are_refused(rows):
    with pytest.raises(SpaceError):
        Normalise(statistics="range").fit(BOX, [Episode(rows)])


@pytest.mark.parametrize("options", [{"statistics": "median"}, {"low": 1.0}, {"deviations": 0.0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(SpaceError):
        Normalise(**options)


def test_branches_of_one_of_are_measured_where_they_were_taken():
    space = OneOf([Box(-9.0, 9.0, ()), Discrete(2)])
    rows = [space.from_host((0, np.float32(1.0))), space.from_host((1, 1)), space.from_host((0, np.float32(3.0)))]
    episode = Episode(jax.tree.map(lambda *leaves: np.stack(leaves), *rows))
    bound = Normalise(statistics="range").fit(space, [episode])
    assert (float(bound.parts[0].lower), float(bound.parts[0].upper)) == (1.0, 3.0)


def test_a_part_that_was_never_taken_has_no_statistics():
    space = OneOf([Box(-9.0, 9.0, ()), Discrete(2)])
    episode = Episode(jax.tree.map(lambda leaf: leaf[None], space.from_host((1, 1))))
    with pytest.raises(SpaceError, match="none are given"):
        Normalise(statistics="range").fit(space, [episode])


# --- the grid, bins, coarse to fine ------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 7, 49, 1000, 2**20])
@pytest.mark.parametrize("box", [Box([-1.0, 0.1], [1.0, 0.3]), Box(-1e6, 1e-3, (2,))])
def test_every_value_lies_in_the_cell_that_is_named(box, count):
    grid = Grid(box, count)
    values = np.concatenate([points(box, 500), box.lows[None], box.highs[None]])
    index = np.arange(0, count, max(count // 97, 1), dtype=np.int32)
    edges = np.asarray(jax.jit(jax.vmap(grid.edge))(np.stack([index, index], axis=1)))
    assert (np.diff(edges, axis=0) >= 0).all()

    @jax.jit
    @jax.vmap
    def locate(value):
        found = grid.locate(value)
        return found, grid.edge(found), grid.edge(found + 1)

    found, low, high = locate(np.concatenate([values, edges]))
    values = np.concatenate([values, edges])
    assert ((np.asarray(low) <= values) & (values <= np.asarray(high))).all()
    assert (np.asarray(found) < count).all()


@pytest.mark.parametrize(
    ("codec", "width"),
    [
        (Bins(bins=7), 1 / 7),
        (Bins(bins=2), 1 / 2),
        (CoarseToFine(levels=3, bins=5), 1 / 125),
        (CoarseToFine(1, 4), 1 / 4),
    ],
)
@pytest.mark.parametrize("legal", [False, True])
def test_the_error_is_at_most_half_a_bin(codec, width, legal):
    """With and without an Interval that holds the action."""
    bound, native = codec.fit(BOX), points(BOX, 200)

    @jax.jit
    @jax.vmap
    def back(value, low, high):
        step = first_step(jnp.zeros(1), Interval(low, high) if legal else None)
        landed = bound.decode(bound.encode(value[None])[0][0], step, ZERO, None)
        return landed, sets.contains(Interval(low, high), landed)

    room = np.random.default_rng(1).uniform(0, 0.2, (2, 200, 2)).astype(np.float32)
    landed, inside = back(native, native - room[0], native + room[1])
    span = BOX.highs - BOX.lows
    assert (np.abs(np.asarray(landed) - native) <= span * width / 2 * (1 + 1e-5) + 1e-6).all()
    assert bool(jnp.all(inside)) or not legal


def test_values_outside_go_to_the_nearest_bin():
    codes = Bins(bins=4).fit(BOX).encode(np.array([[-9.0, 9.0], [3e38, -3e38]], np.float32))[0]
    assert codes.tolist() == [[0, 3], [3, 0]]


def test_bins_that_meet_an_interval_are_legal():
    bound = Bins(bins=4).fit(Box(0.0, 4.0, (1,)))
    cases = {
        (0.5, 0.6): [0],
        (0.5, 1.5): [0, 1],
        (1.0, 1.0): [0, 1],
        (2.2, 9.0): [2, 3],
        (5.0, 6.0): [],
        (2.0, 1.0): [],
    }
    for (low, high), bins in cases.items():
        allowed = Interval(jnp.array([low]), jnp.array([high]))
        mask = bound.restrict(allowed)
        assert np.flatnonzero(mask.mask[0]).tolist() == bins
        for k in bins:
            landed = bound.decode(jnp.array([k]), first_step(jnp.zeros(1), allowed), ZERO, None)
            assert bool(sets.contains(allowed, landed))
            assert bool(sets.contains(bound.cell(jnp.array([k]), jnp.array([True])), landed))


def test_an_illegal_bin_is_played_as_its_centre():
    bound = Bins(bins=4).fit(Box(0.0, 4.0, (1,)))
    step = first_step(jnp.zeros(1), Interval(jnp.array([3.5]), jnp.array([4.0])))
    assert bound.decode(jnp.array([0]), step, ZERO, None).tolist() == [0.5]


def test_an_image_is_the_hull_of_bins_and_empty_without_any():
    bound = Bins(bins=4).fit(Box(0.0, 4.0, (2,)))
    mask = jnp.array([[False, True, False, True], [True, False, False, False]])
    assert ends(bound.image(Mask(mask))) == ([1.0, 0.0], [4.0, 1.0])
    empty = bound.image(Mask(mask.at[1].set(False)))
    assert not bool(sets.possible(empty))
    assert not bool(sets.meets(None, empty))
    assert bound.image(None) is None


def test_digits_are_coarse_level_first():
    bound = CoarseToFine(levels=2, bins=3).fit(Box(0.0, 9.0, (2,)))
    assert bound.code.nvec == (3, 3, 3, 3)
    codes = bound.encode(np.array([[0.5, 8.5], [4.5, 5.5]], np.float32))[0]
    assert codes.tolist() == [[0, 2, 0, 2], [1, 1, 1, 2]]
    assert bound.decode(codes[1], None, ZERO, None).tolist() == [4.5, 5.5]


def test_each_digit_zooms_into_its_own_coordinate():
    """The conditioning of ARSQ: after a digit only its coordinate's interval is cut, to one bin of what was left."""
    bound = CoarseToFine(levels=2, bins=3).fit(Box(0.0, 9.0, (2,)))
    code, seen = jnp.array([1, 2, 0, 1]), []
    for known in range(5):
        seen.append(ends(bound.cell(code, jnp.arange(4) < known)))
    assert seen == [
        ([0.0, 0.0], [9.0, 9.0]),
        ([3.0, 0.0], [6.0, 9.0]),
        ([3.0, 6.0], [6.0, 9.0]),
        ([3.0, 6.0], [4.0, 9.0]),
        ([3.0, 7.0], [4.0, 8.0]),
    ]


def walk(codec, allowed, order):
    """All words that digits chosen in `order`, each legal by the mask, can lead to."""
    ask = jax.jit(lambda code, known, d: sets.next_mask(codec.restrict(allowed), code, known, d, codec.bins))
    words = [np.zeros(len(codec.code.nvec), np.int32)]
    known = np.zeros(len(words[0]), bool)
    for digit in order:
        longer = []
        for word in words:
            legal = np.flatnonzero(ask(word, known, digit))
            assert legal.size  # a legal prefix can be completed
            for value in legal:
                longer.append(word.copy())
                longer[-1][digit] = value
        words, known = longer, known | (np.arange(known.size) == digit)
    return {tuple(word.tolist()) for word in words}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 3, 0, 2), (1, 0, 3, 2)])
def test_walks_reach_exactly_the_codes_whose_cell_meets_the_interval(order):
    bound = CoarseToFine(levels=2, bins=2).fit(Box(0.0, 4.0, (2,)))
    allowed = Interval(jnp.array([1.25, 0.5]), jnp.array([2.5, 0.75]))
    expected = set()
    for word in itertools.product(range(2), repeat=4):
        cells = [2 * word[c] + word[2 + c] for c in range(2)]
        fits = [low <= k + 1 and k <= high for k, low, high in zip(cells, (1.25, 0.5), (2.5, 0.75), strict=True)]
        expected |= {word} if all(fits) else set()
    assert walk(bound, allowed, order) == expected


def test_the_mask_of_the_next_digit_follows_the_prefix():
    bound = CoarseToFine(levels=2, bins=2).fit(Box(0.0, 4.0, (1,)))
    allowed = Interval(jnp.array([1.25]), jnp.array([2.5]))
    assert next_mask(allowed, bound, jnp.array([0, 0]), 0).tolist() == [True, True]
    assert next_mask(allowed, bound, jnp.array([0, 0]), 1).tolist() == [False, True]
    assert next_mask(allowed, bound, jnp.array([1, 0]), 1).tolist() == [True, False]


@pytest.mark.parametrize("codec", [Bins(), CoarseToFine()])
@pytest.mark.parametrize("box", [Box(-np.inf, 1.0, (2,)), Box(0, 255, (2,), "uint8"), Box(-3e38, 3e38, ())])
def test_boxes_that_cannot_be_cut(codec, box):
    with pytest.raises(SpaceError):
        codec.fit(box)


@pytest.mark.parametrize("make", [lambda: Bins(bins=1), lambda: CoarseToFine(levels=0), lambda: CoarseToFine(9, 9)])
def test_too_few_or_too_many_bins(make):
    with pytest.raises(SpaceError, match="bins"):
        make()


def test_one_level_is_uniform_bins():
    native = points(BOX, 50)
    one, other = Bins(bins=5).fit(BOX), CoarseToFine(levels=1, bins=5).fit(BOX)
    assert bool(eqx.tree_equal(one.encode(native), other.encode(native)))


def test_a_matrix_is_cut_in_c_order():
    bound = Bins(bins=2).fit(Box(0.0, 1.0, (2, 2)))
    code = bound.encode(np.array([[[0.1, 0.9], [0.9, 0.1]]], np.float32))[0][0]
    assert code.tolist() == [0, 1, 1, 0]
    assert bound.decode(code, None, ZERO, None).tolist() == [[0.25, 0.75], [0.75, 0.25]]
