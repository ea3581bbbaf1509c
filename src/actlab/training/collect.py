"""Collecting experience in the graph: roll-outs by decision or by whole episodes, in groups, with acceptance.

Axis letters: E environments (lanes), T decisions, G groups, g environments of one group.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.contracts import Policy, Task
from actlab.core.errors import ActlabError
from actlab.core.keys import fold
from actlab.core.sources import Rollout
from actlab.core.steps import Batch, select
from actlab.training.play import Lane, Tally, begin_lane, decide

Tree = Any


def check_rollout(source: Rollout, name: str) -> None:
    """Raise where a `Rollout` contradicts itself."""
    if (source.decisions is None) == (source.episodes is None):
        raise ActlabError(f"The source {name!r} needs either decisions or episodes, and not both.")
    if source.environments % source.group:
        raise ActlabError(f"The source {name!r}: {source.environments} environments are no multiple of {source.group}.")
    if source.accept is not None and source.episodes is None:
        raise ActlabError(f"The source {name!r} can refuse groups only where it rolls out whole episodes.")


def begin_lanes(task: Task, policy: Policy, source: Rollout, learner: Tree, key: Array) -> Lane:
    """Fresh lanes `[E]`; the lanes of a group share one context."""

    def one(index: Array) -> Lane:
        shared = fold(key, "context", index // source.group)
        context = task.spec.contexts(shared) if source.contexts is None else source.contexts(learner, shared)
        return begin_lane(task, policy, learner, fold(key, "lane", index), context)

    return jax.vmap(one)(jnp.arange(source.environments, dtype=jnp.int32))


def roll_out(
    task: Task,
    policy: Policy,
    source: Rollout,
    learner: Tree,
    lanes: Lane | None,
    key: Array,
    *,
    uniform: Array | None = None,
    discount: float | None = None,
) -> tuple[Batch, Lane, Tally]:
    """`source.decisions` (or whole episodes) in every lane: `Batch` `[E, T]`, lanes that go on, counts.

    By decisions, an ended lane starts its next episode at once, and the row keeps the true successor.
    By episodes, every call starts afresh; rows after the last episode's end are not valid and not counted.
    """
    policy = source.behaviour or policy
    per_step = task.spec.discount if discount is None else discount
    if source.decisions is not None:
        assert lanes is not None, "by decisions, roll-outs go on from lanes"
        return _continue(task, policy, source, learner, lanes, key, source.decisions, None, uniform, per_step)
    if source.accept is None:
        return _episodes(task, policy, source, learner, key, uniform, per_step)
    return _accepted(task, policy, source, learner, key, uniform, per_step)


def _continue(
    task: Task,
    policy: Policy,
    source: Rollout,
    learner: Tree,
    lanes: Lane,
    key: Array,
    decisions: int,
    episodes: int | None,
    uniform: Array | None,
    discount: float,
) -> tuple[Batch, Lane, Tally]:
    """T decisions in every lane; with `episodes`, a lane rests after that many ends."""
    memory = lanes.memory

    def tick(carry: tuple[Lane, Array], time: Array) -> tuple[tuple[Lane, Array], tuple[Batch, Tally]]:
        lanes, ended = carry
        now = fold(key, "tick", time)
        index = jnp.arange(source.environments, dtype=jnp.int32)

        def one(lane: Lane, i: Array) -> tuple[Batch, Lane, Tally]:
            lane_key = fold(now, "decision", i)
            return decide(task, policy, learner, lane, lane_key, explore=True, uniform=uniform, discount=discount)

        row, after, tally = jax.vmap(one)(lanes, index)
        if episodes != 1:  # a lane that rests after its first end needs no second start
            fresh = begin_lanes(task, policy, source, learner, fold(now, "reset"))
            after = jax.vmap(select)(row.next.ended, fresh, after)
        if episodes is not None:
            live = ended < episodes
            ended = ended + (row.next.ended & live).astype(jnp.int32)
            row = row._replace(valid=row.valid & live)
            after = jax.vmap(select)(live, after, lanes)
            tally = jax.tree.map(lambda count: jnp.where(live, count, jnp.zeros_like(count)), tally)
        return (after, ended), (row, jax.tree.map(jnp.sum, tally))

    start = (lanes, jnp.zeros((source.environments,), jnp.int32))
    (lanes, _), (rows, tallies) = jax.lax.scan(tick, start, jnp.arange(decisions, dtype=jnp.int32))
    rows = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), rows)
    return rows._replace(memory=memory), lanes, jax.tree.map(lambda count: jnp.sum(count, axis=0), tallies)


def longest(task: Task) -> int:
    """Most decisions of one episode."""
    return math.ceil(task.spec.horizon / task.spec.codec.shortest)


def _episodes(
    task: Task, policy: Policy, source: Rollout, learner: Tree, key: Array, uniform: Array | None, discount: float
) -> tuple[Batch, Lane, Tally]:
    assert source.episodes is not None
    lanes = begin_lanes(task, policy, source, learner, fold(key, "begin"))
    most = source.episodes * longest(task)
    return _continue(task, policy, source, learner, lanes, key, most, source.episodes, uniform, discount)


def _accepted(
    task: Task, policy: Policy, source: Rollout, learner: Tree, key: Array, uniform: Array | None, discount: float
) -> tuple[Batch, Lane, Tally]:
    """Roll out again the groups that are refused; a group refused every time stays, and is marked not valid."""
    assert source.accept is not None
    accept, groups = source.accept, source.environments // source.group

    def judge(batch: Batch) -> Array:
        grouped = jax.tree.map(lambda leaf: leaf.reshape(groups, source.group, *leaf.shape[1:]), batch)
        return jnp.repeat(jax.vmap(accept)(grouped), source.group)

    def attempt(i: Array) -> tuple[Batch, Lane, Tally]:
        return _episodes(task, policy, source, learner, fold(key, "attempt", i), uniform, discount)

    def again(carry: tuple[Array, Batch, Lane, Tally, Array]) -> tuple[Array, Batch, Lane, Tally, Array]:
        i, batch, lanes, tally, good = carry
        newer, newer_lanes, more = attempt(i)
        batch, lanes = jax.vmap(select)(good, (batch, lanes), (newer, newer_lanes))
        return i + 1, batch, lanes, jax.tree.map(jnp.add, tally, more), good | judge(newer)

    zero = jnp.zeros((), jnp.int32)
    batch, lanes, tally = attempt(zero)
    start = (zero + 1, batch, lanes, tally, judge(batch))
    _, batch, lanes, tally, good = jax.lax.while_loop(
        lambda carry: (carry[0] < source.attempts) & ~jnp.all(carry[4]), again, start
    )
    return batch._replace(valid=batch.valid & good[:, None]), lanes, tally
