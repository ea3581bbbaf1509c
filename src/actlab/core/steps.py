"""What is experienced: one arrival (`TimeStep`) and many decisions (`Batch`).

Axis letters: B batch (environments, samples), T time (decisions), L native steps of one code.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.sets import Allowed

Tree = Any


class TimeStep(NamedTuple):
    """What one learns on arriving in a state.

    `terminated` and `truncated` stay apart: a truncated episode is bootstrapped, a terminated one is not.
    """

    observation: Tree
    allowed: Allowed
    """Legal native actions here (a set of `core.sets`), or None."""
    reward: Array
    """float32 `[]`: reward since the last decision, discounted over the elapsed native steps."""
    elapsed: Array
    """int32 `[]`: native steps since the last decision; bootstrap with `discount ** elapsed`."""
    first: Array
    """bool `[]`: the first step of an episode (reward and elapsed are 0)."""
    terminated: Array
    truncated: Array
    info: Tree = ()
    """Privileged: for oracles, learning and scores; never read by an agent's `act`."""

    @property
    def ended(self) -> Array:
        """bool `[]`: terminated or truncated."""
        return self.terminated | self.truncated


class Batch(NamedTuple):
    """`[B, T]` decisions: transitions (T = 1), windows, roll-outs or whole episodes alike."""

    step: TimeStep
    """Where the decision was made, `[B, T]`."""
    code: Tree
    """The decision, in the code's space, `[B, T]`."""
    native: Tree
    """The native actions as executed, `[B, T, L]`; entries from `next.elapsed` on are padding."""
    next: TimeStep
    """The true successor, `[B, T]`, also at the end of an episode (never the next episode's first step)."""
    extras: Tree = ()
    """What the policy left with its decision (log-probability, skill, flag), `[B, T]`."""
    valid: Any = None
    """bool `[B, T]`: False for padding, and for rows that are no decision."""
    context: Tree = ()
    """The episode's context (goal, prompt, target return), `[B, T]`."""
    memory: Tree = ()
    """The policy's memory before the first decision, `[B]` (T = 0)."""


def first_step(observation: Tree, allowed: Allowed = None, info: Tree = ()) -> TimeStep:
    """The step that begins an episode."""
    no = jnp.zeros((), bool)
    return TimeStep(observation, allowed, jnp.zeros(()), jnp.zeros((), jnp.int32), ~no, no, no, info)


def next_step(
    observation: Tree,
    reward: Array,
    terminated: Array,
    truncated: Array | bool = False,
    allowed: Allowed = None,
    info: Tree = (),
) -> TimeStep:
    """The step after one native action."""
    return TimeStep(
        observation,
        allowed,
        jnp.asarray(reward, jnp.float32),
        jnp.ones((), jnp.int32),
        jnp.zeros((), bool),
        jnp.asarray(terminated, bool),
        jnp.asarray(truncated, bool),
        info,
    )


def select(condition: Array, yes: Tree, no: Tree) -> Tree:
    """Leaf by leaf `where(condition, yes, no)` for a scalar condition; typed keys included."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)
