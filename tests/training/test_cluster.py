"""Cells on a cluster: their order, deaths, and what a worker checks, on a cluster of this process; no Ray here."""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from actlab.cli import main
from actlab.core.errors import ActlabError, MissingExtra
from actlab.core.studies import Cell
from actlab.training import cluster as room
from actlab.training import ray_cluster
from actlab.training.cells import compute, folder_of, sentence_of
from actlab.training.cluster import DEATHS, Outcome, arrived, run_on
from actlab.training.loop import CHECKPOINT, Interrupted
from actlab.training.ray_cluster import Job, connection, fingerprint, unfit
from actlab.training.runs import locked

TOY = "tests.training.toy_cells:process_cell"


def cell(name: str, source: Cell | None = None, fate: str = "fine") -> Cell:
    return Cell(TOY, {"arm": name, "fate": fate}, 0, {} if source is None else {"train": source})


class Here:
    """A cluster whose tasks end one at a time, the last submitted first; some workers die, or do something else."""

    def __init__(self, root: Path, fates: dict[str, list] | None = None):
        self.root, self.fates = root, fates or {}
        self.submitted: list[str] = []
        self.most = 0
        self.stopped: list[str] = []
        self.running: list[Cell] = []

    def submit(self, cell: Cell) -> Cell:
        assert all((folder_of(source, self.root) / "result.json").exists() for source in cell.inputs.values())
        self.submitted.append(cell.parameters["arm"])
        self.running.append(cell)
        self.most = max(self.most, len(self.running))
        return cell.address

    def wait(self, tickets):
        return tickets[-1:]

    def outcome(self, ticket: str) -> Outcome:
        (cell,) = [cell for cell in self.running if cell.address == ticket]
        self.running.remove(cell)
        fates = self.fates.get(cell.parameters["arm"], [])
        if fates:
            return fates.pop(0)(folder_of(cell, self.root))
        try:
            compute(cell, self.root)
        except ActlabError as error:
            return Outcome("failed", sentence_of(error))
        return Outcome("done")

    def stop(self, tickets) -> None:
        self.stopped = [cell.parameters["arm"] for cell in self.running if cell.address in tickets]


def died(folder: Path) -> Outcome:
    return Outcome("died", "nobody knows why")


def died_after_a_checkpoint(folder: Path) -> Outcome:
    folder.mkdir(exist_ok=True)
    (folder / CHECKPOINT).touch()
    time.sleep(0.01)  # the next touch is later
    return died(folder)


def run(cluster: Here, ordered: list[Cell], most: int | None = None):
    """What was reported, and what failed."""
    events: list[tuple[str, str]] = []
    failed: dict[str, str] = {}

    def fail(cell: Cell, sentence) -> None:
        failed[cell.address] = sentence
        events.append((cell.parameters["arm"], sentence))

    def blocked(cell: Cell):
        return next((failed[source.address] for source in cell.inputs.values() if source.address in failed), None)

    run_on(
        cluster,
        ordered,
        cluster.root,
        most,
        lambda cell, event: events.append((cell.parameters["arm"], event)),
        blocked,
        fail,
    )
    return events, {cell.parameters["arm"]: failed[cell.address] for cell in ordered if cell.address in failed}


def test_cells_come_behind_their_inputs_and_what_is_there_is_kept(tmp_path):
    trained = [cell(f"train {i}") for i in range(3)]
    scored = [cell(f"score {i}", source) for i, source in enumerate(trained)]
    cells = [each for pair in zip(trained, scored, strict=True) for each in pair]
    cluster = Here(tmp_path)
    events, failed = run(cluster, cells)
    assert not failed
    assert cluster.submitted[:3] == ["train 0", "train 1", "train 2"], "all that is ready, at once"
    assert sorted(events) == sorted((each.parameters["arm"], "done") for each in cells)

    again = Here(tmp_path)
    events, _ = run(again, cells)
    assert not again.submitted
    assert {event for _, event in events} == {"kept"}


def test_no_more_cells_at_a_time_than_asked_for(tmp_path):
    cluster = Here(tmp_path)
    run(cluster, [cell(str(i)) for i in range(5)], most=2)
    assert cluster.most == 2
    assert cluster.submitted == list("01234")


def test_a_failed_cell_stops_only_those_that_need_it(tmp_path):
    broken = cell("broken", fate="fail")
    _, failed = run(Here(tmp_path), [broken, cell("needs it", broken), cell("other")])
    assert failed == {"broken": "asked to fail", "needs it": "asked to fail"}


def test_a_cell_whose_worker_died_is_given_to_another_one(tmp_path):
    cluster = Here(tmp_path, {"a": [died] * (DEATHS - 1)})
    events, failed = run(cluster, [cell("a"), cell("b")])
    assert not failed
    assert cluster.submitted.count("a") == DEATHS
    assert sorted(events) == [("a", "done"), ("b", "done")]


def test_a_cell_that_kills_its_workers_fails_in_the_end(tmp_path):
    cluster = Here(tmp_path, {"a": [died] * 100})
    source = cell("a")
    _, failed = run(cluster, [source, cell("needs it", source)])
    assert cluster.submitted == ["a"] * DEATHS
    assert set(failed) == {"a", "needs it"}
    assert failed["a"] == f"its worker process died {DEATHS} times without getting on: nobody knows why"


def test_deaths_do_not_count_when_the_cell_got_on(tmp_path):
    cluster = Here(tmp_path, {"a": [died_after_a_checkpoint] * (2 * DEATHS)})
    _, failed = run(cluster, [cell("a")])
    assert not failed
    assert cluster.submitted == ["a"] * (2 * DEATHS + 1)


def test_a_worker_that_must_not_compute_ends_the_study_and_the_others_are_stopped(tmp_path):
    cluster = Here(tmp_path, {"b": [lambda folder: Outcome("unfit", "It is another actlab.")]})
    with pytest.raises(ActlabError, match="It is another actlab"):
        run(cluster, [cell("a"), cell("b")])
    assert cluster.stopped == ["a"]


def test_a_stopped_task_stops_the_study(tmp_path):
    cluster = Here(tmp_path, {"b": [lambda folder: Outcome("stopped")]})
    with pytest.raises(Interrupted):
        run(cluster, [cell("a"), cell("b")])
    assert cluster.stopped == ["a"]


def test_ctrl_c_stops_what_runs(tmp_path, monkeypatch):
    cluster = Here(tmp_path)

    def interrupted(tickets):
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(cluster, [cell("a"), cell("b"), cell("c")], most=2)
    assert cluster.stopped == ["a", "b"]


def test_a_result_that_does_not_arrive_ends_the_study(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "arrived", lambda path: arrived(path, 0.0))
    with pytest.raises(ActlabError, match=r"result\.json was written by a worker, but does not appear here"):
        run(Here(tmp_path, {"a": [lambda folder: Outcome("done")]}), [cell("a")])


def test_a_file_may_appear_late(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file"

    def other_machine(seconds: float) -> None:
        path.parent.mkdir()
        path.touch()

    assert not arrived(path, 0.0)
    monkeypatch.setattr(time, "sleep", other_machine)
    assert arrived(path)


# --- what a worker checks ------------------------------------------------------------------------------


def job(root: Path, **code: str) -> Job:
    return Job(root, "token", 1.0, str(root), (), fingerprint() | code)


def test_a_worker_sees_the_same_folder_and_runs_the_same_code(tmp_path, monkeypatch):
    (tmp_path / "token").touch()
    assert unfit(job(tmp_path)) is None
    assert "runs other code (jax: " in str(unfit(job(tmp_path, jax="0.0.1")))
    assert "(sources of actlab: " in str(unfit(job(tmp_path, **{"sources of actlab": "0"})))
    assert "(mujoco-warp: missing there, 1 here)" in str(unfit(job(tmp_path, **{"mujoco-warp": "1"})))
    monkeypatch.setattr(ray_cluster, "arrived", lambda path: arrived(path, 0.0))
    assert f"does not see {tmp_path / 'other'}" in str(unfit(job(tmp_path / "other")))


def test_a_lock_is_waited_for(tmp_path, monkeypatch):
    with locked(tmp_path), pytest.raises(ActlabError, match="in use by another process"), locked(tmp_path):
        pass
    holder = locked(tmp_path)
    holder.__enter__()
    monkeypatch.setattr(time, "sleep", lambda seconds: holder.__exit__(None, None, None))
    with locked(tmp_path, wait=60.0):
        pass


# --- without Ray -----------------------------------------------------------------------------------------


def test_without_the_extra_there_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'actlab\[ray\]'"), connection("local"):
        pass
    words = f"compare random --task CartPole-v1 --steps 10 --seeds 1 --ray local --quiet --out {tmp_path}"
    assert main(words.split()) == 1
    said = capsys.readouterr().err
    assert said == "actlab: A Ray cluster needs an optional package: pip install 'actlab[ray]'.\n"


class FakeRay:
    """What `connection` asks of Ray."""

    def __init__(self):
        self.asked: list[dict] = []
        self.shut = 0

    def is_initialized(self) -> bool:
        return False

    def init(self, **asked) -> None:
        self.asked.append(asked)

    def shutdown(self) -> None:
        self.shut += 1


def test_a_local_cluster_is_small_silent_and_shut_down(monkeypatch):
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    with suppress(KeyboardInterrupt), connection("local", 3) as connected:
        assert connected is ray
        raise KeyboardInterrupt
    (asked,) = ray.asked
    assert asked["address"] == "local"
    assert (asked["num_cpus"], asked["include_dashboard"]) == (3, False)
    assert asked["object_store_memory"] <= 200_000_000
    assert ray.shut == 1
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ


def test_where_no_cluster_is_there_is_one_sentence_at_once(monkeypatch):
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ActlabError, match="was not found: nobody answers"), connection(address):
            pass
    with pytest.raises(ActlabError, match="'here' was not found: an address is HOST:PORT, auto or local"):
        connection("here").__enter__()
    assert not ray.asked
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with connection(address):
            assert [asked["address"] for asked in ray.asked] == [address]


def test_ray_is_imported_only_when_it_is_asked_for():
    check = "import sys, actlab, actlab.training.suggest, actlab.papers.reproduce; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", check], check=False).returncode == 0
