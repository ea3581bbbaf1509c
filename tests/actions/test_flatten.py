"""Flatten: one category for each joint outcome; and products, which act leaf by leaf."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions import Bins, Chunk, CoarseToFine, Flatten, Identity, Normalise
from actlab.actions.dependent import pairwise
from actlab.actions.parse import code_text
from actlab.actions.product import Product
from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.sets import Cells, Interval, Linear, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step

ZERO = jnp.zeros((), jnp.int32)


def test_outcomes_are_numbered_as_the_space_joins_them():
    bound = Flatten().fit(MultiDiscrete((2, 3)))
    words = jnp.asarray(list(itertools.product(range(2), range(3))))
    assert bound.code == Discrete(6)
    assert bound.encode(words)[0].tolist() == list(range(6))
    assert [bound.decode(jnp.int32(n), None, ZERO, None).tolist() for n in range(6)] == words.tolist()


@pytest.mark.parametrize(
    ("space", "allowed"),
    [
        (MultiDiscrete((2, 2)), pairwise(np.array([[[True, False], [True, True]]]))),
        (MultiBinary(2), Linear(np.array([[1.0, 1.0]]), np.zeros((1, 0)), np.array([1.0]))),
        (Tuple([MultiBinary(2), Discrete(2)]), (Linear(np.ones((1, 2)), np.zeros((1, 0)), np.ones(1)), None)),
        (OneOf([Discrete(2), Discrete(3)]), Choice(None, (Mask(jnp.array([True, False])), None))),
        (Dict({"a": Discrete(2), "b": Discrete(2)}), {"a": Mask(jnp.array([True, False])), "b": None}),
    ],
)
def test_any_set_becomes_a_mask(space, allowed):
    bound = Flatten().fit(space)
    values = [bound.decode(jnp.int32(n), None, ZERO, None) for n in range(space.outcomes)]
    legal = bound.restrict(allowed)
    assert isinstance(legal, Mask)
    assert legal.mask.tolist() == [bool(sets.contains(allowed, value)) for value in values]
    assert 0 < sum(legal.mask.tolist()) < space.outcomes


def test_without_a_set_there_is_none():
    assert Flatten().fit(Discrete(3)).restrict(None) is None


def test_an_image_is_the_hull_of_the_outcomes():
    bound = Flatten().fit(MultiDiscrete((2, 3)))
    assert bound.image(Mask(jnp.array([1, 0, 0, 0, 0, 1], bool))).mask.tolist() == [[1, 1, 0], [1, 0, 1]]
    assert bound.image(Mask(jnp.array([0, 1, 1, 0, 0, 0], bool))).mask.tolist() == [[1, 0, 0], [0, 1, 1]]
    assert bound.image(None) is None


def test_cells_over_an_interval_become_a_mask():
    """An outer codec without a closed form: the mask is asked of every outcome."""
    codec = (CoarseToFine(levels=2, bins=2) >> Flatten()).fit(Box(0.0, 4.0, (1,)))
    legal = codec.restrict(Interval(jnp.array([1.25]), jnp.array([2.5])))
    assert legal.mask.tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("space", "words"),
    [(Box(0.0, 1.0, (2,)), "bins"), (MultiDiscrete((10,) * 6), "at most 100,000"), (MultiBinary(40), "keep the")],
)
def test_what_cannot_be_enumerated(space, words):
    with pytest.raises(SpaceError, match=words):
        Flatten().fit(space)


# --- products ----------------------------------------------------------------------------------------

HYBRID = Dict({"arm": Box(0.0, 4.0, (1,)), "tool": OneOf([Discrete(3), Box(-1.0, 1.0, ())]), "x": MultiBinary(2)})


def test_a_codec_acts_on_its_leaves_and_leaves_the_others():
    bound = Bins(bins=4).fit(HYBRID)
    assert isinstance(bound, Product)
    tool = OneOf([Discrete(3), MultiDiscrete((4,))])
    assert bound.code == Dict({"arm": MultiDiscrete((4,)), "tool": tool, "x": MultiBinary(2)})
    value = {
        "arm": jnp.array([2.7]),
        "tool": Choice(jnp.int32(1), (jnp.int32(2), jnp.float32(0.9))),
        "x": jnp.ones(2, int),
    }
    codes, valid = bound.encode(jax.tree.map(lambda leaf: leaf[None], value))
    assert valid.tolist() == [True]
    code = jax.tree.map(lambda leaf: leaf[0], codes)
    assert code["arm"].tolist() == [2]
    assert (int(code["tool"].index), int(code["tool"].values[0]), code["tool"].values[1].tolist()) == (1, 2, [3])
    back = bound.decode(code, None, ZERO, None)
    assert back["arm"].tolist() == [2.5]
    assert float(back["tool"].values[1]) == 0.75
    assert back["x"].tolist() == [1, 1]


def test_sets_are_restricted_leaf_by_leaf():
    bound = Bins(bins=4).fit(HYBRID)
    branch = Choice(Mask(jnp.array([False, True])), (None, Interval(jnp.float32(-1.0), jnp.float32(-0.6))))
    allowed = {"arm": Interval(jnp.array([1.5]), jnp.array([1.6])), "tool": branch, "x": None}
    legal = bound.restrict(allowed)
    assert legal["arm"].mask.tolist() == [[False, True, False, False]]
    assert legal["tool"].index.mask.tolist() == [False, True]
    assert legal["tool"].values[1].mask.tolist() == [[True, False, False, False]]
    assert legal["x"] is None
    code = sets.sample(legal, bound.code, jax.random.key(0))
    played = bound.decode(code, first_step(jnp.zeros(1), allowed), ZERO, None)
    assert played["arm"].tolist() == [1.5]
    assert float(played["tool"].values[1]) == -0.75
    assert bound.restrict(None) is None


def test_cells_over_a_whole_compound_space_stay_cells():
    inner = Bins(bins=2).fit(Tuple([Box(0.0, 1.0, (1,))]))
    outer = Normalise().fit(Tuple([Box(0.0, 1.0, (1,))]))
    legal = inner.restrict(Cells(outer, (Interval(jnp.array([0.9]), jnp.array([1.0])),)))
    assert [bool(sets.contains(legal, (jnp.array([k]),))) for k in range(2)] == [False, True]


def test_a_product_of_different_codecs_can_be_made_by_hand():
    product = Product((Bins(bins=2), Identity())).fit(Tuple([Box(0.0, 1.0, (1,)), Discrete(2)]))
    assert product.code == Tuple([MultiDiscrete((2,)), Discrete(2)])
    mixed = Product((Bins(bins=2), Bins(bins=3))).fit(Tuple([Box(0.0, 1.0, (1,)), Box(0.0, 1.0, (1,))]))
    with pytest.raises(SpaceError, match="one treatment"):
        code_text(mixed)
    for space in (Tuple([Discrete(2)]), Discrete(2)):
        with pytest.raises(SpaceError, match="as many parts"):
            Product((Identity(), Identity())).fit(space)
    with pytest.raises(SpaceError, match="several steps"):
        Product((Chunk(length=2), Identity()))


def test_a_product_of_what_stays_is_the_identity():
    nested = Product((Identity(), Product((Identity(),)))).fit(Tuple([Discrete(2), Tuple([Discrete(2)])]))
    assert code_text(nested) == "identity"
