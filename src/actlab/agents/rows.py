"""What learners of single decisions share: how they read a batch, what they replay, and what they keep count of.

Observations are normalised, and rewards scaled, by statistics of all that was experienced, each decision counted
once: by the `observe` of a source (`core.sources`), which is shown fresh experience. Batches out of a replay buffer
would count a decision as often as it is drawn, and never those that are not.

Axis letters: B batch, E environments, T rows of a sample or decisions of a roll-out.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.core.contracts import TaskSpec
from actlab.core.errors import ActlabError
from actlab.core.keys import fold
from actlab.core.sources import Dataset, Replay, Rollout, Source, View
from actlab.core.steps import Batch, TimeStep
from actlab.data import views
from actlab.data.augmentation import random_shift
from actlab.nets.encoder import Encoder
from actlab.nets.encoder import build as build_encoder
from actlab.nets.moments import Returns, begin_returns

State = Any
Encoders = Callable[[State], tuple[Encoder, ...]]
"""Where a state has its encoders: the one that learns, then its slow copies."""


class Replaying(Protocol):
    """The options of an agent that replays its experience."""

    @property
    def environments(self) -> int: ...
    @property
    def updates(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def warmup(self) -> int: ...
    @property
    def normalise_observations(self) -> bool: ...
    @property
    def normalise_rewards(self) -> bool: ...


def replay(
    agent: Replaying,
    encoders: Encoders,
    *,
    decisions: int = 1,
    view: View | None = None,
    batch_size: int | None = None,
    prefill: str | None = None,
) -> Mapping[str, Replay]:
    """The source "replay" of an agent: its own experience, and the count that its normalisation needs.

    Args:
        agent: whose options these are.
        encoders: where its state has its encoders; the state also has `returns` and `discount`.
        decisions: in every environment between two rounds of updates.
        view: single decisions where None.
        batch_size: the agent's where None.
        prefill: name of the data set that fills the buffer first.
    """
    collect = Rollout(decisions=decisions, environments=agent.environments)

    def observe(state: State, rollout: Batch) -> State:
        state = count_observations(state, rollout, encoders)
        if state.returns is None:
            return state
        return replace(state, returns=state.returns.count(rollout, state.discount))

    return {
        "replay": Replay(
            collect,
            batch_size or agent.batch_size,
            view or views.transitions(),
            agent.capacity,
            updates=agent.updates,
            warmup=agent.warmup,
            prefill=prefill,
            observe=observe if agent.normalise_observations or agent.normalise_rewards else None,
        )
    }


class Imitating(Protocol):
    """The options of an agent that learns from recorded decisions."""

    @property
    def batch_size(self) -> int: ...
    @property
    def normalise_observations(self) -> bool: ...


def recorded(agent: Imitating, encoders: Encoders, *, view: View | None = None) -> Mapping[str, Dataset]:
    """The source "data" of an agent: recorded decisions, and the count that its normalisation needs of them."""

    def observe(state: State, rows: Batch) -> State:
        return count_observations(state, rows, encoders)

    shown = observe if agent.normalise_observations else None
    return {"data": Dataset(agent.batch_size, view or views.transitions(), shown)}


class Mixing(Replaying, Imitating, Protocol):
    """The options of an agent that may learn from recorded decisions beside its own."""

    @property
    def recorded_rows(self) -> int: ...
    @property
    def prefill(self) -> str | None: ...


def mixed(agent: Mixing, encoders: Encoders, *, view: View | None = None) -> Mapping[str, Source]:
    """The sources of an agent whose batches mix recorded decisions with its own, in stated shares.

    `recorded_rows` of a batch come from the data set "data", the others from its own replay, which the data set
    `prefill` fills first. With none it learns from its own experience alone, with all `batch_size` it learns offline.

    Raises:
        ActlabError: more recorded rows are wanted than a batch has.
    """
    own = agent.batch_size - agent.recorded_rows
    if own < 0 or agent.recorded_rows < 0:
        raise ActlabError(
            f"Of a batch of {agent.batch_size} decisions 0 to {agent.batch_size} can be recorded ones; received "
            f"recorded_rows={agent.recorded_rows}."
        )
    if not agent.recorded_rows:
        return replay(agent, encoders, view=view)
    data = replace(recorded(agent, encoders, view=view)["data"], batch_size=agent.recorded_rows)
    if not own:
        return {"data": data}
    return {"data": data, **replay(agent, encoders, view=view, batch_size=own, prefill=agent.prefill)}


def gather(batch: Mapping[str, Batch], returns: Returns | None = None) -> tuple[Batch, Array, Array]:
    """The decisions of all sources of `mixed` in one row `[B]`: what they saw, what they did, what came of it.

    Returns:
        the rows (step, code, next and valid), weights as of `decisions`, and bool `[B]`: is it a recorded one?
    """
    names = [name for name in ("data", "replay") if name in batch]
    flat = [decisions(batch[name]._replace(native=(), extras=(), context=()), returns)[0] for name in names]
    bare = [rows._replace(step=rows.step._replace(info=()), next=rows.next._replace(info=())) for rows in flat]
    rows: Batch = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *bare)
    flags = jnp.concatenate([jnp.full(one.valid.shape, name == "data") for name, one in zip(names, flat, strict=True)])
    return rows, weigh(rows.valid), flags


def shifted(rows: Batch, key: Array, pad: int) -> Batch:
    """The rows `[B]` with the images of both observations moved at random; `pad` 0 leaves them."""
    if pad == 0:
        return rows

    def move(step: TimeStep, name: str) -> TimeStep:
        keys = jax.vmap(lambda i: fold(key, name, i))(jnp.arange(rows.valid.shape[0], dtype=jnp.int32))
        one = lambda observation, key: random_shift(observation, key, pad)  # noqa: E731
        return step._replace(observation=jax.vmap(one)(step.observation, keys))

    return rows._replace(step=move(rows.step, "here"), next=move(rows.next, "there"))


def count_observations(state: State, rows: Batch, encoders: Encoders) -> State:
    """The state whose encoders, all of the same moments, have counted the observations of `rows` `[E, T]`."""
    flat, _ = decisions(rows)
    moments = encoders(state)[0].update(flat.step.observation, flat.valid).moments
    if moments is None:
        return state
    return eqx.tree_at(lambda s: [encoder.moments for encoder in encoders(s)], state, [moments] * len(encoders(state)))


def encoder_of(spec: TaskSpec, normalise: bool, key: Array) -> Encoder:
    """A fresh encoder of a task's observations (uniform within 1/sqrt(fan-in), as PyTorch's); see `nets.encoder`."""
    return build_encoder(spec.observation, key=fold(key, "encoder"), initialisation="uniform", normalise=normalise)


def returns_of(agent: Replaying, start: State | None) -> Returns | None:
    """What the agent's rewards are scaled by at first: nothing counted, or what an earlier state has counted."""
    if not agent.normalise_rewards:
        return None
    return begin_returns(agent.environments, None if start is None else start.returns)


def decisions(batch: Batch, returns: Returns | None = None) -> tuple[Batch, Array]:
    """The decisions of a batch `[B, T]` in one row `[B * T]`, and what each counts in a mean.

    Args:
        batch: a sample.
        returns: what its rewards are scaled by, if they are.

    Returns:
        the rows (without `memory`, which is one for each sample), and weights float32 `[B * T]`: equal for all
        valid rows, 0 for the others, with sum 1 (0 where no row is valid).
    """
    rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch._replace(memory=()))
    if returns is not None:
        rows = rows._replace(next=rows.next._replace(reward=returns.scale(rows.next.reward)))
    return rows, weigh(rows.valid)


def weigh(counting: Array) -> Array:
    """float32 `[B]`: equal weights of sum 1 for the rows that count (bool `[B]`), 0 for the others; all 0 if none."""
    return counting.astype(jnp.float32) / jnp.maximum(jnp.sum(counting), 1).astype(jnp.float32)
