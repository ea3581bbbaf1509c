"""Episodes that we record open in d3rlpy, by way of Minari's own client, with equal contents."""

from dataclasses import replace
from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest

from actlab.core.spaces import Box
from actlab.data import formats
from tests.data.recorded import made

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(
        not all(map(find_spec, ("d3rlpy", "minari", "h5py"))),
        reason="d3rlpy and Minari are not installed: `make test-peers` installs them",
    ),
]

LENGTHS = (3, 2, 4, 7)
NAME = "local/test-v0"
SPACE = Box(-1.0, 1.0, (2,))


@pytest.fixture
def ours(tmp_path, monkeypatch):
    """Four recorded episodes, and their folder where Minari's client looks."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    recordings = made(LENGTHS)
    last = replace(recordings.episodes[-1], truncated=True)  # d3rlpy needs an end of every episode
    recordings = replace(recordings, episodes=(*recordings.episodes[:-1], last))
    formats.minari.write(recordings, NAME, SPACE, SPACE, environment="MountainCarContinuous-v0")
    return recordings.episodes


def test_the_arrays_of_minari_make_equal_episodes(ours):
    import minari
    from d3rlpy.dataset import MDPDataset

    theirs = list(minari.load_dataset(NAME))
    opened = MDPDataset(
        observations=np.concatenate([episode.observations[:-1] for episode in theirs]),
        actions=np.concatenate([episode.actions for episode in theirs]),
        rewards=np.concatenate([episode.rewards for episode in theirs]),
        terminals=np.concatenate([episode.terminations for episode in theirs]),
        timeouts=np.concatenate([episode.truncations for episode in theirs]),
    ).episodes
    for episode, other in zip(ours, opened, strict=True):
        np.testing.assert_array_equal(other.observations, episode.observations[:-1])
        np.testing.assert_array_equal(other.actions, episode.actions)
        np.testing.assert_array_equal(other.rewards[:, 0], episode.rewards)
        assert bool(other.terminated) == episode.terminated


def test_its_own_reader_opens_them_with_equal_actions_and_rewards(ours):
    """d3rlpy 2.8.1 lays T + 1 observations beside T actions, for every data set of Minari: those are not compared."""
    from d3rlpy.datasets import get_minari

    opened, env = get_minari(NAME)
    assert isinstance(env, gymnasium.Env)
    for episode, other in zip(ours, opened.episodes, strict=True):
        np.testing.assert_array_equal(other.actions, episode.actions)
        np.testing.assert_array_equal(other.rewards[:, 0], episode.rewards)
        assert bool(other.terminated) == episode.terminated
