"""Codes that the step moves into its set: clipped, rescaled, or added to the present position."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions import Bins, Chunk, Delta, Normalise, Project, Rescale
from actlab.actions.constraints import pairwise
from actlab.actions.landing import everything, only_if
from actlab.actions.parse import parse_code
from actlab.core import sets
from actlab.core.codec import Episode
from actlab.core.errors import SpaceError
from actlab.core.sets import Interval, Mask
from actlab.core.spaces import Box, Dict, Discrete, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step

ZERO = jnp.zeros((), jnp.int32)
BOX = Box([-1.0, 0.0], [1.0, 4.0])
INSIDE = Interval(jnp.array([-0.5, 1.0]), jnp.array([0.25, 1.0]))


def at(observation, allowed=None):
    return first_step(jax.tree.map(jnp.asarray, observation), allowed)


def decode(codec, code, step):
    return codec.decode(jnp.asarray(code), step, ZERO, None).tolist()


@pytest.mark.parametrize("space", [BOX, MultiDiscrete((2, 3)), Dict({"a": BOX, "b": OneOf([Discrete(2), BOX])})])
def test_nothing_is_left_of_a_set_that_is_not_kept(space):
    assert bool(sets.possible(only_if(everything(space), jnp.array(True))))
    assert not bool(sets.possible(only_if(everything(space), jnp.array(False))))


@pytest.mark.parametrize("codec", [Project(), Rescale(), Delta(limit=1.0)], ids=["project", "rescale", "delta"])
def test_every_code_is_legal_unless_nothing_is(codec):
    bound = codec.fit(BOX)
    codes = jax.vmap(bound.code.sample)(jax.random.split(jax.random.key(0), 50))
    step = at(jnp.array([0.9, 0.1]), INSIDE)
    played = jax.jit(jax.vmap(lambda code: bound.decode(code, step, ZERO, None)))(codes)
    assert bool(jnp.all(jax.vmap(lambda code: sets.contains(bound.restrict(INSIDE), code))(codes)))
    assert bool(jnp.all(jax.vmap(lambda value: sets.contains(INSIDE, value))(played)))
    assert bound.restrict(None) is None
    for low, high in (([0.5, 0.0], [0.0, 1.0]), ([2.0, 0.0], [3.0, 1.0])):  # reversed; outside of the Box
        nothing = Interval(jnp.array(low), jnp.array(high))
        assert not bool(sets.possible(bound.restrict(nothing)))
    assert bool(sets.meets(INSIDE, bound.cell(codes[0], bound.code.known(True))))


# --- project -----------------------------------------------------------------------------------------


def test_the_nearest_legal_action_is_played():
    clip = Project().fit(BOX)
    assert decode(clip, [1.0, 3.0], at(0.0, INSIDE)) == [0.25, 1.0]
    assert decode(clip, [1.0, 3.0], at(0.0)) == [1.0, 3.0]
    assert decode(clip, [1.0, 3.0], None) == [1.0, 3.0]
    category = Project().fit(Discrete(5))
    assert decode(category, 4, at(0.0, Mask(jnp.array([True, True, False, False, False])))) == 1
    words = Project().fit(MultiDiscrete((2, 2)))
    falling = pairwise(np.array([[[True, True], [False, True]]]))
    assert bool(sets.contains(falling, words.decode(jnp.array([1, 0]), at(0.0, falling), ZERO, None)))


def test_parts_are_projected_by_themselves():
    space = Tuple([Discrete(3), BOX])
    allowed = (Mask(jnp.array([False, True, False])), INSIDE)
    number, point = Project().fit(space).decode((ZERO, jnp.array([0.0, 0.0])), at(0.0, allowed), ZERO, None)
    assert (int(number), point.tolist()) == (1, [0.0, 1.0])


# --- rescale -----------------------------------------------------------------------------------------


def test_the_ends_of_the_code_are_the_ends_of_the_interval():
    bound = Rescale().fit(BOX)
    for code, wanted in ((-1.0, [-0.5, 1.0]), (1.0, [0.25, 1.0]), (0.0, [-0.125, 1.0])):
        assert decode(bound, [code, code], at(0.0, INSIDE)) == wanted
    assert decode(bound, [1.0, 0.0], at(0.0)) == [1.0, 2.0]
    wide = Interval(jnp.array([-9.0, -9.0]), jnp.array([0.0, 9.0]))  # only what the Box holds counts
    assert decode(bound, [-1.0, 1.0], at(0.0, wide)) == [-1.0, 4.0]


def test_without_sets_rescaling_is_normalising():
    native = np.random.default_rng(0).uniform(BOX.lows, BOX.highs, (50, 2)).astype(np.float32)
    codes = Rescale().fit(BOX).encode(native)[0]
    assert bool(jnp.allclose(codes, Normalise().fit(BOX).encode(native)[0]))
    assert Rescale().fit(Box(1.0, 1.0, (1,))).encode(np.ones((1, 1), np.float32))[0].tolist() == [[0.0]]


# --- delta -------------------------------------------------------------------------------------------


def test_the_target_is_the_position_plus_the_code():
    bound = parse_code("delta:start=1,limit=0.5x1.0").fit(BOX)
    assert bound.code == Box([-0.5, -1.0], [0.5, 1.0])
    here = jnp.array([9.0, 0.25, 2.0, 9.0])
    assert decode(bound, [0.5, -1.0], at(here)) == [0.75, 1.0]
    assert decode(bound, [0.5, 1.0], at(here.at[1].set(0.75))) == [1.0, 3.0]  # stops at the bound
    assert decode(bound, [0.5, 1.0], at(here, INSIDE)) == [0.25, 1.0]  # and at what is allowed


def test_recorded_targets_are_encoded_from_where_they_were_set():
    rng = np.random.default_rng(0)
    native = rng.uniform(BOX.lows, BOX.highs, (40, 2)).astype(np.float32)
    places = rng.uniform(BOX.lows, BOX.highs, (40, 2)).astype(np.float32)
    steps = jax.vmap(first_step)({"arm": {"joints": jnp.asarray(places)}, "camera": jnp.zeros((40, 3))})
    far = Delta(entry="arm/joints", limit=9.0).fit(BOX)
    codes, valid = far.encode(native, steps)
    np.testing.assert_array_equal(codes, native - places)
    assert bool(valid.all())
    again = jax.jit(jax.vmap(lambda code, step: far.decode(code, step, ZERO, None)))(codes, steps)
    assert (np.abs(again - native) <= 2 * np.spacing(np.maximum(np.abs(native), np.abs(places)))).all()
    near = Delta(entry="arm/joints", limit=0.1).fit(BOX)
    np.testing.assert_array_equal(near.encode(native, steps)[0], np.clip(native - places, -0.1, 0.1).astype(np.float32))
    measured = Delta(entry="arm/joints").fit(BOX, [Episode(native, steps)])
    np.testing.assert_allclose(measured.code.highs, np.abs(native - places).max(axis=0), rtol=1e-6)


def test_a_chunk_of_increments_starts_each_from_its_own_step():
    codec = (Delta(limit=1.0) >> Bins(bins=4) >> Chunk(length=2)).fit(Box(-9.0, 9.0, (1,)))
    code, place = (
        codec.encode(np.array([[0.25], [-0.25]], np.float32), jax.vmap(first_step)(jnp.zeros((2, 1))))[0][0],
        0.0,
    )
    assert code.tolist() == [2, 1]
    for i, wanted in enumerate([0.25, 0.0]):
        (place,) = codec.decode(code, at([place]), jnp.int32(i), None).tolist()
        assert place == wanted


def test_only_the_box_of_a_compound_action_moves():
    bound = Delta(limit=1.0).fit(Dict({"arm": Box(-9.0, 9.0, (1,)), "tool": Discrete(2)}))
    played = bound.decode({"arm": jnp.array([0.5]), "tool": jnp.int32(1)}, at([2.0]), ZERO, None)
    assert (played["arm"].tolist(), int(played["tool"])) == ([2.5], 1)


@pytest.mark.parametrize(
    ("codec", "observation", "words"),
    [
        (Delta(limit=1.0), [0.0], "which holds 1"),
        (Delta(limit=1.0, start=3), [0.0, 1.0, 2.0, 3.0], "3 to 4"),
        (Delta(limit=1.0), {"arm": [0.0, 0.0]}, "entry="),
        (Delta(limit=1.0, entry="leg"), {"arm": [0.0, 0.0]}, "no entry 'leg'"),
        (Delta(limit=1.0, entry="arm/joints"), {"arm": [0.0, 0.0]}, "no entry 'arm/joints'"),
    ],
)
def test_a_position_that_is_not_there(codec, observation, words):
    observation = {k: jnp.array(v) for k, v in observation.items()} if isinstance(observation, dict) else observation
    step = at(jnp.array(observation) if isinstance(observation, list) else observation)
    with pytest.raises(SpaceError, match=words):
        codec.fit(BOX).decode(jnp.zeros(2), step, ZERO, None)


@pytest.mark.parametrize(
    ("codec", "space", "episodes", "words"),
    [
        (Delta(), BOX, None, "none are given"),
        (Delta(), BOX, [Episode(np.zeros((3, 2), np.float32))], "need their steps"),
        (Delta(limit=1.0), Tuple([BOX, BOX]), None, "one Box"),
        (Delta(limit=1.0), Discrete(2), None, "acts on Box"),
        (Delta(limit=(1.0,) * 3), BOX, None, "3 numbers"),
    ],
)
def test_what_delta_cannot_do_is_a_sentence(codec, space, episodes, words):
    with pytest.raises(SpaceError, match=words):
        codec.fit(space, episodes)


def test_increments_need_steps_and_intervals():
    bound = Delta(limit=1.0).fit(BOX)
    for ask in (
        lambda: bound.decode(jnp.zeros(2), None, ZERO, None),
        lambda: bound.encode(np.zeros((1, 2), np.float32)),
    ):
        with pytest.raises(SpaceError, match="needs the step"):
            ask()
    with pytest.raises(SpaceError, match="Intervals"):
        bound.restrict(Mask(jnp.ones(2, bool)))
    for wrong in ({"limit": 0.0}, {"start": -1}):
        with pytest.raises(SpaceError):
            Delta(**wrong)
