"""CartPole against Gymnasium's, step by step."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import kstest

from actlab.tasks.cartpole import REFERENCE, CartPole, CartPoleState, cartpole, scripted
from actlab.tasks.make import blind_to_sets, measure, uniform

ENVIRONMENT = CartPole()
RESET, STEP = jax.jit(ENVIRONMENT.reset), jax.jit(ENVIRONMENT.step)


def state_of(body, time=0):
    return CartPoleState(jnp.asarray(body, jnp.float32), jnp.asarray(time, jnp.int32))


def test_every_step_equals_gymnasiums(key):
    theirs = gymnasium.make("CartPole-v1").unwrapped
    generator, ends = np.random.default_rng(0), 0
    theirs.reset(seed=0)
    body = np.zeros(4, np.float32)
    for _ in range(600):
        theirs.state, theirs.steps_beyond_terminated = body.astype(np.float64), None
        action = int(generator.integers(2))
        observation, reward, terminated, _, _ = theirs.step(action)
        state, step = STEP(key, state_of(body), jnp.asarray(action, jnp.int32))
        np.testing.assert_allclose(step.observation, observation, rtol=1e-5, atol=1e-5)
        assert (float(step.reward), bool(step.terminated)) == (reward, terminated)
        ends += terminated
        body = (
            generator.uniform([-2.4, -3, -0.2, -3], [2.4, 3, 0.2, 3]).astype(np.float32) if terminated else state.body
        )
        body = np.asarray(body)
    assert ends > 10  # the fall and its reward were compared too


def test_a_free_run_stays_with_gymnasiums(key):
    theirs = gymnasium.make("CartPole-v1").unwrapped
    theirs.reset(seed=0)
    state, step = RESET(key, ())
    theirs.state = np.asarray(state.body, np.float64)
    for _ in range(100):
        action = scripted(step.observation, key)
        state, step = STEP(key, state, action)
        observation = theirs.step(int(action))[0]
    np.testing.assert_allclose(step.observation, observation, atol=1e-3)


def test_it_is_truncated_where_gymnasium_truncates(key):
    theirs = gymnasium.make("CartPole-v1")
    observation, _ = theirs.reset(seed=3)
    state = state_of(observation)
    for count in range(1, 501):
        action = scripted(jnp.asarray(observation), key)
        observation, _, terminated, truncated, _ = theirs.step(int(action))
        state, step = STEP(key, state, scripted(state.body, key))
        assert (bool(step.terminated), bool(step.truncated)) == (terminated, truncated) == (False, count == 500)


def test_termination_and_truncation_stay_apart(key):
    short = CartPole(horizon=3)
    _, step = short.step(key, state_of([2.39, 3.0, 0.0, 0.0], time=1), jnp.asarray(1, jnp.int32))
    assert (bool(step.terminated), bool(step.truncated)) == (True, False)
    _, step = short.step(key, state_of([0.0, 0.0, 0.0, 0.0], time=2), jnp.asarray(1, jnp.int32))
    assert (bool(step.terminated), bool(step.truncated)) == (False, True)


def test_resets_are_uniform_as_gymnasiums(key):
    _, steps = jax.vmap(lambda k: ENVIRONMENT.reset(k, ()))(jax.random.split(key, 3000))
    values = np.asarray(steps.observation)
    assert np.abs(values).max() <= 0.05
    for column in values.T:
        assert kstest(column, "uniform", args=(-0.05, 0.1)).pvalue > 1e-3
    assert abs(np.corrcoef(values.T) - np.eye(4)).max() < 0.08
    assert steps.first.all()
    assert not steps.ended.any()


def test_spaces_equal_gymnasiums():
    theirs = gymnasium.make("CartPole-v1")
    assert ENVIRONMENT.observation.to_gymnasium() == theirs.observation_space
    assert ENVIRONMENT.action.to_gymnasium() == theirs.action_space
    assert ENVIRONMENT.horizon == theirs.spec.max_episode_steps


def test_reference_scores(key):
    task = cartpole()
    random = np.asarray(measure(task, uniform(task.environment.action), 1000, key))
    assert abs(random.mean() - REFERENCE["random"]) < 4 * random.std() / 1000**0.5
    assert (measure(task, blind_to_sets(scripted), 300, key) == REFERENCE["expert"]).all()
