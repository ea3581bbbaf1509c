"""Pendulum against Gymnasium's, step by step."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from actlab.tasks.make import blind_to_sets, measure, uniform
from actlab.tasks.pendulum import REFERENCE, Pendulum, PendulumState, pendulum, scripted

ENVIRONMENT = Pendulum()
RESET, STEP = jax.jit(ENVIRONMENT.reset), jax.jit(ENVIRONMENT.step)


def state_of(angle, speed, time=0):
    return PendulumState(jnp.float32(angle), jnp.float32(speed), jnp.asarray(time, jnp.int32))


def test_every_step_equals_gymnasiums(key):
    theirs = gymnasium.make("Pendulum-v1").unwrapped
    generator = np.random.default_rng(0)
    theirs.reset(seed=0)
    angle, speed = 0.3, 0.0
    for count in range(600):
        if count % 50 == 0:  # also far away: the angle is not wrapped, the speed may be at its limit
            angle, speed = generator.uniform(-30, 30), generator.uniform(-8, 8)
        angle, speed = np.float32(angle), np.float32(speed)
        theirs.state = np.asarray([angle, speed], np.float64)
        torque = generator.uniform(-3, 3, 1).astype(np.float32)  # beyond the limit too: it is clipped
        observation, reward, terminated, truncated, _ = theirs.step(torque)
        state, step = STEP(key, state_of(angle, speed), jnp.asarray(torque))
        np.testing.assert_allclose(step.observation, observation, rtol=1e-5, atol=2e-5)
        np.testing.assert_allclose(step.reward, reward, rtol=1e-4, atol=1e-4)
        assert (bool(step.terminated), bool(step.truncated)) == (terminated, truncated) == (False, False)
        angle, speed = state.angle, state.speed


def test_it_is_truncated_where_gymnasium_truncates(key):
    theirs = gymnasium.make("Pendulum-v1")
    theirs.reset(seed=0)
    state, _ = RESET(key, ())
    for count in range(1, 201):
        truncated = theirs.step(np.zeros(1, np.float32))[3]
        state, step = STEP(key, state, jnp.zeros((1,)))
        assert bool(step.truncated) == truncated == (count == 200)
        assert not step.terminated


def test_resets_are_uniform_as_gymnasiums(key):
    states, steps = jax.vmap(lambda k: ENVIRONMENT.reset(k, ()))(jax.random.split(key, 3000))
    assert kstest(np.asarray(states.angle), "uniform", args=(-np.pi, 2 * np.pi)).pvalue > 1e-3
    assert kstest(np.asarray(states.speed), "uniform", args=(-1, 2)).pvalue > 1e-3
    assert np.abs(states.angle).max() <= np.float32(np.pi)
    np.testing.assert_allclose(steps.observation[:, 0], np.cos(states.angle), atol=1e-6)
    assert steps.first.all()


def test_spaces_equal_gymnasiums():
    theirs = gymnasium.make("Pendulum-v1")
    assert ENVIRONMENT.observation.to_gymnasium() == theirs.observation_space
    assert ENVIRONMENT.action.to_gymnasium() == theirs.action_space
    assert ENVIRONMENT.horizon == theirs.spec.max_episode_steps


@pytest.mark.parametrize("name", ["random", "expert"])
def test_reference_scores(name, key):
    task = pendulum()
    act = {"random": uniform(task.environment.action), "expert": blind_to_sets(scripted)}[name]
    returns = measure(task, act, 1000, key)
    error = float(returns.std()) / 1000**0.5
    assert abs(float(returns.mean()) - REFERENCE[name]) < 4 * error
