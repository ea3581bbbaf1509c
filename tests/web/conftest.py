"""Run folders without training: the files alone, as the loop writes them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Path]
ORIGIN = "http://127.0.0.1:8765"
SCRIPT = "<script>alert(1)</script>"


def write_run(folder: Path, finished: bool = True, rows: int = 10, **changes: Any) -> Path:
    """A run folder: `rows` rows of metrics over 1,000 steps, the last of each five an evaluation."""
    config = {
        "format": 1,
        "agent": "ppo",
        "options": {"epochs": 4},
        "task": "CartPole-v1",
        "code": "identity",
        "steps": 1000,
        "evaluations": 2,
        "episodes": 5,
        "seed": 0,
        "versions": {},
        "machine": {},
        **changes,
    }
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(config))
    (folder / ".lock").write_text("")
    lines = []
    for row in range(1, rows + 1):
        values = {"steps": row * 100, "train/return": 10.0 * row + config["seed"]}
        if row % 5 == 0:
            values = {"steps": row * 100, "evaluation/return": 20.0 * row + config["seed"]}
        lines.append(json.dumps(values) + "\n")
    (folder / "metrics.jsonl").write_text("".join(lines))
    if finished:
        (folder / "result.json").write_text(json.dumps({"steps": 1000, "seconds": 2.0, "compile_seconds": 1.0}))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder for runs."""
    place = tmp_path / "runs"
    place.mkdir()
    return place


@pytest.fixture
def make_run(root: Path) -> Make:
    """Makes a run folder below the root: (name, **what to change in its files)."""
    return lambda name, **changes: write_run(root / name, **changes)


@pytest.fixture
def client(root, make_run, tmp_path, monkeypatch):
    """The application over runs of every kind, one of them with a script for a name."""
    monkeypatch.setattr("actlab.web.place.STALE", 0.0)
    monkeypatch.setattr("actlab.web.place.WAIT", None)
    monkeypatch.setenv("ACTLAB_PAPERS", str(tmp_path / "papers"))
    monkeypatch.setenv("HOME", str(tmp_path))
    make_run("good-0", seed=0)
    make_run("good-1", seed=1)
    make_run("other-0", seed=0, agent="dqn", options={"width": 64})
    make_run("other-1", seed=1, agent="dqn", options={"width": 64})
    make_run("half", finished=False, seed=2)
    (make_run("broken") / "run.json").write_text("{")
    make_run(SCRIPT.replace("/", "∕"), task=SCRIPT, agent=SCRIPT, code=SCRIPT)
    from starlette.testclient import TestClient

    from actlab.web.app import make_app

    with TestClient(make_app(root, tmp_path / "results"), base_url=ORIGIN) as opened:
        yield opened


def id_of(client: Any, name: str) -> str:
    """The id of the run of that name, as the list links it."""
    found = re.search(rf'href="/runs/([0-9a-f]{{16}})"[^>]*>{re.escape(name)}<', client.get("/runs").text)
    assert found, name
    return found[1]
