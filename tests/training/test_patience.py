"""Simulators that hang: one sentence wherever they do, and nothing where they only take long."""

import subprocess
import sys
import textwrap
import threading
import time

import gymnasium
import numpy as np
import pytest

import actlab as al
from actlab.core.errors import ActlabError
from actlab.core.studies import Cell
from actlab.tasks.gymnasium import gymnasium_task
from actlab.tasks.waiting import WATCHED, waits_for
from actlab.training.patience import patience
from actlab.training.schedule import run_cells

ENDLESS = 3600.0


def sleep() -> None:
    time.sleep(ENDLESS)


def spin() -> None:
    while True:
        pass


def try_again() -> None:
    while True:
        try:
            time.sleep(ENDLESS)
        except Exception:
            continue


class Hanging(gymnasium.Env):
    """Does something for ever, in its third step or its second reset."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    resets = 0

    def __init__(self, what, when="step"):
        self.what, self.when, self.time = what, when, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.resets = 0, self.resets + 1
        if self.when == "reset" and self.resets == 2:
            self.what()
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.time += 1
        if self.when == "step" and self.time == 3:
            self.what()
        return np.zeros(2, np.float32), 0.0, self.time == 5, False, {}

    def close(self):
        if self.when == "step" and self.time >= 3:
            raise AssertionError("what hangs in a step is not closed")


@pytest.mark.parametrize("what", [sleep, spin, try_again])
def test_a_step_that_never_returns_is_one_sentence(what, tmp_path):
    task = gymnasium_task(Hanging, what=what, max_episode_steps=50)
    with pytest.raises(ActlabError, match=r"environment 'Hanging' hangs at step 3: it has not returned for 0.5 s"):
        al.train(al.agents.Random(), task, 20, out=tmp_path, patience=0.5, quiet=True)
    assert (tmp_path / "run.json").exists()
    assert not (tmp_path / "result.json").exists()
    assert WATCHED.get().call is None


def test_a_reset_that_never_returns_is_one_sentence():
    task = gymnasium_task(Hanging, what=sleep, when="reset", max_episode_steps=50)
    with pytest.raises(ActlabError, match=r"'Hanging' hangs at reset"), patience(0.5):
        task.environment.reset(1)


def test_many_calls_that_return_are_no_hanging():
    with patience(0.2):
        for _ in range(30):
            with waits_for("environment", "slow", "at step 1"):
                time.sleep(0.02)
        time.sleep(0.4)  # nothing is waited for


def test_a_call_within_a_call_gives_the_outer_one_back():
    with patience(60.0), waits_for("environment", "outer", "at step 1") as outer:
        with waits_for("environment", "inner", "at step 1") as inner:
            assert WATCHED.get().call is inner
        assert WATCHED.get().call is outer


def test_other_threads_are_not_watched():
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with patience(0.05), waits_for("environment", "slow", "at step 1"):
                time.sleep(0.3)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failed


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_patience_is_above_zero(seconds):
    with pytest.raises(ActlabError, match="above 0"), patience(seconds):
        pass


def test_a_hanging_cell_fails_alone(tmp_path):
    cells = [Cell("tests.training.toy_cells:process_cell", {"fate": fate}) for fate in ("hang", "fine")]
    failed = run_cells(cells, tmp_path, patience=0.5)
    assert list(failed) == [cells[0].address]
    assert "The environment 'toy' hangs at step 1" in failed[cells[0].address]


def test_what_cannot_be_interrupted_ends_the_process_with_the_same_sentence():
    stubborn = """
        import time
        from actlab.tasks.waiting import waits_for
        from actlab.training.patience import patience

        def ask():
            while True:
                try:
                    time.sleep(3600)
                except BaseException:
                    pass

        with patience(0.4), waits_for("environment", "stubborn", "at step 7"):
            ask()
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(stubborn)], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("actlab: The environment 'stubborn' hangs at step 7: it has not returned for 0.4 s.")
    assert ended.stderr.count("\n") == 1
