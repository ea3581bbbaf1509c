"""`actlab runs`: what is listed, and that nothing else is ever removed."""

import json
from pathlib import Path

import pytest

from actlab.cli import main
from actlab.core.errors import ActlabError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A finished and an unfinished run, a study with cells of its own, a study begun, a shared cell, a stranger."""
    files = {
        "done/run.json": {"task": "A-v0", "agent": "ppo", "code": "identity", "seed": 3},
        "done/result.json": {},
        "begun/run.json": {"task": "B-v0", "agent": "sac", "code": "normalise", "seed": 0},
        "study/study.json": {"question": "Which?"},
        "study/cells/x/run.json": {"task": "A-v0", "agent": "ppo", "code": "identity", "seed": 0},
        "study-begun/cells/x/run.json": {"task": "A-v0", "agent": "ppo", "code": "identity", "seed": 0},
        "suggestion/plan.json": {"asked": {"task": "A-v0", "budget": "200k"}},
        "suggestion/rung-1/study.json": {"question": "Which?"},
        "cells/evaluate-s0/.lock": {},
        "cells/evaluate-s0/result.json": {},
        "photographs/cat.json": {},
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path


def listed(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict]:
    assert main(["runs", "list", str(root), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    return {str(Path(row["folder"]).relative_to(root)): row for row in rows}


def test_what_is_listed(root: Path, capsys: pytest.CaptureFixture[str]):
    rows = listed(root, capsys)
    assert {name: (row["kind"], row["state"]) for name, row in rows.items()} == {
        "begun": ("run", "unfinished"),
        "done": ("run", "finished"),
        "study": ("study", "finished"),
        "study-begun": ("study", "unfinished"),
        "suggestion": ("suggestion", "unfinished"),
        "cells/evaluate-s0": ("cell", "finished"),
    }
    assert rows["done"]["what"] == "A-v0, ppo, identity, seed 3"
    assert rows["study"]["what"] == "Which?"
    assert rows["suggestion"]["what"] == "A-v0, budget 200k"


def test_the_list_for_a_person(root: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["runs", "list", str(root)]) == 0
    assert "B-v0, sac, normalise, seed 0" in capsys.readouterr().out


def test_runs_are_removed(root: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["runs", "rm", str(root / "done"), str(root / "study")]) == 0
    capsys.readouterr()
    assert set(listed(root, capsys)) == {"begun", "study-begun", "suggestion", "cells/evaluate-s0"}


@pytest.mark.parametrize("stranger", ["photographs", "nowhere", "."])
def test_a_stranger_is_never_removed(root: Path, stranger: str, capsys: pytest.CaptureFixture[str]):
    before = sorted(root.rglob("*"))
    assert main(["runs", "rm", str(root / "done"), str(root / stranger)]) == 1
    assert "nothing was removed" in capsys.readouterr().err
    assert sorted(root.rglob("*")) == before


def test_a_link_is_never_followed(root: Path):
    (root / "link").symlink_to(root / "done")
    assert main(["runs", "rm", str(root / "link")]) == 1
    assert (root / "done" / "run.json").exists()


def test_a_broken_file_is_listed_all_the_same(root: Path, capsys: pytest.CaptureFixture[str]):
    (root / "done" / "run.json").write_text("{")
    assert listed(root, capsys)["done"]["what"] == "done"


def test_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["runs", "list", str(tmp_path / "nowhere")]) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert main(["runs", "rm"]) == 1


def test_the_errors_are_ours(tmp_path: Path):
    from actlab.cli.folders import remove_folders

    with pytest.raises(ActlabError, match="is no run or study"):
        remove_folders([tmp_path])
