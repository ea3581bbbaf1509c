"""Cells on a real Ray cluster of this machine: equal bits, SIGKILL of a worker in the middle of a cell, Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actlab.agents.ppo import PPO
from actlab.core.errors import ActlabError
from actlab.core.studies import Cell
from actlab.papers.reproduce import reproduce
from actlab.training import api
from actlab.training.cells import folder_of
from actlab.training.checkpoint import read_json
from actlab.training.cluster import DEATHS
from actlab.training.ray_cluster import connection
from actlab.training.schedule import run_cells
from tests.papers import coin
from tests.training.kills import assert_equal
from tests.training.toy_cells import scored

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TINY = {"environments": 2, "decisions": 32, "minibatch": 32, "epochs": 2, "width": 16}


@pytest.fixture(scope="module")
def ray():
    """One cluster for all tests of the module that are in this process."""
    with connection("local", 2) as package:
        yield package


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[Cell, Path]:
    """The same training that nobody kills, computed in this process."""
    root = tmp_path_factory.mktemp("undisturbed")
    assert not run_cells([scored()], root)
    return scored(), root


def calls(cell: Cell, root: Path) -> list[str]:
    """The process of every call of the driver."""
    return (folder_of(cell.inputs["train"], root) / "calls").read_text().split()


def assert_same(undisturbed: tuple[Cell, Path], cell: Cell, root: Path) -> None:
    other, place = undisturbed
    assert_equal(folder_of(other.inputs["train"], place), folder_of(cell.inputs["train"], root))
    assert read_json(folder_of(other, place) / "result.json") == read_json(folder_of(cell, root) / "result.json")


def test_a_study_has_the_same_bits_as_in_this_process(ray, tmp_path):
    def study(folder: str, address: str | None) -> None:
        api.compare([PPO(**TINY)], "CartPole-v1", ["identity", "chunk:length=2"], seeds=2, steps=256,
                    evaluations=1, episodes=2, quiet=True, out=tmp_path / folder, ray=address)  # fmt: skip

    study("here", None)
    study("there", "local")
    assert_equal(tmp_path / "here", tmp_path / "there")
    computed = [path.parent.name for path in tmp_path.glob("there/cells/*/machine.json")]
    assert len(computed) == 8, "four trainings and four scores, by Ray's workers"
    assert not list(tmp_path.glob("here/cells/*/machine.json"))

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("there/cells/*/result.json")}
    study("there", "local")
    assert before == {path: path.stat().st_mtime_ns for path in before}, "nothing is computed twice"


def test_a_worker_killed_in_the_middle_costs_what_came_behind_the_last_checkpoint(ray, undisturbed, tmp_path):
    cell = scored(kills=[5])
    assert not run_cells([cell], tmp_path, ray="auto")
    processes = calls(cell, tmp_path)
    assert len(set(processes)) == 2
    assert str(os.getpid()) not in processes
    assert processes.count(processes[0]) == 5
    assert len(processes) == len(calls(*undisturbed)) + 1, "one call is made twice: that which had no checkpoint"
    assert_same(undisturbed, cell, tmp_path)


def test_a_cell_that_kills_all_its_workers_fails_and_goes_on_later(ray, undisturbed, tmp_path):
    cell = scored(kills=[5 + i for i in range(DEATHS)])
    failed = run_cells([cell], tmp_path, ray="auto")
    assert failed[cell.address] == failed[cell.inputs["train"].address]
    assert f"its worker process died {DEATHS} times without getting on" in failed[cell.address]
    assert not run_cells([cell], tmp_path)
    assert len(set(calls(cell, tmp_path))) == DEATHS + 1
    assert_same(undisturbed, cell, tmp_path)


def test_a_papers_study_is_reproduced(ray, tmp_path):
    results = []
    for name, address in (("here", None), ("there", "local")):
        folders = {"results": tmp_path / name, "out": tmp_path / name / "runs"}
        results.append(reproduce(coin.PAPER, "small", ray=address, quiet=True, **folders).result)
    here, there = results
    assert here["claims"] == there["claims"]
    for arm, content in here["arms"].items():
        assert content["seeds"]
        values = [[seed["values"] for seed in seeds] for seeds in (content["seeds"], there["arms"][arm]["seeds"])]
        assert values[0] == values[1]
    assert len(list(tmp_path.glob("there/runs/*/machine.json"))) == len(list(tmp_path.glob("there/runs/*/result.json")))


def test_what_a_cell_says_when_it_fails_arrives(ray, tmp_path):
    cells = [Cell("tests.training.toy_cells:process_cell", {"fate": fate}) for fate in ("fail", "fine")]
    cells.append(Cell("tests.training.nowhere:cell", {}))
    failed = run_cells(cells, tmp_path, ray="local")
    assert failed == {
        cells[0].address: "asked to fail",
        cells[2].address: "ModuleNotFoundError: No module named 'tests.training.nowhere'",
    }


def test_another_cluster_than_the_connected_one_is_refused(ray, tmp_path):
    with pytest.raises(ActlabError, match=r"connected to the Ray cluster at .* already, not to '10\.0\.0\.1:6379'"):
        run_cells([scored()], tmp_path, ray="10.0.0.1:6379")


def test_ctrl_c_leaves_a_checkpoint_from_which_it_goes_on(undisturbed, tmp_path):
    cell, out, results = scored(waits=[5]), tmp_path / "runs", tmp_path / "results"
    # where a shell began the tests in the background, Ctrl-C is ignored, also by a child that does not ask for it
    begin = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from runpy import run_module; "
    words = [sys.executable, "-W", "ignore", "-c", f"{begin}run_module('actlab', run_name='__main__')"]
    words += ["reproduce", "tests.training.toy_cells:STOPPED"]
    words += ["--ray", "local", "--workers", "1", "--quiet", "--out", str(out), "--results", str(results)]
    waits = folder_of(cell.inputs["train"], out) / "waits"
    # a session of its own, so that Ctrl-C reaches all of its processes, as it does in a terminal
    with subprocess.Popen(words, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not waits.exists():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, len(said.splitlines())) == (130, 1), said
    assert "the same command goes on" in said
    assert (waits.parent / "checkpoint.safetensors").exists()
    assert not list(out.glob("*/result.json"))
    assert not list(out.glob(".cluster-*"))
    assert read_json(results / "stopped" / "small.json")["claims"]["learns"]["status"] == "not yet run"

    assert not run_cells([cell], out)
    assert len(calls(cell, out)) == len(calls(*undisturbed)), "no call is made twice"
    assert_same(undisturbed, cell, out)
