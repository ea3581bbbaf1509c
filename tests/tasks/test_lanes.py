"""Lanes are played on an environment that reveals every mistake of an autoreset (`environments.revealing`)."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit

from actlab.core.errors import ActlabError
from actlab.tasks.cartpole import CartPole
from actlab.tasks.gymnasium import HostEnvironment
from actlab.tasks.lanes import Lanes, SingleLanes, VectorLanes, lanes_for
from tests.tasks.environments.revealing import COUNT, KINDS, SeededWalk, drive, equal, made, play, single


@pytest.mark.parametrize("kind", KINDS)
def test_every_transition_is_of_one_episode_and_its_end_is_the_true_one(kind):
    lanes = made(kind)
    decisions, starts = play(lanes, 40)
    for lane in range(COUNT):
        first = int(starts[lane][0].observation[0])
        episode, time, total, ends = first, 0, 0.0, 0
        for before, _, after in decisions[lane]:
            length = 2 + (episode + lane) % 4
            assert before.observation.tolist() == [episode, time]
            time += 1
            assert after.observation.tolist() == [episode, time]
            assert (after.reward, after.elapsed, after.first) == (time, 1, False)
            assert bool(after.terminated) == (time == length and episode % 2 == 1)
            assert bool(after.truncated) == (time == length and episode % 2 == 0)
            total += float(after.reward)
            if after.ended:
                assert total == length * (length + 1) / 2  # every reward once, none lost
                episode, time, total, ends = episode + 1, 0, 0.0, ends + 1
        assert ends >= 5
        began = {tuple(start.observation.tolist()) for start in starts[lane]}
        assert began == {(first + k, 0) for k in range(len(began))}
        assert all(start.first and start.reward == 0 and start.elapsed == 0 for start in starts[lane])
        assert not any(start.ended for start in starts[lane])
    lanes.close()


def test_no_lane_loses_a_decision_unless_it_restarts_by_itself():
    counts = {kind: [len(rows) for rows in play(made(kind), 40)[0]] for kind in KINDS}
    assert counts["single"] == counts["SameStep"] == counts["Disabled"] == [40] * COUNT
    assert all(count < 40 for count in counts["NextStep"])


@pytest.mark.parametrize("kind", KINDS)
def test_dtypes_and_shapes_are_those_of_the_spaces(kind):
    lanes = made(kind, masked=True)
    start = lanes.reset(np.arange(COUNT), (), np.ones(COUNT, bool))
    after = lanes.step(np.array([1, 1, 1]), np.ones(COUNT, bool))
    for step in (start, after):
        assert [(leaf.dtype.name, leaf.shape) for leaf in step[2:7]] == [
            ("float32", (COUNT,)),
            ("int32", (COUNT,)),
            ("bool", (COUNT,)),
            ("bool", (COUNT,)),
            ("bool", (COUNT,)),
        ]
        assert (step.observation.dtype, step.observation.shape) == (np.float32, (COUNT, 2))
        assert (step.allowed.mask.dtype, step.allowed.mask.shape) == (bool, (COUNT, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_masks_belong_to_the_observation_they_come_with(kind):
    lanes = made(kind, masked=True)
    decisions, starts = play(lanes, 30, lambda tick, step: step.allowed.mask.argmax(axis=1))
    for lane in range(COUNT):
        for before, native, after in decisions[lane]:
            legal = np.arange(3) != int(before.observation[1]) % 3
            assert before.allowed.mask.tolist() == legal.tolist()
            assert legal[native]
            expected = before.allowed.mask if after.ended else np.arange(3) != int(after.observation[1]) % 3
            assert after.allowed.mask.tolist() == expected.tolist()
        assert all(start.allowed.mask.tolist() == [False, True, True] for start in starts[lane])


def test_a_waiting_lane_keeps_its_last_step():
    lanes = single()
    assert lanes.can_wait
    lanes.reset(np.arange(COUNT), (), np.ones(COUNT, bool))
    before = lanes.step(np.zeros(COUNT, np.int64), np.ones(COUNT, bool))
    after = lanes.step(np.zeros(COUNT, np.int64), np.array([True, False, True]))
    assert before.observation[:, 1].tolist() == [1, 1, 1]  # what was returned is not changed later
    assert after.observation[:, 1].tolist() == [2, 1, 2]


# --- snapshots ---------------------------------------------------------------------------------------


def walks(kind: str) -> Lanes:
    if kind == "single":
        return SingleLanes(HostEnvironment(SeededWalk, max_episode_steps=9), COUNT)
    fresh = [lambda: TimeLimit(SeededWalk(), 9)] * COUNT
    return VectorLanes(SyncVectorEnv(fresh, autoreset_mode=AutoresetMode(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_snapshot_goes_on_bit_for_bit(kind):
    def draw(generator):
        return generator.uniform(-1, 1, (COUNT, 1)).astype(np.float32)

    for ticks in (1, 23):
        generator, lanes = np.random.default_rng(3), walks(kind)
        step, _ = drive(lanes, lanes.reset(np.arange(COUNT), (), np.ones(COUNT, bool)), generator, ticks, draw)
        snapshot = {name: leaf.copy() for name, leaf in lanes.snapshot().items()}
        rest = generator.bit_generator.state
        _, expected = drive(lanes, step, generator, 25, draw)

        for other in (walks(kind), lanes):  # a fresh process, and lanes that were used in between
            restored = other.restore(snapshot)
            assert equal(restored, step)
            generator.bit_generator.state = rest
            _, seen = drive(other, restored, generator, 25, draw)
            assert all(equal(a, b) for a, b in zip(expected, seen, strict=True))
            if other is not lanes:
                assert equal(other.snapshot(), lanes.snapshot())


@pytest.mark.parametrize(("name", "size"), [("HalfCheetah-v5", 6), ("Hopper-v5", 3)])
def test_mujoco_episodes_are_restored_bit_for_bit_in_their_middle(name, size):
    def draw(generator):
        return generator.uniform(-1, 1, (2, size)).astype(np.float32)

    pattern, generator = HostEnvironment(name), np.random.default_rng(0)
    lanes, other = lanes_for(pattern, 2), lanes_for(pattern, 2)
    step, _ = drive(lanes, lanes.reset(np.array([5, 6]), (), np.ones(2, bool)), generator, 70, draw)
    other.reset(np.array([1, 2]), (), np.ones(2, bool))
    snapshot, rest = lanes.snapshot(), generator.bit_generator.state
    assert snapshot["native/0"].shape == (snapshot["lengths"].sum(), size)
    assert equal(other.restore(snapshot), step)
    _, expected = drive(lanes, step, generator, 40, draw)
    generator.bit_generator.state = rest
    _, seen = drive(other, step, generator, 40, draw)
    assert all(equal(a, b) for a, b in zip(expected, seen, strict=True))


def test_contexts_reach_their_lanes_and_are_restored():
    lanes = walks("single")
    step = lanes.reset(np.arange(COUNT), {"goal": np.array([1.0, 2.0, 3.0])}, np.ones(COUNT, bool))
    assert step.observation[:, 1].tolist() == [1, 2, 3]
    step = lanes.reset(np.arange(COUNT), {"goal": np.array([7.0, 8.0, 9.0])}, np.array([False, True, False]))
    assert step.observation[:, 1].tolist() == [1, 8, 3]
    step = lanes.step(np.zeros((COUNT, 1), np.float32), np.array([True, False, True]))
    assert equal(walks("single").restore(lanes.snapshot()), step)


def test_lanes_not_yet_begun_are_restored_as_such():
    lanes = walks("single")
    step = lanes.reset(np.arange(COUNT), (), np.array([False, True, False]))
    other = walks("single")
    assert equal(other.restore(lanes.snapshot()), step)
    with pytest.raises(ActlabError, match=r"Lane 0 .* before its first reset"):
        other.step(np.zeros((COUNT, 1), np.float32), np.ones(COUNT, bool))


def test_a_snapshot_of_other_lanes_is_refused():
    lanes = walks("single")
    lanes.reset(np.arange(COUNT), (), np.ones(COUNT, bool))
    with pytest.raises(ActlabError, match="expected 2 lanes, received 3 lanes"):
        SingleLanes(HostEnvironment(SeededWalk), 2).restore(lanes.snapshot())


def test_lanes_need_a_gymnasium_environment():
    with pytest.raises(ActlabError, match="made of Gymnasium environments; received CartPole"):
        lanes_for(CartPole(), 2)
