"""`actlab data`: what it prints of data sets that are there, and what it says where there are none."""

import json

import pytest

from actlab.cli import main
from actlab.core.spaces import Box
from actlab.data.episodes import Recordings, statistics
from actlab.data.formats import minari, npz
from tests.data.recorded import made

BOX = Box(-1.0, 1.0, (2,))


@pytest.fixture
def root(tmp_path):
    pytest.importorskip("h5py")
    recordings = made()
    told = {
        "policy": "uniform",
        "statistics": statistics(recordings),
        "reference": {"random": 0.0, "expert": float(recordings.returns.mean()) * 2, "episodes": 3},
    }
    minari.write(Recordings(recordings.episodes, told), "local/test-v0", BOX, BOX, root=tmp_path)
    return tmp_path


def test_data_sets_are_listed_with_their_local_score(root, capsys):
    assert main(["data", "list", "--root", str(root)]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "id"
    assert "local score" in header
    assert row.split()[:3] == ["local/test-v0", "3", "8"]
    assert row.split()[4:] == ["50", "uniform"]
    assert main(["data", "list", "--root", str(root), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["sha256"] == made().checksum
    assert main(["data", "list", "--root", str(root / "empty")]) == 0
    assert capsys.readouterr().out == f"no data sets in {root / 'empty'}\n"


def test_a_data_set_is_shown_and_examined(root, capsys):
    assert main(["data", "show", "local/test-v0", "--root", str(root)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("local/test-v0\n{")
    assert json.loads(shown.partition("\n")[2])["policy"] == "uniform"
    assert main(["data", "audit", "local/test-v0", "--root", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("local/test-v0: Minari")
    assert lines[1] == "3 episodes, 8 decisions; 1 terminated, 1 truncated, 1 without an end on record"
    assert lines[-1] == "note: 1 episodes have no end on record: learning takes them as truncated"


def test_a_file_is_examined_without_any_extra(tmp_path, capsys):
    path = npz.write(made(observation="dict"), tmp_path / "own episodes.npz")
    assert main(["data", "audit", str(path), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["format"] == "npz"
    assert [part["name"] for part in report["parts"]][:2] == ["observations['camera']", "observations['state']"]
    assert main(["data", "audit", str(path), "--key", "state", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["parts"][0]["name"] == "observations"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["make"], "Name a data set: actlab data make local/hopper-medium-v0"),
        (["audit"], "Name a data set: actlab data audit PATH"),
        (["make", "local/hopper-best-v0"], "no data set that can be made here"),
        (["show", "local/none-v0"], "is no data set of Minari"),
        (["audit", "nowhere.npz"], "nowhere.npz does not exist."),
    ],
)
def test_what_is_wrong_is_said(words, sentence, tmp_path, capsys):
    assert main(["data", *words, "--root", str(tmp_path)]) == 1
    assert sentence in capsys.readouterr().err


def test_making_one_passes_what_was_asked(monkeypatch, root, capsys):
    from actlab.training import datasets

    asked = {}

    def make_data(name, **options):
        asked.update(options, name=name)
        return root / "local" / "test-v0"

    monkeypatch.setattr(datasets, "make_data", make_data)
    words = ["data", "make", "local/hopper-expert-v0", "--scale", "smoke", "--steps", "2k", "--seed", "4", "--quiet"]
    assert main([*words, "--root", str(root)]) == 0
    assert asked == {
        "name": "local/hopper-expert-v0", "scale": "smoke", "steps": 2000, "train_steps": None, "seed": 4,
        "root": str(root), "quiet": True,
    }  # fmt: skip
    assert "local/hopper-expert-v0" in capsys.readouterr().out
