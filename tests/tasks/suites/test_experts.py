"""Recorded experts: episodes one after the other, cut at the success, in the task's code."""

import gymnasium
import jax
import numpy as np
import pytest

import actlab as al
from actlab.actions.parse import parse_code
from actlab.core.errors import ActlabError
from actlab.data.episodes import rows as rows_of
from actlab.tasks import record_expert, task
from actlab.tasks.suites import experts
from actlab.tasks.suites.experts import play_expert
from actlab.tasks.suites.ogbench import next_cell
from actlab.tasks.suites.scores import host_task
from actlab.training.recorded import check_rows


class Line(gymnasium.Env):
    """A place on a line, from a random start; success is being at 0. Odd starts are too far."""

    observation_space = gymnasium.spaces.Box(-20, 20, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = np.asarray([self.np_random.choice([3.0, 4.0, 15.0])], np.float32)
        return self.place.copy(), {}

    def step(self, action):
        self.place = np.clip(self.place + action, -20, 20).astype(np.float32)
        return self.place.copy(), 0.0, False, False, {"success": float(abs(self.place[0]) < 0.5)}


class Walker:
    """Walks to 0 by steps of 1."""

    begun = 0

    def begin(self, environment, seed):
        assert environment.name == "metaworld/line"
        self.begun += 1

    def act(self, observation):
        return -np.sign(observation).astype(np.float32)


@pytest.fixture
def line(monkeypatch):
    expert = Walker()
    monkeypatch.setattr(experts, "module_of", lambda suite: type("Module", (), {"expert": lambda name: expert}))
    return host_task(Line, "metaworld/line", success=True, max_episode_steps=8)


def test_episodes_are_kept_in_a_row_and_cut_at_the_success(line):
    rows = record_expert(line, 4, seed=1)
    check_rows({"data": rows}, line)
    ended, first = np.asarray(rows.next.ended)[0], np.asarray(rows.step.first)[0]
    assert ended.sum() == 4
    assert ended[-1]
    np.testing.assert_array_equal(first[1:], ended[:-1])
    np.testing.assert_array_equal(rows.next.info["success"][0] > 0, ended)  # cut there
    assert rows.next.truncated.sum() == 4
    assert not rows.next.terminated.any()
    seen, after = rows.step.observation[0, :, 0], rows.next.observation[0, :, 0]
    np.testing.assert_array_equal(after, seen - 1)
    np.testing.assert_array_equal(rows.native[:, :, 0], rows.code)
    assert rows.valid.all()
    again = record_expert(line, 4, seed=1)
    assert all(map(np.array_equal, jax.tree.leaves(rows), jax.tree.leaves(again)))


def test_failures_and_whole_episodes_are_kept_on_demand(line):
    rows = record_expert(line, 12, seed=1, failures=True, whole=True)
    assert rows.valid.shape == (1, 12 * 8)
    told = rows.next.info["success"].reshape(12, 8).max(axis=1)
    starts = rows.step.observation.reshape(12, 8)[:, 0]
    np.testing.assert_array_equal(told > 0, starts < 10)
    assert 0 < told.sum() < 12


def test_noise_disturbs_what_is_executed_and_recorded(line):
    rows = record_expert(line, 6, noise=0.2, failures=True)
    actions = rows.native[0, :, 0, 0]
    assert len(np.unique(actions)) > 6
    assert (np.abs(actions) <= 2).all()
    np.testing.assert_allclose(rows.next.observation[0, :, 0], rows.step.observation[0, :, 0] + actions, atol=1e-5)


def test_rows_are_in_the_tasks_code(line):
    coded = line.with_code(parse_code("bins:bins=5"))
    rows = record_expert(coded, 2)
    check_rows({"data": rows}, coded)
    decoded = jax.vmap(lambda code: coded.spec.codec.decode(code, None, 0, None))(
        jax.tree.map(lambda c: c[0], rows.code)
    )
    assert np.abs(np.asarray(decoded) - rows.native[0, :, 0]).max() <= 0.5


def test_what_cannot_be_recorded_is_said(line):
    with pytest.raises(ActlabError, match="CartPole-v1 has no scripted expert"):
        record_expert(task("CartPole-v1"), 1)
    with pytest.raises(ActlabError, match="lasts 2"):
        record_expert(line.with_code(parse_code("chunk:length=2")), 1)
    with pytest.raises(ActlabError, match="at least one episode"):
        record_expert(line, 0)
    short = host_task(Line, "metaworld/line", success=True, max_episode_steps=2)
    with pytest.raises(ActlabError, match="succeeded in 0 of 10 episodes; 2 were asked for"):
        record_expert(short, 2)


def test_cloning_learns_from_the_rows(line, tmp_path):
    agent = al.agents.BC(width=16, layers=1, batch_size=16)
    rows = record_expert(line, 4)
    run = al.train(agent, line, 20, data={"data": rows}, out=tmp_path, evaluations=1, episodes=2, quiet=True)
    assert run.result["steps"] == 20
    scores = al.evaluate(run, episodes=2)
    assert set(np.unique(scores["success"]["deterministic"])) <= {0.0, 1.0}


def test_random_actions_replace_their_share_of_the_experts(line):
    rows = record_expert(line, 30, seed=2, random=0.3, failures=True, whole=True)
    actions = rows.native[0, :, 0, 0]
    scripted = actions == -np.sign(rows.step.observation[0, :, 0])
    assert 0.6 < scripted.mean() < 0.8
    assert actions[~scripted].min() < -1.5 < 1.5 < actions[~scripted].max()
    with pytest.raises(ActlabError, match=r"a probability of random actions; received 0\.0 and 1\.5"):
        record_expert(line, 1, random=1.5)


def test_episodes_are_the_rows_before_any_code(line):
    played = play_expert(line, 3, seed=1)
    assert rows_of(played, line).valid.shape == (1, played.steps)
    assert played.told == ("success",)
    assert all(episode.truncated and not episode.terminated for episode in played.episodes)
    ours, theirs = rows_of(played, line), record_expert(line, 3, seed=1)
    assert all(map(np.array_equal, jax.tree.leaves(ours), jax.tree.leaves(theirs)))


def test_the_next_cell_lies_on_a_shortest_way():
    walls = np.asarray([[0, 0, 0], [0, 1, 0], [0, 1, 0]])
    place, way = (2, 0), [(2, 0)]
    while place != (2, 2):
        place = next_cell(walls, place, (2, 2))
        way.append(place)
    assert way == [(2, 0), (1, 0), (0, 0), (0, 1), (0, 2), (1, 2), (2, 2)]
    closed = np.asarray([[0, 1, 0]])
    assert next_cell(closed, (0, 0), (0, 2)) == (0, 0)
