"""LeRobot's folders of version 3: many episodes in a file, lists of numbers in a column."""

import json

import numpy as np
import pytest

from actlab.core.errors import ActlabError
from actlab.data.formats import audit, read

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def feature(kind: str, *shape: int) -> dict:
    return {"dtype": kind, "shape": list(shape), "names": None}


FEATURES = {
    "action": feature("float32", 2),
    "observation.state": feature("float32", 3),
    "observation.images.top": feature("video", 480, 640, 3),
    "next.reward": feature("float32", 1),
    "next.done": feature("bool", 1),
    "next.success": feature("bool", 1),
    "episode_index": feature("int64", 1),
    "frame_index": feature("int64", 1),
    "timestamp": feature("float32", 1),
    "index": feature("int64", 1),
    "task_index": feature("int64", 1),
}


def table(episodes: dict[int, int]) -> dict:
    """Columns of episodes (number -> frames)."""
    frames = [(number, frame, length) for number, length in episodes.items() for frame in range(length)]
    return {
        "action": [[0.1 * number, 0.0] for number, _, _ in frames],
        "observation.state": [[float(number), float(frame), 0.0] for number, frame, _ in frames],
        "next.reward": [float(frame) for _, frame, _ in frames],
        "next.done": [frame == length - 1 for _, frame, length in frames],
        "next.success": [frame == length - 1 for _, frame, length in frames],
        "episode_index": [number for number, _, _ in frames],
        "frame_index": [frame for _, frame, _ in frames],
    }


@pytest.fixture
def folder(tmp_path):
    """Three episodes in two files."""
    root = tmp_path / "robot data"
    (root / "meta").mkdir(parents=True)
    info = {"codebase_version": "v3.0", "fps": 10, "total_episodes": 3, "features": FEATURES}
    (root / "meta" / "info.json").write_text(json.dumps(info))
    (root / "data" / "chunk-000").mkdir(parents=True)
    for name, content in (("file-000", {0: 3, 1: 4}), ("file-001", {2: 2})):
        parquet.write_table(pyarrow.table(table(content)), root / "data" / "chunk-000" / f"{name}.parquet")
    return root


def test_episodes_are_read_from_shared_files(folder):
    recordings, report = audit(folder, done="truncated")
    assert [len(episode) for episode in recordings.episodes] == [2, 3, 1]  # the last frame's successor is not there
    two = recordings.episodes[1]
    np.testing.assert_array_equal(two.observations, [[1, 0, 0], [1, 1, 0], [1, 2, 0], [1, 3, 0]])
    np.testing.assert_allclose(two.actions, [[0.1, 0]] * 3)
    assert two.rewards.tolist() == [0, 1, 2]
    assert recordings.provenance == {"lerobot": {"codebase_version": "v3.0", "fps": 10}}
    assert report.format == "LeRobot v3.0"
    assert "pictures are not read: observation.images.top" in report.notes


def test_a_done_that_terminates_keeps_the_last_decision_and_its_success(folder):
    recordings = read(folder)
    assert [len(episode) for episode in recordings.episodes] == [3, 4, 2]
    assert all(episode.terminated for episode in recordings.episodes)
    assert recordings.episodes[0].info["success"].tolist() == [0, 0, 1]


def test_columns_of_fixed_lists_and_slices_are_read(folder):
    content = table({0: 3, 1: 2})
    file = folder / "data" / "chunk-000" / "file-000.parquet"
    fixed = pyarrow.array(content["action"], pyarrow.list_(pyarrow.float32(), 2))
    parquet.write_table(pyarrow.table({**content, "action": fixed}), file)
    assert read(folder).episodes[1].actions.shape == (2, 2)


def test_what_is_wrong_is_said(folder):
    file = folder / "data" / "chunk-000" / "file-001.parquet"
    file.unlink()
    assert any("announces 3 episodes, the tables hold 2" in note for note in audit(folder)[1].notes)
    content = table({2: 2})
    content["action"][1] = None
    parquet.write_table(pyarrow.table(content), file)
    with pytest.raises(ActlabError, match="action has 1 empty entries"):
        read(folder)
    content["action"][1] = [0.0]
    parquet.write_table(pyarrow.table(content), file)
    with pytest.raises(ActlabError, match=r"should hold numbers of shape \[2\] in 2 rows"):
        read(folder)
    file.write_bytes(b"PAR1 and nothing")
    with pytest.raises(ActlabError, match="damaged or no Parquet file"):
        read(folder)
    del content["action"]
    for path in (file, file.with_name("file-000.parquet")):
        parquet.write_table(pyarrow.table(content), path)
    with pytest.raises(ActlabError, match="no column 'action'"):
        read(folder)


def test_another_version_is_refused(folder):
    path = folder / "meta" / "info.json"
    path.write_text(json.dumps({"codebase_version": "v2.1", "features": FEATURES}))
    with pytest.raises(ActlabError, match=r"version 3; its version is v2\.1"):
        read(folder)
    path.write_text("{")
    with pytest.raises(ActlabError, match="cannot be read"):
        read(folder)
