"""Codes that last several steps and may end early: held actions and primitives."""

import itertools
import json
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions import Bins, Primitives, Repeat, RepeatCount, ScaledPrimitives, TerminatingPrimitives
from actlab.actions.parse import code_text, parse_code
from actlab.actions.save import codec_from_json, codec_to_json
from actlab.agents.simple import Random
from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.sets import Interval, Linear, Mask
from actlab.core.sources import Rollout
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step, next_step
from actlab.tasks.make import make_task
from actlab.training.collect import begin_lanes, roll_out

ZERO = jnp.zeros((), jnp.int32)


def played(codec, code):
    """The native actions of a code until it has finished."""
    actions = []
    for i in range(codec.length):
        actions.append(codec.decode(code, None, jnp.int32(i), None))
        if bool(codec.finished(code, first_step(jnp.zeros(1)), jnp.int32(i))):
            return actions
    raise AssertionError("a code ends with its last action")


# --- held actions ------------------------------------------------------------------------------------


def test_a_repeat_is_found_where_an_action_is_held():
    codec = Repeat(times=3).fit(Discrete(4))
    codes, valid = codec.encode(jnp.array([2, 2, 2, 2, 1, 1, 1], jnp.int32))
    assert valid.tolist() == [True, True, False, False, True, False, False]
    assert [int(a) for a in played(codec, codes[4])] == [1, 1, 1]


def test_a_count_says_how_long_an_action_is_held():
    codec = RepeatCount(longest=3).fit(Discrete(4))
    native = np.array([2, 2, 2, 2, 1, 0, 0], np.int32)
    (actions, counts), valid = codec.encode(native)
    assert counts.tolist() == [2, 2, 1, 0, 0, 1, 0]
    assert bool(valid.all())
    assert (codec.length, codec.shortest) == (3, 1)
    for t in range(7):
        sequence = played(codec, (actions[t], counts[t]))
        assert [int(a) for a in sequence] == native[t : t + int(counts[t]) + 1].tolist()


def test_branches_that_are_not_taken_do_not_count():
    space = OneOf([Discrete(2), Box(0.0, 1.0, ())])
    native = Choice(jnp.zeros(3, jnp.int32), (jnp.ones(3, jnp.int32), jnp.array([0.1, 0.2, 0.3])))
    assert RepeatCount(longest=3).fit(space).encode(native)[0][1].tolist() == [2, 1, 0]


def test_sets_restrict_the_action_and_not_the_count():
    codec = RepeatCount(longest=3).fit(Discrete(3))
    legal = codec.restrict(Mask(jnp.array([True, False, True])))
    drawn = jax.vmap(lambda key: sets.sample(legal, codec.code, key))(jax.random.split(jax.random.key(0), 60))
    assert set(drawn[0].tolist()) == {0, 2}
    assert set(drawn[1].tolist()) == {0, 1, 2}
    cell = codec.image((Mask(jnp.array([True, False, True])), Mask(jnp.zeros(3, bool))))
    assert not bool(sets.possible(cell))


@pytest.mark.parametrize("make", [lambda: Repeat(times=0), lambda: RepeatCount(longest=0)])
def test_an_action_is_held_at_least_once(make):
    with pytest.raises(SpaceError, match="at least once"):
        make()


def test_held_actions_chain():
    codec = parse_code("bins:bins=4+repeat-count:longest=2").fit(Box(0.0, 4.0, (1,)))
    assert codec.code == Tuple([MultiDiscrete((4,)), Discrete(2)])
    (digits, counts), _ = codec.encode(np.array([[0.1], [0.9], [2.5]], np.float32))  # one bin, so one action
    assert (digits.tolist(), counts.tolist()) == ([[0], [0], [2]], [1, 0, 0])
    code = (digits[0], counts[0])
    assert [bool(codec.finished(code, first_step(jnp.zeros(1)), jnp.int32(i))) for i in range(2)] == [False, True]
    other = (RepeatCount(longest=2) >> Bins(bins=4)).fit(Box(0.0, 4.0, (1,)))
    assert bool(other.finished((jnp.array([1]), ZERO), first_step(jnp.zeros(1)), ZERO))


# --- primitives --------------------------------------------------------------------------------------

MOVES = Primitives.of({"left": [0, 0], "right": [2, 2, 2], "wait": [1]})


def test_a_code_plays_its_own_sequence():
    codec = MOVES.fit(Discrete(3))
    assert (codec.code, codec.length, codec.shortest) == (Discrete(3), 3, 1)
    assert [[int(a) for a in played(codec, jnp.int32(n))] for n in range(3)] == [[0, 0], [2, 2, 2], [1]]


def test_recorded_sequences_are_found_the_longest_first():
    codec = Primitives.of({"a": [0], "ab": [0, 1], "abb": [0, 1, 1]}).fit(Discrete(2))
    codes, valid = codec.encode(jnp.array([0, 1, 1, 0, 1, 0], jnp.int32))
    assert valid.tolist() == [True, False, False, True, False, True]
    assert [int(codes[t]) for t in (0, 3, 5)] == [2, 1, 0]


def test_a_sequence_is_legal_if_all_of_it_is():
    """By enumeration over all masks; every kind of set is asked."""
    codec = Primitives.of({"left": [0, 0], "turn": [0, 2], "wait": [1]}).fit(Discrete(3))
    masks = np.array(list(itertools.product((False, True), repeat=3)))
    found = jax.jit(jax.vmap(lambda mask: codec.restrict(Mask(mask)).mask))(masks)
    for mask, legal in zip(masks, found.tolist(), strict=True):
        assert legal == [all(mask[list(row)]) for row in ((0, 0), (0, 2), (1,))]
    switches = Primitives.of({"both": [(1, 1)], "one": [(1, 0), (0, 1)]}).fit(MultiBinary(2))
    at_most_one = Linear(np.array([[1.0, 1.0]]), np.zeros((1, 0)), np.array([1.0]))
    assert switches.restrict(at_most_one).mask.tolist() == [False, True]
    nested = Primitives.of({"both": [((1, 1), 0)], "one": [((1, 0), 1)]}).fit(Tuple([MultiBinary(2), Discrete(2)]))
    assert nested.restrict((at_most_one, None)).mask.tolist() == [False, True]


def test_the_cell_is_the_first_action():
    codec = MOVES.fit(Discrete(3))
    for n, wanted in enumerate(([True, False, False], [False, False, True], [False, True, False])):
        assert codec.cell(jnp.int32(n), jnp.array(True)).mask.tolist() == wanted
    boxes = Primitives.of({"up": [[0.5, 0.0]], "down": [[-0.5, 0.25]]}).fit(Box(-1.0, 1.0, (2,)))
    hull = boxes.cell(ZERO, jnp.array(False))
    assert (hull.low.tolist(), hull.high.tolist()) == ([-0.5, 0.0], [0.5, 0.25])
    assert not bool(sets.possible(boxes.image(Mask(jnp.zeros(2, bool)))))


def test_actions_of_every_space_are_written_as_numbers():
    space = Dict({"arm": Box(-1.0, 1.0, (2,)), "tool": OneOf([Discrete(3), Box(0.0, 1.0, ())])})
    rows = [
        {"arm": np.array([0.5, 0.1], np.float32), "tool": Choice(1, (0, 0.7))},
        {"arm": np.array([0.0, 1.0], np.float32), "tool": Choice(0, (2, 0.0))},
    ]
    codec = Primitives.of({"one": rows, "other": rows[1:]})
    again = parse_code(code_text(codec))
    assert again == codec
    sequence = played(again.fit(space), ZERO)
    assert sequence[0]["arm"].tolist() == rows[0]["arm"].tolist()
    assert (int(sequence[0]["tool"].index), float(sequence[0]["tool"].values[1])) == (1, pytest.approx(0.7))
    assert int(sequence[1]["tool"].values[0]) == 2
    assert codec_from_json(json.loads(json.dumps(codec_to_json(codec.fit(space))))) == codec.fit(space)


@pytest.mark.parametrize(
    ("codec", "space", "words"),
    [
        (Primitives(), Discrete(3), "needs a table"),
        (Primitives.of({"a": [0, 3]}), Discrete(3), "Action 1 of the table"),
        (Primitives.of({"a": [0, 1]}), Box(0.0, 1.0, (2,)), "2 numbers each"),
        (ScaledPrimitives.of({"a": [0]}), Discrete(3), "scale the actions of a Box"),
        (ScaledPrimitives.of({"a": [[1.0]]}), Box(0.5, 1.0, (1,)), "towards 0"),
    ],
)
def test_a_table_that_does_not_fit(codec, space, words):
    with pytest.raises(SpaceError, match=words):
        codec.fit(space)


def test_lengths_and_names_are_those_of_sequences():
    for wrong in ({"lengths": (0, 2)}, {"lengths": (1, 2), "names": "left"}):
        with pytest.raises(SpaceError):
            Primitives(**wrong)


# --- primitives that end early, in the loop ----------------------------------------------------------


class UntilThree(TerminatingPrimitives):
    """Walks on until the counter stands at a multiple of three."""

    def ends(self, code, step, i):
        return step.observation[0] % 3.0 == 0.0


@dataclass(frozen=True)
class Counter:
    """The observation counts the steps; an episode has seven."""

    horizon: int = 7
    observation: Box = field(default=Box(0.0, 100.0, (1,)))
    action: Discrete = field(default=Discrete(2))
    compiled = True

    def reset(self, key, context):
        return jnp.zeros(()), first_step(jnp.zeros((1,)))

    def step(self, key, state, native):
        return state + 1.0, next_step((state + 1.0)[None], 1.0, state + 1.0 >= self.horizon)


def test_a_predicate_over_the_step_ends_a_primitive():
    codec = UntilThree.of({"walk": [1] * 5, "run": [0] * 5})
    assert code_text(codec).startswith(f"{__name__}:UntilThree:lengths=5x5")
    assert parse_code(code_text(codec), own=True) == codec
    assert codec_from_json(codec_to_json(codec)) == codec
    assert codec.shortest == 1
    task = make_task(Counter(), "counter").with_code(codec)
    agent, source = Random(), Rollout(decisions=4)
    state = agent.init(task.spec, jax.random.key(0))
    lanes = begin_lanes(task, agent, source, state, jax.random.key(1))
    batch, _, _ = roll_out(task, agent, source, state, lanes, jax.random.key(2), uniform=None)
    assert batch.next.elapsed[0].tolist() == [3, 3, 1, 3]  # at 3, at 6, at the end of the episode, at 3 again


# --- scaled primitives -------------------------------------------------------------------------------

PUSH = ScaledPrimitives.of({"push": [[0.5, -1.0], [1.0, 0.0]], "lift": [[0.0, 0.5]]})
PLANE = Box(-1.0, 1.0, (2,))


def branch(index, factor):
    return Choice(jnp.int32(index), (jnp.float32(factor),) * 2)


def test_the_factor_scales_every_action():
    codec = PUSH.fit(PLANE)
    assert codec.code == OneOf([Box(0.0, 1.0, ()), Box(0.0, 1.0, ())])
    assert [a.tolist() for a in played(codec, branch(0, 0.5))] == [[0.25, -0.5], [0.5, 0.0]]
    assert [a.tolist() for a in played(codec, branch(1, 0.5))] == [[0.0, 0.25]]


def test_recorded_multiples_are_found():
    codec = PUSH.fit(PLANE)
    native = np.array([[0.15, -0.3], [0.3, 0.0], [0.0, 0.4], [0.9, 0.9]], np.float32)
    codes, valid = codec.encode(native)
    assert valid.tolist() == [True, False, True, False]
    assert codes.index[np.array([0, 2])].tolist() == [0, 1]
    assert (float(codes.values[0][0]), float(codes.values[1][2])) == (pytest.approx(0.3), pytest.approx(0.8))


@pytest.mark.parametrize("seed", range(4))
def test_legal_factors_by_trying_them(seed):
    codec, generator = PUSH.fit(PLANE), np.random.default_rng(seed)
    low, high = np.sort(generator.uniform(-1, 1, (2, 2)), axis=0).astype(np.float32)
    low, high = (low, high) if seed % 2 else (np.minimum(low, -0.1), np.maximum(high, 0.1))
    allowed = Interval(jnp.asarray(low), jnp.asarray(high))
    step, rows = first_step(jnp.zeros(1), allowed), np.asarray(codec.rows, np.float64)

    @jax.jit
    @jax.vmap
    def ask(factor):
        out = []
        for n in range(2):
            code = Choice(jnp.int32(n), (factor, factor))
            actions = [codec.decode(code, step, jnp.int32(i), None) for i in range(2)]
            inside = jnp.stack([sets.contains(allowed, action) for action in actions])
            out.append((sets.contains(codec.restrict(allowed), code), jnp.all(inside)))
        return out

    factors = np.linspace(0, 1, 101, dtype=np.float32)
    found = ask(factors)
    for n in range(2):
        scaled = factors.astype(np.float64)[:, None, None] * rows[n]
        room = np.minimum(scaled - low, high - scaled).min(axis=(1, 2))
        legal = np.asarray(found[n][0])
        sure = np.abs(room) > 1e-6  # beside the very edge, where float32 and float64 may differ
        assert (legal == (room >= 0))[sure].all()
        assert np.asarray(found[n][1])[legal].all()


def test_the_image_is_the_hull_of_scaled_first_actions():
    codec = PUSH.fit(PLANE)
    cell = Choice(Mask(jnp.array([True, False])), (Interval(jnp.float32(0.5), jnp.float32(1.0)),) * 2)
    hull = codec.image(cell)
    assert (hull.low.tolist(), hull.high.tolist()) == ([0.25, -1.0], [0.5, -0.5])
    assert not bool(sets.possible(codec.image(Choice(Mask(jnp.zeros(2, bool)), cell.values))))
    with pytest.raises(SpaceError, match="Intervals"):
        codec.restrict(Mask(jnp.ones(2, bool)))
