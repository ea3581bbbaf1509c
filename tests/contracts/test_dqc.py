"""Stands for DQC, decoupled Q-chunking (arXiv 2512.10926): offline, goal-conditioned, with action chunks.

The cut it proves: a view of recorded rows may be anything - here it draws hindsight goals, writes them into the
batch's `context`, and cuts chunks out of *native* rows that were recorded one by one - and three lengths of a chunk
are three settings in three places: how many actions a code *predicts* (the codec), how many of them are *executed*
before the next decision (`codec.length`), and how many a target *credits* (the view).

The task is a corridor; one is told where to go. The data walk about in it and were sent nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from actlab.actions.chunk import Chunk
from actlab.core.codec import Codec, Episodes
from actlab.core.contracts import Metrics, TaskSpec, episode_score, hyperparameters
from actlab.core.keys import fold
from actlab.core.sets import Allowed
from actlab.core.sources import Dataset, View
from actlab.core.spaces import Discrete, Space
from actlab.core.steps import Batch, TimeStep, first_step, next_step
from actlab.data.buffer import Buffer
from actlab.data.views import starts
from actlab.tasks.make import make_task
from actlab.training.graph import GraphDriver
from tests.contracts.helpers import driven, greedy, record

LENGTH = 7
"""Of the corridor."""
DISCOUNT = 0.9
AHEAD = 10
"""Hindsight goals lie at most so many steps ahead."""

# --- the learner ---------------------------------------------------------------------------------------


@hyperparameters
class DQC:
    """Q(s, goal, chunk): the best that was ever credited to a chunk (an expectile of 1; the world is deterministic)."""

    credited: int = 4
    """Steps of a target before it bootstraps."""
    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Any]:
        return {"data": Dataset(4096, goals(spec.codec, self.credited))}

    def init(self, spec: TaskSpec, key: Array, start: Any = None) -> Array:
        return jnp.zeros((LENGTH, LENGTH, spec.code.outcomes))

    def begin(self, state: Array, context: Array, key: Array) -> Array:
        return context

    def act(self, state: Array, memory: Array, step: TimeStep, key: Array, *, explore: bool) -> Any:
        best = jnp.argmax(state[step.observation, memory])
        return TASK.spec.code.join(best, jnp.zeros(0)), memory, ()

    def learn(self, state: Array, batch: Mapping[str, Batch], key: Array) -> tuple[Array, Metrics]:
        rows = jax.tree.map(lambda leaf: leaf[:, 0], batch["data"])
        after = jnp.max(state[rows.next.observation, rows.context], axis=-1)
        discount = DISCOUNT ** rows.next.elapsed.astype(jnp.float32)
        target = rows.next.reward + jnp.where(rows.next.terminated, 0.0, discount * after)
        chunk = jax.vmap(lambda code: TASK.spec.code.split(code)[0])(rows.code)
        target = jnp.where(rows.valid, target, 0.0)
        return state.at[rows.step.observation, rows.context, chunk].max(target), {"target": jnp.mean(target)}

    def export(self, state: Array) -> Any:
        return self, state


def goals(codec: Any, credited: int) -> View:
    """Decisions `[B, 1]` whose code is the chunk that was played from there, whose goal was reached later in the
    same episode, and whose `next` lies `credited` steps ahead, or where the goal is reached."""

    def one(buffer: Buffer, key: Array, lane: Array, age: Array) -> Batch:
        rows = jax.vmap(lambda i: buffer.take(lane, jnp.minimum(age + i, buffer.size - 1)))(jnp.arange(AHEAD))
        same = jnp.cumsum(rows.next.ended.astype(jnp.int32)) - rows.next.ended.astype(jnp.int32) == 0
        count = jnp.sum(same)  # rows of this episode; the window may end before it
        goal = rows.next.observation[jax.random.randint(key, (), 0, count)]
        reached = jnp.argmax(jnp.where(same & (rows.next.observation == goal), 1, 0))
        reaches = same[reached] & (rows.next.observation[reached] == goal)
        steps = jnp.minimum(jnp.where(reaches, reached + 1, AHEAD), jnp.minimum(credited, count))
        success = reaches & (reached + 1 <= steps)
        after = jax.tree.map(lambda leaf: leaf[steps - 1], rows.next)
        reward = jnp.where(success, DISCOUNT ** steps.astype(jnp.float32), 0.0)
        after = after._replace(reward=reward, elapsed=steps, terminated=success)
        native = jax.tree.map(lambda leaf: leaf[:, 0], rows.native)
        code, whole = codec.encode(native)
        whole = whole[0] & (count >= codec.predicted)
        return Batch(rows_at(rows.step), code[0], native[: codec.length], after, (), rows.valid[0] & whole, goal)

    def view(buffer: Buffer, key: Array, batch_size: int) -> Batch:
        lanes, ages = starts(buffer, key, batch_size, AHEAD)
        keys = jax.random.split(fold(key, "goal"), batch_size)
        batch = jax.vmap(one, (None, 0, 0, 0))(buffer, keys, lanes, ages)
        return jax.tree.map(lambda leaf: leaf[:, None], batch)

    return view


def rows_at(tree: Any) -> Any:
    """The first of several rows."""
    return jax.tree.map(lambda leaf: leaf[0], tree)


class Receding(Codec):
    """A chunk of `predicted` actions, of which the first `length` are played before the next decision."""

    predicted: int = eqx.field(static=True, default=3)
    length: int = eqx.field(static=True, default=2)  # type: ignore[assignment]
    chunk: Chunk = eqx.field(default_factory=Chunk)

    @property
    def native(self) -> Space | None:  # type: ignore[override]
        return self.chunk.native

    @property
    def code(self) -> Space | None:  # type: ignore[override]
        return self.chunk.code

    def fit(self, native: Space, episodes: Episodes | None = None) -> "Receding":
        return Receding(self.predicted, self.length, Chunk(self.predicted).fit(native))

    def encode(self, native: Any, step: TimeStep | None = None) -> tuple[Any, Array]:
        return self.chunk.encode(native, step)

    def decode(self, code: Any, step: TimeStep | None, i: Array, key: Array | None) -> Any:
        return self.chunk.decode(code, step, i, key)

    def image(self, cell: Allowed) -> Allowed:
        return self.chunk.image(cell)


# --- the task ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Corridor:
    """Positions 0 .. 6; 0 goes left, 1 goes right. The context is the goal; being there pays 1 and ends it."""

    compiled = True
    observation = Discrete(LENGTH)
    action = Discrete(2)
    horizon = 12

    def reset(self, key: Array, context: Array) -> tuple[tuple[Array, ...], TimeStep]:
        start = (context + jax.random.randint(key, (), 1, LENGTH, jnp.int32)) % LENGTH
        return (start, context, jnp.zeros((), jnp.int32)), first_step(start)

    def step(self, key: Array, state: tuple[Array, ...], native: Array) -> tuple[tuple[Array, ...], TimeStep]:
        place, goal, time = state[0] + 2 * native - 1, state[1], state[2] + 1
        place = jnp.clip(place, 0, LENGTH - 1)
        there = place == goal
        return (place, goal, time), next_step(place, there.astype(jnp.float32), there, time >= self.horizon)


def anywhere(key: Array) -> Array:
    """A goal."""
    return jax.random.randint(key, (), 0, LENGTH, jnp.int32)


def score(episode: Batch) -> dict[str, Array]:
    """Return and length; how far the goal was; how many actions a code predicted, and how many of them were played."""
    lengths = {"predicted": jnp.asarray(episode.code.shape[-1]), "executed": jnp.max(episode.next.elapsed)}
    distance = jnp.abs(episode.step.observation[0] - episode.context[0])
    return {**episode_score(episode), **lengths, "distance": distance}


PLAIN = make_task(Corridor(), "corridor", discount=DISCOUNT, contexts=anywhere, score=score)
TASK = PLAIN.with_code(Receding())


class Walker:
    """Goes left or right by chance."""

    compiled = True

    def begin(self, state: Any, context: Any, key: Array) -> tuple:
        return ()

    def act(self, state: Any, memory: Any, step: TimeStep, key: Array, *, explore: bool) -> Any:
        return jax.random.bernoulli(key).astype(jnp.int32), memory, ()


def test_hindsight_goals_teach_the_way_to_every_place():
    nowhere = replace(PLAIN, spec=replace(PLAIN.spec, contexts=lambda key: jnp.full((), -1, jnp.int32)))
    data = {"data": record(nowhere, Walker(), jax.random.key(1), decisions=800, environments=16)}
    assert data["data"].native.shape == (16, 800, 1)  # one by one
    driver = GraphDriver(TASK, DQC())
    table = driven(driver, DQC(), ticks=20, data=data).learner
    scores = greedy(driver, DQC(), table, episodes=32)
    assert np.array_equal(scores["length"], scores["distance"])  # the shortest way, whole chunks or not
    assert (set(scores["predicted"].tolist()), set(scores["executed"].tolist())) == ({3}, {1, 2})
    here, there = np.indices((LENGTH, LENGTH))
    exact = DISCOUNT ** np.abs(here - there).astype(np.float32)
    away = here != there
    assert np.asarray(table.max(axis=-1))[away] == pytest.approx(exact[away], rel=1e-5)

    # what a target credits: after four updates values have come four times as far by targets of 4 steps as by 1
    known = {4: driven(driver, DQC(), ticks=4, data=data).learner.max(axis=-1) > 0}
    known[1] = driven(GraphDriver(TASK, DQC(credited=1)), DQC(credited=1), ticks=4, data=data).learner.max(axis=-1) > 0
    assert known[4][0, LENGTH - 1]
    assert known[1][0, 2]
    assert not known[1][0, 5:].any()
