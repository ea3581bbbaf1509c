"""A bandit that a policy of independent coordinates cannot solve: what is best for each of them is together the worst.

One state, one decision of two coordinates in [-1, 1]. Recorded behaviour has three modes, of which the best is rare,

    (+0.8, +0.8) pays 1 (a tenth of the rows)   (-0.8, -0.8) pays 0.1 (three tenths)   (+0.8, -0.8) pays -1 (the rest)

and everything else pays -1. By themselves -0.8 looks best for the first coordinate and +0.8 for the second; that pair
was never a mode. After the motivating example of ARSQ (arXiv 2502.00288); its coordinates are not published, ours are
chosen so that the means of the parts can be worked out by hand.

Axis letters: M modes (3), N rows.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.contracts import Task
from actlab.core.keys import fold
from actlab.core.spaces import Box
from actlab.core.steps import Batch, first_step, next_step
from actlab.tasks.games import Game
from actlab.tasks.make import make_task

MODES = np.asarray([[0.8, 0.8], [-0.8, -0.8], [0.8, -0.8]], np.float32)
PAYS = np.asarray([1.0, 0.1, -1.0], np.float32)
SHARES = np.asarray([0.1, 0.3, 0.6], np.float32)
NEAR = 0.2
"""How far a coordinate may be from a mode's: a bin of five, cut out of [-1, 1]."""
UNIFORM = 0.05
"""Share of the recorded rows that are uniform, so that every cell was seen."""


def pay(hidden: Any, time: Array, native: Array) -> tuple[Any, Array]:
    """What the action `[2]` pays."""
    inside = jnp.all(jnp.abs(native[None, :] - MODES) <= NEAR, axis=1)
    return hidden, jnp.where(jnp.any(inside), jnp.sum(jnp.where(inside, jnp.asarray(PAYS), 0.0)), -1.0)


BANDIT = Game(
    Box(-1.0, 1.0, (2,)),
    1,
    Box(0.0, 1.0, (1,)),
    begin=lambda key: (),
    show=lambda hidden, time: jnp.ones((1,)),
    play=pay,
)


def three_modes() -> Task:
    """The task `ThreeModes-v0`."""
    return make_task(BANDIT, "ThreeModes-v0", reference={"random": -0.876, "expert": 1.0})


def recorded(task: Task, rows: int, key: Array) -> Batch:
    """Recorded behaviour `[1, N]` in the task's code.

    Args:
        task: `three_modes()` with any code of one native step.
        rows: N.
        key: typed key.
    """

    def one(index: Array) -> tuple[Array, Array]:
        mode = jax.random.categorical(fold(key, "mode", index), jnp.log(SHARES))
        uniform = jax.random.uniform(fold(key, "uniform", index), (2,), minval=-1.0, maxval=1.0)
        apart = jax.random.uniform(fold(key, "which", index)) < UNIFORM
        native = jnp.where(apart, uniform, jnp.asarray(MODES)[mode])
        return native, pay((), jnp.zeros((), jnp.int32), native)[1]

    native, reward = jax.vmap(one)(jnp.arange(rows, dtype=jnp.int32))
    seen = jnp.ones((1,))
    step = jax.vmap(lambda _: first_step(seen))(reward)
    after = jax.vmap(lambda paid: next_step(seen, paid, jnp.ones((), bool)))(reward)
    code, valid = task.spec.codec.encode(native, step)
    batch = Batch(step, code, native[:, None], after, valid=valid)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], batch)
