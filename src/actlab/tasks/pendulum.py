"""Pendulum in the graph: the dynamics, cost and time limit of Gymnasium's Pendulum-v1.

A rod hangs from a hinge; the torque is too weak to lift it in one go. Semi-implicit Euler integration with
0.05 s; the angle is 0 when upright. The state is float32 here and float64 there; a step differs by less than
1e-5 in the observation.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.contracts import Task
from actlab.core.spaces import Box
from actlab.core.steps import TimeStep, first_step, next_step
from actlab.tasks.make import make_task

GRAVITY = 10.0  # m/s^2
MASS = 1.0  # kg
LENGTH = 1.0  # m
SECONDS = 0.05  # between states
TORQUE_LIMIT = 2.0  # N m
SPEED_LIMIT = 8.0  # rad/s

REFERENCE = {"random": -1228.9, "expert": -149.4}
"""Means of 10,000 episodes by `make.measure`: uniform actions, and `scripted`."""


class PendulumState(NamedTuple):
    """Angle (rad, not wrapped) and speed (rad/s), float32 `[]`; and the time."""

    angle: Array
    speed: Array
    time: Array
    """int32 `[]`: steps taken."""


def wrap(angle: Array) -> Array:
    """The same angle in [-pi, pi)."""
    return (angle + jnp.pi) % (2 * jnp.pi) - jnp.pi


@dataclass(frozen=True)
class Pendulum:
    """Swing the rod up and hold it there with little torque."""

    horizon: int = 200
    """Steps until the episode is truncated; it never terminates."""

    compiled = True

    @property
    def observation(self) -> Box:
        """Cosine and sine of the angle, and the speed."""
        return Box((-1.0, -1.0, -SPEED_LIMIT), (1.0, 1.0, SPEED_LIMIT))

    @property
    def action(self) -> Box:
        """Torque in N m, `[1]`."""
        return Box(-TORQUE_LIMIT, TORQUE_LIMIT, (1,))

    def reset(self, key: Array, context: Any) -> tuple[PendulumState, TimeStep]:
        """Angle uniform in [-pi, pi], speed in [-1, 1]."""
        unit = jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0)
        state = PendulumState(jnp.pi * unit[0], unit[1], jnp.zeros((), jnp.int32))
        return state, first_step(self._observe(state))

    def step(self, key: Array, state: PendulumState, native: Array) -> tuple[PendulumState, TimeStep]:
        """0.05 s of torque (clipped to its limit); the reward is the negative cost of the state *before*."""
        torque = jnp.clip(native[0], -TORQUE_LIMIT, TORQUE_LIMIT)
        cost = wrap(state.angle) ** 2 + 0.1 * state.speed**2 + 0.001 * torque**2
        gravity = 3 * GRAVITY / (2 * LENGTH) * jnp.sin(state.angle)
        speed = state.speed + SECONDS * (gravity + 3.0 / (MASS * LENGTH**2) * torque)
        speed = jnp.clip(speed, -SPEED_LIMIT, SPEED_LIMIT)
        after = PendulumState(state.angle + SECONDS * speed, speed, state.time + 1)
        return after, next_step(self._observe(after), -cost, jnp.zeros((), bool), after.time >= self.horizon)

    def _observe(self, state: PendulumState) -> Array:
        return jnp.stack([jnp.cos(state.angle), jnp.sin(state.angle), state.speed])


def scripted(observation: Array, key: Array) -> Array:
    """Pump energy with full torque until the rod can reach the top, then hold it there by linear feedback."""
    cosine, sine, speed = observation
    angle = jnp.arctan2(sine, cosine)
    missing = 15.0 * (1.0 - cosine) - 0.5 * speed**2  # energy that the rod lacks to come to rest upright
    pump = jnp.where(speed >= 0, 1.0, -1.0) * jnp.clip(missing, -1.0, 1.0) * TORQUE_LIMIT
    hold = -(8.0 * angle + 2.0 * speed)
    torque = jnp.where((jnp.abs(angle) < 0.5) & (jnp.abs(angle + 0.3 * speed) < 0.5), hold, pump)
    return jnp.clip(torque, -TORQUE_LIMIT, TORQUE_LIMIT)[None]


def pendulum(horizon: int = 200) -> Task:
    """The task `Pendulum-v1`; the options are the fields of `Pendulum`."""
    return make_task(Pendulum(horizon), "Pendulum-v1", reference=REFERENCE)
