"""Processes that outlive the server: started, found, stopped and resumed through their folders alone."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from actlab.core.errors import ActlabError
from actlab.core.process import identity
from actlab.training.metrics import read_metrics
from actlab.web import processes
from actlab.web.index import RunIndex
from actlab.web.processes import Comparison, Processes, Reproduction, Training

BUSY = Training("random", "gymnasium/CartPole-v1", steps=20_000_000)
"""Runs until it is stopped."""


@pytest.fixture
def index(root):
    opened = RunIndex(root)
    yield opened
    opened.close()


@pytest.fixture
def serve():
    """Makes what starts processes; they are ended whatever the test did."""
    made: list[Processes] = []

    def make(index: RunIndex) -> Processes:
        made.append(Processes(index))
        return made[-1]

    yield make
    for child in [child for server in made for child in server._children]:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def until(index, id, *states, seconds=120.0):
    """The row, as soon as it is in one of the states."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        row = index.look(index.folder(id))
        if row.facts.state in states:
            return row
        time.sleep(0.1)
    log = (index.folder(id) / "log.txt").read_text()
    raise AssertionError(f"{row.facts.state}, not {states}; it said: {log}")


@pytest.mark.slow
def test_a_run_is_started_stopped_and_resumed_by_another_server(index, root, serve):
    row = serve(index).start(BUSY)
    assert row.facts.state == "starting"
    assert (row.facts.task, row.facts.agent, row.facts.budget) == (BUSY.task, "random", 20_000_000)
    folder = index.folder(row.id)
    running = until(index, row.id, "running")
    with pytest.raises(ActlabError, match="running already"):
        serve(index).resume(folder)

    second = RunIndex(root, root / "other.sqlite")  # another server, which has started nothing
    second.refresh()
    assert second.get(row.id).facts.state == "running"
    other = serve(second)
    other.stop(folder)
    stopped = until(second, row.id, "stopped")
    assert (folder / "checkpoint.safetensors").exists()
    assert stopped.facts.steps >= running.facts.steps
    assert "go on with: actlab resume" in (folder / "log.txt").read_text()
    with pytest.raises(ActlabError, match="No process works"):
        other.stop(folder)

    again = other.resume(folder)
    until(second, row.id, "running")
    os.killpg(int(again.facts.holder.split()[0]), signal.SIGKILL)
    killed = until(second, row.id, "stopped")
    assert killed.facts.steps >= stopped.facts.steps
    steps = [line["steps"] for line in read_metrics(folder)]
    assert steps == sorted(steps)
    other.tidy()
    second.close()


@pytest.fixture
def commands(monkeypatch):
    """Instead of training, a process that waits; the words it was given."""
    monkeypatch.setattr(processes, "_BEGIN", "import time; time.sleep(60)")
    seen = []
    popen = subprocess.Popen

    def note(command, **options):
        seen.append(command[3:])
        return popen(command, **options)

    monkeypatch.setattr(processes.subprocess, "Popen", note)
    return seen


def test_what_is_asked_becomes_words(index, root, commands, serve):
    server = serve(index)
    rows = [
        server.start(Training("ppo:epochs=2", "CartPole-v1", "identity", 500, 3)),
        server.start(Comparison(("sac", "ppo"), "Pendulum-v1", ("normalise", "bins:bins=5"), 100, 2)),
        server.start(Reproduction("arsq", "smoke")),
    ]
    folders = [index.folder(row.id) for row in rows]
    words = [
        "train ppo:epochs=2 --task=CartPole-v1 --code=identity --steps=500 --seed=3",
        "compare sac ppo --task=Pendulum-v1 --code=normalise --code=bins:bins=5 --steps=100 --seeds=2",
        "reproduce arsq --scale=smoke",
    ]
    asked = [[*line.split(), f"--out={folder}"] for line, folder in zip(words, folders, strict=True)]
    assert commands == [*asked[:2], [*asked[2], f"--results={folders[2]}/results"]]
    assert [row.facts.state for row in rows] == ["starting", "running", "running"]
    assert [row.facts.kind for row in rows] == ["run", "study", "study"]
    from actlab.cli.parser import parse

    assert [parse(words).command for words in commands] == ["train", "compare", "reproduce"]
    for row in rows:
        leader = int(row.facts.holder.split()[0])
        assert os.getpgid(leader) == leader != os.getpgid(0)
    with pytest.raises(ActlabError, match="running already"):
        server.start(Reproduction("arsq", "smoke"))
    assert server.tidy() == 3
    server.stop(folders[0])
    until(index, rows[0].id, "stopped")  # it had not begun to train
    assert server.resume(folders[0]).facts.state == "starting"
    assert commands[3] == commands[0]


def test_only_so_many_at_a_time(index, commands, serve, monkeypatch):
    monkeypatch.setattr(processes, "MOST", 1)
    server = serve(index)
    server.start(BUSY)
    with pytest.raises(ActlabError, match="1 processes are running"):
        server.start(BUSY)


def test_a_run_of_the_command_line_is_resumed_as_its_folder_says(index, make_run, commands, serve):
    folder = make_run("run", finished=False)
    row = serve(index).resume(folder)
    assert commands == [["resume", str(folder)]]
    assert row.facts.state == "starting"


def test_what_cannot_go_on(index, root, make_run, commands, serve):
    server = serve(index)
    with pytest.raises(ActlabError, match="is finished"):
        server.resume(make_run("finished"))
    broken = make_run("broken", finished=False)
    (broken / "run.json").write_text("{")
    with pytest.raises(ActlabError, match="is broken"):
        server.resume(broken)
    (root / "nothing").mkdir()
    with pytest.raises(ActlabError, match="is no run"):
        server.resume(root / "nothing")
    planted = root / "planted"
    planted.mkdir()
    asked = {"what": "train", "agent": "ppo", "task": "evil:Task-v0", "code": "identity", "steps": 1, "seed": 0}
    (planted / "process.json").write_text(json.dumps({"asked": asked}))
    with pytest.raises(ActlabError, match="is named like"):
        server.resume(planted)
    assert commands == []


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Training("ppoo", "CartPole-v1"), "ppo"),
        (lambda: Training("ppo:epoch=3", "CartPole-v1"), "epoch"),
        (lambda: Training("--out=/tmp", "CartPole-v1"), "Expected a name"),
        (lambda: Training("ppo", "--help"), "Expected a name"),
        (lambda: Training("ppo", "module:Id-v0"), "is named like"),
        (lambda: Training("ppo", "../x y"), "is named like"),
        (lambda: Training("ppo", "CartPole-v1", "bin"), "bins"),
        (lambda: Training("ppo", "CartPole-v1", steps=0), "steps"),
        (lambda: Training("ppo", "CartPole-v1", seed=-1), "seed"),
        (lambda: Comparison((), "CartPole-v1"), "at least one agent"),
        (lambda: Comparison(("ppo",), "CartPole-v1", ()), "at least one code"),
        (lambda: Comparison(("ppo",), "CartPole-v1", seeds=1000), "seeds"),
        (lambda: Reproduction("arsqq"), "arsq"),
        (lambda: Reproduction("metra"), "is planned"),
        (lambda: Reproduction("arsq", "huge"), "scale"),
    ],
)
def test_what_is_asked_is_checked(make, sentence):
    with pytest.raises(ActlabError, match=sentence):
        make()


def test_a_process_of_the_same_number_is_not_stopped(index, make_run, serve):
    folder = make_run("run", finished=False)
    number, _, began = identity().partition(" ")
    (folder / ".lock").write_text(f"{number} 1{began}")
    with pytest.raises(ActlabError, match="No process works"):
        serve(index).stop(folder)


def test_a_single_process_is_stopped_without_its_group(index, make_run, serve):
    folder = make_run("run", finished=False)
    wait = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", wait], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        (folder / ".lock").write_text(identity(child.pid))
        serve(index).stop(folder)
        assert child.wait(timeout=60) == -signal.SIGINT
