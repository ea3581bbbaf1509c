"""The laws that every codec obeys, over every registered codec and several spaces.

A codec that is registered later is tested here without a change, on the spaces that it fits.
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
from actlab.actions.primitives import Primitives, ScaledPrimitives
from actlab.actions.product import children, entries, gather
from actlab.actions.project import Project
from actlab.actions.repeat import Repeat, RepeatCount
from actlab.actions.save import codec_from_json, codec_to_json
from actlab.core import sets
from actlab.core.codec import Episode, cell_of
from actlab.core.errors import SpaceError
from actlab.core.registry import CODES
from actlab.core.sets import Interval, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step

T, N = 6, 8
"""Steps of the recorded episode, codes drawn at random."""

HELD = [0, 0, 1, 2, 2, 2]
"""Which drawn action each step of the recorded episode takes: some are held, so that repeats are codes."""

SPACES = {
    "box": Box([-1.0, 0.0], [1.0, 3.0]),
    "digits": MultiDiscrete((2, 3)),
    "hybrid": Dict({"arm": Box(-2.0, 0.5, (1,)), "tool": OneOf([Discrete(3), Box(0.0, 1.0, ())])}),
    "finite": Tuple([Discrete(2), MultiBinary(2)]),
    "number": Discrete(6),
}


def draw(space, count):
    """`count` actions, drawn by Gymnasium, as a list."""
    twin = space.to_gymnasium()
    twin.seed(11)
    return [space.from_host(twin.sample()) for _ in range(count)]


def stacked(rows):
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *rows)


def record(space):
    """The recorded episode, `[T, ...]`."""
    rows = draw(space, T)
    return stacked([rows[i] for i in HELD])


def table(kind, name):
    """Primitives that occur in the recording: the action that is held twice, and the one that is taken once."""
    rows = draw(SPACES[name], 2)
    return code_text(kind.of({"held": [rows[0], rows[0]], "once": [rows[1]]}))


OPTIONS = {
    "coarse-to-fine": "coarse-to-fine:levels=2,bins=3",
    "chunk": "chunk:length=2",
    "quantile-bins": "quantile-bins:bins=4",
    "delta": "delta:start=1,limit=3.0",
    "repeat": "repeat:times=2",
    "repeat-count": "repeat-count:longest=3",
    "unflatten": "unflatten:nvec=2x3",
}
TABLES = {"primitives": Primitives, "scaled-primitives": ScaledPrimitives}
PLACES = {
    "project": ("box", "hybrid"),
    "repeat": ("box", "hybrid"),
    "repeat-count": ("digits", "hybrid"),
    "primitives": ("digits", "hybrid"),
    "scaled-primitives": ("box",),
    "mu-law": ("box",),
    "rescale": ("box",),
}
"""Where these are tested: what they do is the same on every space, and every pair costs seconds."""
REGISTERED = [OPTIONS.get(entry.name, entry.name) for entry in CODES if entry.name not in TABLES]
COMPOSED = [
    "normalise:statistics=range",
    "normalise:statistics=deviation+coarse-to-fine:levels=2,bins=3",
    "bins:bins=3+flatten",
    "coarse-to-fine:levels=2,bins=2+chunk:length=2",
    "chunk:length=2+normalise+coarse-to-fine:levels=2,bins=2",
    "mu-law:mu=50.0+bins:bins=5",
    "delta:start=1,limit=3.0+bins:bins=3+chunk:length=2",
]
TEXTS = REGISTERED + COMPOSED + [table(TABLES[kind], name) for kind in TABLES for name in PLACES[kind]]

STEERED = ("project", "rescale", "delta")
"""Codes that the step moves into its set: each may stand for any action, so their cells are the whole space."""
CHOOSY = ("repeat", "primitives", "scaled-primitives")
"""Codes that not every recording is made of; they say so by `valid`."""
UNITS = {"mu-law": 16}
"""Rounding of a round trip, in units in the last place of the largest number; 4 for all others."""


def kind_of(text):
    return text.split("+")[0].split(":")[0]


def mentions(text, names):
    return any(part.split(":")[0] in names for part in text.split("+"))


def steps_of():
    """The steps of the recording: a position is seen from the second number of the observation on."""
    seen = jnp.asarray(np.random.default_rng(4).uniform([9.0, -1.0, 0.0], [9.5, 1.0, 3.0], (T, 3)), jnp.float32)
    return jax.vmap(first_step)(seen)


def row(values, i):
    return jax.tree.map(lambda leaf: leaf[i], values)


@functools.cache
def bound(text, name):
    """The codec on the space, or None where it says that it does not fit."""
    native = record(SPACES[name])
    try:
        return parse_code(text).fit(SPACES[name], [Episode(native, steps_of())])
    except SpaceError:
        return None


def places(text):
    """The spaces that a registered code is tested on; `number` only where there is no other."""
    found = [name for name in PLACES.get(kind_of(text), SPACES) if bound(text, name) is not None]
    return [name for name in found if name != "number"] or found


PAIRS = [(text, name) for text in REGISTERED for name in places(text)]
PAIRS += [(table(TABLES[kind], name), name) for kind in TABLES for name in PLACES[kind]]
PAIRS += [*((text, "box") for text in COMPOSED), ("normalise:statistics=range", "hybrid")]
every_pair = pytest.mark.parametrize(
    ("text", "name"), PAIRS, ids=[f"{text.partition(',actions')[0]} on {name}" for text, name in PAIRS]
)


def some_set(space, value, seed=0):
    """A set over `space` that holds `value`, but not everything."""
    generator = np.random.default_rng(seed)
    if children(space):
        parts = zip(children(space), entries(space, value), strict=True)
        like = Choice(None, ()) if isinstance(space, OneOf) else None
        return gather(space, [some_set(part, inner, seed + 1) for part, inner in parts], like)
    value = np.asarray(value)
    if isinstance(space, Box):
        ends = np.sort([value, generator.uniform(space.lows, space.highs)], axis=0).astype(np.float32)
        return Interval(jnp.asarray(ends[0] - 0.01), jnp.asarray(ends[1] + 0.01))
    exists = np.asarray(cell_of(space, space.zeros(), space.known(False)).mask)
    hot = np.arange(exists.shape[-1]) == value[..., None]
    return Mask(jnp.asarray(exists & (hot | (generator.random(exists.shape) < 0.5))))


@functools.cache
def facts(text, name):
    """Everything that the laws speak of, in one compilation; arrays."""
    codec, space = bound(text, name), SPACES[name]
    native = record(space)
    steps = steps_of()
    allowed = some_set(space, row(native, 0))
    step = row(steps, 0)._replace(allowed=allowed)

    def full(code):
        return codec.cell(code, codec.code.known(True))

    @jax.jit
    def compute(native, steps, drawn):
        codes, valid = codec.encode(native, steps)
        times = jnp.arange(codec.length, dtype=jnp.int32)
        legal = codec.restrict(allowed)
        keys = jax.random.split(jax.random.key(5, impl="unsafe_rbg"), N)  # this kind of key compiles fastest
        chosen = jax.vmap(lambda key: sets.sample(legal, codec.code, key))(keys)
        played = jax.vmap(lambda code: jax.vmap(lambda i: codec.decode(code, step, i, None))(times))(chosen)
        free = step._replace(allowed=None)

        def replay(code, t):
            later = jax.tree.map(lambda leaf: leaf[jnp.minimum(t + times, T - 1)], steps)
            return jax.vmap(lambda i, now: codec.decode(code, now, i, None))(times, later)

        def over(code):
            return jax.vmap(lambda i: codec.finished(code, step, i))(times)

        return {
            "codes": codes,
            "valid": valid,
            "codes inside": jax.vmap(codec.code.contains)(codes),
            "replayed": jax.vmap(replay)(codes, jnp.arange(T, dtype=jnp.int32)),
            "cells": jax.vmap(full)(codes),
            "native legal": jax.vmap(lambda value: sets.contains(allowed, value))(native),
            "code legal": jax.vmap(lambda code: sets.contains(legal, code))(codes),
            "decoded inside": jax.vmap(
                lambda code: jax.vmap(lambda i: space.contains(codec.decode(code, free, i, None)))(times)
            )(drawn),
            "drawn legal": jax.vmap(lambda code: sets.contains(legal, code))(drawn),
            "drawn meets": jax.vmap(lambda code: sets.meets(allowed, full(code)))(drawn),
            "chosen legal": jax.vmap(lambda code: sets.contains(legal, code))(chosen),
            "played legal": jax.vmap(jax.vmap(lambda value: sets.contains(allowed, value)))(played),
            "possible": sets.possible(legal),
            "finished": jax.vmap(over)(codes),
        }

    return codec, native, compute(native, steps, stacked(draw(codec.code, N)))


def lasts(found):
    """int `[T]`: native steps that the code at each step lasts."""
    return np.argmax(np.asarray(found["finished"]), axis=1) + 1


def leafwise(space, check, values, cells, counts):
    """`check(leaf space, value [T, ...], cell [T, ...], counts [T])` on every leaf, where it counts."""

    def visit(space, value, cell, counts):
        for i, part in enumerate(children(space)):
            taken = counts & (np.asarray(value.index) == i) if isinstance(space, OneOf) else counts
            visit(part, entries(space, value)[i], entries(space, cell)[i], taken)
        if not children(space):
            check(space, value, cell, counts)

    visit(space, values, cells, np.asarray(counts))


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


def limits(codec, space, value):
    """What measured statistics clip to: mean and deviation need not hold all recorded actions."""
    if "deviation" not in code_text(codec):
        return space.lows, space.highs
    mean, deviation = np.mean(value, axis=0), np.std(value, axis=0)
    return np.maximum(mean - 3 * deviation, space.lows), np.minimum(mean + 3 * deviation, space.highs)


def leaves_of(space, value):
    if not children(space):
        return [value]
    parts = zip(children(space), entries(space, value), strict=True)
    return [leaf for part, inner in parts for leaf in leaves_of(part, inner)]


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
