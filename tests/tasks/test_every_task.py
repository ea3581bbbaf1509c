"""What holds for every registered task: Gymnasium's checker, refused actions, masks, and 1,000 equal steps.

A task that is registered later is tested here without a change.
"""

import warnings

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.registry import TASKS
from actlab.core.sets import Automaton
from actlab.core.steps import select
from actlab.tasks.catalogue import task
from actlab.tasks.face import Face, gymnasium_id
from actlab.training.play import begin_episode
from tests.tasks.environments.forgiving import Forgiving

pytestmark = pytest.mark.slow
NAMES = [entry.name for entry in TASKS]
MASKED = [name for name in NAMES if name.startswith(("probe/mask", "probe/interval", "probe/dependence"))]
"""Tasks that forbid actions; `test_no_other_task_forbids_anything` finds one that is missing."""
STEPS = 1_000

RECOMMENDED = {
    "CartPole-v1": ["A Box observation space m.*infinity"],
    "actlab/HardMove-v0": ["A Box observation space m.*infinity"],
    "Pendulum-v1": ["For Box action spaces, we recommend"],
}
"""Two recommendations that published spaces do not follow; Gymnasium's own environments get them too."""


@pytest.fixture(autouse=True)
def compiled_in_haste():
    """These programs run a few steps: compiling them is what takes the time."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def forbidden(env: Face):
    """An action of the space that is not allowed now; None where 200 random actions are all allowed."""
    env.action_space.seed(0)
    for _ in range(200):
        action = env.action_space.sample()
        if not bool(sets.contains(env._allowed, env._task.environment.action.from_host(action))):
            return action
    return None


@pytest.mark.parametrize("name", NAMES)
def test_gymnasiums_checker_has_no_warning(name):
    env = (Forgiving if name in MASKED else Face)(task(name))
    env.spec = gymnasium.spec(gymnasium_id(name))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for message in RECOMMENDED.get(name, []):
            warnings.filterwarnings("ignore", f".*{message}")
        check_env(env, skip_close_check=True)  # it closes another copy, and compiles it for that


@pytest.mark.parametrize("name", MASKED)
def test_a_forbidden_action_raises_and_the_mask_is_shown(name):
    env, twin = Face(task(name)), Face(task(name))
    _, info = env.reset(seed=3)
    twin.reset(seed=3)
    wrong = forbidden(env)
    with pytest.raises(SpaceError, match=f"'{name}' does not allow the action"):
        env.step(wrong)
    assert ("action_mask" in info) is not isinstance(env._allowed, Automaton)  # an automaton has no such form
    right = sets.project(env._allowed, env._task.environment.action.from_host(wrong))
    action = env._task.environment.action.to_host(jax.tree.map(np.asarray, right))
    after, expected = env.step(action), twin.step(action)  # what was refused changed nothing
    assert jax.tree.all(jax.tree.map(np.array_equal, after, expected))
    assert ("action_mask" in after[4]) is ("action_mask" in info)


def test_no_other_task_forbids_anything():
    def allowed(name):
        made = task(name)
        return jax.eval_shape(
            lambda key: begin_episode(made, key, made.spec.contexts(key))[1].allowed, jax.random.key(0)
        )

    assert [name for name in NAMES if allowed(name) is not None] == sorted(MASKED)


# --- the same key, the same steps ------------------------------------------------------------------------


def compiled_copy(name):
    """A fresh task and program: key -> every step of 1,000, with legal random actions, resetting after ends."""
    made = task(name)

    def begin(key):
        state, step, _ = begin_episode(made, key, made.spec.contexts(fold(key, "context")))
        return state, step

    def advance(carry, count):
        state, step, key = carry
        now = fold(key, "step", count)
        action = sets.sample(step.allowed, made.environment.action, fold(now, "action"))
        following = made.environment.step(fold(now, "environment"), state, action)
        arrived = following[1]
        state, step = select(arrived.ended, begin(fold(now, "reset")), following)
        return (state, step, key), (action, arrived)

    def play(key):
        return jax.lax.scan(advance, (*begin(fold(key, "begin")), key), jnp.arange(STEPS))[1]

    return jax.jit(play)


def same(one, other):
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_two_copies_play_the_same_thousand_steps(name):
    key = jax.random.key(7)
    one, other = compiled_copy(name)(key), compiled_copy(name)(key)
    assert same(one, other)  # bit for bit, actions, observations, rewards and flags
    assert not same(one, compiled_copy(name)(jax.random.key(8)))
    assert int(one[1].ended.sum()) >= STEPS // task(name).environment.horizon - 1


@pytest.mark.parametrize("name", ["gymnasium/CartPole-v1", "FrozenLake-v1"])
def test_two_copies_on_the_host_play_the_same_thousand_steps(name):
    def play(seed):
        made = task(name)
        draw, seen = np.random.default_rng(seed), []
        state, step = made.environment.reset(seed)
        for count in range(STEPS):
            native = made.environment.action.from_host(draw.integers(made.environment.action.n))
            state, step = made.environment.step(None, state, native)
            seen.append((step.observation, step.reward, step.terminated, step.truncated))
            if step.terminated or step.truncated:
                state, step = made.environment.reset(seed + count + 1)
        return seen

    assert same(play(5), play(5))
    assert not same(play(5), play(6))
