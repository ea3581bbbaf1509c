"""Sets against brute force: every question about every kind, and about nests, answered by enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.sets import Automaton, Interval, Linear, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple

DIGITS = MultiDiscrete((3, 2, 3))
WORDS = np.array(list(itertools.product(range(3), range(2), range(3))))


def automaton():
    """Digits may not fall; the second may not be 0 after a 0. Its node 3 has no way on: a dead end."""
    rule = np.full((8, 3), -1)
    rule[0] = [1, 2, 3]  # the first digit
    rule[1] = [-1, 4, -1]  # after 0
    rule[2] = [-1, 4, -1]  # after 1
    rule[4] = [-1, 5, 6]  # after .1
    return Automaton(jnp.asarray(rule, jnp.int32), jnp.int32(0))


def automaton_allows(word):
    return word[0] in (0, 1) and word[1] == 1 and word[2] in (1, 2)


MASK = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]], bool)
LINEAR = Linear(np.array([[1.0, 2.0, 1.0], [-1.0, -1.0, -1.0]]), np.zeros((2, 0)), np.array([3.0, -1.0]))
"""x0 + 2 x1 + x2 <= 3 and at least one of them."""
EVEN = Linear(np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]), np.array([[-2.0], [2.0]]), np.zeros(2))
"""x0 + x1 + x2 = 2 y: an even number of ones, by a hidden integer."""
BITS = np.array(list(itertools.product(range(2), repeat=3)))


def members(allowed, values):
    return np.asarray(jax.jit(jax.vmap(lambda value: sets.contains(allowed, value)))(jnp.asarray(values)))


FINITE = {
    "mask": (Mask(jnp.asarray(MASK)), lambda word: all(MASK[d, word[d]] for d in range(3))),
    "automaton": (automaton(), automaton_allows),
}
every_finite = pytest.mark.parametrize(("allowed", "truth"), FINITE.values(), ids=FINITE)
every_linear = pytest.mark.parametrize("allowed", [LINEAR, EVEN], ids=["knapsack", "even"])


def linear_truth(allowed):
    if allowed is EVEN:
        return [bool(bits.sum() % 2 == 0) for bits in BITS]
    return [bool((allowed.A @ bits <= allowed.b).all()) for bits in BITS]


# --- contains ----------------------------------------------------------------------------------------


@every_finite
def test_contains_words(allowed, truth):
    assert members(allowed, WORDS).tolist() == [bool(truth(word)) for word in WORDS]
    for outside in ([-1, 1, 1], [0, 1, 3], [9, 1, 1]):
        assert not bool(sets.contains(allowed, jnp.array(outside)))


def test_contains_of_a_discrete():
    allowed = Mask(jnp.array([True, False, True]))
    assert members(allowed, np.arange(-1, 4)).tolist() == [False, True, False, True, False]


def test_contains_of_an_interval():
    allowed = Interval(jnp.array([0.0, -1.0]), jnp.array([1.0, -1.0]))
    points = [[0.0, -1.0], [1.0, -1.0], [1.1, -1.0], [0.5, -0.9]]
    assert members(allowed, points).tolist() == [True, True, False, False]
    with jax.debug_nans(False):
        assert not bool(sets.contains(allowed, jnp.array([0.5, jnp.nan])))


@every_linear
def test_contains_of_a_linear_set(allowed):
    assert [sets.contains(allowed, bits) for bits in BITS] == linear_truth(allowed)
    assert not sets.contains(allowed, np.array([2, 0, 0]))


def test_none_contains_everything():
    assert bool(sets.contains(None, jnp.array([1.0, 9.0])))
    assert bool(sets.possible(None))
    assert bool(sets.meets(None, Mask(jnp.array([True]))))
    assert not bool(sets.meets(None, Mask(jnp.array([False]))))


# --- meets, next_mask --------------------------------------------------------------------------------


def random_cells(count):
    generator = np.random.default_rng(5)
    return generator.random((count, 3, 3)) < 0.5


@every_finite
def test_meets_is_a_shared_word(allowed, truth):
    cells = random_cells(40) & DIGITS.digits
    answers = jax.jit(jax.vmap(lambda cell: sets.meets(allowed, Mask(cell))))(cells)
    for cell, answer in zip(cells, answers, strict=True):
        assert bool(answer) == any(truth(word) and all(cell[d, word[d]] for d in range(3)) for word in WORDS)


@every_linear
def test_meets_of_a_linear_set(allowed):
    legal = [bits for bits, fits in zip(BITS, linear_truth(allowed), strict=True) if fits]
    for cell in random_cells(12)[:, :, :2]:
        expected = any(all(cell[d, bits[d]] for d in range(3)) for bits in legal)
        assert sets.meets(allowed, Mask(cell)) == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, True), (1.0, 2.0, True), (1.1, 2.0, False), (-1.0, -0.1, False), (0.7, 0.3, False)],
)
def test_meets_of_an_interval(low, high, expected):
    allowed = Interval(jnp.zeros(1), jnp.ones(1))
    assert bool(sets.meets(allowed, Interval(jnp.array([low]), jnp.array([high])))) is expected


def test_an_empty_cell_meets_nothing():
    empty = Interval(jnp.array([jnp.inf]), jnp.array([-jnp.inf]))
    everything = Interval(jnp.array([-jnp.inf]), jnp.array([jnp.inf]))
    assert not bool(sets.meets(everything, empty))
    assert not bool(sets.meets(empty, everything))


def completions(legal, code, known, digit):
    """The values of one digit with which some legal word agrees with the known digits."""
    fits = [w for w in legal if all(not k or w[d] == code[d] for d, k in enumerate(known))]
    return {int(word[digit]) for word in fits}


@every_finite
def test_next_mask_in_any_order(allowed, truth):
    legal = [word for word in WORDS if truth(word)]
    cases = [
        (code, known, digit)
        for code in legal[:3]
        for known in itertools.product([False, True], repeat=3)
        for digit in range(3)
        if not known[digit]
    ]
    codes, knowns, digits = (jnp.asarray(np.array(part)) for part in zip(*cases, strict=True))
    ask = jax.jit(jax.vmap(lambda code, known, digit: sets.next_mask(allowed, code, known, digit, 3)))
    for (code, known, digit), mask in zip(cases, np.asarray(ask(codes, knowns, digits)), strict=True):
        if isinstance(allowed, Mask):  # independent digits: what is known does not matter
            assert mask.tolist() == MASK[digit].tolist()
        else:
            assert set(np.flatnonzero(mask)) == completions(legal, code, known, digit)


@every_linear
def test_next_mask_of_a_linear_set(allowed):
    legal = [bits for bits, fits in zip(BITS, linear_truth(allowed), strict=True) if fits]
    for known in itertools.product([False, True], repeat=3):
        for digit in [d for d in range(3) if not known[d]]:
            mask = sets.next_mask(allowed, legal[0], np.array(known), digit, 2)
            assert set(np.flatnonzero(mask)) == completions(legal, legal[0], known, digit)


def test_next_mask_of_a_discrete_ignores_the_digit():
    allowed = Mask(jnp.array([True, False, True]))
    mask = sets.next_mask(allowed, jnp.int32(0), jnp.zeros((), bool), jnp.int32(0), 3)
    assert mask.tolist() == [True, False, True]


# --- possible ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (Mask(jnp.array([False, True])), True),
        (Mask(jnp.array([False, False])), False),
        (Mask(jnp.array([[True, False], [False, False]])), False),
        (Interval(jnp.zeros(2), jnp.zeros(2)), True),
        (Interval(jnp.zeros(2), jnp.array([1.0, -1.0])), False),
        (automaton(), True),
        (Automaton(jnp.full((1, 2), -1), jnp.int32(0)), False),
        (LINEAR, True),
        (Linear(np.array([[1.0, 1.0], [-1.0, -1.0]]), np.zeros((2, 0)), np.array([0.0, -1.0])), False),
        ((Mask(jnp.array([True])), None), True),
        ((Mask(jnp.array([False])), None), False),
        ({"a": None, "b": Interval(jnp.ones(()), jnp.zeros(()))}, False),
        (Choice(None, (Mask(jnp.array([False])), None)), True),
        (Choice(Mask(jnp.array([True, False])), (Mask(jnp.array([False])), None)), False),
    ],
)
def test_possible(allowed, expected):
    assert bool(sets.possible(allowed)) is expected


# --- sample ------------------------------------------------------------------------------------------


def draw(allowed, space, count=3000):
    keys = jax.random.split(jax.random.key(3), count)
    return jax.jit(jax.vmap(lambda key: sets.sample(allowed, space, key)))(keys)


def test_samples_of_a_mask_are_uniform_over_it():
    values = np.asarray(draw(Mask(jnp.asarray(MASK)), DIGITS))
    numbers = np.ravel_multi_index(values.T, (3, 3, 3))
    legal = [np.ravel_multi_index(word, (3, 3, 3)) for word in WORDS if FINITE["mask"][1](word)]
    counts = np.bincount(numbers, minlength=27)
    assert counts.sum() == counts[legal].sum()
    assert stats.chisquare(counts[legal]).pvalue > 1e-3


def test_samples_of_an_automaton_are_uniform_digit_by_digit():
    values = np.asarray(draw(automaton(), DIGITS))
    assert {tuple(value) for value in values.tolist()} == {tuple(w) for w in WORDS.tolist() if automaton_allows(w)}
    assert stats.chisquare(np.bincount(values[:, 0] * 2 + values[:, 2] - 1)).pvalue > 1e-3


def test_samples_of_an_interval():
    low, high = jnp.array([0.5, -jnp.inf, 1.0, -jnp.inf]), jnp.array([2.0, jnp.inf, jnp.inf, -1.0])
    values = np.asarray(draw(Interval(low, high), Box(-np.inf, np.inf, (4,))))
    assert np.isfinite(values).all()
    assert (values >= np.asarray(low)).all()
    assert (values <= np.asarray(high)).all()
    assert stats.kstest(values[:, 0], stats.uniform(0.5, 1.5).cdf).pvalue > 1e-3
    assert stats.kstest(values[:, 1], stats.norm().cdf).pvalue > 1e-3
    assert stats.kstest(values[:, 2] - 1, stats.halfnorm().cdf).pvalue > 1e-3
    assert stats.kstest(-1 - values[:, 3], stats.halfnorm().cdf).pvalue > 1e-3


@every_linear
def test_samples_of_a_linear_set_are_legal_and_reach_every_element(allowed):
    drawn = {tuple(sets.sample(allowed, MultiBinary(3), jax.random.key(i)).tolist()) for i in range(40)}
    assert drawn == {tuple(bits) for bits, fits in zip(BITS.tolist(), linear_truth(allowed), strict=True) if fits}


def test_an_empty_linear_set_is_one_sentence():
    empty = Linear(np.array([[1.0], [-1.0]]), np.zeros((2, 0)), np.array([0.0, -1.0]))
    with pytest.raises(SpaceError, match="No action is legal"):
        sets.sample(empty, MultiBinary(1), jax.random.key(0))
    with pytest.raises(SpaceError, match="No action is legal"):
        sets.project(empty, np.array([1]))


# --- project -----------------------------------------------------------------------------------------


def test_project_onto_a_mask_is_the_nearest_category():
    allowed = Mask(jnp.asarray(MASK))
    for word in WORDS:
        nearest = [min(np.flatnonzero(MASK[d]), key=lambda k, d=d: (abs(k - word[d]), k)) for d in range(3)]
        assert sets.project(allowed, jnp.asarray(word)).tolist() == nearest
    one = Mask(jnp.array([True, False, False, True]))
    assert [int(sets.project(one, jnp.int32(k))) for k in range(4)] == [0, 0, 3, 3]


def test_project_onto_an_automaton_is_the_nearest_word():
    allowed, legal = automaton(), [word for word in WORDS if automaton_allows(word)]
    found = np.asarray(jax.jit(jax.vmap(lambda word: sets.project(allowed, word)))(jnp.asarray(WORDS)))
    for word, near in zip(WORDS, found, strict=True):
        assert automaton_allows(near)
        assert (near != word).sum() == min((other != word).sum() for other in legal)


@every_linear
def test_project_onto_a_linear_set_is_the_nearest_in_hamming_distance(allowed):
    legal = [bits for bits, fits in zip(BITS, linear_truth(allowed), strict=True) if fits]
    for bits in BITS:
        near = sets.project(allowed, bits)
        assert any((near == other).all() for other in legal)
        assert (near != bits).sum() == min((other != bits).sum() for other in legal)


def test_project_onto_an_interval():
    allowed = Interval(jnp.array([0.0, 0.0]), jnp.array([1.0, 1.0]))
    assert sets.project(allowed, jnp.array([-3.0, 0.5])).tolist() == [0.0, 0.5]
    assert sets.project(None, jnp.array([-3.0])).tolist() == [-3.0]


# --- nests -------------------------------------------------------------------------------------------

SPACE = Dict({"arm": Box(-1.0, 1.0, (2,)), "hand": Tuple([Discrete(3), OneOf([Box(0.0, 1.0, ()), Discrete(2)])])})
NEST = {
    "arm": Interval(jnp.array([0.0, 0.0]), jnp.array([0.5, 1.0])),
    "hand": (
        Mask(jnp.array([True, False, True])),
        Choice(None, (Interval(jnp.float32(0.75), jnp.float32(0.5)), Mask(jnp.array([False, True])))),
    ),
}
"""Branch 0 of the OneOf has an empty Interval, so only branch 1 is left."""


def test_samples_of_a_nest_are_in_it():
    @jax.jit
    @jax.vmap
    def draw_one(key):
        value = sets.sample(NEST, SPACE, key)
        return value, sets.contains(NEST, value) & SPACE.contains(value)

    values, inside = draw_one(jax.random.split(jax.random.key(3), 200))
    assert bool(jnp.all(inside))
    assert np.asarray(values["hand"][1].index).tolist() == [1] * 200
    assert set(np.asarray(values["hand"][0]).tolist()) == {0, 2}


def test_a_nest_is_left_by_any_of_its_parts():
    value = {
        "arm": jnp.array([0.25, 0.5]),
        "hand": (jnp.int32(2), Choice(jnp.int32(1), (jnp.float32(0), jnp.int32(1)))),
    }
    assert bool(sets.contains(NEST, value))
    assert not bool(sets.contains(NEST, {**value, "arm": jnp.array([0.75, 0.5])}))
    assert not bool(sets.contains(NEST, {**value, "hand": (jnp.int32(1), value["hand"][1])}))
    other = Choice(jnp.int32(0), (jnp.float32(0.6), jnp.int32(1)))
    assert not bool(sets.contains(NEST, {**value, "hand": (jnp.int32(2), other)}))


def test_project_onto_a_nest_moves_each_part_and_only_an_empty_branch():
    value = {
        "arm": jnp.array([-1.0, 0.5]),
        "hand": (jnp.int32(1), Choice(jnp.int32(0), (jnp.float32(0), jnp.int32(0)))),
    }
    near = sets.project(NEST, value)
    assert near["arm"].tolist() == [0.0, 0.5]
    assert int(near["hand"][0]) == 0
    assert int(near["hand"][1].index) == 1
    assert bool(sets.contains(NEST, near))


def test_meets_of_nests_asks_every_part_and_any_branch():
    def cell(arm, index):
        box = Interval(jnp.full((2,), arm), jnp.full((2,), arm))
        everything = (Interval(jnp.float32(0), jnp.float32(1)), Mask(jnp.array([True, True])))
        return {"arm": box, "hand": (Mask(jnp.ones(3, bool)), Choice(Mask(jnp.asarray(index)), everything))}

    assert bool(sets.meets(NEST, cell(0.25, [True, True])))
    assert not bool(sets.meets(NEST, cell(0.75, [True, True])))
    assert not bool(sets.meets(NEST, cell(0.25, [True, False])))


def test_what_is_no_set_raises():
    for question in (sets.contains, sets.meets, sets.project):
        with pytest.raises(SpaceError):
            question("everything", jnp.int32(0))
    with pytest.raises(SpaceError):
        sets.sample("everything", Discrete(2), jax.random.key(0))
    with pytest.raises(SpaceError):
        sets.next_mask(Interval(jnp.zeros(1), jnp.ones(1)), jnp.int32(0), jnp.zeros((), bool), jnp.int32(0), 2)
