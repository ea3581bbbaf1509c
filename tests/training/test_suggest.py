"""Suggestions that are run: candidates, shared cells, going on, budgets of time; with agents that cost nothing."""

import json
import shlex
from typing import Any

import jax.numpy as jnp
import pytest

import actlab as al
from actlab.agents.simple import Random
from actlab.cli import parser
from actlab.core.contracts import hyperparameters
from actlab.core.errors import ActlabError
from actlab.training import api
from actlab.training import suggest as suggesting
from actlab.training.candidates import candidates, listed
from actlab.training.loop import Interrupted


@hyperparameters
class Pusher(Random):
    """Pushes right where the tilt of the pole is above its threshold; learns nothing, so it costs nothing."""

    threshold: float = 0.0

    compiled = True

    def act(self, state, memory, step, key, *, explore: bool) -> Any:
        return (step.observation[2] > self.threshold).astype(jnp.int32), memory, ()


PUSHER = f"{__name__}:Pusher"


@pytest.fixture(autouse=True)
def fresh_caches():
    api._driver.cache_clear()
    api._template.cache_clear()
    yield
    api._driver.cache_clear()
    api._template.cache_clear()


THRESHOLDS = (0.0, -0.2, 0.2, 0.05)
SMALL: Any = {
    "agents": [Pusher(threshold=threshold) for threshold in THRESHOLDS],
    "codes": ["identity"],
    "seeds": 3,
    "shortest": 10,
    "evaluations": 1,
    "episodes": 4,
    "quiet": True,
}


def times(folder) -> dict:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("cells/*/result.json")}


def test_a_suggestion_is_reached_kept_and_shared(tmp_path):
    done = al.suggest("CartPole-v1", 400, out=tmp_path, command="actlab suggest", **SMALL)
    first, last = done.result.rungs
    assert (len(first.order), first.seeds, len(last.order), last.seeds) == (4, 2, 2, 3)
    assert last.steps == 2 * first.steps
    assert done.result.planned <= 400
    assert done.result.best.name == f"{PUSHER} + identity"  # to push where the pole leans to is best
    assert [row.rung for row in done.result.rows] == [2, 2, 1, 1]
    assert all(row.reason.startswith("place ") for row in done.result.rows[2:])
    written = json.loads((tmp_path / "suggest.json").read_text())
    assert [row["candidate"] for row in written["ranking"]] == [row.name for row in done.result.rows]
    assert done.page().exists()
    train = shlex.split(done.result.train)
    options = parser.parse(["train", "random", *train[3:]])  # this test's agent has no help of its own
    assert train[:3] == ["actlab", "train", PUSHER]
    assert (options.steps, options.seed, options.seeds) == (10 * last.steps, 3, 5)  # seeds that were not seen

    kept = times(tmp_path)
    assert len(kept) == 2 * (4 * 2 + 2 * 3)
    again = al.suggest("CartPole-v1", 400, out=tmp_path, command="actlab suggest", **SMALL)
    assert times(tmp_path) == kept
    assert again.result.to_json() == done.result.to_json()

    shared = {name: SMALL[name] for name in ("evaluations", "episodes", "quiet")}
    al.compare([Pusher()], "CartPole-v1", out=tmp_path, seeds=3, steps=last.steps, **shared)  # the same cells
    assert times(tmp_path) == kept

    with pytest.raises(ActlabError, match="holds another suggestion \\(budget differs\\)"):
        al.suggest("CartPole-v1", 800, out=tmp_path, **SMALL)


def test_a_suggestion_that_was_stopped_goes_on(tmp_path, monkeypatch):
    real, count = api.train_cell, [0]

    def stopped(*arguments):
        count[0] += 1
        if count[0] == 5:
            raise Interrupted("Stopped.")
        return real(*arguments)

    monkeypatch.setattr(api, "train_cell", stopped)
    with pytest.raises(Interrupted, match="the same command goes on from there"):
        al.suggest("CartPole-v1", 400, out=tmp_path, **SMALL)
    before = times(tmp_path)
    assert len(before) == 8
    done = al.suggest("CartPole-v1", 400, out=tmp_path, **SMALL)
    assert before.items() <= times(tmp_path).items()
    assert count[0] == 5 + 10
    assert done.result.best.name == f"{PUSHER} + identity"


def test_a_budget_of_time_is_measured_once(tmp_path, monkeypatch):
    done = al.suggest("CartPole-v1", "10m", out=tmp_path, steps=40, **SMALL)
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert set(plan["measured"]) == {row.name for row in done.result.rows}
    assert all(cost["step"] > 0 for cost in plan["measured"].values())
    assert [rung.steps for rung in done.result.rungs] == [40, 40]  # ten minutes afford the whole length
    assert done.result.measured == plan["measured"]

    def clock(*arguments):
        raise AssertionError("measured again")

    monkeypatch.setattr(suggesting, "_measure", clock)
    again = al.suggest("CartPole-v1", "10m", out=tmp_path, steps=40, **SMALL)
    assert again.result.to_json() == done.result.to_json()


def test_a_time_that_is_too_short_says_so(tmp_path):
    with pytest.raises(ActlabError, match="Give more"):
        al.suggest("CartPole-v1", "0.001s", out=tmp_path, **{**SMALL, "agents": [Pusher()]})
    assert not (tmp_path / "plan.json").exists()


def test_who_fails_is_dropped_and_said(tmp_path, monkeypatch):
    real = api.train_cell

    def broken(cell, *rest):
        if cell.parameters["options"]["threshold"] in (0.0, 0.2):
            raise ActlabError("it fell over.")
        return real(cell, *rest)

    monkeypatch.setattr(api, "train_cell", broken)
    done = al.suggest("CartPole-v1", 400, out=tmp_path / "steps", **SMALL)
    assert {row.reason for row in done.result.rows[2:]} == {"no seed finished: it fell over."}
    assert done.result.best.agent in (f"{PUSHER}:threshold=-0.2", f"{PUSHER}:threshold=0.05")
    timed = al.suggest("CartPole-v1", "10m", out=tmp_path / "time", steps=20, **SMALL)
    assert len(timed.result.rows) == 2
    assert {pair.reason for pair in timed.result.left_out} == {"it failed when it was measured: it fell over."}


# --- candidates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CartPole-v1", {"dqn + identity", "sac + identity", "dqn + repeat:times=2"}),
        ("Pendulum-v1", {"sac + identity", "td3 + identity", "branching-dqn + bins:bins=5", "sac + chunk:length=2"}),
        ("actlab/Platform-v0", {"sac + identity", "td3 + identity", "dqn + bins:bins=5"}),
        ("probe/policy-multi-discrete", {"branching-dqn + identity", "dqn + identity"}),
    ],
)
def test_every_kind_of_space_has_candidates_that_fit(name, expected):
    task = al.task(name)
    found, left_out = candidates(task)
    assert expected <= {candidate.name for candidate in found}
    assert any("ppo:" in candidate.name for candidate in found)
    assert len(found) + len(left_out) == len(listed(task.environment.action))


def test_what_does_not_fit_is_left_out_with_its_reason():
    task = al.task("Pendulum-v1")
    found, left_out = candidates(task, ["dqn", "ppo"], ["identity", "bins:bins=3"])
    assert {c.name for c in found} == {"ppo + identity", "dqn + bins:bins=3", "ppo + bins:bins=3"}
    ((agent, code, reason),) = left_out
    assert (agent, code) == ("dqn", "identity")
    assert "bins" in reason
    only, _ = candidates(task, agents=["td3"])  # with the codes of the list
    assert {"td3 + identity", "td3 + chunk:length=2"} <= {c.name for c in only}
    twice, _ = candidates(task, ["ppo", al.agents.PPO()], ["identity"])
    assert len(twice) == 1
    with pytest.raises(ActlabError, match="dqn with identity: "):
        al.suggest(task, "10k", agents=["dqn"], codes=["identity"])
