"""The index says what the folders say, whatever lies in them."""

import json
import os
import shutil

import pytest

from actlab.core.errors import ActlabError
from actlab.core.process import identity, living
from actlab.training.runs import LOCK, locked
from actlab.web.index import FRESH, Query, RunIndex


@pytest.fixture
def index(root):
    opened = RunIndex(root)
    yield opened
    opened.close()


def by_name(index: RunIndex, **query):
    return {row.name: row.facts for row in index.find(Query(**query)).rows}


def age(*folders, nanoseconds: int = 10 * FRESH) -> None:
    """As if the folders had been written earlier."""
    for folder in folders:
        then = folder.stat().st_mtime_ns - nanoseconds
        os.utime(folder, ns=(then, then))


def test_runs_are_found_wherever_they_lie(index, root, make_run):
    make_run("one", seed=3)
    make_run("several/seed-0")
    make_run("study-x/cells/two", finished=False)
    (root / "study-x" / "study.json").write_text(
        json.dumps({"question": "Which?", "arms": [], "tasks": ["CartPole-v1"]})
    )
    (root / "empty").mkdir()
    index.refresh()
    found = by_name(index)
    assert {name: facts.state for name, facts in found.items()} == {
        "one": "finished",
        "several/seed-0": "finished",
        "study-x/cells/two": "stopped",
        "study-x": "finished",
    }
    one = found["one"]
    assert (one.task, one.agent, one.code, one.seed) == ("CartPole-v1", "ppo", "identity", 3)
    assert (one.steps, one.budget, one.score) == (1000, 1000, 203.0)
    assert found["study-x"].question == "Which?"
    assert index.counts() == {"finished": 3, "stopped": 1}


BROKEN = {
    "no json": ("run.json", "{"),
    "a list": ("run.json", "[1, 2]"),
    "deep": ("run.json", "[" * 100_000),
    "not text": ("run.json", b"\xff\xfe\x00"),
    "half": ("run.json", '{"task": "CartPole-v1"}'),
    "wrong kinds": ("run.json", '{"task": 1, "agent": "a", "code": "c", "seed": 0, "steps": 1}'),
    "too large": ("run.json", json.dumps({"task": "t", "agent": "a", "code": "c", "seed": 10**30, "steps": 1})),
    "newer": ("run.json", '{"format": 99, "task": "t", "agent": "a", "code": "c", "seed": 0, "steps": 1}'),
    "metrics": ("metrics.jsonl", "no row\n"),
    "metrics of another kind": ("metrics.jsonl", "[]\n"),
    "result": ("result.json", "{"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_listed_as_broken(index, make_run, name):
    make_run("good")
    folder = make_run(name)
    file, content = BROKEN[name]
    (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    index.refresh()
    found = by_name(index)
    assert found["good"].state == "finished"
    assert found[name].state == "broken"
    assert found[name].note.endswith(".")


def test_more_that_may_lie_there(index, root, make_run):
    shutil.copytree(make_run("whole"), root / "lost")
    (root / "lost" / "run.json").unlink()
    surrogate = make_run("surrogate", task="\ud800")
    outside = root.parent / "outside"
    shutil.copytree(surrogate, outside)
    (root / "link").symlink_to(outside)
    (root / "loop").mkdir()
    (root / "loop" / "again").symlink_to(root)
    os.mkdir(os.fsencode(root) + b"/bad\xff")
    shutil.copy(root / "whole" / "run.json", os.fsencode(root) + b"/bad\xff/run.json")
    make_run("cut", finished=False)
    with open(root / "cut" / "metrics.jsonl", "a") as file:
        file.write('{"steps": 11')  # a row that is just being written
    index.refresh()
    found = by_name(index)
    assert found["lost"].state == "broken"
    assert found["lost"].note == "It has no run.json."
    assert found["surrogate"].task == "?"
    assert found["bad\ufffd"].state == "stopped"
    assert found["cut"].steps == 1000
    assert set(found) == {"whole", "lost", "surrogate", "bad\ufffd", "cut"}
    (bad,) = (row for row in index.find(Query()).rows if row.name == "bad\ufffd")
    assert (index.folder(bad.id) / "run.json").exists()


def test_only_what_changed_is_read_again(index, root, make_run):
    folders = [make_run(f"run-{i}", seed=i) for i in range(5)]
    age(*folders)
    assert index.refresh() == 5
    assert index.refresh() == 0
    make_run("new")
    age(root / "new")
    assert index.refresh() == 1
    (folders[2] / "result.json").unlink()
    assert index.refresh() == 1
    assert by_name(index)["run-2"].state == "stopped"
    shutil.rmtree(folders[3])
    index.refresh()
    assert "run-3" not in by_name(index)
    assert index.rebuild() == 5
    assert index.refresh(least=3600.0) == 0


def test_a_folder_that_was_just_written_is_not_trusted(index, make_run):
    folder = make_run("run")
    now = folder.stat().st_mtime_ns
    index.refresh()
    (folder / "result.json").write_text("{")
    os.utime(folder, ns=(now, now))  # as a coarse clock would have it
    index.refresh()
    assert by_name(index)["run"].state == "broken"


def test_the_file_is_kept_and_a_damaged_one_made_anew(index, root, make_run):
    make_run("run")
    index.refresh()
    index.close()
    again = RunIndex(root)
    assert set(by_name(again)) == {"run"}
    again.close()
    index.database.write_bytes(b"no database at all" * 1000)
    again = RunIndex(root)
    assert by_name(again) == {}
    again.refresh()
    assert set(by_name(again)) == {"run"}
    again.close()


def test_rows_are_filtered_sorted_and_paged(index, make_run):
    for i in range(7):
        make_run(f"run-{i}", seed=i, agent="sac" if i % 2 else "ppo", finished=i != 0, rows=5 + i % 3)
    index.refresh()
    assert [row.facts.seed for row in index.find(Query(sort="seed", descending=False)).rows] == list(range(7))
    page = index.find(Query(sort="seed", descending=False, page=2, size=3))
    assert ([row.facts.seed for row in page.rows], page.total, page.pages) == ([3, 4, 5], 7, 3)
    assert index.find(Query(page=99, size=3)).number == 3
    assert {row.facts.agent for row in index.find(Query(where={"agent": "sac"})).rows} == {"sac"}
    assert index.find(Query(where={"state": "stopped"})).total == 1
    assert index.find(Query(words="run-3 sac")).total == 1
    assert index.find(Query(words="100%")).total == 0
    assert index.find(Query(words="' OR 1=1 --")).total == 0
    assert index.values("agent") == ["ppo", "sac"]
    with pytest.raises(ActlabError, match="sorted by"):
        index.find(Query(sort="id; DROP TABLE folders"))
    with pytest.raises(ActlabError, match="filtered by"):
        index.find(Query(where={"1=1 --": "x"}))


def test_a_run_at_work_has_a_speed_by_the_times_of_its_files(index, make_run):
    folder = make_run("run", finished=False, rows=1)
    with locked(folder):
        os.utime(folder / "metrics.jsonl", (2e9, 2e9))
        index.refresh()
        (row,) = index.find(Query()).rows
        assert (row.facts.state, row.facts.steps, row.rate, row.left) == ("running", 100, None, None)
        with open(folder / "metrics.jsonl", "a") as file:
            file.write('{"steps": 400, "train/return": 1.0}\n')
        os.utime(folder / "metrics.jsonl", (2e9 + 2, 2e9 + 2))
        index.refresh()
        (row,) = index.find(Query()).rows
        assert (row.rate, row.left, row.progress) == (150.0, 4.0, 0.4)
    index.refresh()
    (row,) = index.find(Query()).rows
    assert (row.facts.state, row.rate) == ("stopped", None)


def test_a_lock_says_who_holds_it(tmp_path):
    with locked(tmp_path):
        assert living((tmp_path / LOCK).read_text()) == os.getpid()
    assert living((tmp_path / LOCK).read_text()) is None
    assert living(identity()) == os.getpid()
    number, _, started = identity().partition(" ")
    assert living(f"{number} 1{started}") is None, "the number was given to another process"
    for words in ("", "no number", "-1 5", "999999999 5", "\u0661 5"):
        assert living(words) is None


def test_an_index_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ActlabError, match="cannot be written"):
        RunIndex(tmp_path / "file")


def test_what_rests_is_read_again_when_one_of_its_files_changes(index, root, make_run, monkeypatch):
    monkeypatch.setattr("actlab.web.index.FRESH", 0)
    half, broken = make_run("half", finished=False), make_run("broken")
    (broken / "run.json").write_text("{")
    index.refresh()
    assert index.refresh() == 0
    with open(half / "metrics.jsonl", "a") as file:  # the folder's own time stays
        file.write('{"steps": 1100, "evaluation/return": 1.0}\n')
    assert index.refresh() == 1
    assert by_name(index)["half"].steps == 1100
    (broken / "run.json").write_text((half / "run.json").read_text())
    assert index.refresh() == 1
    assert by_name(index)["broken"].state == "finished"


def test_what_was_changed_just_now_is_read_again(index, root, make_run, monkeypatch):
    monkeypatch.setattr("actlab.web.index.FRESH", 10**15)
    make_run("half", finished=False)
    assert (index.refresh(), index.refresh()) == (1, 1)


def test_what_is_at_work_is_read_each_time(index, root, make_run, monkeypatch):
    monkeypatch.setattr("actlab.web.index.FRESH", 0)
    (make_run("run", finished=False) / LOCK).write_text(identity(os.getpid()))
    assert (index.refresh(), index.refresh()) == (1, 1)
    assert by_name(index)["run"].state == "running"
