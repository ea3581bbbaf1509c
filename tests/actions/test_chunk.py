"""Chunks: windows, rows, and every kind of set applied to every row."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions import Bins, Chunk, CoarseToFine
from actlab.actions.dependent import pairwise
from actlab.actions.rows import Rows, cut_rows, join_rows, repeat_set
from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.sets import Cells, Interval, Linear, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step

ZERO = jnp.zeros((), jnp.int32)


def test_codes_are_windows_and_rows_are_played_in_turn():
    bound = Chunk(length=3).fit(Box(-9.0, 9.0, (2,)))
    native = jnp.arange(10.0).reshape(5, 2) - 4
    codes, valid = bound.encode(native)
    assert codes.shape == (5, 3, 2)
    assert valid.tolist() == [True, True, True, False, False]
    for t, i in itertools.product(range(3), range(3)):
        assert bound.decode(codes[t], None, jnp.int32(i), None).tolist() == native[t + i].tolist()


def test_an_episode_shorter_than_a_chunk_has_no_code():
    codes, valid = Chunk(length=4).fit(Discrete(3)).encode(jnp.array([2, 1]))
    assert codes.shape == (2, 4)
    assert not bool(jnp.any(valid))


@pytest.mark.parametrize(
    ("space", "code"),
    [
        (Discrete(3), MultiDiscrete((3, 3))),
        (MultiDiscrete((2, 3)), MultiDiscrete((2, 3, 2, 3))),
        (MultiBinary(2), MultiBinary(4)),
        (OneOf([Discrete(2)]), Tuple([OneOf([Discrete(2)])] * 2)),
        (Dict({"a": Discrete(2)}), Dict({"a": MultiDiscrete((2, 2))})),
    ],
)
def test_the_code_is_the_repeated_space(space, code):
    assert Chunk(length=2).fit(space).code == code


def test_a_chunk_needs_an_action():
    with pytest.raises(SpaceError, match="at least one"):
        Chunk(length=0)


def test_cells_speak_of_the_first_row():
    bound = Chunk(length=2).fit(MultiDiscrete((2, 3)))
    cell = bound.cell(jnp.array([1, 2, 0, 0]), jnp.array([True, False, True, True]))
    assert cell.mask.tolist() == [[False, True, False], [True, True, True]]


# --- sets over rows ----------------------------------------------------------------------------------

TABLES = np.array([[[True, True], [False, True]]])
"""Two digits that do not fall."""

FINITE = {
    "discrete": (Discrete(3), Mask(jnp.array([True, False, True]))),
    "digits": (MultiDiscrete((2, 3)), Mask(jnp.array([[True, False, False], [False, True, True]]))),
    "automaton": (MultiDiscrete((2, 2)), pairwise(TABLES)),
    "linear": (MultiBinary(2), Linear(np.array([[1.0, 1.0]]), np.zeros((1, 0)), np.array([1.0]))),
    "hidden integer": (MultiBinary(2), Linear(np.array([[1.0, 1.0], [-1, -1]]), np.array([[-2.0], [2]]), np.zeros(2))),
    "tuple": (Tuple([Discrete(2), MultiBinary(1)]), (Mask(jnp.array([False, True])), None)),
    "dict": (Dict({"a": Discrete(2)}), {"a": Mask(jnp.array([False, True]))}),
    "one of": (
        OneOf([Discrete(2), Discrete(2)]),
        Choice(Mask(jnp.array([True, True])), (Mask(jnp.array([False, True])), Mask(jnp.array([False, False])))),
    ),
    "nothing": (Discrete(2), None),
}


@pytest.mark.parametrize(("space", "allowed"), FINITE.values(), ids=FINITE)
def test_a_repeated_set_holds_what_every_row_holds(space, allowed):
    many, count = repeat_set(allowed, space, 2), space.outcomes
    values = [space.join(jnp.int32(n), jnp.zeros((0,))) for n in range(count)]
    single = [bool(sets.contains(allowed, value)) for value in values]
    for one, other in itertools.product(range(count), repeat=2):
        stacked = jax.tree.map(lambda a, b: jnp.stack([a, b]), values[one], values[other])
        assert bool(sets.contains(many, space.stack(stacked))) == (single[one] and single[other])


def test_a_repeated_interval_and_a_set_of_another_world():
    many = repeat_set(Interval(jnp.array([0.0, 1.0]), jnp.array([2.0, 3.0])), Box(0.0, 3.0, (2,)), 3)
    assert many.low.tolist() == [[0.0, 1.0]] * 3
    with pytest.raises(SpaceError):
        repeat_set("all", Discrete(2), 2)


def test_the_rows_of_an_automaton_start_afresh():
    many = repeat_set(pairwise(TABLES), MultiDiscrete((2, 2)), 3)
    words = jnp.asarray(list(itertools.product(range(2), repeat=6)))
    found = np.asarray(jax.jit(jax.vmap(lambda word: sets.contains(many, word)))(words))
    assert found.tolist() == [all(w[i] <= w[i + 1] for i in (0, 2, 4)) for w in words.tolist()]


@pytest.mark.parametrize(("space", "allowed"), [v for k, v in FINITE.items() if k in ("discrete", "digits", "one of")])
def test_rows_are_cut_as_they_were_joined(space, allowed):
    rows = cut_rows(space, join_rows(space, [allowed] * 3), 3)
    assert len(rows) == 3
    for row in rows:
        assert jax.tree.all(jax.tree.map(jnp.array_equal, row, allowed))


def test_cells_of_a_chunk_ask_every_row():
    """Coarse-to-fine has no closed form, and yet each row of the chunk keeps to the Interval."""
    codec = (CoarseToFine(levels=2, bins=2) >> Chunk(length=2)).fit(Box(0.0, 4.0, (1,)))
    allowed = Interval(jnp.array([1.25]), jnp.array([2.5]))
    legal = codec.restrict(allowed)
    assert isinstance(legal, Cells)
    assert isinstance(legal.codec, Rows)
    words = np.array(list(itertools.product(range(2), repeat=4)))
    found = np.asarray(jax.jit(jax.vmap(lambda word: sets.contains(legal, word)))(jnp.asarray(words)))
    fits = [all(1 <= 2 * w[2 * h] + w[2 * h + 1] <= 2 for h in range(2)) for w in words]
    assert found.tolist() == fits
    masks = jax.jit(lambda word, known, d: sets.next_mask(legal, word, known, d, 2))
    assert masks(jnp.array([0, 0, 1, 0]), jnp.array([True, False, True, False]), 3).tolist() == [True, False]
    assert masks(jnp.array([0, 0, 1, 0]), jnp.array([True, False, True, False]), 1).tolist() == [False, True]


def test_rows_code_every_row():
    rows = Rows(Bins(bins=4), 2).fit(Box(0.0, 4.0, (1,)))
    assert rows.native == Box(0.0, 4.0, (2, 1))
    codes, valid = rows.encode(jnp.array([[[0.5], [3.5]], [[1.1], [2.9]]]))
    assert codes.tolist() == [[0, 3], [1, 2]]
    assert valid.tolist() == [True, True]
    assert rows.decode(codes[1], None, ZERO, None).tolist() == [[1.5], [2.5]]
    cell = rows.cell(codes[1], jnp.array([True, False]))
    assert (cell.low.tolist(), cell.high.tolist()) == ([[1.0], [0.0]], [[2.0], [4.0]])


def test_each_row_lands_in_the_set_of_its_own_step():
    codec = (Bins(bins=2) >> Chunk(length=2)).fit(Box(0.0, 4.0, (1,)))
    code = jnp.array([0, 1])
    for i, (low, high), played in ((0, (1.5, 4.0), 1.5), (1, (0.0, 2.25), 2.25)):
        step = first_step(jnp.zeros(1), Interval(jnp.array([low]), jnp.array([high])))
        assert codec.decode(code, step, jnp.int32(i), None).tolist() == [played]
