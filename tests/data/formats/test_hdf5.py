"""HDF5 of other people: robomimic's layout and D4RL's."""

import json

import numpy as np
import pytest

from actlab.core.errors import ActlabError
from actlab.data.formats import audit, read

h5py = pytest.importorskip("h5py")


@pytest.fixture
def demonstrations(tmp_path):
    """Three demonstrations, as robomimic keeps them; the tenth stands behind the second."""
    path = tmp_path / "demo.hdf5"
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift"})
        for name, length in (("demo_0", 3), ("demo_10", 2), ("demo_2", 4)):
            group = data.create_group(name)
            group["actions"] = np.full((length, 7), 0.1 * length)
            group["rewards"] = np.eye(length)[-1]
            group["dones"] = np.eye(length, dtype=np.int64)[-1]
            for kind, shift in (("obs", 0), ("next_obs", 1)):
                group[f"{kind}/eef"] = np.arange(length)[:, None] + shift * np.ones((1, 3))
                group[f"{kind}/object"] = np.zeros((length, 2), np.float32)
    return path


def test_robomimics_demonstrations_are_read_in_their_order(demonstrations):
    recordings, report = audit(demonstrations)
    assert [len(episode) for episode in recordings.episodes] == [3, 4, 2]
    one = recordings.episodes[0]
    np.testing.assert_array_equal(one.observations["eef"][:, 0], [0, 1, 2, 3])
    assert one.observations["object"].shape == (4, 2)
    assert one.rewards.tolist() == [0, 0, 1]
    assert all(episode.terminated for episode in recordings.episodes)
    assert recordings.provenance == {"environment": {"env_name": "Lift"}}
    assert report.notes == ()
    assert report.format == "HDF5, robomimic's layout"
    assert {part.name for part in report.parts} == {
        "observations['eef']",
        "observations['object']",
        "actions",
        "rewards",
    }


def test_observations_are_chosen_and_dones_may_be_limits(demonstrations):
    recordings = read(demonstrations, keys=["eef"], done="truncated")
    assert recordings.episodes[0].observations.shape == (4, 3)
    assert recordings.episodes[0].truncated


def test_what_demonstrations_lack_is_said_and_made_up_for(demonstrations):
    with h5py.File(demonstrations, "a") as file:
        for name in ("demo_0", "demo_2"):
            del file[f"data/{name}/next_obs"]
        file["data/demo_2/dones"][1] = 1
        del file["data/demo_0/rewards"]
        del file["data/demo_0/dones"]
    recordings, report = audit(demonstrations)
    one, two, _ = recordings.episodes
    assert (len(one), one.truncated) == (2, True)
    assert (len(two), two.terminated) == (4, True)
    np.testing.assert_array_equal(two.observations["eef"][-1], two.observations["eef"][-2])
    assert set(report.notes) == {
        "1 episodes have no rewards: 0 stands for them",
        "1 episodes have no dones",
        "1 episodes lack their last observation: their last decision is left out",
        "1 episodes say done before their end (robomimic marks success so): only the end counts",
        "1 episodes terminate in a state that was not recorded: the state before it stands for it",
    }


def test_wrong_demonstrations_are_said(demonstrations):
    with h5py.File(demonstrations, "a") as file:
        del file["data/demo_0/obs/eef"]
        file["data/demo_0/obs/eef"] = np.zeros((2, 3))
    with pytest.raises(ActlabError, match=r"data/demo_0: obs should have 3 entries; received shape \[2, 3\]"):
        read(demonstrations)
    with h5py.File(demonstrations, "a") as file:
        del file["data/demo_0/obs"]
    with pytest.raises(ActlabError, match="data/demo_0 has no group 'obs'"):
        read(demonstrations)
    with h5py.File(demonstrations, "w") as file:
        file.create_group("data")
    with pytest.raises(ActlabError, match="no episodes data/demo_N"):
        read(demonstrations)


def test_d4rls_arrays_are_cut_into_episodes(tmp_path):
    path = tmp_path / "d4rl.hdf5"
    with h5py.File(path, "w") as file:
        file["observations"] = np.arange(10.0, dtype=np.float32)[:, None]
        file["actions"] = np.zeros((10, 2), np.float32)
        file["rewards"] = np.ones(10, np.float32)
        file["terminals"] = np.arange(10) == 3
        file["timeouts"] = np.arange(10) == 9
        file["metadata/policy"] = "text that nobody reads"
        file["infos/qpos"] = np.zeros((10, 2))
    recordings, report = audit(path)
    assert [(len(e), e.terminated, e.truncated) for e in recordings.episodes] == [(4, True, False), (5, False, True)]
    assert report.format == "HDF5, D4RL's layout"


def test_text_references_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "text.hdf5"
    with h5py.File(path, "w") as file:
        file["data/demo_0/actions"] = ["left", "right"]
    with pytest.raises(ActlabError, match="should hold numbers"):
        read(path)
    (tmp_path / "noise.h5").write_bytes(b"x" * 100)
    with pytest.raises(ActlabError, match="damaged or no HDF5 file"):
        read(tmp_path / "noise.h5")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ActlabError, match="damaged or no HDF5 file"):
        read(path)
