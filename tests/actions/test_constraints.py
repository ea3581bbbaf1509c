"""Constraints: state-dependent sets, dependent digits without dead ends, intersections."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions.constraints import Both, Dependent, StateInterval, StateMask, by_prefix, intersection, pairwise
from actlab.core import sets
from actlab.core.contracts import Constraint
from actlab.core.errors import SpaceError
from actlab.core.sets import Automaton, Interval, Linear, Mask
from actlab.core.spaces import Choice
from actlab.core.steps import first_step


def ask(constraint: Constraint, observation, allowed=None):
    memory = constraint.begin(jax.random.key(0), ())
    return constraint.allowed(memory, first_step(observation, allowed))


def members(allowed, values):
    found = jax.jit(jax.vmap(lambda value: sets.contains(allowed, value)))(jnp.asarray(values))
    return {tuple(v) for v, inside in zip(np.asarray(values).tolist(), found.tolist(), strict=True) if inside}


# --- state-dependent sets ----------------------------------------------------------------------------


def test_a_mask_follows_the_state():
    constraint = StateMask(lambda observation: Mask(observation > 0))
    assert constraint.compiled
    for stock in ([1.0, 0.0, 2.0], [0.0, 0.0, 1.0]):
        allowed, memory = jax.jit(lambda o: ask(constraint, o))(jnp.array(stock))
        assert allowed.mask.tolist() == [s > 0 for s in stock]
        assert memory == ()


def test_what_the_environment_forbids_stays_forbidden():
    allowed, _ = ask(StateMask(lambda o: Mask(o > 0)), jnp.array([1.0, 1.0, 0.0]), Mask(jnp.array([False, True, True])))
    assert allowed.mask.tolist() == [False, True, False]
    interval = StateInterval(lambda o: Interval(-o, o))
    allowed, _ = ask(interval, jnp.array([0.5]), Interval(jnp.array([0.0]), jnp.array([1.0])))
    assert (allowed.low.tolist(), allowed.high.tolist()) == ([0.0], [0.5])


def test_an_interval_follows_the_state():
    allowed = jax.jit(lambda o: ask(StateInterval(lambda o: Interval(-o, o)), o)[0])(jnp.array([0.5, 2.0]))
    assert (allowed.low.tolist(), allowed.high.tolist()) == ([-0.5, -2.0], [0.5, 2.0])


@pytest.mark.parametrize("kind", [StateMask, StateInterval])
def test_a_function_that_returns_no_set_is_a_sentence(kind):
    with pytest.raises(SpaceError, match="should return"):
        ask(kind(lambda observation: observation), jnp.zeros(2))


def test_host_functions_say_so():
    assert not StateMask(lambda o: o, compiled=False).compiled
    assert not Both(StateMask(lambda o: o), StateMask(lambda o: o, compiled=False)).compiled


# --- dependent digits --------------------------------------------------------------------------------

TABLES = np.zeros((2, 3, 3), bool)
TABLES[0, 0, [0, 1]] = TABLES[0, 1, [2]] = TABLES[0, 2, [2]] = True
TABLES[1, 0, [1]] = TABLES[1, 1, [0, 2]] = True  # nothing may follow a second digit of 2: a dead end
WORDS = np.array(list(itertools.product(range(3), repeat=3)))
LEGAL = {tuple(w) for w in WORDS.tolist() if TABLES[0, w[0], w[1]] and TABLES[1, w[1], w[2]]}


def walk(allowed, digits, size):
    """Words reached by legal digits from left to right; fails where a legal prefix has no way on."""
    ask = jax.jit(lambda word, known, d: sets.next_mask(allowed, word, known, d, size))
    words = [()]
    for d in range(digits):
        longer = []
        for word in words:
            code = jnp.asarray([*word, *[0] * (digits - d)], jnp.int32)
            legal = np.flatnonzero(ask(code, jnp.arange(digits) < d, d))
            assert legal.size
            longer += [(*word, int(value)) for value in legal]
        words = longer
    return set(words)


def edges_lead_on(allowed, digits):
    """No node that a word reaches before its end is without a way on."""
    rule, front = np.asarray(allowed.next), {int(allowed.start)}
    for _ in range(digits):
        assert all((rule[node] >= 0).any() for node in front)
        front = {int(follow) for node in front for follow in rule[node] if follow >= 0}


def test_tables_become_an_automaton_without_dead_ends():
    allowed = pairwise(TABLES)
    assert members(allowed, WORDS) == LEGAL
    assert walk(allowed, 3, 3) == LEGAL
    edges_lead_on(allowed, 3)
    assert allowed.next.dtype == jnp.int32
    assert np.flatnonzero(np.asarray(allowed.next)[0] >= 0).tolist() == [0]  # 1 and 2 lead only to the dead end


def test_the_first_digit_may_be_limited():
    tables = np.ones((1, 2, 2), bool)
    assert members(pairwise(tables, [False, True]), [[0, 0], [0, 1], [1, 0], [1, 1]]) == {(1, 0), (1, 1)}


def test_tables_without_any_word_are_impossible():
    assert not bool(sets.possible(pairwise(np.zeros((2, 3, 3), bool))))
    assert bool(sets.possible(pairwise(TABLES)))


@pytest.mark.parametrize("tables", [np.ones((3, 3)), np.ones((2, 3, 2))])
def test_tables_of_another_shape_are_refused(tables):
    with pytest.raises(SpaceError, match="K, K"):
        pairwise(tables)
    with pytest.raises(SpaceError, match="first digit"):
        pairwise(np.ones((1, 2, 2)), first=[True])


def rule(prefix):
    """Sorted and different digits of 3, 4 and 4 categories; the sum must be even (known only at the end)."""
    size = (3, 4, 4)[len(prefix)]
    values = np.arange(size)
    legal = values > prefix[-1] if prefix else values >= 0
    return legal & ((sum(prefix) + values) % 2 == 0) if len(prefix) == 2 else legal


def test_a_rule_over_prefixes_becomes_an_automaton_without_dead_ends():
    allowed = by_prefix(rule, (3, 4, 4))
    expected = {w for w in itertools.product(range(3), range(4), range(4)) if w[0] < w[1] < w[2] and sum(w) % 2 == 0}
    assert members(allowed, list(itertools.product(range(4), repeat=3))) == expected
    assert walk(allowed, 3, 4) == expected
    edges_lead_on(allowed, 3)


def test_prefixes_with_equal_futures_share_a_node():
    parity = by_prefix(lambda p: np.array([True, True]) if len(p) < 9 else np.arange(2) == sum(p) % 2, (2,) * 10)
    assert parity.next.shape[0] <= 20
    assert bool(sets.contains(parity, jnp.array([1] * 10)))
    assert not bool(sets.contains(parity, jnp.array([1] * 9 + [0])))


@pytest.mark.parametrize(
    ("function", "nvec", "words"),
    [
        (lambda prefix: np.zeros(2, bool), (2, 2), "no word"),
        (lambda prefix: np.ones(3, bool), (2, 2), "shape"),
        (lambda prefix: np.ones(10, bool), (10,) * 7, "at most"),
    ],
)
def test_rules_that_cannot_be_compiled(function, nvec, words):
    with pytest.raises(SpaceError, match=words):
        by_prefix(function, nvec)


@pytest.mark.parametrize(
    "constraint",
    [Dependent(TABLES), Dependent(pairwise(TABLES)), Dependent(lambda o: o > 0), Dependent(lambda o: pairwise(o > 0))],
)
def test_dependent_digits_as_tables_automaton_or_function(constraint):
    allowed = jax.jit(lambda o: ask(constraint, o)[0])(jnp.asarray(TABLES, jnp.float32))
    assert members(allowed, WORDS) == LEGAL


def test_dependent_digits_under_the_environments_own_mask():
    mask = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1]], bool)
    allowed, _ = ask(Dependent(TABLES), jnp.zeros(1), Mask(jnp.asarray(mask)))
    assert members(allowed, WORDS) == {w for w in LEGAL if all(mask[d, w[d]] for d in range(3))}


# --- both, and intersections -------------------------------------------------------------------------


def test_both_allow_what_each_allows_and_remember_apart():
    class Counting:
        compiled = True

        def begin(self, key, context):
            return jax.random.key_data(key)[-1], jnp.int32(0)

        def allowed(self, memory, step):
            return Mask(jnp.arange(3) != memory[1]), (memory[0], memory[1] + 1)

    both = Both(Counting(), Both(Counting(), StateMask(lambda o: Mask(jnp.arange(3) > 0))))
    memory = both.begin(jax.random.key(0), ())
    assert int(memory[0][0]) != int(memory[1][0][0])
    for count, legal in enumerate([[False, True, True], [False, False, True]]):
        allowed, memory = both.allowed(memory, first_step(jnp.zeros(1)))
        assert allowed.mask.tolist() == legal
        assert int(memory[0][1]) == int(memory[1][0][1]) == count + 1


def random_automaton(seed):
    follow = np.random.default_rng(seed).integers(-1, 4, (4, 3))
    return Automaton(jnp.asarray(follow, jnp.int32), jnp.int32(seed % 4))


def random_mask(seed):
    return Mask(jnp.asarray(np.random.default_rng(seed).random((3, 3)) < 0.7))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "kinds", [(random_mask, random_mask), (random_automaton, random_mask), (random_automaton,) * 2]
)
def test_an_intersection_holds_what_both_hold(kinds, seed):
    one, other = kinds[0](seed), kinds[1](seed + 10)
    expected = members(one, WORDS) & members(other, WORDS)
    assert members(intersection(one, other), WORDS) == expected
    assert members(intersection(other, one), WORDS) == expected
    assert intersection(one, None) is one
    assert intersection(None, one) is one


def test_linear_sets_keep_their_own_hidden_integers():
    even = Linear(np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]), np.array([[-2.0], [2.0]]), np.zeros(2))
    few = Linear(np.array([[1.0, 1.0, 0.0]]), np.zeros((1, 0)), np.array([1.0]))
    both = intersection(even, few)
    for bits in itertools.product(range(2), repeat=3):
        assert sets.contains(both, np.array(bits)) == (sum(bits) % 2 == 0 and bits[0] + bits[1] <= 1)


def test_nests_are_intersected_part_by_part():
    yes, no = Mask(jnp.array([True, True])), Mask(jnp.array([True, False]))
    assert intersection((yes, None), (no, no))[0].mask.tolist() == [True, False]
    assert intersection({"a": None}, {"a": no})["a"] is no
    both = intersection(Choice(None, (yes, None)), Choice(no, (no, yes)))
    assert (both.index, both.values[1]) == (no, yes)
    assert both.values[0].mask.tolist() == [True, False]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Mask(jnp.ones(3, bool)), Mask(jnp.ones(2, bool))),
        (Mask(jnp.ones(3, bool)), Interval(jnp.zeros(1), jnp.ones(1))),
        (Interval(jnp.zeros(1), jnp.ones(1)), Interval(jnp.zeros(2), jnp.ones(2))),
        (pairwise(TABLES), Mask(jnp.ones(3, bool))),
        (pairwise(TABLES), pairwise(np.ones((1, 2, 2)))),
        ((None,), (None, None)),
        ({"a": None}, {"b": None}),
        (Choice(None, (None,)), (None,)),
        ("all", None),
    ],
)
def test_sets_without_a_common_form(one, other):
    with pytest.raises(SpaceError, match="one kind"):
        intersection(one, other)
