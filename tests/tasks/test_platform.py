"""Platform: the published rules without noise, its noise, and its expert."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.core.keys import fold
from actlab.core.spaces import Choice
from actlab.tasks.make import blind_to_sets, measure, uniform
from actlab.tasks.platform import (
    GRAVITY,
    HOP,
    LEAP,
    REFERENCE,
    RUN,
    TOTAL,
    Platform,
    PlatformState,
    platform,
    scripted,
)

NOISY, STILL = Platform(), Platform(jump_noise=0.0, motion_noise=0.0)
STEP = jax.jit(STILL.step)

# What the published simulator (float64, its noise switched off) gives for these actions: the player's
# position and speed to the right, both enemies, the reward, and whether the episode ends.
PUBLISHED = [
    [
        (RUN, 30.0, (67.485, 40.0), 69.3, (201.5, 730.0), 0.065203, False),
        (HOP, 330.0, (222.454262, 40.0), 0.0, (13.5, 730.0), 0.149729, False),
        (RUN, 2.7, (249.086884, 40.0), 48.673476, (43.5, 730.0), 0.025732, False),
        (HOP, 720.0, (516.761064, 40.0), 0.0, (199.5, 671.5), 0.258622, False),
        (RUN, 30.0, (584.246064, 40.0), 69.3, (199.5, 641.5), 0.065203, False),
        (HOP, 340.0, (606.096498, 57.9025), 37.384299, (199.5, 625.0), 0.021112, True),  # an enemy
    ],
    [(LEAP, 430.0, (85.516648, 59.593), 12.896670, (105.5, 730.0), 0.082625, True)],
    [
        (RUN, 30.0, (67.485, 40.0), 69.3, (201.5, 730.0), 0.065203, False),
        (LEAP, 430.0, (145.247524, 63.9), 54.447495, (164.0, 730.0), 0.075133, True),
    ],
]


def action(branch, parameter):
    values = tuple(jnp.full((1,), parameter if branch == i else 0.0) for i in range(3))
    return Choice(jnp.asarray(branch, jnp.int32), values)


def at(x, y=40.0, velocity=(0.0, 0.0), enemies=(0.0, 475.0)):
    zero = jnp.zeros((), jnp.int32)
    return PlatformState(
        jnp.asarray([x, y]), jnp.asarray(velocity), jnp.asarray(enemies), jnp.asarray([-30.0, -30.0]), zero
    )


@pytest.mark.parametrize("rows", PUBLISHED)
def test_without_noise_it_is_the_published_simulator(rows, key):
    state, _ = STILL.reset(key, ())
    for branch, parameter, position, speed, enemies, reward, ended in rows:
        state, step = STEP(key, state, action(branch, parameter))
        np.testing.assert_allclose(state.position, position, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(state.velocity[0], speed, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(state.enemies, enemies, atol=1e-3)
        np.testing.assert_allclose(step.reward, reward, atol=1e-6)
        assert (bool(step.terminated), bool(step.truncated)) == (ended, False)


def test_a_hop_rises_and_falls_by_gravity(key):
    # Landing needs the same time as a throw at 35 a second, 2 v / g, in whole sub-steps.
    state, step = STEP(key, at(100.0, enemies=(230.0, 730.0)), action(HOP, 0.0))
    walked = 30.0 * 2 * 35.0 / GRAVITY
    assert abs((230.0 - float(state.enemies[0])) - walked) < 3 * 30.0 * 0.05
    assert float(state.position[0]) == 100.0
    assert float(step.reward) == 0.0


def test_falling_touching_and_arriving_terminate(key):
    _, fallen = STEP(key, at(249.0), action(RUN, 30.0))
    assert fallen.terminated
    assert 0.0 < float(fallen.reward) < 0.02
    _, touched = STEP(key, at(100.0, enemies=(115.0, 730.0)), action(RUN, 0.0))
    assert touched.terminated
    _, arrived = STEP(key, at(1000.0), action(RUN, 30.0))
    assert arrived.terminated
    np.testing.assert_allclose(arrived.reward, 35.0 / TOTAL, rtol=1e-5)
    _, resting = STEP(key, at(100.0), action(RUN, 0.0))
    assert not resting.ended


@pytest.mark.parametrize(
    ("x", "features"),
    [(100.0, (250, 275, 225, 0)), (300.0, (250, 275, 225, 0)), (600.0, (275, 50, 235, 475)), (990.0, (50, 0, 0, 985))],
)
def test_the_observation_is_the_nine_published_features(x, features, key):
    start = at(x, enemies=(50.0, 700.0)) if x != 300.0 else at(x, y=90.0, enemies=(50.0, 700.0))
    state, step = STEP(key, start, action(RUN, 0.0))
    enemy = 1 if float(state.position[0]) > 475.0 else 0
    expected = [
        (float(state.position[0]) + 20) / 1055,
        float(state.velocity[0]) / 100,
        float(state.enemies[enemy]) / 1035,
        (float(state.speeds[enemy]) + 30) / 60,
        *np.asarray(features) / [275, 275, 235, 1035],
        0.0,
    ]
    np.testing.assert_allclose(step.observation, expected, atol=1e-5)
    assert STILL.observation.contains(step.observation)


def test_it_is_truncated_after_its_horizon(key):
    state, _ = STILL.reset(key, ())
    for count in (STILL.horizon - 1, STILL.horizon):
        state, step = STEP(key, state._replace(time=jnp.asarray(count - 1, jnp.int32)), action(RUN, 0.0))
        assert (bool(step.terminated), bool(step.truncated)) == (False, count == STILL.horizon)
    assert platform(horizon=7).spec.horizon == 7


def test_noise_only_slows_the_player_down(key):
    start, _ = NOISY.reset(key, ())
    start = start._replace(velocity=jnp.asarray([50.0, 0.0]))
    step = jax.jit(jax.vmap(lambda k: NOISY.step(k, start, action(HOP, 500.0))[0]))
    ends = step(jax.random.split(key, 200)).position[:, 0]
    exact = STEP(key, start, action(HOP, 500.0))[0].position[0]
    assert float(ends.max()) < float(exact)
    assert 1.0 < float(ends.std()) < 10.0


def test_the_expert_reaches_the_end_and_chance_does_not(key):
    task = platform()
    expert = measure(task, blind_to_sets(scripted), 200, key)
    assert float(expert.mean()) > 0.99
    assert float(expert.max()) < 1.0 + 1e-5
    chance = measure(task, uniform(task.environment.action), 400, key)
    assert abs(float(chance.mean()) - REFERENCE["random"]) < 4 * float(chance.std()) / 400**0.5
    assert task.spec.discount == 0.9


def test_keys_are_used_once(no_key_reuse, key):
    def first(key):
        state, _ = NOISY.reset(fold(key, "reset"), ())
        return NOISY.step(fold(key, "step"), state, action(RUN, 30.0))

    jax.jit(first)(key)
