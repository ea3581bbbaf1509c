"""What a run leaves besides its result: weights of every evaluation, and its replay buffer."""

import jax
import numpy as np
import pytest

import actlab as al
from actlab.core.errors import ActlabError
from actlab.training.loop import read_replay
from actlab.training.weights import kept_steps, learner_of

AGENT = al.agents.DQN(width=8, batch_size=8, decisions=10, updates=1, warmup=20, capacity=70)
OPTIONS = {"evaluations": 3, "episodes": 1, "quiet": True}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return al.train(AGENT, "CartPole-v1", 90, out=tmp_path_factory.mktemp("run"), keep=True, **OPTIONS)


def test_every_evaluation_keeps_its_weights(run):
    assert kept_steps(run) == [30, 60, 90]
    first, last = (jax.tree.leaves(learner_of(run, steps)) for steps in (30, 90))
    assert all(map(np.array_equal, last, jax.tree.leaves(learner_of(run))))
    assert not all(map(np.array_equal, first, last))
    with pytest.raises(ActlabError, match=r"no weights after 31 steps; it did after \[30, 60, 90\]"):
        learner_of(run, 31)


def test_a_run_that_is_not_asked_keeps_nothing(tmp_path):
    run = al.train(AGENT, "CartPole-v1", 90, out=tmp_path, **OPTIONS)
    assert kept_steps(run) == []
    with pytest.raises(ActlabError, match="holds another run"):
        al.train(AGENT, "CartPole-v1", 90, out=tmp_path, keep=True, **OPTIONS)


def test_the_replay_buffer_comes_back_in_the_order_of_time(run):
    (rows,) = read_replay(run.folder, run.agent, run.task, run.config["steps"]).values()
    assert rows.valid.shape == (1, 70)  # the oldest twenty of ninety are gone
    goes_on = ~np.asarray(rows.next.ended)[0, :-1]
    assert goes_on.any()
    assert not goes_on.all()
    seen, after = rows.step.observation[0, 1:], rows.next.observation[0, :-1]
    np.testing.assert_array_equal(seen[goes_on], after[goes_on])
    np.testing.assert_array_equal(np.asarray(rows.step.first)[0, 1:], ~goes_on)


def test_a_folder_without_a_checkpoint_is_said(run, tmp_path):
    with pytest.raises(ActlabError, match="does not exist"):
        read_replay(tmp_path, run.agent, run.task, 90)
