"""Platform in the graph: run, hop and leap, each with one real parameter, past two enemies to the right end.

Source: Masson, Ranchod and Konidaris, "Reinforcement Learning with Parameterized Actions" (AAAI 2016), section
on the Platform domain, in the form in which it is commonly measured, Bester's `gym-platform` (used by Bester,
James and Konidaris, "Multi-Pass Q-Networks for Deep Reinforcement Learning with Parameterised Action Spaces",
2019). The paper gives the rules; every constant below was confirmed against `gym-platform`. Reconstructed, that
is chosen here, are only: the native action is a OneOf of three Boxes (there, one category and all three
parameters); the observation is the nine numbers alone (there, a pair with the sub-steps of the last action);
`horizon` is 200 actions (there, no limit in the environment, 250 in the training scripts); float32 for float64.

Rules. Positions are lower left corners, all in world units. An action is played in sub-steps of 0.05 s: run
lasts 20 of them, hop and leap until the player stands on a platform again. The reward is the progress to the
right as a share of the whole width, so the return is at most 1. Touching an enemy or falling below the platforms
terminates, as does the right end. Only the enemy of the player's half moves. The discount 0.9 is that of the 2019
experiments.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.contracts import Task
from actlab.core.keys import fold
from actlab.core.spaces import Box, Choice, OneOf
from actlab.core.steps import TimeStep, first_step, next_step, select
from actlab.tasks.make import make_task

RUN, HOP, LEAP = range(3)
SECONDS = 0.05  # of a sub-step
RUN_SUBSTEPS = 20
PARAMETER_LIMITS = (30.0, 720.0, 430.0)  # run: power; hop, leap: distance aimed at
LIFT = (0.0, 35.0, 25.0)  # upward speed at take-off

TOP = 40.0  # of every platform
LEFTS = (0.0, 475.0, 985.0)
WIDTHS = (250.0, 275.0, 50.0)
GAPS = (225.0, 235.0)
TOTAL = 1035.0
PLAYER = (20.0, 30.0)  # width and height, of the enemies too

GRAVITY = 9.8
SPEED_LIMIT = (100.0, 200.0)
GROUND_SPEED_LIMIT = 70.0
ACCELERATION_LIMIT = (600.0, 4000.0)
DECAY = 0.99  # of the speed to the right, a sub-step
ENEMY_SPEED = 30.0

REFERENCE = {"random": 0.154, "expert": 1.0}
"""Means of 10,000 episodes by `make.measure`: uniform actions, and `scripted`."""


class PlatformState(NamedTuple):
    """float32 player `position` `[2]` and `velocity` `[2]`, `enemies` `[2]` (left edge of each) and their speeds."""

    position: Array
    velocity: Array
    enemies: Array
    speeds: Array
    time: Array
    """int32 `[]`: actions taken."""


@dataclass(frozen=True)
class Platform:
    """Cross three platforms and two gaps; the optimal return is 1."""

    horizon: int = 200
    """Actions until the episode is truncated."""
    jump_noise: float = 1.0
    """Standard deviation of what a hop or leap loses in both speeds at take-off (a half normal)."""
    motion_noise: float = 0.5
    """Standard deviation, per second, of what the player loses in speed, and of the enemies' change of speed."""

    compiled = True

    @property
    def observation(self) -> Box:
        """Nine numbers in [0, 1].

        The player's position and speed to the right; position and speed of the enemy in the player's half; width of
        the platform that the player is on or beyond, of the next one, of the gap between; where it begins; how
        much higher the next one is (always 0: all have one height).
        """
        return Box(0.0, 1.0, (9,))

    @property
    def action(self) -> OneOf:
        """Run, hop or leap, each with one parameter `[1]`."""
        return OneOf([Box(0.0, limit, (1,)) for limit in PARAMETER_LIMITS])

    def reset(self, key: Array, context: Any) -> tuple[PlatformState, TimeStep]:
        """The player at the left end, both enemies at the right end of their platforms; nothing is random."""
        state = PlatformState(
            position=jnp.asarray([0.0, TOP]),
            velocity=jnp.zeros((2,)),
            enemies=jnp.asarray(_ENEMY_RIGHT),
            speeds=jnp.full((2,), -ENEMY_SPEED),
            time=jnp.zeros((), jnp.int32),
        )
        return state, first_step(_observe(state))

    def step(self, key: Array, state: PlatformState, native: Choice) -> tuple[PlatformState, TimeStep]:
        """One action, played to its end."""
        branch = native.index
        parameter = jnp.stack([value[0] for value in native.values])[branch]

        def unfinished(carry: tuple) -> Array:
            return ~carry[2]

        def substep(carry: tuple) -> tuple:
            now, count, _, _ = carry
            noise = jax.random.normal(fold(key, count), (5,))
            after = self._substep(noise, now, branch, parameter)
            terminated = _over(after)
            landed = jnp.where(branch == RUN, count + 1 >= RUN_SUBSTEPS, _standing(after.position))
            return after, count + 1, terminated | landed, terminated

        start = (state, jnp.zeros((), jnp.int32), jnp.zeros((), bool), jnp.zeros((), bool))
        after, _, _, terminated = jax.lax.while_loop(unfinished, substep, start)
        after = after._replace(time=state.time + 1)
        progress = (after.position[0] - state.position[0]) / TOTAL
        return after, next_step(_observe(after), progress, terminated, after.time >= self.horizon)

    def _substep(self, noise: Array, state: PlatformState, branch: Array, parameter: Array) -> PlatformState:
        """0.05 s: take off, push or fall; then move the player and one enemy; then leave what was run into.

        `noise` `[5]` is standard normal: two numbers for the enemies, one for the drag, two for the take-off.
        """
        standing = _standing(state.position)
        velocity = self._accelerate(noise[2:], state.velocity, branch, parameter, standing)
        right = jnp.where(standing, jnp.clip(velocity[0], 0.0, GROUND_SPEED_LIMIT), velocity[0])
        position = state.position + SECONDS * jnp.stack([right, velocity[1]])
        position = position.at[0].set(jnp.clip(position[0], 0.0, TOTAL))
        velocity = jnp.stack([right * DECAY, velocity[1]])

        # As in the original an enemy at an edge turns *before* it moves, so the first turn of the first
        # sub-step leaves it at the edge.
        half = _half(state.position)
        inside = (state.enemies > _ENEMY_LEFT) & (state.enemies < _ENEMY_RIGHT)
        speeds = jnp.where(inside, state.speeds, -state.speeds)
        speeds = speeds + SECONDS * self.motion_noise * noise[:2]
        speeds = jnp.clip(speeds, -ENEMY_SPEED, ENEMY_SPEED)
        enemies = jnp.clip(state.enemies + SECONDS * speeds, _ENEMY_LEFT, _ENEMY_RIGHT)
        moves = jnp.arange(2) == half

        for left, width in zip(LEFTS, WIDTHS, strict=True):
            position, velocity = _leave(position, velocity, left, width)
        return PlatformState(
            position,
            velocity,
            jnp.where(moves, enemies, state.enemies),
            jnp.where(moves, speeds, state.speeds),
            state.time,
        )

    def _accelerate(self, noise: Array, velocity: Array, branch: Array, parameter: Array, standing: Array) -> Array:
        """The velocity after this sub-step's push; every push costs some speed to the right."""
        lift = jnp.asarray(LIFT)[branch]
        flight = 2.0 * lift / GRAVITY + 1.0  # s
        aim = jnp.clip(parameter / flight - velocity[0], -ACCELERATION_LIMIT[0], SPEED_LIMIT[1] - lift)
        loss = self.jump_noise * jnp.abs(noise[1:])
        jump = (jnp.stack([aim, lift]) - loss) / SECONDS
        run = jnp.stack([parameter / SECONDS, jnp.zeros(())])
        push = select(standing, select(branch == RUN, run, jump), jnp.asarray([0.0, -GRAVITY]))
        limit = jnp.asarray(ACCELERATION_LIMIT)
        velocity = velocity + SECONDS * jnp.clip(push, -limit, limit)
        drag = SECONDS * self.motion_noise * jnp.abs(noise[0])
        return jnp.stack(
            [
                jnp.clip(velocity[0] - drag, 0.0, SPEED_LIMIT[0]),
                jnp.clip(velocity[1], -SPEED_LIMIT[1], SPEED_LIMIT[1]),
            ]
        )


_ENEMY_LEFT = np.asarray(LEFTS[:2], np.float32)
_ENEMY_RIGHT = np.asarray([left + width - PLAYER[0] for left, width in zip(LEFTS[:2], WIDTHS[:2])], np.float32)


def _half(position: Array) -> Array:
    """Whose enemy is awake: 0 up to the second platform's left edge, 1 beyond."""
    return (position[0] > LEFTS[1]).astype(jnp.int32)


def _standing(position: Array) -> Array:
    """bool `[]`: on top of a platform, with at least a corner above it."""
    lefts, widths = np.asarray(LEFTS, np.float32), np.asarray(WIDTHS, np.float32)
    above = (position[0] >= lefts - PLAYER[0]) & (position[0] <= lefts + widths)
    return jnp.any(above) & (position[1] == TOP)


def _over(state: PlatformState) -> Array:
    """bool `[]`: fallen, touching an enemy, or at the right end."""
    x, y = state.position
    touching = (jnp.abs(x - state.enemies) < PLAYER[0]) & (jnp.abs(y - TOP) < PLAYER[1])
    return (y < TOP) | jnp.any(touching) | (x >= TOTAL)


def _leave(position: Array, velocity: Array, left: float, width: float) -> tuple[Array, Array]:
    """Push a player who overlaps a platform out of it, by the shorter way; it then stands still sideways."""
    x, y = position
    overlaps = (x > left - PLAYER[0]) & (x < left + width) & (y > -PLAYER[1]) & (y < TOP)
    aside = jnp.where(x < left, left - PLAYER[0], jnp.where(x > left + width - PLAYER[0], left + width, x))
    # A platform's foot is at height 0; its middle part, lower than the player is high, pushes neither way.
    updown = jnp.where(y < 0.0, -PLAYER[1], jnp.where(y > TOP - PLAYER[1], TOP, y))
    sideways = (aside != x) & ((updown == y) | (jnp.abs(x - aside) < jnp.abs(y - updown)))
    freed = jnp.where(sideways, jnp.stack([aside, y]), jnp.stack([x, updown]))
    slowed = jnp.stack([jnp.zeros(()), jnp.where(sideways, velocity[1], 0.0)])
    return jnp.where(overlaps, freed, position), jnp.where(overlaps, slowed, velocity)


def _observe(state: PlatformState) -> Array:
    """The nine numbers of `Platform.observation`, float32 `[9]`."""
    x, half = state.position[0], _half(state.position)
    on = jnp.sum((x >= np.asarray(LEFTS[1:], np.float32)).astype(jnp.int32))
    begins, width = jnp.asarray(LEFTS)[on], jnp.asarray(WIDTHS)[on]
    next_width, gap = jnp.asarray((*WIDTHS[1:], 0.0))[on], jnp.asarray((*GAPS, 0.0))[on]
    return jnp.stack(
        [
            (x + PLAYER[0]) / (TOTAL + PLAYER[0]),
            state.velocity[0] / SPEED_LIMIT[0],
            state.enemies[half] / TOTAL,
            (state.speeds[half] + ENEMY_SPEED) / (2 * ENEMY_SPEED),
            width / max(WIDTHS),
            next_width / max(WIDTHS),
            gap / max(GAPS),
            begins / TOTAL,
            jnp.zeros(()),
        ]
    )


def scripted(observation: Array, key: Array) -> Choice:
    """Reaches the right end in 9,998 of 10,000 episodes: the expert of the reference score.

    On each of the first two platforms: run at full power towards the enemy; hop over it so as to come down 30
    before the edge (it takes about seven seconds, in which the enemy walks to the other side); run up gently;
    hop the gap.
    """
    x = observation[0] * (TOTAL + PLAYER[0]) - PLAYER[0]
    speed = observation[1] * SPEED_LIMIT[0]
    ahead = observation[2] * TOTAL > x  # the enemy
    left = observation[7] * TOTAL
    edge = left + observation[4] * max(WIDTHS)
    last = left > LEFTS[1] + WIDTHS[1]
    over_enemy = ~last & ahead & (x - left > 40.0)
    over_gap = ~last & ~ahead & (x > edge - 45.0) & (speed > 38.0)
    # Drag makes a hop fall short: it covers 0.467 of the distance that it aims at.
    aim = jnp.where(over_gap, PARAMETER_LIMITS[HOP], jnp.clip((edge - 30.0 - x) / 0.467, 0.0, PARAMETER_LIMITS[HOP]))
    power = jnp.where(ahead | last, PARAMETER_LIMITS[RUN], 2.7)
    branch = jnp.where(over_enemy | over_gap, HOP, RUN).astype(jnp.int32)
    return Choice(branch, (power[None], aim[None], jnp.zeros((1,))))


def platform(horizon: int = 200, jump_noise: float = 1.0, motion_noise: float = 0.5) -> Task:
    """The task `Platform-v0`; the options are the fields of `Platform`."""
    return make_task(Platform(horizon, jump_noise, motion_noise), "Platform-v0", discount=0.9, reference=REFERENCE)
