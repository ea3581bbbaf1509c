"""Every registered codec under random values: any code decodes into the native space, NaN and infinity are refused.

One space for each codec, each with at least one number where the codec has such a space. Hypothesis draws from a
fixed seed (`derandomize`), and a counter-example is exact: there is no chance of a false alarm.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.registry import CODES
from actlab.core.sets import Interval, Linear, Mask
from actlab.core.spaces import MultiBinary, MultiDiscrete
from tests.actions.recordings import (
    PAIRS,
    SPACES,
    STEERED,
    bound,
    kind_of,
    leaves_of,
    mentions,
    record,
    row,
    some_set,
    steps_of,
)
from tests.core.test_sets import EVEN, LINEAR, automaton

pytestmark = pytest.mark.slow
ORDER = ("hybrid", "box", "digits", "finite", "number")
BATCH = 4
CHOSEN = {
    entry.name: min(
        ((text, name) for text, name in PAIRS if kind_of(text) == entry.name), key=lambda pair: ORDER.index(pair[1])
    )
    for entry in CODES
}
"""Codec -> its text and the richest space that it is tested on."""
every_codec = pytest.mark.parametrize("kind", sorted(CHOSEN))


@functools.cache
def functions(kind):
    """Decoding and cells of one code; and of a batch, compiled."""
    text, name = CHOSEN[kind]
    codec, space = bound(text, name), SPACES[name]
    step = row(steps_of(), 0)

    def one(outcome, vector, i):
        code = codec.code.join(outcome, vector)
        native = codec.decode(code, step, i, None)
        full = codec.cell(code, codec.code.known(True))
        return native, full, space.contains(native), sets.possible(full)

    return one, jax.jit(one), jax.jit(jax.vmap(one))


@st.composite
def codes(draw, kind):
    """A batch of codes as joint outcomes `[B]` and coordinates `[B, C]` in their bounds, and a time in the code."""
    codec = bound(*CHOSEN[kind])
    low, high = bounds(codec.code)
    outcome = draw(arrays.arrays(np.int32, (BATCH,), elements=st.integers(0, codec.code.outcomes - 1)))
    unit = draw(arrays.arrays(np.float32, (BATCH, codec.code.dims), elements=st.floats(0, 1, width=32)))
    vector = np.clip(low + unit * (high - low), low, high).astype(np.float32)
    times = draw(arrays.arrays(np.int32, (BATCH,), elements=st.integers(0, codec.length - 1)))
    return outcome, vector, times


def bounds(space):
    """Lowest and highest value `[C]` of every coordinate; ends that are infinite at 100."""
    boxes = [part for part in leaves_of(space, cell_bounds(space)) if isinstance(part, Interval)]
    low, high = ([np.ravel(np.asarray(getattr(box, end))) for box in boxes] for end in ("low", "high"))
    join = lambda parts: np.clip(np.concatenate([np.zeros(0), *parts]), -100, 100).astype(np.float32)  # noqa: E731
    return join(low), join(high)


def cell_bounds(space):
    from actlab.core.codec import cell_of

    return cell_of(space, space.zeros(), space.known(False))


@every_codec
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_code_decodes_into_the_native_space_and_its_cell_holds_something(kind, data):
    outcome, vector, times = data.draw(codes(kind))
    _, _, together = functions(kind)
    _, _, inside, possible = together(outcome, vector, times)
    assert bool(inside.all())
    assert bool(possible.all())


@every_codec
def test_eager_compiled_and_batched_are_the_same(kind):
    codec = bound(*CHOSEN[kind])
    low, high = bounds(codec.code)
    generator = np.random.default_rng(6)
    outcome = generator.integers(0, codec.code.outcomes, BATCH).astype(np.int32)
    vector = generator.uniform(low, high, (BATCH, codec.code.dims)).astype(np.float32)
    times = generator.integers(0, codec.length, BATCH).astype(np.int32)
    eager, compiled, batched = functions(kind)
    every = batched(outcome, vector, times)
    for function in (eager, compiled):
        alone = function(jnp.asarray(outcome[1]), jnp.asarray(vector[1]), jnp.asarray(times[1]))
        for one, other in zip(jax.tree.leaves(alone), jax.tree.leaves(row(every, 1)), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


WITH_NUMBERS = [kind for kind in sorted(CHOSEN) if SPACES[CHOSEN[kind][1]].dims]


@pytest.mark.parametrize("kind", WITH_NUMBERS)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(data=st.data())
def test_nan_and_infinity_are_refused_wherever_they_stand(kind, data):
    text, name = CHOSEN[kind]
    native = record(SPACES[name])
    leaves, structure = jax.tree.flatten(jax.tree.map(np.array, native))
    floats = [i for i, leaf in enumerate(leaves) if leaf.dtype.kind == "f"]
    leaf = leaves[data.draw(st.sampled_from(floats))]
    # only the branch that is taken counts, so the whole leaf is spoiled
    leaf[:] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    with pytest.raises(SpaceError, match="finite"):
        bound(text, name).encode(jax.tree.unflatten(structure, leaves), steps_of())


def test_every_codec_that_takes_numbers_is_asked():
    takes = {kind_of(text) for text, name in PAIRS if SPACES[name].dims}
    assert takes == set(WITH_NUMBERS)


# --- legal codes under every kind of set, by enumeration -----------------------------------------------

DIGITS, BITS = MultiDiscrete((3, 2, 3)), MultiBinary(3)
SETS = {
    "mask": (DIGITS, some_set(DIGITS, jnp.asarray([0, 1, 2]))),
    "automaton": (DIGITS, automaton()),
    "knapsack": (BITS, LINEAR),
    "even": (BITS, EVEN),
}


def fitted(kind, space):
    """The codec of one native step over the space, or None where it does not fit or steers."""
    from actlab.actions.parse import parse_code
    from actlab.core.codec import Episode

    text, _ = CHOSEN[kind]
    if mentions(text, (*STEERED, "primitives", "scaled-primitives")):
        return None
    try:
        codec = parse_code(text).fit(space, [Episode(np.stack([np.zeros(len(space.known(False)), np.int32)] * 6))])
    except SpaceError:
        return None
    return codec if codec.length == 1 and codec.code.dims == 0 else None


@pytest.mark.parametrize("name", SETS)
def test_a_code_is_legal_if_and_only_if_an_action_of_its_cell_is(name):
    space, allowed = SETS[name]
    host = isinstance(allowed, Linear)
    natives = [np.asarray(space.join(jnp.int32(n), jnp.zeros(0))) for n in range(space.outcomes)]
    inside = np.array([bool(sets.contains(allowed, native)) for native in natives])
    assert inside.any()
    assert not inside.all()
    asked = 0
    for kind in sorted(CHOSEN):
        codec = fitted(kind, space)
        if codec is None:
            continue
        named = np.asarray(jax.vmap(lambda c, s=codec.code: s.split(c)[0])(codec.encode(np.stack(natives))[0]))
        legal = codec.restrict(allowed)
        for number in range(codec.code.outcomes):
            code = codec.code.join(jnp.int32(number), jnp.zeros(0))
            code = jax.tree.map(np.asarray, code) if host else code
            assert bool(sets.contains(legal, code)) == bool((inside & (named == number)).any()), (kind, number)
        asked += 1
    assert asked >= 2  # identity and flatten at least


@pytest.mark.parametrize("kind", ["bins", "quantile-bins", "coarse-to-fine"])
@settings(max_examples=30, deadline=None, derandomize=True)
@given(ends=arrays.arrays(np.float32, (2, 2), elements=st.floats(-1, 1, width=32)))
def test_a_digit_is_legal_if_its_bin_meets_the_interval(kind, ends):
    codec, space = (
        bound(next(text for text, name in PAIRS if kind_of(text) == kind and name == "box"), "box"),
        SPACES["box"],
    )
    low, high = (space.lows + (part + 1) / 2 * (space.highs - space.lows) for part in np.sort(ends, axis=0))
    found, cells = legal_by_enumeration(kind)(Interval(low.astype(np.float32), high.astype(np.float32)))
    meets = ((cells.low <= high.astype(np.float32)) & (low.astype(np.float32) <= cells.high)).reshape(len(found), -1)
    assert np.asarray(found).tolist() == meets.all(axis=1).tolist()
    assert codec.code.outcomes == len(found)


@functools.cache
def legal_by_enumeration(kind):
    """allowed -> for every code of the codec on `box`: is it legal; and its cell."""
    codec = bound(next(text for text, name in PAIRS if kind_of(text) == kind and name == "box"), "box")
    codes = jax.vmap(lambda n: codec.code.join(n, jnp.zeros((0,))))(jnp.arange(codec.code.outcomes, dtype=jnp.int32))
    cells = jax.jit(jax.vmap(lambda code: codec.cell(code, codec.code.known(True))))(codes)
    legal = jax.jit(lambda allowed: jax.vmap(lambda code: sets.contains(codec.restrict(allowed), code))(codes))
    return lambda allowed: (legal(allowed), jax.tree.map(np.asarray, cells))


def test_every_mask_is_one():
    assert isinstance(SETS["mask"][1], Mask)
