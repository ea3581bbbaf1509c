"""Nests of digits as one row: by enumeration, in any order, and where it does not fit."""

import itertools

import jax
import jax.numpy as jnp
import pytest

from actlab.actions import Bins, Digits
from actlab.agents.branching_dqn import BranchingDQN
from actlab.core import sets
from actlab.core.contracts import TaskSpec
from actlab.core.errors import SpaceError
from actlab.core.sets import Automaton, Cells, Mask
from actlab.core.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step

NEST = Dict({"b": Tuple([Discrete(3), MultiBinary(2)]), "a": MultiDiscrete((2, 4))})
ROW = (2, 4, 3, 2, 2)
"""Digits of `NEST`: a Dict's names are sorted."""
WORDS = jnp.asarray(list(itertools.product(*map(range, ROW))), jnp.int32)


def decoded(codec):
    zero = jnp.zeros((), jnp.int32)
    return jax.vmap(lambda word: codec.decode(word, None, zero, None))(WORDS)


def test_every_word_goes_around():
    codec = Digits().fit(NEST)
    assert codec.code == MultiDiscrete(ROW)
    values = decoded(codec)
    assert jax.vmap(NEST.contains)(values).all()
    codes, valid = codec.encode(values)
    assert valid.all()
    assert (codes == WORDS).all()
    assert values["b"][0].dtype == NEST.zeros()["b"][0].dtype


def test_masks_of_the_parts_become_one_mask():
    codec = Digits().fit(NEST)
    allowed = {
        "a": Mask(jnp.array([[True, True, False, False], [False, True, False, True]])),
        "b": (Mask(jnp.array([True, False, True])), None),
    }
    legal = codec.restrict(allowed)
    assert isinstance(legal, Mask)
    native = jax.vmap(lambda value: sets.contains(allowed["a"], value["a"]) & allowed["b"][0].mask[value["b"][0]])(
        decoded(codec)
    )
    assert (jax.vmap(lambda word: sets.contains(legal, word))(WORDS) == native).all()
    assert 0 < int(native.sum()) < len(WORDS)


def test_a_set_that_couples_digits_is_exact_digit_by_digit():
    """An automaton over the switches: both on, or both off."""
    space = Dict({"n": Discrete(3), "on": MultiBinary(2)})
    codec = Digits().fit(space)
    same = Automaton(jnp.array([[1, 2], [3, -1], [-1, 3], [3, 3]]), jnp.int32(0))
    legal = codec.restrict({"n": None, "on": same})
    assert isinstance(legal, Cells)
    words = jnp.asarray(list(itertools.product(range(3), range(2), range(2))), jnp.int32)
    inside = jax.vmap(lambda word: sets.contains(legal, word))(words)
    assert inside.tolist() == [bool(word[1] == word[2]) for word in words]
    known = jnp.array([False, False, True])
    for last in range(2):
        mask = sets.next_mask(legal, jnp.array([0, 0, last]), known, jnp.int32(1), 3)
        assert mask[:2].tolist() == [last == 0, last == 1]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (Dict({"on": Discrete(2), "power": Box(-1.0, 1.0, (2,))}), "cut them first, `bins\\+digits`"),
        (OneOf([Discrete(2), Discrete(3)]), "only in the branch that is taken"),
        (Tuple([Discrete(2), OneOf([Discrete(2), Discrete(3)])]), "only in the branch that is taken"),
    ],
)
def test_spaces_that_have_no_row_of_digits(space, message):
    with pytest.raises(SpaceError, match=message):
        Digits().fit(space)


def test_branching_dqn_decides_over_hybrid_actions_in_digits(key):
    native = Dict({"on": MultiBinary(2), "power": Box(-1.0, 1.0, (2,))})
    codec = (Bins(bins=3) >> Digits()).fit(native)
    spec = TaskSpec("hybrid", Box(0.0, 1.0, (3,)), codec, horizon=5)
    agent = BranchingDQN(width=8)
    state = agent.init(spec, key)
    code, _, _ = agent.act(state, agent.begin(state, (), key), first_step(jnp.zeros((3,))), key, explore=True)
    assert code.shape == (4,)
    assert native.contains(codec.decode(code, None, jnp.zeros((), jnp.int32), None))
