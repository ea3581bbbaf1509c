"""Minari's folders: what we write its own client reads, what it writes we read, and what is wrong is said."""

import json

import numpy as np
import pytest

from actlab.core import spaces
from actlab.core.errors import ActlabError
from actlab.data.episodes import Recordings
from actlab.data.formats import audit, minari, read
from tests.data.recorded import made

h5py = pytest.importorskip("h5py")

STATE, ACTION = spaces.Box(-1.0, 1.0, (2,)), spaces.Box(-1.0, 1.0, (2,))
OBSERVATIONS = {
    "box": STATE,
    "dict": spaces.Dict({"camera": spaces.Box(0, 255, (32, 32, 3), "uint8"), "state": STATE}),
    "tuple": spaces.Tuple((STATE, spaces.Discrete(5))),
}
NAME = "local/test-v0"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A root that Minari's own client uses too."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def written(observation="box", **options):
    told = {"policy": "uniform", "reference": {"random": 0.0, "expert": 2.0, "episodes": 3}}
    recordings = Recordings(made(observation=observation).episodes, told)
    folder = minari.write(recordings, NAME, OBSERVATIONS[observation], ACTION, **options)
    return recordings, folder


@pytest.mark.parametrize("observation", sorted(OBSERVATIONS))
def test_what_is_written_is_read_exactly(observation, root):
    recordings, folder = written(observation)
    assert folder == root / NAME
    back, report = audit(NAME)
    assert back.checksum == recordings.checksum == back.provenance["sha256"]
    assert {**recordings.provenance, "sha256": back.checksum} == back.provenance
    assert report.format == "Minari"
    assert minari.names() == [NAME]
    assert read(folder / "data" / "main_data.hdf5").checksum == back.checksum


@pytest.mark.parametrize("observation", sorted(OBSERVATIONS))
def test_minaris_own_client_reads_the_same(observation, root):
    client = pytest.importorskip("minari")
    recordings, _ = written(observation, environment="CartPole-v1")
    assert list(client.list_local_datasets(compatible_minari_version=True)) == [NAME]
    theirs = client.load_dataset(NAME)
    assert (theirs.total_episodes, theirs.total_steps) == (3, 8)
    assert theirs.observation_space == OBSERVATIONS[observation].to_gymnasium()
    assert theirs.action_space == ACTION.to_gymnasium()
    assert theirs.recover_environment().spec.id == "CartPole-v1"
    assert client.get_normalized_score(theirs, np.asarray([1.0])) == pytest.approx(0.5)
    for ours, their in zip(recordings.episodes, theirs.iterate_episodes(), strict=True):
        assert_same(their.observations, ours.observations)
        assert_same(their.actions, ours.actions)
        np.testing.assert_array_equal(their.rewards, ours.rewards)
        assert bool(their.terminations[-1]) == ours.terminated
        assert bool(their.truncations[-1]) == ours.truncated
        assert not their.terminations[:-1].any()
        assert not their.truncations[:-1].any()
        np.testing.assert_array_equal(their.infos["success"][1:], ours.info["success"])


def assert_same(left, right):
    if isinstance(right, dict | tuple):
        assert type(left) is type(right)
        assert len(left) == len(right)
        for key in right if isinstance(right, dict) else range(len(right)):
            assert_same(left[key], right[key])
        return
    np.testing.assert_array_equal(left, right)
    assert np.asarray(left).dtype == right.dtype


def test_what_minaris_client_records_we_read(root):
    client = pytest.importorskip("minari")
    from minari.data_collector.episode_buffer import EpisodeBuffer

    recordings = made()
    buffers = [
        EpisodeBuffer(
            id=i,
            observations=list(episode.observations),
            actions=list(episode.actions),
            rewards=list(episode.rewards),
            terminations=[False] * (len(episode) - 1) + [episode.terminated],
            truncations=[False] * (len(episode) - 1) + [episode.truncated],
            infos={"success": [0.0, *episode.info["success"].tolist()]},
        )
        for i, episode in enumerate(recordings.episodes)
    ]
    with pytest.warns(UserWarning, match="None"):  # of authors and links
        client.create_dataset_from_buffers(
            "people/theirs-v1", buffers, action_space=ACTION.to_gymnasium(), observation_space=STATE.to_gymnasium()
        )
    back, report = audit("people/theirs-v1")
    for ours, their in zip(recordings.episodes, back.episodes, strict=True):
        np.testing.assert_array_equal(ours.observations, their.observations)
        np.testing.assert_array_equal(ours.actions, their.actions)
        np.testing.assert_array_equal(ours.rewards, their.rewards)
        assert (ours.terminated, ours.truncated) == (their.terminated, their.truncated)
        np.testing.assert_array_equal(ours.info["success"], their.info["success"])
    assert back.provenance["minari"]["dataset_id"] == "people/theirs-v1"
    assert report.statistics["unended"] == 1


def test_more_than_ten_episodes_keep_their_order(root):
    recordings = made(tuple(range(1, 13)))
    minari.write(recordings, NAME, STATE, ACTION)
    assert read(NAME).checksum == recordings.checksum


def test_a_published_sets_faults_are_read_and_noted(root):
    _, folder = written()
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        seen = file["episode_2/observations"][:-1]
        del file["episode_2/observations"]
        file["episode_2/observations"] = seen
        file["episode_0/terminations"][0] = True
    back, report = audit(NAME)
    assert len(back.episodes[2]) == 3
    assert back.episodes[2].truncated
    assert set(report.notes) == {
        "1 episodes lack their last observation: their last decision is left out",
        "1 episodes go on behind a terminal state: only their end counts",
        "its content is not the one that was written: the SHA-256 differs",
    }


def test_a_changed_number_is_noticed(root):
    _, folder = written()
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        file["episode_1/rewards"][0] = 0.5
    assert "its content is not the one that was written: the SHA-256 differs" in audit(NAME)[1].notes


def test_nothing_is_overwritten_and_nothing_half_is_left(root, monkeypatch):
    _, folder = written()
    with pytest.raises(ActlabError, match="There is a data set local/test-v0 already"):
        written()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(minari.os, "replace", full)
    with pytest.raises(ActlabError, match="No space left on device"):
        minari.write(made(), "local/other-v0", STATE, ACTION)
    assert [path.name for path in folder.parent.iterdir()] == ["test-v0"]


def test_what_cannot_be_written_is_said(root):
    with pytest.raises(ActlabError, match=r"looks like local/hopper-medium-v0; received '\.\./x'"):
        minari.write(made(), "../x", STATE, ACTION)
    with pytest.raises(ActlabError, match="no episodes"):
        minari.write(Recordings(()), NAME, STATE, ACTION)
    with pytest.raises(ActlabError, match=r"no form for OneOf.*\.npz"):
        minari.write(made(), NAME, STATE, spaces.OneOf((STATE, ACTION)))


def test_damaged_folders_are_said(root):
    _, folder = written()
    path = folder / "data" / "metadata.json"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps({**metadata, "data_format": "arrow"}))
    with pytest.raises(ActlabError, match="stored as 'arrow'; expected"):
        read(NAME)
    path.write_text("[]")
    with pytest.raises(ActlabError, match="should hold a JSON object"):
        read(NAME)
    path.write_text(json.dumps({**metadata, "total_episodes": 7}))
    assert "its metadata announce 7 episodes, the file holds 3" in audit(NAME)[1].notes
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        del file["episode_0/actions"]
    with pytest.raises(ActlabError, match="episode_0 has no actions"):
        read(NAME)
    with pytest.raises(ActlabError, match="There is no data set local/none-v0 in"):
        read("local/none-v0")


def test_the_root_is_minaris_own(monkeypatch, tmp_path):
    monkeypatch.delenv("MINARI_DATASETS_PATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert minari.root_folder() == tmp_path / ".minari" / "datasets"
    assert minari.root_folder(tmp_path / "x") == tmp_path / "x"
    assert minari.names() == []
