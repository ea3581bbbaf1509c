"""NumPy files: ours come back exactly, plain arrays are cut into episodes, nothing is unpickled."""

import jax
import numpy as np
import pytest

from actlab.core.errors import ActlabError
from actlab.data.formats import audit, npz, read
from tests.data.recorded import made


@pytest.mark.parametrize("observation", ["box", "dict", "tuple"])
def test_what_is_written_is_read_exactly(observation, tmp_path):
    recordings = made(observation=observation)
    path = npz.write(recordings, tmp_path / "episodes.npz")
    back, report = audit(path)
    assert back.checksum == recordings.checksum
    assert back.provenance == recordings.provenance
    assert jax.tree.structure(back.episodes[0].observations) == jax.tree.structure(recordings.episodes[0].observations)
    assert report.notes == ("1 episodes have no end on record: learning takes them as truncated",)
    assert report.statistics["steps"] == 8


def test_one_observation_of_several_is_chosen(tmp_path):
    recordings = made(observation="dict")
    path = npz.write(recordings, tmp_path / "episodes.npz")
    back = read(path, keys=["state"])
    np.testing.assert_array_equal(back.episodes[0].observations, recordings.episodes[0].observations["state"])
    with pytest.raises(ActlabError, match="no observation 'depth'; it has camera, state"):
        read(path, keys=["depth"])


def plain(**more):
    """Six rows in one row: three that terminate, two that time out, one that just stops."""
    seen = np.arange(12, dtype=np.float32).reshape(6, 2)
    return {
        "observations": seen,
        "actions": np.linspace(-1, 1, 6, dtype=np.float32)[:, None],
        "rewards": np.arange(6, dtype=np.float64),
        "terminals": np.asarray([0, 0, 1, 0, 0, 0], bool),
        "timeouts": np.asarray([0, 0, 0, 0, 1, 0], bool),
        **more,
    }


def saved(tmp_path, arrays):
    np.savez(tmp_path / "plain.npz", **arrays)
    return tmp_path / "plain.npz"


def test_plain_arrays_with_successors_are_cut_at_their_flags(tmp_path):
    after = np.arange(12, dtype=np.float32).reshape(6, 2) + 2
    back, report = audit(saved(tmp_path, plain(next_observations=after)))
    one, two, three = back.episodes
    assert (one.terminated, one.truncated) == (True, False)
    assert (two.terminated, two.truncated) == (False, True)
    assert (three.terminated, three.truncated) == (False, False)
    np.testing.assert_array_equal(one.observations, np.arange(8).reshape(4, 2))
    np.testing.assert_array_equal(two.rewards, [3, 4])
    assert report.statistics["unended"] == 1


def test_plain_arrays_without_successors_lose_what_is_not_known(tmp_path):
    back, report = audit(saved(tmp_path, plain()))
    one, two = back.episodes
    np.testing.assert_array_equal(one.observations[-1], one.observations[-2])  # a terminal state that was not seen
    assert one.terminated
    assert len(one) == 3
    assert (len(two), two.truncated) == (1, True)
    assert set(report.notes) == {
        "1 episodes terminate in a state that was not recorded: the state before it stands for it",
        "2 episodes lack their last observation: their last decision is left out",
        "1 episodes are too short to be used",
    }


def test_a_jump_ends_an_episode_without_a_flag(tmp_path):
    arrays = plain(next_observations=np.arange(12, dtype=np.float32).reshape(6, 2) + 2)
    arrays["next_observations"][1] = 99
    del arrays["timeouts"]
    back, report = audit(saved(tmp_path, arrays))
    assert [len(episode) for episode in back.episodes] == [2, 1, 3]
    assert any("stop without a flag" in note for note in report.notes)
    assert any("time limits" in note for note in report.notes)


def test_done_is_what_the_caller_says(tmp_path):
    arrays = plain()
    arrays["dones"] = arrays.pop("terminals") | arrays.pop("timeouts")
    path = saved(tmp_path, arrays)
    assert [episode.terminated for episode in read(path).episodes] == [True, True]
    assert [episode.truncated for episode in read(path, done="truncated").episodes] == [True, True]
    with pytest.raises(ActlabError, match="received 'maybe'"):
        read(path, done="maybe")


def test_numbers_that_are_not_finite_are_counted(tmp_path):
    arrays = plain()
    arrays["observations"][0, 0], arrays["actions"][1, 0] = np.nan, np.inf
    _, report = audit(saved(tmp_path, arrays))
    counts = {part.name: part.nonfinite for part in report.parts}
    assert counts == {"observations": 1, "actions": 1, "rewards": 0}
    assert sum("NaN or infinite" in note for note in report.notes) == 2
    bounds = {part.name: (part.least, part.most) for part in report.parts}
    assert bounds["observations"] == (1.0, 9.0)


class Trap:
    """A pickle that would run what it likes."""

    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def test_python_objects_are_refused(tmp_path):
    path = saved(tmp_path, plain(observations=np.asarray([Trap()] * 6, object)))
    with pytest.raises(ActlabError, match="never unpickled"):
        read(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"observations": None}, "holds no observations; it holds actions"),
        ({"actions": None}, "holds no actions"),
        ({"rewards": np.zeros(5)}, r"rewards should have 6 entries; received shape \[5\]"),
    ],
)
def test_a_lacking_file_is_said(tmp_path, change, sentence):
    arrays = {name: value for name, value in plain(**change).items() if value is not None}
    with pytest.raises(ActlabError, match=sentence):
        read(saved(tmp_path, arrays))


def test_a_file_that_is_none_is_said(tmp_path):
    (tmp_path / "noise.npz").write_bytes(b"not a zip")
    with pytest.raises(ActlabError, match=r"noise\.npz"):
        read(tmp_path / "noise.npz")
    whole = npz.write(made(), tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ActlabError, match="damaged"):
        read(tmp_path / "half.npz")
    (tmp_path / "text.csv").write_text("1,2")
    with pytest.raises(ActlabError, match=r"ends in \.npz, \.hdf5 or \.h5"):
        read(tmp_path / "text.csv")
    with pytest.raises(ActlabError, match="does not exist"):
        read(tmp_path / "nowhere.npz")
    with pytest.raises(ActlabError, match="expected Minari's"):
        read(tmp_path)
