"""Tasks by name: ours, a person's own, Gymnasium's; wrong names and options."""

import sys
from dataclasses import dataclass

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.core.errors import ActlabError, UnknownName
from actlab.core.registry import TASKS, Registry
from actlab.core.spaces import Box, Discrete
from actlab.core.steps import first_step, next_step
from actlab.tasks import catalogue
from actlab.tasks.cartpole import CartPole
from actlab.tasks.catalogue import list_tasks, make_task, register_task, task
from actlab.tasks.games import honest_score
from actlab.tasks.make import measure, uniform
from actlab.tasks.probes import PROBES


@dataclass(frozen=True)
class Count:
    """A person's own environment, in ten lines: the reward is the action, ten times."""

    horizon: int = 10
    compiled = True
    observation = Box(0.0, 1.0, (1,))
    action = Discrete(3)

    def reset(self, key, context):
        return jnp.zeros((), jnp.int32), first_step(jnp.zeros((1,)))

    def step(self, key, state, native):
        state = state + 1
        return state, next_step(state[None] / self.horizon, native, jnp.zeros((), bool), state >= self.horizon)


class Walk(gymnasium.Env):
    """A person's own Gymnasium environment."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, reward: float = 1.0):
        self.paid = reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), self.paid, False, False, {}


@pytest.fixture
def fresh(monkeypatch):
    """A registry of our own, so that no test leaves a name behind."""
    registry = Registry("task")
    for entry in TASKS:
        registry.add(entry.name, entry.target, entry.summary)
    monkeypatch.setattr(catalogue, "TASKS", registry)
    return registry


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("CartPole-v1", "CartPole-v1"),
        ("actlab/CartPole-v1", "CartPole-v1"),
        ("Platform-v0", "actlab/Platform-v0"),
        ("actlab/Platform-v0", "actlab/Platform-v0"),
        ("probe/mask-discrete", "probe/mask-discrete"),
    ],
)
def test_our_names_come_first_and_are_in_the_graph(name, canonical):
    found = task(name)
    assert found.spec.name == canonical
    assert found.environment.compiled
    assert found.spec.code == found.environment.action


def test_gymnasiums_own_twin_and_other_ids_run_on_the_host():
    assert not task("gymnasium/CartPole-v1").environment.compiled
    assert task("gymnasium/CartPole-v1").spec.name == "gymnasium/CartPole-v1"
    lake = task("FrozenLake-v1", discount=0.9)
    assert (lake.environment.compiled, lake.spec.horizon, lake.spec.discount) == (False, 100, 0.9)
    assert task("gymnasium/Pendulum-v1").environment.action == task("Pendulum-v1").environment.action


def test_what_stands_in_a_module_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "things_for_a_test.py").write_text(
        "import gymnasium\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "from actlab.tasks.cartpole import CartPole\n"
        "from actlab.tasks.make import make_task\n"
        "from actlab.core.contracts import Task\n"
        "class Pole(CartPoleEnv):\n    pass\n"
        "class Named(CartPoleEnv):\n    pass\n"
        "gymnasium.register('Named', Named, max_episode_steps=9)\n"
        "def discounted(discount=0.5) -> Task:\n    return make_task(CartPole(), 'inner', discount=discount)\n"
    )
    try:
        assert task("things_for_a_test:CartPole").environment == CartPole()
        assert task("things_for_a_test:discounted").spec.discount == 0.5
        assert task("things_for_a_test:discounted+stack:frames=2").spec.name.startswith("things_for_a_test:discounted")
        assert not task("things_for_a_test:Pole", max_episode_steps=7).environment.compiled
        assert task("things_for_a_test:Named").spec.horizon == 9  # an id counts first
        with pytest.raises(UnknownName, match=r"no environment named 'Zzzzzz'; known: Named\."):
            task("things_for_a_test:Zzzzzz")
        gymnasium.registry.pop("Named")
        with pytest.raises(ActlabError, match=r"has nothing named 'Zzzzzz', and registers no such environment\."):
            task("things_for_a_test:Zzzzzz")
        with pytest.raises(ActlabError, match=r"names a file; name its module: things_for_a_test:Pole-v0\."):
            task("things_for_a_test.py:Pole-v0")
    finally:
        sys.modules.pop("things_for_a_test", None)
        gymnasium.registry.pop("Named", None)


def test_an_id_of_a_persons_own_module(tmp_path, monkeypatch):
    (tmp_path / "my_tasks_for_a_test.py").write_text(
        "import gymnasium\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "gymnasium.register('MyPole-v0', entry_point=CartPoleEnv, max_episode_steps=7)\n"
    )
    monkeypatch.chdir(tmp_path)
    try:
        assert task("my_tasks_for_a_test:MyPole-v0").spec.horizon == 7
    finally:
        gymnasium.registry.pop("MyPole-v0", None)
        sys.modules.pop("my_tasks_for_a_test", None)


def test_a_class_of_a_persons_own_module(tmp_path, monkeypatch, key):
    """In the graph, and Gymnasium's; what is neither is not called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_lane.py").write_text("from tests.tasks.test_catalogue import Count, Walk\nready = Count(4)\n")
    made = task("own_lane:Count", horizon=7)
    assert made.environment == Count(7)
    assert made.spec.name == "own_lane:Count"
    assert task("own_lane:ready").environment.horizon == 4
    walk = task("own_lane:Walk", reward=3.0)
    state, _ = walk.environment.reset(key)
    assert float(walk.environment.step(None, state, np.int32(1))[1].reward) == 3.0
    for other in ("own_lane:__name__", "os:abort", "os:sep", "subprocess:Popen"):
        with pytest.raises(ActlabError, match="should be a task, an environment, the class of one"):
            task(other)
    with pytest.raises(ActlabError, match="no module 'own_nothing'"):
        task("own_nothing:Count")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("CartPol-v1", "CartPole-v1"),
        ("probe/mask-discret", "probe/mask-discrete"),
        ("MountainCr-v0", "MountainCar-v0"),
        ("Pendulum", "Pendulum-v1"),
        ("gymnasium/CartPol-v1", "CartPole-v1"),
    ],
)
def test_a_wrong_name_suggests_the_nearest(wrong, near):
    with pytest.raises(UnknownName, match=f"did you mean '{near}'"):
        task(wrong)


def test_a_name_near_to_nothing_lists_ours_only():
    with pytest.raises(UnknownName, match="known: Acrobot-v1, CartPole-v1") as raised:
        task("qqqqqqq")
    assert "FrozenLake" not in str(raised.value)


def test_options_reach_the_environment_and_wrong_ones_are_named():
    assert task("CartPole-v1", horizon=20).environment.horizon == 20
    assert task("Platform-v0", jump_noise=0.0).environment.jump_noise == 0.0
    assert task("CartPole-v1", discount=0.5).spec.discount == 0.5
    with pytest.raises(ActlabError, match=r"'CartPole-v1' takes horizon: int = 500; received .*'horizn'"):
        task("CartPole-v1", horizn=20)
    with pytest.raises(ActlabError, match=r"'probe/value' takes no options"):
        task("probe/value", horizon=3)


@pytest.mark.parametrize("target", [Count, Count(), lambda: Count(), lambda: make_task(Count(), "inner")])
def test_a_persons_own_functional_environment(target, fresh, key):
    register_task("my/count", target, "counts")
    found = task("my/count")
    assert (found.spec.name, found.spec.horizon, found.spec.discount) == ("my/count", 10, 0.99)
    returns = measure(found, uniform(found.environment.action), 200, key)
    assert abs(float(returns.mean()) - 10.0) < 1.0
    assert fresh["my/count"].summary == "counts"


def test_a_ready_task_and_a_string(fresh):
    register_task("mine", make_task(Count(), "inner", discount=0.7))
    assert (task("mine").spec.name, task("mine").spec.discount) == ("mine", 0.7)
    register_task("by-name", "actlab.tasks.cartpole:CartPole")
    assert task("by-name", horizon=9).environment == CartPole(9)
    with pytest.raises(ActlabError, match="takes no options; received horizon"):
        task("mine", horizon=3)


@pytest.mark.parametrize("target", [Walk, lambda reward=1.0: Walk(reward)])
def test_a_persons_own_gymnasium_environment(target, fresh):
    register_task("my/walk", target)
    found = task("my/walk", reward=3.0)
    assert (found.spec.name, found.environment.compiled) == ("my/walk", False)
    state, _ = found.environment.reset(jax.random.key(0))
    _, step = found.environment.step(None, state, np.int32(1))
    assert float(step.reward) == 3.0


def test_what_cannot_be_registered_or_made(fresh):
    with pytest.raises(ActlabError, match="one instance"):
        register_task("my/walk", Walk())
    with pytest.raises(ActlabError, match="must not be empty or begin with 'gymnasium/'"):
        register_task("gymnasium/mine", Count)
    register_task("broken", "actlab.tasks.cartpole:NoSuchThing")
    with pytest.raises(ActlabError, match=r"'broken' is registered as .*NoSuchThing"):
        task("broken")
    register_task("nonsense", lambda: 3)
    with pytest.raises(ActlabError, match="int lacks compiled, observation"):
        task("nonsense")


def test_the_list_has_a_row_for_every_name():
    rows = {row.name: row for row in list_tasks()}
    control = {"Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"}
    published = {f"actlab/{name}-v0" for name in ("Goal", "HardMove", "Maze", "Platform", "ThreeModes")}
    assert set(rows) == {*control, *published, *PROBES}
    pole = rows["CartPole-v1"]
    assert (pole.horizon, pole.compiled, pole.action) == (500, True, Discrete(2))
    assert pole.reference["expert"] == 500.0
    assert all(row.summary and {"random", "expert"} <= set(row.reference) for row in rows.values())


def test_make_task_takes_what_it_is_given():
    made = make_task(Count(), "count", discount=1.0, reference={"random": 10.0}, score=honest_score)
    assert (made.spec.discount, made.spec.reference, made.score) == (1.0, {"random": 10.0}, honest_score)
    with pytest.raises(ActlabError, match=r"must lie in \(0, 1\]; received 1.5 for 'count'"):
        make_task(Count(), "count", discount=1.5)
