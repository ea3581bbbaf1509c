"""OGBench (Park et al., 2025): `ogbench/cube-single-v0`, `ogbench/antmaze-medium-v0`, `ogbench/puzzle-3x3-v0`.

Where an episode has its own goal, the observation is a Dict of `observation` and `goal`, the observation of a
state in which it is reached; the single-task ids (`cube-single-singletask-task1-v0`) have one goal, which is
not shown. Scored by `success`, at which most episodes terminate.

The simulators draw from numpy's global generator and from unseeded action spaces; here an episode follows the
seed of its reset alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np

from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.tasks.gymnasium import HostEnvironment
from actlab.tasks.suites.scores import host_task
from actlab.tasks.suites.streams import GlobalStream, OwnStream, unwarned

_ROOMS = ("ogbench.locomaze", "ogbench.manipspace", "ogbench.online_locomotion", "ogbench.powderworld")


def names() -> Sequence[str]:
    """The ids that the package registers with Gymnasium, such as "cube-single-v0"."""
    import ogbench  # noqa: F401 (its import registers them)

    entries = gymnasium.registry.items()
    return [name for name, spec in entries if str(spec.entry_point).startswith(_ROOMS)]


def make(identity: str, *, discount: float = 0.99, **options: Any) -> Task:
    """A task.

    Args:
        identity: see `names`.
        discount: per native step.
        options: `max_episode_steps`; all others are passed to `gymnasium.make` (`terminate_at_goal=False`, ...).
    """

    def source(**kwargs: Any) -> gymnasium.Env:
        with unwarned():
            made = gymnasium.make(identity, disable_env_checker=True, **kwargs)
        return _with_goal(Calm(made))

    limit = options.pop("max_episode_steps", None) or gymnasium.registry[identity].max_episode_steps
    success = not identity.startswith("online-")  # plain locomotion, without a goal
    return host_task(
        source, f"ogbench/{identity}", discount=discount, success=success, max_episode_steps=limit, **options
    )


class Calm(OwnStream):
    """A simulator whose reset takes its first, random steps from the seed too.

    OGBench lets a goal state settle by a few actions drawn from action spaces that nothing seeds.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self._generator = np.random.default_rng(0)
        self._arm = _is_arm(env.unwrapped)
        if self._arm:  # whose own spaces are new ones at each look, with warnings
            with unwarned():
                self.action_space = gymnasium.spaces.Box(-1, 1, env.action_space.shape, np.float32)
            self.reset(seed=0)
            self.observation_space = env.observation_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._generator = np.random.default_rng(seed)
        if not self._arm:
            return super().reset(seed=seed, options=options)
        core: Any = self.env.unwrapped
        space, generator = self.action_space, self._generator

        def step(action: Any) -> Any:
            drawn = generator.uniform(-1, 1, space.shape).astype(np.float32)
            if action[-1] == 1:  # set on purpose, not drawn: the gripper is to be closed
                drawn[-1] = 1
            return type(core).step(core, drawn)

        core.step = step
        try:
            with unwarned():
                return super().reset(seed=seed, options=options)
        finally:
            del core.step


def _is_arm(core: gymnasium.Env) -> bool:
    from ogbench.manipspace.envs.manipspace_env import ManipSpaceEnv

    return isinstance(core, ManipSpaceEnv)


def _with_goal(env: gymnasium.Env) -> gymnasium.Env:
    """The environment with its goal in the observation, where an episode has one of its own."""
    assert env.spec is not None
    goal = None if env.spec.kwargs.get("reward_task_id") is not None else env.reset(seed=0)[1].get("goal")
    return env if goal is None else Goal(env, np.asarray(goal))


class Goal(gymnasium.Wrapper):
    """An environment that observes its `observation` and the episode's `goal`."""

    def __init__(self, env: gymnasium.Env, goal: np.ndarray):
        """
        Args:
            goal: one goal, for its form.
        """
        super().__init__(env)
        seen = env.observation_space
        low, high = (0, 255) if goal.dtype == np.uint8 else (-np.inf, np.inf)
        shown = gymnasium.spaces.Box(low, high, goal.shape, goal.dtype.type)
        self.observation_space = gymnasium.spaces.Dict({"observation": seen, "goal": shown})
        self._goal = goal

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._goal = np.asarray(info["goal"])
        return {"observation": observation, "goal": self._goal}, info

    def step(self, action: Any) -> Any:
        observation, *rest = self.env.step(action)
        return {"observation": observation, "goal": self._goal}, *rest


# --- scripted experts --------------------------------------------------------------------------------


class Oracle:
    """OGBench's closed-loop oracles, given one object after another until the episode's goal is reached.

    The package uses them to collect play; which object comes next for a goal is decided here.
    """

    def __init__(self, puzzle: bool):
        self._puzzle = puzzle
        self._core: Any = None
        self._oracle: Any = None
        self._stream = GlobalStream()

    def begin(self, environment: HostEnvironment, seed: int) -> None:
        """A new episode of that environment."""
        from ogbench.manipspace.oracles.markov.button_markov import ButtonMarkovOracle
        from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle

        self._core = environment.simulator.unwrapped
        options = {"gripper_always_closed": True} if self._puzzle else {}
        self._oracle = (ButtonMarkovOracle if self._puzzle else CubeMarkovOracle)(env=self._core, **options)
        self._stream = GlobalStream(seed)
        self._next_object()

    def act(self, observation: Any) -> np.ndarray:
        """float32 `[5]`."""
        if self._oracle.done:
            self._next_object()
        with self._stream.lent():
            action = self._oracle.select_action(None, self._info())
        return np.clip(action, -1, 1).astype(np.float32)

    def _next_object(self) -> None:
        if self._puzzle:
            button = _next_button(self._core)
            self._core._target_button, self._wanted = button, 1 - self._core._cur_button_states[button]
        else:
            self._core._target_block = _next_cube(self._core)
        with self._stream.lent():
            self._oracle.reset(None, self._info())

    def _info(self) -> dict[str, Any]:
        with _as_collected(self._core):
            info = self._core.compute_ob_info()
        return info | ({"privileged/target_button_state": self._wanted} if self._puzzle else {})


@contextmanager
def _as_collected(core: Any) -> Iterator[None]:
    """Inside, the simulator tells of its target object, as it does where it collects data."""
    mode, core._mode = core._mode, "data_collection"
    try:
        yield
    finally:
        core._mode = mode


def _next_cube(core: Any) -> int:
    """A cube that is not where it belongs: lowest goal first, nothing on top of it, its place free if possible."""
    count = core._num_cubes
    here = np.asarray([core._data.joint(f"object_joint_{i}").qpos[:3] for i in range(count)])
    goal = np.asarray([core._data.mocap_pos[core._cube_target_mocap_ids[i]] for i in range(count)])

    def near(i: int, j: int, place: np.ndarray) -> bool:
        return i != j and bool(np.linalg.norm(place[:2] - here[j][:2]) < 0.05)

    def cost(i: int) -> tuple[bool, bool, bool, float]:
        there = bool(np.linalg.norm(here[i] - goal[i]) <= 0.04)
        covered = any(near(i, j, here[i]) and here[j][2] > here[i][2] + 0.02 for j in range(count))
        taken = any(near(i, j, goal[i]) and abs(here[j][2] - goal[i][2]) < 0.02 for j in range(count))
        return there, covered, taken, float(goal[i][2])

    return min(range(count), key=cost)


def _next_button(core: Any) -> int:
    """A button of the set whose pressing leads to the goal (the first one where nothing is left to press)."""
    wrong = np.not_equal(core._cur_button_states, core._target_button_states)
    presses = lights_out(wrong, core._num_rows, core._num_cols)
    return int(np.argmax(presses))


def lights_out(wrong: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Which buttons to press, each toggling itself and its neighbours, to change exactly those that are wrong.

    Args:
        wrong: bool `[rows * columns]`.

    Returns:
        bool `[rows * columns]`, by Gaussian elimination modulo 2.

    Raises:
        ActlabError: no presses do that.
    """
    places = [(i // columns, i % columns) for i in range(rows * columns)]
    toggles = np.asarray([[abs(x - u) + abs(y - v) <= 1 for u, v in places] for x, y in places])
    table = np.column_stack([toggles, wrong]).astype(bool)
    pivots: list[int] = []
    for column in range(len(places)):
        found = np.flatnonzero(table[len(pivots) :, column])
        if not len(found):
            continue
        row = len(pivots)
        table[[row, row + found[0]]] = table[[row + found[0], row]]
        others = table[:, column].copy()
        others[row] = False
        table[others] ^= table[row]
        pivots.append(column)
    if table[len(pivots) :, -1].any():
        raise ActlabError("The puzzle has no solution by pressing buttons.")
    presses = np.zeros(len(places), bool)
    presses[pivots] = table[: len(pivots), -1]
    return presses


class Waypoints:
    """A controller for the point in a maze: from cell to cell along a shortest way, then to the goal.

    The point is moved by 0.2 times the action, each of whose two numbers lies in [-1, 1].
    """

    STEP = 0.2

    def __init__(self):
        self._core: Any = None

    def begin(self, environment: HostEnvironment, seed: int) -> None:
        """A new episode of that environment."""
        self._core = environment.simulator.unwrapped

    def act(self, observation: Any) -> np.ndarray:
        """float32 `[2]`."""
        core = self._core
        place, goal = np.asarray(core.get_xy(), np.float64), np.asarray(core.cur_goal_xy, np.float64)
        here, there = tuple(core.xy_to_ij(place)), tuple(core.xy_to_ij(goal))
        aim = goal if here == there else np.asarray(core.ij_to_xy(next_cell(core.maze_map, here, there)))
        return np.clip((aim - place) / self.STEP, -1, 1).astype(np.float32)


def next_cell(walls: np.ndarray, here: tuple[int, int], there: tuple[int, int]) -> tuple[int, int]:
    """The neighbour of `here` on a shortest way to `there` through cells that are 0 in `walls`; else `here`."""
    reached, frontier = {there}, [there]
    while frontier:
        found = []
        for i, j in frontier:
            for cell in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if cell == here:
                    return i, j
                free = 0 <= cell[0] < len(walls) and 0 <= cell[1] < len(walls[0]) and walls[cell] == 0
                if free and cell not in reached:
                    reached.add(cell)
                    found.append(cell)
        frontier = found
    return here


def expert(identity: str) -> Oracle | Waypoints:
    """The scripted expert of a task.

    Raises:
        ActlabError: there is none: only cubes, puzzles and the mazes of a point have one.
    """
    kind = identity.removeprefix("visual-").split("-")[0]
    if kind == "pointmaze":
        return Waypoints()
    if kind not in ("cube", "puzzle"):
        raise ActlabError(
            f"ogbench/{identity} has no scripted expert; the cube-*, puzzle-* and pointmaze-* tasks have one."
        )
    return Oracle(puzzle=kind == "puzzle")
