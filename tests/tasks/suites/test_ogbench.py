"""OGBench: goals in sight, seeds that unseeded draws do not disturb, oracles that reach the goal."""

import numpy as np
import pytest

from actlab.core.errors import ActlabError
from actlab.tasks import record_expert
from actlab.tasks.catalogue import task
from actlab.tasks.suites.ogbench import expert, lights_out
from tests.tasks.suites.playing import check_episodes, check_horizon


def pressed(presses: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """What changes, by the rule itself."""
    changed = np.zeros((rows, columns), bool)
    for i in np.flatnonzero(presses):
        x, y = divmod(int(i), columns)
        for u, v in ((x, y), (x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if 0 <= u < rows and 0 <= v < columns:
                changed[u, v] ^= True
    return changed.ravel()


@pytest.mark.parametrize(("rows", "columns"), [(3, 3), (4, 4), (4, 5), (4, 6)])
def test_lights_out_is_solved(rows, columns):
    generator = np.random.default_rng(0)
    for _ in range(20):
        wrong = pressed(generator.integers(0, 2, rows * columns), rows, columns)
        np.testing.assert_array_equal(pressed(lights_out(wrong, rows, columns), rows, columns), wrong)
    assert not lights_out(np.zeros(rows * columns, bool), rows, columns).any()


def test_a_puzzle_without_solution_is_said():
    with pytest.raises(ActlabError, match="no solution"):
        lights_out(np.arange(16) == 0, 4, 4)


def test_only_cubes_and_puzzles_have_experts():
    with pytest.raises(
        ActlabError, match=r"ogbench/scene-v0 has no scripted expert; the cube-\*, puzzle-\* and pointmaze"
    ):
        expert("scene-v0")


def test_goals_are_observed_and_follow_the_seed():
    pytest.importorskip("ogbench")
    environment = task("ogbench/cube-single-v0").environment
    assert environment.observation.names == ("goal", "observation")
    check_episodes(environment, 6)
    goals = {environment.reset(seed)[1].observation["goal"].tobytes() for seed in range(3)}
    assert len(goals) == 3
    check_horizon(environment, 200)


def test_one_goal_is_not_observed():
    pytest.importorskip("ogbench")
    environment = task("ogbench/cube-single-singletask-task1-v0").environment
    assert environment.observation.shape == (28,)
    check_episodes(environment, 4)


def test_mazes_have_goals_too():
    pytest.importorskip("ogbench")
    environment = task("ogbench/pointmaze-medium-v0").environment
    assert dict(environment.observation.items)["goal"].shape == (2,)
    check_episodes(environment, 6)


@pytest.mark.parametrize("name", ["cube-single-v0", "puzzle-3x3-v0"])
def test_the_oracle_reaches_the_goal(name):
    pytest.importorskip("ogbench")
    rows = record_expert(task(f"ogbench/{name}"), 1)
    assert rows.next.info["success"][0, -1] == 1
    assert rows.next.terminated[0, -1]
