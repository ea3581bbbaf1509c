"""Cells, the mask rule and chains, on toy codecs that show what each side is given."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.core import sets
from actlab.core.codec import Codec, Episode, cell_of, next_mask
from actlab.core.errors import SpaceError
from actlab.core.sets import Cells, Interval, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Space, Tuple
from actlab.core.steps import first_step


class Half(Codec):
    """Discrete(2 n) -> Discrete(n): pairs of neighbours, of which the lower one is played."""

    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)
    seen: int = eqx.field(static=True, default=-1)
    """Recorded steps that `fit` was given."""

    def fit(self, native, episodes=None):
        rows = -1 if episodes is None else sum(len(episode.native) for episode in episodes)
        return Half(native, Discrete(native.n // 2), rows)

    def encode(self, native, step=None):
        return native // 2, jnp.ones(native.shape, bool)

    def decode(self, code, step, i, key):
        return 2 * code

    def image(self, cell):
        return None if cell is None else Mask(jnp.repeat(cell.mask, 2))


class Twice(Codec):
    """Discrete(n) -> Discrete(n): played two steps long; at random the second time, if there is a key."""

    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    @property
    def length(self):
        return 2

    def fit(self, native, episodes=None):
        return Twice(native, native)

    def encode(self, native, step=None):
        return native, jnp.arange(native.shape[0]) + 2 <= native.shape[0]

    def decode(self, code, step, i, key):
        other = code if key is None else jax.random.randint(key, (), 0, self.native.n, jnp.int32)
        return jnp.where(i == 0, code, other)

    def image(self, cell):
        return cell


class Spy(Codec):
    """A codec over one space that plays what is legal: the lowest category in the set that it is shown."""

    native: Space | None = eqx.field(static=True, default=None)
    code: Space | None = eqx.field(static=True, default=None)

    def fit(self, native, episodes=None):
        return Spy(native, native)

    def encode(self, native, step=None):
        assert step is None or step.allowed is None
        return native, jnp.ones(native.shape, bool)

    def decode(self, code, step, i, key):
        shown = None if step is None else step.allowed
        return code if shown is None else jnp.argmax(Mask(shown.mask).mask).astype(jnp.int32)

    def image(self, cell):
        return cell

    def restrict(self, allowed):
        return allowed


# --- cells -------------------------------------------------------------------------------------------

FINITE = {
    "discrete": Discrete(3),
    "ragged": MultiDiscrete((2, 3)),
    "binary": MultiBinary(2),
    "nested": Dict({"a": Discrete(2), "b": Tuple([MultiBinary(2)])}),
    "one of": OneOf([Discrete(2), Discrete(2)]),
}


@pytest.mark.parametrize("space", FINITE.values(), ids=FINITE)
def test_a_cell_holds_the_values_that_agree_in_the_known_digits(space):
    numbers = jnp.arange(space.outcomes, dtype=jnp.int32)
    values = jax.vmap(lambda n: space.join(n, jnp.zeros((0,))))(numbers)
    flat, structure = jax.tree.flatten(space.known(False))
    sizes = [leaf.size for leaf in flat]
    flags = list(itertools.product([False, True], repeat=sum(sizes)))

    def unpack(flags):
        parts = jnp.split(flags, np.cumsum(sizes)[:-1])
        return jax.tree.unflatten(structure, [p.reshape(leaf.shape) for p, leaf in zip(parts, flat, strict=True)])

    @jax.jit
    def inside(flags, value):
        cell = cell_of(space, value, unpack(flags))
        return jax.vmap(lambda other: sets.contains(cell, other))(values)

    def agree(known, one, other):
        pairs = zip(jax.tree.leaves(known), jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
        return all(bool(np.all(~np.asarray(k) | (np.asarray(a) == np.asarray(b)))) for k, a, b in pairs)

    for known, number in itertools.product(flags, range(space.outcomes)):
        value = jax.tree.map(lambda leaf, n=number: leaf[n], values)
        others = [jax.tree.map(lambda leaf, n=n: leaf[n], values) for n in range(space.outcomes)]
        found = inside(jnp.array(known), value).tolist()
        if isinstance(space, OneOf):  # what a branch that is not taken holds does not count
            assert found[number]
            continue
        assert found == [agree(unpack(jnp.array(known)), value, other) for other in others]


def test_a_cell_of_a_box_is_a_point_or_everything():
    space = Box([0.0, -1.0], [2.0, 1.0])
    value = jnp.array([0.5, 0.25])
    point, whole = (cell_of(space, value, space.known(flag)) for flag in (True, False))
    assert point.low.tolist() == point.high.tolist() == [0.5, 0.25]
    assert (whole.low.tolist(), whole.high.tolist()) == ([0.0, -1.0], [2.0, 1.0])


def test_a_cell_of_one_of_leaves_branches_open():
    space = OneOf([Discrete(2), Box(0.0, 1.0, ())])
    value = Choice(jnp.int32(1), (jnp.int32(0), jnp.float32(0.5)))
    known = Choice(jnp.zeros((), bool), (jnp.ones((), bool), jnp.zeros((), bool)))
    cell = cell_of(space, value, known)
    assert cell.index.mask.tolist() == [True, True]
    assert cell.values[0].mask.tolist() == [True, False]
    assert (float(cell.values[1].low), float(cell.values[1].high)) == (0.0, 1.0)


# --- the mask rule -----------------------------------------------------------------------------------


def test_a_code_is_legal_if_its_cell_meets_the_set():
    codec = Half().fit(Discrete(6))
    allowed = Mask(jnp.array([False, True, False, False, True, True]))
    assert isinstance(codec.restrict(allowed), Cells)
    assert next_mask(allowed, codec, jnp.int32(0), 0).tolist() == [True, False, True]
    assert [bool(sets.contains(codec.restrict(allowed), jnp.int32(k))) for k in range(3)] == [True, False, True]
    assert bool(sets.possible(codec.restrict(allowed)))
    assert not bool(sets.possible(codec.restrict(Mask(jnp.zeros(6, bool)))))
    drawn = {int(sets.sample(codec.restrict(allowed), codec.code, jax.random.key(i))) for i in range(12)}
    assert drawn == {0, 2}


def test_without_a_set_only_categories_that_exist_are_legal():
    codec = Spy().fit(MultiDiscrete((2, 3)))
    assert next_mask(None, codec, jnp.array([0, 0]), 0).tolist() == [True, True, False]
    assert next_mask(None, codec, jnp.array([0, 0]), 1).tolist() == [True, True, True]


def test_cells_of_what_allows_everything_are_nothing():
    assert Half().fit(Discrete(4)).restrict(None) is None


# --- chains ------------------------------------------------------------------------------------------


def test_a_chain_decodes_inside_out_and_encodes_outside_in():
    chain = (Half() >> Half()).fit(Discrete(8))
    assert (chain.native, chain.code, chain.length) == (Discrete(8), Discrete(2), 1)
    codes, valid = chain.encode(jnp.arange(8))
    assert codes.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert bool(jnp.all(valid))
    assert int(chain.decode(jnp.int32(1), None, jnp.int32(0), None)) == 4
    assert chain.cell(jnp.int32(1), jnp.ones((), bool)).mask.tolist() == [False] * 4 + [True] * 4


def test_the_inner_codec_sees_the_set_over_its_own_space():
    chain = (Half() >> Spy()).fit(Discrete(6))
    step = first_step(jnp.zeros(1), Mask(jnp.array([False, False, False, True, True, True])))

    class Closed(Half):
        def restrict(self, allowed):
            return Mask(jnp.any(allowed.mask.reshape(-1, 2), axis=1))

    closed = eqx.tree_at(lambda c: c.outer, chain, Closed(Discrete(6), Discrete(3)))
    assert int(closed.decode(jnp.int32(0), step, jnp.int32(0), None)) == 2
    batch = jax.tree.map(lambda leaf: leaf[None], step)
    assert closed.encode(jnp.array([5]), batch)[0].tolist() == [2]


@pytest.mark.parametrize("order", ["outer", "inner"])
def test_a_chain_lasts_as_long_as_its_longer_codec(order):
    codec = Twice() >> Half() if order == "outer" else Half() >> Twice()
    chain = codec.fit(Discrete(4))
    assert (chain.length, chain.shortest) == (2, 2)
    assert [bool(chain.finished(jnp.int32(1), None, jnp.int32(i))) for i in range(2)] == [False, True]
    assert [int(chain.decode(jnp.int32(1), None, jnp.int32(i), None)) for i in range(2)] == [2, 2]
    assert chain.encode(jnp.array([0, 1, 2]))[1].tolist() == [True, True, False]


def test_a_chunk_of_chunks_is_refused():
    with pytest.raises(SpaceError, match="one chunk"):
        (Twice() >> Half() >> Twice()).fit(Discrete(4))


def test_inner_statistics_are_measured_on_what_the_outer_codec_encodes():
    episodes = [Episode(jnp.array([0, 1, 2])), Episode(jnp.array([3, 3]))]
    assert (Half() >> Half()).fit(Discrete(4), episodes).inner.seen == 5
    # the last step of each episode begins no whole code of the outer codec
    assert (Twice() >> Half()).fit(Discrete(4), episodes).inner.seen == 3
    assert (Twice() >> Half()).fit(Discrete(4)).inner.seen == -1


def test_both_codecs_of_a_chain_draw_their_own_randomness():
    class Random(Twice):
        def decode(self, code, step, i, key):
            return jax.random.randint(key, (), 0, 1 << 20, jnp.int32) + code

    chain = eqx.tree_at(lambda c: c.inner, (Random() >> Half()).fit(Discrete(4)), Random(Discrete(4), Discrete(4)))
    once = int(chain.decode(jnp.int32(0), None, jnp.int32(0), jax.random.key(0)))
    inner = once - int(jax.random.randint(jax.random.key(0), (), 0, 1 << 20, jnp.int32))
    assert once != 2 * inner


def test_an_interval_is_no_set_of_categories():
    with pytest.raises(SpaceError):
        next_mask(Interval(jnp.zeros(1), jnp.ones(1)), Spy().fit(Discrete(2)), jnp.int32(0), 0)
