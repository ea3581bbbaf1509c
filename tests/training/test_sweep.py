"""Sweeps: settings from text, one compilation for traced options, and cells that are kept."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import pytest

import actlab as al
from actlab.agents.simple import Random
from actlab.cli import parser, values
from actlab.core.contracts import hyperparameters
from actlab.core.errors import ActlabError
from actlab.core.options import OptionError
from actlab.core.studies import Cell
from actlab.training import api, sweep
from actlab.training.loop import Interrupted
from actlab.training.runs import static_options
from actlab.training.schedule import _arm


@hyperparameters
class Pusher(Random):
    """Pushes right where its threshold is above the tilt of the pole; learns nothing, so it costs nothing."""

    threshold: float = 0.0
    push: int = 1
    word: str = "none"

    compiled = True

    def act(self, state, memory, step, key, *, explore: bool) -> Any:
        right = step.observation[2] > self.threshold
        return jnp.where(right, self.push, 1 - self.push).astype(jnp.int32), memory, ()


PUSHER = f"{__name__}:Pusher"


@pytest.fixture(autouse=True)
def fresh_caches():
    api._driver.cache_clear()
    api._template.cache_clear()
    yield
    api._driver.cache_clear()
    api._template.cache_clear()


SMALL: Mapping[str, Any] = {"seeds": 2, "steps": 20, "evaluations": 1, "episodes": 4, "quiet": True}
VARY = {"threshold": "-0.2,-0.1,0,0.1"}


def times(folder) -> dict:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("cells/*/result.json")}


def test_four_values_of_a_traced_option_are_one_compilation_and_come_out_sorted(tmp_path):
    done = al.sweep(Pusher(), "CartPole-v1", VARY, out=tmp_path, **SMALL)
    assert api._driver.cache_info().misses == 1
    driver = api._driver("CartPole-v1", "identity", PUSHER, json.dumps({"push": 1, "word": "none"}))
    assert api._driver.cache_info().misses == 1
    assert (driver._run._cache_size(), driver._score._cache_size()) == (1, 1)

    rows = done.result.rows
    assert {row.options["threshold"] for row in rows} == {-0.2, -0.1, 0.0, 0.1}
    means = [row.mean.value for row in rows]
    assert means == sorted(means, reverse=True)
    assert rows[0].options == {"threshold": 0.0}  # to push where the pole leans to is best
    assert all(row.mean.low < row.mean.value < row.mean.high for row in rows[:1])

    written = json.loads((tmp_path / "sweep.json").read_text())
    assert [setting["options"] for setting in written["settings"]] == [dict(row.options) for row in rows]
    assert written["settings"][0]["scores"].keys() == {"0", "1"}
    assert "best of 4 is optimistic" in written["caution"]
    again = shlex.split(written["confirm"])
    assert again[:4] == ["actlab", "compare", PUSHER, "--task"]  # the best setting is the default: one agent
    options = parser.parse(["compare", "random", *again[3:]])
    assert (options.seed, options.seeds, options.steps) == (2, 5, 20)  # seeds that the sweep has not seen
    picture = done.figure()
    assert picture.stat().st_size > 1000

    kept = times(tmp_path)
    assert len(kept) == 16
    al.sweep(Pusher(), "CartPole-v1", VARY, out=tmp_path, **SMALL)
    assert times(tmp_path) == kept
    al.compare([Pusher(threshold=0.1)], "CartPole-v1", out=tmp_path, **SMALL)  # the same cells
    assert times(tmp_path) == kept


def test_a_sweep_that_was_stopped_goes_on(tmp_path, monkeypatch):
    real, count = api.train_cell, [0]

    def stopped(*arguments):
        count[0] += 1
        if count[0] == 3:
            raise Interrupted("Stopped.")
        return real(*arguments)

    monkeypatch.setattr(api, "train_cell", stopped)
    with pytest.raises(Interrupted, match="the same command goes on from there"):
        al.sweep(Pusher(), "CartPole-v1", VARY, out=tmp_path, **SMALL)
    before = times(tmp_path)
    assert len(before) == 4
    done = al.sweep(Pusher(), "CartPole-v1", VARY, out=tmp_path, **SMALL)
    assert before.items() <= times(tmp_path).items()
    assert count[0] == 3 + 6
    assert all(len(row.scores) == 2 for row in done.result.rows)


def test_what_fails_is_counted_and_said(tmp_path, monkeypatch):
    real = api.train_cell

    def broken(cell, *rest):
        if cell.parameters["options"]["threshold"] == 0.1:
            raise ActlabError("it fell over.")
        return real(cell, *rest)

    monkeypatch.setattr(api, "train_cell", broken)
    done = al.sweep(Pusher(), "CartPole-v1", {"threshold": [0, 0.1]}, out=tmp_path, **{**SMALL, "seeds": 1})
    first, last = done.result.rows
    assert (first.failed, last.failed, last.mean) == (0, 1, None)
    assert [failure.sentence for failure in done.result.study.failed] == ["it fell over."]
    assert done.result.caution == ""  # one score is no best of several
    assert done.figure().exists()


def test_nothing_that_fits_is_one_sentence(tmp_path):
    with pytest.raises(ActlabError, match="No setting of dqn fits") as caught:
        al.sweep(al.agents.DQN(), "Pendulum-v1", {"learning_rate": [1e-3, 1e-4]}, out=tmp_path, **SMALL)
    assert "bins" in str(caught.value)


def test_settings_that_differ_in_traced_options_share_a_worker():
    def cell(**options) -> Cell:
        described = {"agent": PUSHER, "options": {"threshold": 0.0, "push": 1, "word": "none", **options}}
        return Cell("actlab.training.api:train_cell", described)

    assert _arm(cell()) == _arm(cell(threshold=0.5))
    assert _arm(cell()) != _arm(cell(push=0))
    assert static_options(PUSHER, {"threshold": 0.5, "push": 0, "word": "none"}) == {"push": 0, "word": "none"}


# --- settings ----------------------------------------------------------------------------------------


def choice(option: str, spec: Any) -> Any:
    return sweep._choice(Pusher, PUSHER, option, spec)


def test_a_grid_is_every_combination_with_even_steps():
    choices = {"threshold": choice("threshold", "1e-4..1e-1:log"), "push": choice("push", [0, 1])}
    settings = sweep._grid(choices, 4)
    assert [s["threshold"] for s in settings[::2]] == [1e-4, 1e-3, 1e-2, 1e-1]
    assert [s["push"] for s in settings[:2]] == [0, 1]
    assert len(settings) == 8
    linear = sweep._grid({"threshold": choice("threshold", "0..1")}, 3)
    assert [s["threshold"] for s in linear] == [0.0, 0.5, 1.0]
    whole = sweep._grid({"push": choice("push", "1..3")}, 9)
    assert [s["push"] for s in whole] == [1, 2, 3]
    assert all(isinstance(s["push"], int) for s in whole)
    assert choice("threshold", [1, 0.5]) == [1.0, 0.5]
    assert isinstance(choice("threshold", [1])[0], float)  # a whole number would be another kind of leaf


def test_draws_lie_in_their_ranges_can_be_typed_and_go_on():
    choices = {"threshold": choice("threshold", "1e-4..1e-1:log"), "push": choice("push", "0,1")}
    settings = sweep._draws(choices, 12, seed=3)
    values = [s["threshold"] for s in settings]
    assert all(1e-4 <= value <= 1e-1 for value in values)
    assert all(float(f"{value:.4g}") == value for value in values)
    assert sum(value < 3e-3 for value in values) in range(2, 11)  # half of them, by the logarithm
    assert {s["push"] for s in settings} == {0, 1}
    assert sweep._draws(choices, 5, seed=3) == settings[:5]
    assert sweep._draws(choices, 5, seed=4) != settings[:5]


@pytest.mark.parametrize(
    ("option", "spec", "sentence"),
    [
        ("treshold", "1,2", f"{PUSHER} has no option 'treshold'; did you mean 'threshold'"),
        ("threshold", "low,high", f"'threshold' of {PUSHER} should be a finite number, received 'low'"),
        ("push", "0.5", "should be a whole number"),
        ("threshold", "2..1", "from the lower end to the higher one"),
        ("threshold", "0..1:log", "a lower end above 0"),
        ("threshold", "0..1:lin", "low..high or low..high:log"),
        ("threshold", "0..", "should be a finite number"),
        ("word", "a..b", "holds no numbers"),
        ("threshold", [], "at least one value"),
    ],
)
def test_what_cannot_be_varied_is_one_sentence(option, spec, sentence):
    with pytest.raises(OptionError) as caught:
        choice(option, spec)
    assert sentence in str(caught.value)


def test_a_sweep_needs_something_to_vary_and_one_way_to():
    with pytest.raises(OptionError, match="at least one option"):
        al.sweep(Pusher(), "CartPole-v1", {})
    with pytest.raises(OptionError, match="received both"):
        al.sweep(Pusher(), "CartPole-v1", VARY, grid=2, random=2)


def test_an_agent_is_written_so_that_it_can_be_typed():
    word = sweep.agent_word(al.agents.PPO(learning_rate=1e-5, width=32))
    assert word == "ppo:learning_rate=1e-05,width=32"
    assert values.agent(word) == word
