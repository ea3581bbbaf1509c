"""Playing a code in the graph: from one decision to the next, in native steps.

The loop plays the code, the policy only decides: a plain action, a chunk and an option that ends early
are one case. The constraint is asked at every native step, its set is written into the step, and
violations are counted; an action is never altered.

Axis letters: L native steps of one code (`codec.length`).
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.core import sets
from actlab.core.contracts import Policy, Task
from actlab.core.keys import fold
from actlab.core.steps import Batch, TimeStep, select

Tree = Any
Number = Any
"""A scalar (or one for each lane), on the device or the host."""


class Lane(eqx.Module):
    """What continues from decision to decision in one environment."""

    state: Tree
    step: TimeStep
    memory: Tree
    constraint: Tree
    context: Tree
    total: Array
    """float32 `[]`: undiscounted return of the running episode."""
    length: Array
    """int32 `[]`: its native steps so far."""


class Tally(NamedTuple):
    """Counts over decisions; a sum of tallies is a tally."""

    native_steps: Number
    decisions: Number
    episodes: Number
    """finished ones; `returns` and `lengths` are sums over these."""
    returns: Number
    lengths: Number
    violations: Number
    """native actions outside of their set."""
    impossible: Number
    """decisions where nothing was legal at all: the driver raises."""
    nonfinite: Number
    """native steps with NaN or infinity in reward or observation: the driver raises."""


class Played(NamedTuple):
    """What came of one code."""

    state: Tree
    constraint: Tree
    next: TimeStep
    native: Tree
    total: Array
    violations: Array
    nonfinite: Array


def constrain(task: Task, memory: Tree, step: TimeStep) -> tuple[TimeStep, Tree]:
    """Write the constraint's set into the step."""
    if task.constraint is None:
        return step, memory
    allowed, memory = task.constraint.allowed(memory, step)
    return step._replace(allowed=allowed), memory


def begin_episode(task: Task, key: Array, context: Tree) -> tuple[Tree, TimeStep, Tree]:
    """Environment state, first step (with its set) and constraint memory."""
    state, step = task.environment.reset(fold(key, "reset"), context)
    memory = () if task.constraint is None else task.constraint.begin(fold(key, "constraint"), context)
    step, memory = constrain(task, memory, step)
    return state, step, memory


def not_finite(step: TimeStep) -> Array:
    """bool `[]`: NaN or infinity in reward or observation?"""
    floats = [x for x in jax.tree.leaves((step.reward, step.observation)) if jnp.issubdtype(x.dtype, jnp.floating)]
    return ~jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in floats]))


def play(task: Task, lane: Lane, code: Tree, key: Array, discount: float) -> Played:
    """Play one code to its end: at most L native steps, fewer where it finishes or the episode ends."""
    codec, environment, length = task.spec.codec, task.environment, task.spec.codec.length

    def native_step(i: Array, played: Played, before: TimeStep) -> tuple[Played, TimeStep, Tree]:
        now = fold(key, "native", i)
        native = codec.decode(code, before, i, fold(now, "decode"))
        legal = sets.contains(before.allowed, native)
        state, step = environment.step(fold(now, "step"), played.state, native)
        step, constraint = constrain(task, played.constraint, step)
        elapsed = played.next.elapsed
        reward = played.next.reward + discount ** elapsed.astype(jnp.float32) * step.reward
        merged = step._replace(reward=reward, elapsed=elapsed + step.elapsed)
        after = Played(
            state,
            constraint,
            merged,
            played.native,
            played.total + step.reward,
            played.violations + (~legal).astype(jnp.int32),
            played.nonfinite + not_finite(step).astype(jnp.int32),
        )
        return after, step, native

    none, nothing = jnp.zeros((), jnp.int32), jnp.zeros(())
    start = lane.step._replace(reward=nothing, elapsed=none)
    played = Played(lane.state, lane.constraint, start, (), nothing, none, none)
    if length == 1:
        after, _, native = native_step(jnp.zeros((), jnp.int32), played, lane.step)
        return after._replace(native=jax.tree.map(lambda leaf: leaf[None], native))

    def tick(carry: tuple[Played, TimeStep, Array], i: Array) -> tuple[Any, Tree]:
        played, before, live = carry
        after, step, native = native_step(i, played, before)
        goes_on = live & ~step.ended & ~codec.finished(code, step, i)
        return (select(live, after, played), select(live, step, before), goes_on), native

    carry = (played, lane.step, jnp.ones((), bool))
    (played, _, _), native = jax.lax.scan(tick, carry, jnp.arange(length, dtype=jnp.int32))
    return played._replace(native=native)


def decide(
    task: Task,
    policy: Policy,
    learner: Tree,
    lane: Lane,
    key: Array,
    *,
    explore: bool,
    uniform: Array | None,
    discount: float,
) -> tuple[Batch, Lane, Tally]:
    """One decision and what came of it; the lane is *not* reset at the end of an episode.

    Args:
        uniform: bool `[]`, replace the policy's code by a uniform one from the set (warm-up); None is never.
        discount: per native step; 1 gives undiscounted rewards (evaluation).
    """
    code, memory, extras = policy.act(learner, lane.memory, lane.step, fold(key, "act"), explore=explore)
    codec = task.spec.codec
    if uniform is not None:
        random = sets.sample(codec.restrict(lane.step.allowed), task.spec.code, fold(key, "uniform"))
        code = select(uniform, random, code)
    played = play(task, lane, code, fold(key, "play"), discount)
    valid = ~lane.step.ended
    row = Batch(lane.step, code, played.native, played.next, extras, valid, lane.context)
    total, length = lane.total + played.total, lane.length + played.next.elapsed
    # after a chunk the successor's reward and elapsed are sums; the policy sees them as they are
    after = Lane(played.state, played.next, memory, played.constraint, lane.context, total, length)
    ended = played.next.ended
    tally = Tally(
        played.next.elapsed,
        jnp.ones((), jnp.int32),
        ended.astype(jnp.int32),
        jnp.where(ended, total, 0.0),
        jnp.where(ended, length, 0),
        played.violations,
        (~sets.possible(lane.step.allowed)).astype(jnp.int32),
        played.nonfinite,
    )
    return row, after, tally


def begin_lane(task: Task, policy: Policy, learner: Tree, key: Array, context: Tree) -> Lane:
    """A lane at the start of an episode."""
    state, step, constraint = begin_episode(task, fold(key, "episode"), context)
    memory = policy.begin(learner, context, fold(key, "begin"))
    return Lane(state, step, memory, constraint, context, jnp.zeros(()), jnp.zeros((), jnp.int32))
