"""Sets by listing their words, a large Discrete as digits, and one constraint for each factor."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions import Flatten, Unflatten
from actlab.actions.constraints import (
    Both,
    Factors,
    StateInterval,
    StateMask,
    StateSubset,
    by_factor,
    enumerated,
    intersection,
    pairwise,
)
from actlab.actions.rows import repeat_set
from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.sets import Interval, Linear, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step

SWITCHES = MultiBinary(4)
WORDS = np.array(list(itertools.product(range(2), repeat=4)), np.int32)
WEIGHTS = np.array([[3.0, 1.0, 2.0, 2.0], [-1.0, -1.0, 0.0, 0.0]])
BUDGET = Linear(WEIGHTS, np.zeros((2, 0)), np.array([5.0, -1.0]))
EVEN = Linear(np.array([[1.0] * 4, [-1.0] * 4]), np.array([[-2.0], [2.0]]), np.zeros(2))
"""An even number of switches: x1 + .. + x4 = 2 y for some integer y."""


@jax.jit
def members(allowed, words):
    return jax.vmap(lambda word: sets.contains(allowed, word))(words)


def inside(allowed, words=WORDS):
    return np.asarray(members(allowed, jnp.asarray(words)))


def ask(constraint, observation, allowed=None):
    return constraint.allowed(constraint.begin(jax.random.key(0), ()), first_step(observation, allowed))[0]


# --- unflatten ---------------------------------------------------------------------------------------


def test_categories_are_numbered_words():
    codec = Unflatten((2, 3)).fit(Discrete(6))
    codes, _ = codec.encode(jnp.arange(6, dtype=jnp.int32))
    assert codes.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert [int(codec.decode(code, None, jnp.int32(0), None)) for code in codes] == list(range(6))
    back = (Unflatten((2, 3)) >> Flatten()).fit(Discrete(6))
    assert back.encode(jnp.arange(6, dtype=jnp.int32))[0].tolist() == list(range(6))


def test_digits_are_masked_in_any_order():
    codec = Unflatten((2, 3)).fit(Discrete(6))
    legal = codec.restrict(Mask(jnp.array([False, True, False, False, False, True])))
    code, first, second = jnp.array([1, 1]), jnp.array([True, False]), jnp.array([False, True])
    assert sets.next_mask(legal, code, jnp.array([False, False]), jnp.int32(0), 3).tolist() == [True, True, False]
    assert sets.next_mask(legal, code, first, jnp.int32(1), 3).tolist() == [False, False, True]
    assert sets.next_mask(legal, code, second, jnp.int32(0), 3).tolist() == [True, False, False]


@pytest.mark.parametrize("nvec", [(), (2, 2), (0, 6)])
def test_digits_that_do_not_multiply_up(nvec):
    with pytest.raises(SpaceError, match="multiply to the 6"):
        Unflatten(nvec).fit(Discrete(6))


# --- listed words ------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [BUDGET, EVEN], ids=["budget", "hidden integer"])
def test_a_linear_set_is_listed_exactly(allowed):
    """Against the solver, word by word; then digit by digit, in two orders, in compiled code."""
    listed = enumerated(allowed, SWITCHES)
    legal = {tuple(word) for word in WORDS.tolist() if sets.contains(allowed, np.array(word))}
    assert 0 < len(legal) < 16
    assert {tuple(word) for word in WORDS[inside(listed)].tolist()} == legal
    ask = jax.jit(lambda code, known, digit: sets.next_mask(listed, code, known, digit, 2))
    for order in ((0, 1, 2, 3), (2, 0, 3, 1)):
        words = [np.zeros(4, np.int32)]
        for n, digit in enumerate(order):
            known = np.isin(np.arange(4), order[:n])
            longer = []
            for word in words:
                values = np.flatnonzero(ask(word, known, digit))
                assert values.size
                longer += [np.where(np.arange(4) == digit, value, word).astype(np.int32) for value in values]
            words = longer
        assert {tuple(word.tolist()) for word in words} == legal
    drawn = jax.vmap(lambda key: sets.sample(listed, SWITCHES, key))(jax.random.split(jax.random.key(0), 300))
    assert {tuple(word) for word in drawn.tolist()} == legal
    assert bool(sets.possible(listed))


def test_an_empty_list_is_impossible():
    nothing = Linear(np.ones((1, 4)), np.zeros((1, 0)), np.array([-1.0]))
    assert not bool(sets.possible(enumerated(nothing, SWITCHES)))


def test_listed_words_are_a_mask_of_the_joined_digits():
    listed = enumerated(BUDGET, SWITCHES)
    mask = Flatten().fit(SWITCHES).restrict(listed).mask
    assert mask.tolist() == inside(listed).tolist()


def test_listed_words_meet_other_sets():
    listed, even = enumerated(BUDGET, SWITCHES), enumerated(EVEN, SWITCHES)
    first_off = Mask(jnp.array([[True, False], [True, True], [True, True], [True, True]]))
    rising = pairwise(np.array([[[True, True], [False, True]]] * 3))
    for other in (even, first_off, rising):
        for both in (intersection(listed, other), intersection(other, listed)):
            assert (inside(both) == inside(listed) & inside(other)).all()
    assert intersection(listed, None) is listed
    with pytest.raises(SpaceError):
        intersection(listed, BUDGET)


def test_every_row_of_a_chunk_keeps_to_the_list():
    small = MultiBinary(2)
    listed = enumerated(Linear(np.array([[1.0, 1.0]]), np.zeros((1, 0)), np.array([1.0])), small)
    found = inside(repeat_set(listed, small, 2))
    assert found.tolist() == [a + b <= 1 and c + d <= 1 for a, b, c, d in WORDS.tolist()]


def test_any_set_can_be_listed():
    space = MultiDiscrete((2, 3))
    mask = Mask(jnp.array([[True, False, False], [False, True, True]]))
    words = np.array(list(itertools.product(range(2), range(3))), np.int32)
    assert inside(enumerated(mask, space), words).tolist() == inside(mask, words).tolist()
    assert inside(enumerated(None, space), words).all()


def test_what_is_not_listed():
    with pytest.raises(SpaceError, match="At most"):
        enumerated(None, MultiBinary(30))
    with pytest.raises(SpaceError, match="does not fit"):
        enumerated(BUDGET, MultiBinary(3))
    with pytest.raises(SpaceError, match="Words are those"):
        enumerated(None, Discrete(3))


def test_a_rule_follows_the_state():
    constraint = StateSubset(SWITCHES, lambda money, word: jnp.sum(word.astype(jnp.float32) * WEIGHTS[0]) <= money)
    assert constraint.compiled
    for money in (0.0, 3.0, 8.0):
        allowed = jax.jit(lambda o: ask(constraint, o))(jnp.float32(money))
        assert inside(allowed).tolist() == (WORDS @ WEIGHTS[0] <= money).tolist()
    closed = Mask(jnp.array([[True, False]] + [[True, True]] * 3))
    assert inside(ask(constraint, jnp.float32(8.0), closed)).tolist() == (WORDS[:, 0] == 0).tolist()
    narrower = Both(constraint, StateMask(lambda money: closed))
    wanted = (WORDS[:, 0] == 0) & (WORDS @ WEIGHTS[0] <= 3.0)
    assert inside(ask(narrower, jnp.float32(3.0))).tolist() == wanted.tolist()


def test_a_rule_gives_one_truth_value():
    with pytest.raises(SpaceError, match="one truth value"):
        ask(StateSubset(SWITCHES, lambda o, word: word > 0), jnp.zeros(()))


# --- factors -----------------------------------------------------------------------------------------


def test_masks_by_factor():
    mask = by_factor({1: [True, False, True]}, (2, 3))
    assert mask.mask.tolist() == [[True, True, False], [True, False, True]]
    traced = jax.jit(lambda low: by_factor({0: jnp.array([True, low])}, (2, 3)).mask)(False)
    assert traced.tolist() == [[True, False, False], [True, True, True]]
    for wrong in ({2: [True]}, {0: [True]}):
        with pytest.raises(SpaceError):
            by_factor(wrong, (2, 3))


ARM = Box(-1.0, 1.0, (1,))


def reach(observation):
    return Interval(-observation, observation)


def test_one_constraint_for_each_part():
    space = Dict({"arm": ARM, "leg": ARM, "tool": Discrete(2)})
    constraint = Factors(
        space, {"arm": StateInterval(reach), "tool": StateMask(lambda o: Mask(jnp.array([o[0] > 0.5, True])))}
    )
    assert constraint.compiled
    allowed = jax.jit(lambda o: ask(constraint, o))(jnp.array([0.25]))
    assert (allowed["arm"].high.tolist(), allowed["leg"], allowed["tool"].mask.tolist()) == (
        [0.25],
        None,
        [False, True],
    )
    given = {"arm": Interval(jnp.array([0.0]), jnp.array([9.0])), "leg": None, "tool": None}
    assert ask(constraint, jnp.array([0.25]), given)["arm"].low.tolist() == [0.0]
    value = {"arm": jnp.array([0.3]), "leg": jnp.array([1.0]), "tool": jnp.int32(1)}
    assert not bool(sets.contains(allowed, value))
    assert bool(sets.contains(allowed, value | {"arm": jnp.array([0.2])}))
    host = Factors(Tuple([ARM, ARM]), {1: StateInterval(reach, compiled=False)})
    assert not host.compiled
    assert ask(host, jnp.array([0.5]))[0] is None


def test_branches_have_a_constraint_of_their_own():
    space = OneOf([Discrete(2), ARM])
    constraint = Factors(space, {1: StateInterval(reach)}, StateMask(lambda o: Mask(jnp.array([o[0] > 0.5, True]))))
    allowed = ask(constraint, jnp.array([0.25]))
    assert not bool(sets.contains(allowed, Choice(jnp.int32(0), (jnp.int32(1), jnp.zeros(1)))))
    assert bool(sets.contains(allowed, Choice(jnp.int32(1), (jnp.int32(1), jnp.array([0.2])))))
    assert not bool(sets.contains(allowed, Choice(jnp.int32(1), (jnp.int32(1), jnp.array([0.3])))))


@pytest.mark.parametrize(
    ("space", "parts", "branch"),
    [
        (Dict({"arm": ARM}), {"leg": StateInterval(reach)}, None),
        (Tuple([ARM]), {1: StateInterval(reach)}, None),
        (ARM, {}, None),
        (Tuple([ARM]), {}, StateMask(lambda o: o)),
    ],
)
def test_factors_that_the_space_does_not_have(space, parts, branch):
    with pytest.raises(SpaceError):
        Factors(space, parts, branch)
