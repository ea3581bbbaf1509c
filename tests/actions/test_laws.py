"""The laws that every codec obeys, over every registered codec and several spaces.

A codec that is registered later is tested here without a change, on the spaces that it fits (one that needs
options gets them in `recordings`).
"""

import functools
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from actlab.actions.chunk import Chunk
from actlab.actions.identity import Identity
from actlab.actions.parse import code_text, parse_code
from actlab.actions.project import Project
from actlab.actions.repeat import Repeat, RepeatCount
from actlab.actions.save import codec_from_json, codec_to_json
from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.registry import CODES
from actlab.core.spaces import Box
from actlab.core.steps import first_step
from tests.actions.recordings import (
    CHOOSY,
    COMPOSED,
    PAIRS,
    SPACES,
    STEERED,
    TEXTS,
    UNITS,
    T,
    bound,
    every_pair,
    facts,
    kind_of,
    lasts,
    leafwise,
    leaves_of,
    limits,
    mentions,
    record,
    row,
    some_set,
    steps_of,
)

# --- the laws ----------------------------------------------------------------------------------------


def test_every_registered_codec_fits_some_space():
    assert {kind_of(text) for text, _ in PAIRS} >= {entry.name for entry in CODES}


@every_pair
def test_codes_lie_in_the_code_space(text, name):
    codec, _, found = facts(text, name)
    valid = np.asarray(found["valid"])
    assert bool(jnp.all(found["codes inside"]))
    assert valid.any()
    assert (np.arange(T)[valid] + codec.shortest <= T).all()
    if not mentions(text, CHOOSY):
        assert valid.tolist() == [t + codec.shortest <= T for t in range(T)]
    assert jax.tree.structure(row(found["codes"], 0)) == jax.tree.structure(codec.code.zeros())
    for made, wanted in zip(jax.tree.leaves(row(found["codes"], 0)), jax.tree.leaves(codec.code.zeros()), strict=True):
        assert (made.shape, made.dtype) == (wanted.shape, wanted.dtype)


@every_pair
def test_a_round_trip_stays_within_half_the_cell(text, name):
    """The cell of a full code is the stated bound: it holds the action, and `decode` is its centre."""
    codec, native, found = facts(text, name)
    units = max(UNITS.get(part.split(":")[0], 4) for part in text.split("+")) * np.finfo(np.float32).eps

    def check(space, value, cell, counts):
        value = np.asarray(value)
        if not isinstance(space, Box):
            inside = jax.vmap(lambda allowed, v: sets.contains(allowed, v))(cell, value)
            assert bool(np.all(np.asarray(inside) | ~counts))
            return
        low, high = np.asarray(cell.low, np.float64), np.asarray(cell.high, np.float64)
        recorded = np.clip(value, *limits(codec, space, value))
        tolerance = units * max(1.0, np.abs(value).max())
        assert (low - tolerance <= recorded)[counts].all()
        assert (recorded <= high + tolerance)[counts].all()

    leafwise(SPACES[name], check, native, found["cells"], found["valid"])

    def close(space, value, cell, counts):
        original = paired.pop(0)
        if not isinstance(space, Box):
            assert np.array_equal(np.asarray(original)[counts], np.asarray(value)[counts])
            return
        original = np.clip(np.asarray(original), *limits(codec, space, original))
        half = (np.asarray(cell.high, np.float64) - np.asarray(cell.low, np.float64)) / 2
        half = np.maximum(half, np.roll(half, -i, axis=0))  # a later action of a chunk lies in its own cell
        tolerance = units * max(1.0, np.abs(original).max())
        assert (np.abs(original - np.asarray(value)) <= half + tolerance)[counts].all()

    for i in range(codec.length):
        later = jax.tree.map(lambda leaf, i=i: jnp.roll(leaf, -i, axis=0), native)
        paired = leaves_of(SPACES[name], later)
        played = jax.tree.map(lambda leaf, i=i: leaf[:, i], found["replayed"])
        leafwise(SPACES[name], close, played, found["cells"], np.asarray(found["valid"]) & (i < lasts(found)))


@every_pair
def test_every_code_decodes_into_the_native_space(text, name):
    assert bool(jnp.all(facts(text, name)[2]["decoded inside"]))


@every_pair
def test_a_code_is_legal_if_its_cell_meets_the_set(text, name):
    codec, _, found = facts(text, name)
    assert bool(found["possible"])
    if codec.length == 1:
        assert found["drawn legal"].tolist() == found["drawn meets"].tolist()
        assert bool(jnp.all(found["code legal"] | ~found["native legal"]))
    else:  # the cell speaks of the first native action, the set of all of them
        assert bool(jnp.all(found["drawn meets"] | ~found["drawn legal"]))


@every_pair
def test_legal_codes_are_found_digit_by_digit_and_play_legal_actions(text, name):
    found = facts(text, name)[2]
    assert bool(jnp.all(found["chosen legal"]))
    assert bool(jnp.all(found["played legal"]))


@every_pair
def test_a_code_ends_after_its_last_action(text, name):
    codec, _, found = facts(text, name)
    finished, steps = np.asarray(found["finished"]), lasts(found)
    assert finished[:, -1].all()
    assert (finished == (np.arange(codec.length)[None, :] >= steps[:, None] - 1)).all()
    assert codec.shortest <= steps.min()
    assert steps.max() <= codec.length
    if codec.shortest == codec.length:
        assert (steps == codec.length).all()


@every_pair
def test_outside_of_the_graph_it_is_the_same(text, name):
    codec, native, found = facts(text, name)
    codes, valid = codec.encode(native, steps_of())
    assert jax.tree.all(jax.tree.map(lambda a, b: jnp.allclose(a, b, atol=1e-6), codes, found["codes"]))
    assert valid.tolist() == found["valid"].tolist()
    back = codec.decode(row(codes, 1), row(steps_of(), 1), jnp.int32(0), None)
    same = jax.tree.map(lambda a, b: jnp.allclose(a, b[0], atol=1e-6), back, row(found["replayed"], 1))
    assert jax.tree.all(same)


@every_pair
def test_saved_and_loaded_it_is_equal(text, name):
    codec = bound(text, name)
    data = json.loads(json.dumps(codec_to_json(codec), allow_nan=False))
    again = codec_from_json(data)
    assert bool(eqx.tree_equal(again, codec))
    assert (again.native, again.code) == (codec.native, codec.code)


@pytest.mark.parametrize("text", TEXTS)
def test_text_says_the_codec(text):
    codec = parse_code(text)
    assert parse_code(code_text(codec)) == codec
    assert code_text(parse_code(code_text(codec))) == code_text(codec)


@every_pair
def test_binding_does_not_change_the_text(text, name):
    assert code_text(bound(text, name)) == code_text(parse_code(text))


# --- brute force over small finite spaces ------------------------------------------------------------

SMALL = [
    (text, name)
    for text, name in PAIRS
    if SPACES[name].dims == 0 and bound(text, name).length == 1 and bound(text, name).code.dims == 0
    if not mentions(text, STEERED)
]


@pytest.mark.parametrize(("text", "name"), SMALL)
def test_cells_and_legal_codes_by_enumeration(text, name):
    codec, space = bound(text, name), SPACES[name]
    natives = jax.vmap(lambda n: space.join(n, jnp.zeros((0,))))(jnp.arange(space.outcomes, dtype=jnp.int32))
    size = codec.code.outcomes
    codes = jax.vmap(lambda n: codec.code.join(n, jnp.zeros((0,))))(jnp.arange(size, dtype=jnp.int32))

    @jax.jit
    def compute(natives, codes):
        named = jax.vmap(lambda code: codec.code.split(code)[0])(codec.encode(natives)[0])
        cells = jax.vmap(lambda code: codec.cell(code, codec.code.known(True)))(codes)
        holds = jax.vmap(lambda cell: jax.vmap(lambda value: sets.contains(cell, value))(natives))(cells)
        return named, holds

    named, holds = map(np.asarray, compute(natives, codes))
    # the cell of a full code holds exactly the actions that it stands for
    assert (holds == (named[None, :] == np.arange(size)[:, None])).all()
    for seed in range(3):
        allowed = some_set(space, row(natives, seed), seed)
        legal = np.asarray(jax.vmap(lambda code, a=allowed: sets.contains(codec.restrict(a), code))(codes))
        inside = np.asarray(jax.vmap(lambda value, a=allowed: sets.contains(a, value))(natives))
        assert legal.tolist() == [bool((inside & (named == n)).any()) for n in range(size)]


# --- what is refused ---------------------------------------------------------------------------------

NUMBERS = st.floats(width=32, allow_nan=True, allow_infinity=True)


HAND_ON = Identity | Chunk | Project | Repeat | RepeatCount
"""Codecs that hand on the numbers that they are given."""


@functools.cache
def round_trip(text):
    codec, space = bound(text, "box"), SPACES["box"]
    steps = jax.tree.map(lambda leaf: leaf[:3], steps_of())

    @jax.jit
    def compute(native):
        codes, _ = codec.encode(native, steps)
        back = codec.decode(row(codes, 0), row(steps, 0), jnp.int32(0), None)
        return codec.code.contains(row(codes, 0)), space.contains(back), codes

    return compute


@pytest.mark.parametrize("text", [text for text, name in PAIRS if name == "box" and text not in COMPOSED])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(arrays.arrays(np.float32, (3, 2), elements=NUMBERS))
def test_any_numbers_are_encoded_or_refused(text, native):
    if not np.isfinite(native).all():
        with pytest.raises(SpaceError, match="finite"):
            bound(text, "box").encode(native, steps_of())
        return
    coded, played, codes = round_trip(text)(native)
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(codes))
    # a codec that represents numbers itself brings them inside; others hand them on, legal or not
    inside = bool(((native >= SPACES["box"].lows) & (native <= SPACES["box"].highs)).all())
    if inside or not isinstance(bound(text, "box"), HAND_ON):
        assert bool(coded)
        assert bool(played)


def test_chains_are_associative():
    one, two, three = (parse_code(text) for text in ("normalise", "bins:bins=3", "chunk:length=2"))
    space = SPACES["box"]
    left, right = ((one >> two) >> three).fit(space), (one >> (two >> three)).fit(space)
    native = record(space)
    step = first_step(jnp.zeros(1), some_set(space, row(native, 0)))
    assert left.code == right.code
    assert left.length == right.length == 2
    assert bool(eqx.tree_equal(left.encode(native), right.encode(native)))
    assert bool(eqx.tree_equal(left.restrict(step.allowed), right.restrict(step.allowed)))
    codes = left.encode(native)[0]
    for i in range(2):
        values = [codec.decode(row(codes, 0), step, jnp.int32(i), None) for codec in (left, right)]
        assert jnp.array_equal(*values)
    assert code_text(left) == code_text(right) == "normalise+bins:bins=3+chunk:length=2"
