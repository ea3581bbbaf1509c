"""What the laws are tested on: spaces, a recording of each, codes, and the facts of every pair of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions.parse import code_text, parse_code
from actlab.actions.primitives import Primitives, ScaledPrimitives
from actlab.actions.product import children, entries, gather
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
