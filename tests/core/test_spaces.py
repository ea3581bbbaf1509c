"""Spaces: samples, membership, the split into outcomes and coordinates, rows, and the twins in Gymnasium."""

import functools

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from actlab.core.errors import SpaceError
from actlab.core.spaces import (
    Box,
    Choice,
    Dict,
    Discrete,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Tuple,
    from_gymnasium,
)

SPACES = {
    "box": Box([-1.0, 0.0, 2.0], [1.0, 0.5, 2.0]),
    "unbounded box": Box([-np.inf, 0.0, -np.inf], [np.inf, np.inf, 1.0]),
    "pixels": Box(0, 255, (2, 2), "uint8"),
    "discrete": Discrete(5),
    "multi-discrete": MultiDiscrete((3, 2, 4)),
    "multi-binary": MultiBinary(3),
    "one of": OneOf([Box(-1.0, 1.0, (2,)), Discrete(3), MultiDiscrete((2, 2))]),
    "nested": Dict({"b": Tuple([Discrete(2), OneOf([Box(0.0, 1.0, ()), Discrete(2)])]), "a": MultiBinary(2)}),
}
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


@functools.cache
def samples(space, count=8):
    """`count` values as one PyTree with a leading axis, drawn by Gymnasium."""
    twin = space.to_gymnasium()
    twin.seed(7)
    rows = [space.from_host(twin.sample()) for _ in range(count)]
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *rows)


def value_at(values, i):
    return jax.tree.map(lambda leaf: leaf[i], values)


@every_space
def test_samples_are_inside_and_of_the_stated_dtypes(space):
    zeros = space.zeros()
    assert bool(space.contains(zeros))

    @jax.jit
    def draw(key):
        value = space.sample(key)
        return value, space.contains(value), space.flatten(value)

    drawn = [draw(jax.random.key(i)) for i in range(4)]
    assert all(bool(inside) for _, inside, _ in drawn)
    assert len({tuple(flat.tolist()) for _, _, flat in drawn}) > 1
    leaves = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(drawn[0][0])]
    assert leaves == [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(zeros)]
    assert all(dtype in (jnp.float32, jnp.int32, jnp.uint8) for _, dtype in leaves)


def halves(space, outcomes, vectors):
    """Values joined from outcomes `[N]` and coordinates `[N, C]`; their split, flattening and membership."""

    def one(outcome, vector):
        value = space.join(outcome, vector)
        return value, space.split(value), space.flatten(value), space.contains(value)

    return jax.jit(jax.vmap(one))(outcomes, vectors)


@every_space
def test_split_inverts_join(space):
    values = samples(space)
    outcomes, vectors = jax.jit(jax.vmap(space.split))(values)
    assert outcomes.dtype == jnp.int32
    assert vectors.shape == (8, space.dims)
    assert bool(jnp.all((outcomes >= 0) & (outcomes < space.outcomes)))
    _, again, flat, inside = halves(space, outcomes, vectors)
    assert jnp.array_equal(again[0], outcomes)
    assert jnp.array_equal(again[1], vectors)
    assert bool(jnp.all(inside))
    assert flat.shape == (8, space.width)
    assert flat.dtype == jnp.float32
    for i in range(8):
        assert jnp.array_equal(space.flatten(value_at(values, i)), flat[i])


@pytest.mark.parametrize("name", [name for name, space in SPACES.items() if space.outcomes > 1])
def test_join_numbers_every_outcome_once(name):
    space = SPACES[name]
    numbers = jnp.arange(space.outcomes, dtype=jnp.int32)
    _, again, flat, inside = halves(space, numbers, jnp.full((space.outcomes, space.dims), 0.25))
    assert bool(jnp.all(inside))
    assert jnp.array_equal(again[0], numbers)
    assert len(np.unique(np.asarray(flat), axis=0)) == space.outcomes


@every_space
def test_relevant_says_which_coordinates_count(space):
    """Moving a coordinate changes the flattened value exactly where it is relevant."""
    table, size = space.relevant, space.outcomes
    assert table.shape == (size, space.dims)
    numbers = jnp.arange(size, dtype=jnp.int32)
    rest = jnp.full((space.dims + 1, space.dims), 0.25) + jnp.eye(space.dims + 1, space.dims)
    flat = jax.jit(jax.vmap(lambda vector: jax.vmap(lambda n: space.flatten(space.join(n, vector)))(numbers)))(rest)
    for column in range(space.dims):
        moved = np.any(np.asarray(flat[column] != flat[-1]), axis=-1)
        assert moved.tolist() == table[:, column].tolist()


def test_flatten_of_each_kind():
    assert Discrete(3).flatten(jnp.int32(1)).tolist() == [0, 1, 0]
    assert MultiDiscrete((2, 3)).flatten(jnp.array([1, 0])).tolist() == [0, 1, 1, 0, 0]
    assert MultiBinary(3).flatten(jnp.array([1, 0, 1])).tolist() == [1, 0, 1]
    space = SPACES["one of"]
    value = Choice(jnp.int32(1), (jnp.ones(2), jnp.int32(2), jnp.array([1, 0])))
    assert space.flatten(value).tolist() == [0, 1, 0, *[0, 0], *[0, 0, 1], *[0, 0, 0, 0]]


@every_space
def test_known_has_one_flag_for_each_digit(space):
    flags = jax.tree.leaves(space.known(True))
    assert all(bool(jnp.all(flag)) and flag.dtype == bool for flag in flags)
    assert not any(bool(jnp.any(flag)) for flag in jax.tree.leaves(space.known(False)))
    assert jax.tree.structure(space.known(True)) == jax.tree.structure(space.zeros())


@pytest.mark.parametrize(
    ("name", "count"), [("discrete", 1), ("multi-discrete", 3), ("multi-binary", 3), ("pixels", 1), ("nested", 6)]
)
def test_known_counts_digits(name, count):
    assert sum(flag.size for flag in jax.tree.leaves(SPACES[name].known(True))) == count


@every_space
def test_rows_of_a_repeated_space(space):
    values = value_at(samples(space), slice(0, 3))
    many = space.repeat(3)
    together = space.stack(values)
    assert bool(jax.jit(many.contains)(together))
    assert many.outcomes == space.outcomes**3
    assert many.dims == 3 * space.dims
    row = jax.jit(lambda i: space.flatten(space.row(together, i)))
    for i in range(3):
        assert jnp.array_equal(row(jnp.int32(i)), space.flatten(value_at(values, i)))


@every_space
def test_gymnasium_accepts_our_values_and_we_accept_its(space):
    twin, flatten = space.to_gymnasium(), jax.jit(space.flatten)
    assert from_gymnasium(twin) == space
    for i in range(3):
        value = value_at(samples(space), i)
        host = space.to_host(value)
        assert twin.contains(host)
        assert jnp.array_equal(flatten(jax.tree.map(jnp.asarray, space.from_host(host))), flatten(value))
    assert bool(jnp.all(jax.jit(jax.vmap(space.contains))(samples(space))))


@every_space
def test_spaces_are_hashable_values(space):
    again = from_gymnasium(space.to_gymnasium())
    assert hash(space) == hash(again)
    assert len({space, again, Discrete(99)}) == 2
    assert type(space).__name__ in repr(space)


@pytest.mark.parametrize("bad", [1.5, -1.5, np.inf])
def test_a_box_refuses_what_lies_outside(bad):
    value = jnp.array([0.0, bad])
    assert not bool(Box(-1.0, 1.0, (2,)).contains(value))


def test_no_space_contains_nan():
    with jax.debug_nans(False):
        assert not bool(Box(-np.inf, np.inf, (2,)).contains(jnp.array([0.0, jnp.nan])))
        assert not bool(Box(-1.0, 1.0, (2,)).contains(jnp.array([0.0, jnp.nan])))
        inside = Tuple([Discrete(2), Box(-np.inf, np.inf, ())])
        assert not bool(inside.contains((jnp.int32(0), jnp.float32(jnp.nan))))


@pytest.mark.parametrize(
    ("space", "value"),
    [
        (Discrete(3), 3),
        (Discrete(3), -1),
        (MultiDiscrete((3, 2)), [0, 2]),
        (MultiDiscrete((3, 2)), [-1, 0]),
        (MultiBinary(2), [0, 2]),
    ],
)
def test_digits_outside_are_refused(space, value):
    assert not bool(space.contains(jnp.asarray(value, jnp.int32)))


def test_only_the_branch_taken_counts():
    space = OneOf([Discrete(2), Discrete(3)])
    bad = jnp.int32(7)
    assert bool(space.contains(Choice(jnp.int32(0), (jnp.int32(1), bad))))
    assert not bool(space.contains(Choice(jnp.int32(1), (jnp.int32(1), bad))))
    assert not bool(space.contains(Choice(jnp.int32(2), (jnp.int32(1), jnp.int32(1)))))


@pytest.mark.parametrize(
    "make",
    [lambda: Box(1.0, 0.0, (2,)), lambda: Box(np.nan, 1.0, ()), lambda: Box([0.0, 0.0], [1.0, -1.0])],
)
def test_a_box_needs_ordered_bounds(make):
    with pytest.raises(SpaceError, match="low <= high"):
        make()


def test_a_box_knows_whether_it_is_bounded():
    assert SPACES["box"].bounded
    assert not SPACES["unbounded box"].bounded


def test_a_box_holds_numbers_of_the_device():
    with pytest.raises(SpaceError, match="four bytes"):
        Box(0.0, 1.0, (2,), np.float64)
    assert from_gymnasium(gymnasium.spaces.Box(-0.1, 0.1, (2,), np.float64)) == Box(-0.1, 0.1, (2,))


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (gymnasium.spaces.Text(3), "not supported"),
        (gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(2)), "not supported"),
        (gymnasium.spaces.Discrete(3, start=1), "start at 0"),
        (gymnasium.spaces.MultiDiscrete([2, 2], start=[0, 1]), "start at 0"),
    ],
)
def test_gymnasium_spaces_without_a_twin(space, words):
    with pytest.raises(SpaceError, match=words):
        from_gymnasium(space)


# --- statistics of samples ---------------------------------------------------------------------------


def uniform_p(counts):
    return stats.chisquare(counts).pvalue


def draw(space, count=6000):
    keys = jax.random.split(jax.random.key(1), count)
    return jax.jit(jax.vmap(space.sample))(keys)


def test_digits_are_uniform_and_independent():
    values = np.asarray(draw(MultiDiscrete((3, 2))))
    assert uniform_p(np.bincount(values[:, 0] * 2 + values[:, 1], minlength=6)) > 1e-3


def test_a_discrete_is_uniform():
    assert uniform_p(np.bincount(np.asarray(draw(Discrete(7))), minlength=7)) > 1e-3


def test_branches_and_parts_are_uniform_and_independent():
    values = draw(OneOf([Discrete(2), Discrete(3)]))
    numbers = np.asarray(values.index) * 6 + np.asarray(values.values[0]) * 3 + np.asarray(values.values[1])
    assert uniform_p(np.bincount(numbers, minlength=12)) > 1e-3


def test_a_box_is_uniform_where_bounded_and_normal_elsewhere():
    values = np.asarray(draw(Box([-2.0, -np.inf], [4.0, np.inf])))
    assert stats.kstest(values[:, 0], stats.uniform(-2, 6).cdf).pvalue > 1e-3
    assert stats.kstest(values[:, 1], stats.norm().cdf).pvalue > 1e-3
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.05
