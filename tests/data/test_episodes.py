"""Recorded episodes: in a task's code and back, by quality, in numbers."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from actlab.actions.parse import parse_code
from actlab.actions.quantile_bins import QuantileBins
from actlab.core.errors import ActlabError
from actlab.core.spaces import Box
from actlab.core.steps import first_step, next_step
from actlab.data.episodes import (
    Recordings,
    Trajectory,
    episodes_of,
    first,
    for_codec,
    local_score,
    rows,
    select,
    statistics,
)
from actlab.tasks.make import make_task
from actlab.training.recorded import check_rows
from tests.data.recorded import made


class Plane:
    """Two numbers are seen, two are moved; only its spaces matter here."""

    compiled = True
    observation, action, horizon = Box(-2.0, 2.0, (2,)), Box(-1.0, 1.0, (2,)), 8

    def reset(self, key, context):
        start = jax.random.uniform(key, (2,))
        return start, first_step(start)

    def step(self, key, state, native):
        return state + native, next_step(state + native, native[0], False)


@pytest.fixture(scope="module")
def plane():
    return make_task(Plane(), "plane")


def test_rows_are_the_decisions_in_order_with_their_true_successors(plane):
    recordings = made((3, 1, 4))
    batch = rows(recordings, plane)
    check_rows({"data": batch}, plane)
    assert batch.valid.shape == (1, 8)
    assert batch.valid.all()
    np.testing.assert_array_equal(batch.step.first[0], [1, 0, 0, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(batch.next.terminated[0], [0, 0, 1, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(batch.next.truncated[0], [0, 0, 0, 1, 0, 0, 0, 1])  # the last had no end: cut
    np.testing.assert_array_equal(batch.next.elapsed[0], np.ones(8))
    np.testing.assert_array_equal(batch.step.elapsed[0], 1 - batch.step.first[0])
    one, _, other = recordings.episodes
    np.testing.assert_array_equal(batch.step.observation[0, :3], one.observations[:3])
    np.testing.assert_array_equal(batch.next.observation[0, 2], one.observations[3])
    np.testing.assert_array_equal(batch.next.reward[0, 4:], other.rewards)
    np.testing.assert_array_equal(batch.step.reward[0, 4:], [0, *other.rewards[:3]])
    np.testing.assert_array_equal(batch.native[0, :3, 0], one.actions)
    np.testing.assert_array_equal(batch.next.info["success"][0], [0, 0, 1, 1, 0, 0, 0, 1])
    np.testing.assert_array_equal(batch.step.info["success"][0], np.zeros(8))
    assert rows(recordings, plane, told=()).next.info == ()


def test_episodes_come_back_from_their_rows(plane):
    recordings = made((3, 1, 4))
    back = Recordings(tuple(episodes_of(rows(recordings, plane))))
    expected = [replace(e, truncated=not e.terminated) for e in recordings.episodes]  # learning cuts the last one
    assert back.checksum == Recordings(tuple(expected)).checksum
    batch = rows(recordings, plane)
    hidden = batch._replace(valid=np.asarray([[True, False, True, True, True, True, True, True]]))
    assert [len(episode) for episode in episodes_of(hidden)] == [2, 1, 4]
    long = batch._replace(native=np.repeat(batch.native, 2, axis=2))
    with pytest.raises(ActlabError, match="these last 2"):
        episodes_of(long)


def test_rows_are_in_the_tasks_code_and_statistics_are_measured_from_episodes(plane):
    recordings = made((3, 1, 4))
    measured = plane.with_code(QuantileBins(bins=4), episodes=for_codec(recordings, plane))
    batch = rows(recordings, measured)
    check_rows({"data": batch}, measured)
    natives = np.concatenate([episode.actions for episode in recordings.episodes])
    counts = np.bincount(batch.code[0, :, 0], minlength=4)
    order = np.argsort(natives[:, 0])
    assert counts.sum() == 8
    assert counts.max() <= 3  # equal mass
    assert (np.diff(batch.code[0, order, 0]) >= 0).all()


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"actions": np.zeros((3, 3), np.float32)}, r"its actions should have shape \[3, 2\]; received \[3, 3\]"),
        ({"actions": np.full((3, 2), 1.5, np.float32)}, "3 of its actions are not in"),
        ({"actions": np.full((3, 2), np.nan, np.float32)}, "its actions should be finite"),
        ({"observations": np.zeros((3, 2), np.float32)}, r"should have shape \[4, 2\]; received \[3, 2\]"),
        ({"observations": {"state": np.zeros((4, 2))}}, "should have the parts of"),
        ({"rewards": np.asarray([0, np.inf, 0], np.float32)}, "rewards that are not finite"),
    ],
)
def test_what_does_not_fit_the_task_is_said(plane, broken, sentence):
    episode = replace(made((3,)).episodes[0], **broken)
    with pytest.raises(ActlabError, match=sentence):
        rows(Recordings((episode,)), plane)


def test_what_cannot_be_put_into_rows_is_said(plane):
    with pytest.raises(ActlabError, match="no recorded decisions"):
        rows(Recordings(()), plane)
    with pytest.raises(ActlabError, match="lasts 2"):
        rows(made(), plane.with_code(parse_code("chunk:length=2")))
    with pytest.raises(ActlabError, match="does not tell of 'success'"):
        rows(made(told=False), plane, told=("success",))


def test_types_are_narrowed_and_axes_of_one_do_not_matter():
    class Line(Plane):
        observation, action = Box(-2.0, 2.0, ()), Box(-1.0, 1.0, (1,))

    episode = Trajectory(np.zeros((4, 1)), np.zeros(3), np.zeros(3))
    batch = rows(Recordings((episode,)), make_task(Line(), "line"))
    assert batch.step.observation.dtype == np.float32
    assert batch.step.observation.shape == (1, 3)
    assert batch.native.shape == (1, 3, 1, 1)


def graded() -> Recordings:
    returns = [3.0, 1.0, 5.0, 2.0, 4.0]
    zero = np.zeros((2, 2), np.float32)
    return Recordings(tuple(Trajectory(zero, zero[:1], np.asarray([r], np.float32)) for r in returns))


@pytest.mark.parametrize(
    ("quality", "share", "kept"),
    [
        ("top", 0.4, [5.0, 4.0]),
        ("bottom", 0.4, [1.0, 2.0]),
        ("middle", 0.2, [3.0]),
        ("middle", 0.6, [3.0, 2.0, 4.0]),
        ("top", 0.01, [5.0]),
        ("bottom", 1.0, [3.0, 1.0, 5.0, 2.0, 4.0]),
    ],
)
def test_episodes_are_selected_by_return_and_stay_in_order(quality, share, kept):
    found = select(graded(), quality, share)
    assert found.returns.tolist() == kept
    assert found.provenance["selected"] == {"quality": quality, "share": share}


def test_a_wrong_selection_is_said():
    with pytest.raises(ActlabError, match="top, middle or bottom; received 'best'"):
        select(graded(), "best", 0.5)
    with pytest.raises(ActlabError, match=r"received 0\."):
        select(graded(), "top", 0.0)
    with pytest.raises(ActlabError, match="no episodes"):
        select(Recordings(()), "top", 0.5)


def test_statistics_and_the_local_score():
    found = statistics(made((3, 1, 4)))
    counts = {name: found[name] for name in ("episodes", "steps", "terminated", "truncated", "unended", "success")}
    assert counts == {"episodes": 3, "steps": 8, "terminated": 1, "truncated": 1, "unended": 1, "success": 1.0}
    assert found["length"] == pytest.approx({"mean": 8 / 3, "deviation": np.std([3, 1, 4]), "least": 1, "most": 4})
    told = replace(graded(), provenance={"reference": {"random": 1.0, "expert": 5.0, "episodes": 2}})
    assert local_score(told.returns, told).tolist() == [50, 0, 100, 25, 75]
    with pytest.raises(ActlabError, match="has none"):
        local_score(3.0, graded())


def test_the_checksum_follows_the_content_alone():
    recordings = made()
    assert recordings.checksum == made().checksum
    assert recordings.checksum == replace(recordings, provenance={}).checksum
    changes = [
        {"truncated": True},
        {"rewards": recordings.episodes[2].rewards + np.float32(1e-6)},
        {"actions": recordings.episodes[2].actions.astype(np.float64)},
        {"info": {}},
    ]
    others = [(*recordings.episodes[:2], replace(recordings.episodes[2], **change)) for change in changes]
    sums = {Recordings(other).checksum for other in others} | {recordings.checksum}
    assert len(sums) == 5


def test_the_first_whole_episodes():
    assert [len(episode) for episode in first(made((3, 1, 4)), 4).episodes] == [
        3,
        1,
    ]
    assert len(first(made((3, 1, 4)), 5)) == 3
    assert len(first(made((3, 1, 4)), 100)) == 3
