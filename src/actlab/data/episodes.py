"""Recorded episodes: native actions and what came of them, as plain NumPy.

What a person's file, a scripted expert or a replay buffer gives, before any code is chosen. `rows` puts it into a
task's code, as the training loop takes it.

Axis letters: E lanes, T decisions of an episode, N decisions in all.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

from actlab.core import codec as codecs
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.spaces import Space
from actlab.core.steps import Batch, TimeStep

Tree = Any


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One episode."""

    observations: Tree
    """`[T + 1, ...]`: what was seen before every action, and at the end."""
    actions: Tree
    """Native actions as executed, `[T, ...]`."""
    rewards: np.ndarray
    """`[T]`: of every action."""
    terminated: bool = False
    """Did it end in a terminal state? Then nothing is to be expected behind its last decision."""
    truncated: bool = False
    """Was it cut (time limit)? An episode of which neither is known has no end on record; learning cuts it too."""
    info: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What the environment told on arrival, such as "success": one number for every action, `[T]`."""

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def total(self) -> float:
        """The undiscounted return."""
        return float(np.sum(self.rewards, dtype=np.float64))


@dataclass(frozen=True, eq=False)
class Recordings:
    """Episodes of one task, and where they come from."""

    episodes: tuple[Trajectory, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """JSON values: who acted, in which environment, with which seed and versions; see `training.datasets`."""

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def steps(self) -> int:
        """Decisions in all."""
        return sum(map(len, self.episodes))

    @property
    def returns(self) -> np.ndarray:
        """float64 `[number of episodes]`."""
        return np.asarray([episode.total for episode in self.episodes], np.float64)

    @property
    def told(self) -> tuple[str, ...]:
        """What every episode tells of in its `info`."""
        names = [set(episode.info) for episode in self.episodes]
        return tuple(sorted(set.intersection(*names))) if names else ()

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over shapes, types and numbers of all episodes, in order; not of the provenance."""
        digest = hashlib.sha256()
        for episode in self.episodes:
            content = (episode.observations, episode.actions, episode.rewards, dict(episode.info))
            for path, leaf in jax.tree_util.tree_leaves_with_path(content):
                array = np.ascontiguousarray(leaf)
                digest.update(f"{jax.tree_util.keystr(path)} {array.dtype.str} {array.shape} ".encode())
                digest.update(array.tobytes())
            digest.update(f"{bool(episode.terminated)} {bool(episode.truncated)};".encode())
        return digest.hexdigest()


# --- which episodes ------------------------------------------------------------------------------------

QUALITIES = ("top", "middle", "bottom")


def select(recordings: Recordings, quality: str, share: float) -> Recordings:
    """The best, middle or worst episodes by return, in their old order.

    Args:
        quality: "top", "middle" or "bottom".
        share: of the episodes, in (0, 1]; at least one is kept.

    Raises:
        ActlabError: there is no such quality, the share is out of range, or there are no episodes.
    """
    if quality not in QUALITIES:
        raise ActlabError(f"Episodes are selected from the top, middle or bottom; received {quality!r}.")
    if not 0 < share <= 1:
        raise ActlabError(f"The share of episodes to select lies above 0 and is at most 1; received {share}.")
    if not len(recordings):
        raise ActlabError("There are no episodes to select from.")
    ascending = np.argsort(recordings.returns, kind="stable")
    count = max(1, round(share * len(recordings)))
    spare = len(recordings) - count
    begin = {"top": spare, "middle": spare // 2, "bottom": 0}[quality]
    kept = np.sort(ascending[begin : begin + count])
    told = {**recordings.provenance, "selected": {"quality": quality, "share": share}}
    return Recordings(tuple(recordings.episodes[i] for i in kept), told)


def statistics(recordings: Recordings) -> dict[str, Any]:
    """Counts, returns, lengths and ends, as JSON values; `success` is the share of episodes that tell of it."""
    episodes, returns = recordings.episodes, recordings.returns
    lengths = np.asarray([len(episode) for episode in episodes])
    found: dict[str, Any] = {
        "episodes": len(episodes),
        "steps": recordings.steps,
        "terminated": sum(bool(episode.terminated) for episode in episodes),
        "truncated": sum(bool(episode.truncated and not episode.terminated) for episode in episodes),
        "unended": sum(not (episode.terminated or episode.truncated) for episode in episodes),
    }
    for name, values in (("return", returns), ("length", lengths)):
        known = values[np.isfinite(values)]
        if len(known):
            found[name] = {
                "mean": float(known.mean()),
                "deviation": float(known.std()),
                "least": float(known.min()),
                "most": float(known.max()),
            }
    if "success" in recordings.told:
        found["success"] = float(np.mean([bool(np.any(episode.info["success"] > 0)) for episode in episodes]))
    return found


def local_score(returns: Any, recordings: Recordings) -> np.ndarray:
    """100 (R - R_random) / (R_expert - R_random), with the references that were measured for this data set.

    The references are local ones (`training.datasets`): the score is not D4RL's, and must not stand beside it.

    Args:
        returns: one or more undiscounted returns.

    Raises:
        ActlabError: the data set's provenance holds no references.
    """
    reference = recordings.provenance.get("reference")
    if not reference:
        raise ActlabError("The local score needs the measured returns of random and expert; the data set has none.")
    low, high = reference["random"], reference["expert"]
    return 100.0 * (np.asarray(returns, np.float64) - low) / (high - low)


# --- from and to the rows of the training loop -----------------------------------------------------------


def rows(recordings: Recordings, task: Task, told: Sequence[str] | None = None) -> Batch:
    """The recorded decisions in a task's code: `al.train(..., data={"data": rows})`.

    Args:
        recordings: over the task's native actions and observations; numbers are narrowed to the task's own types.
        task: over its native actions, or over a code whose decisions last one native step.
        told: names of `info` that the rows carry (`TimeStep.info`); all that every episode tells of where None.

    Returns:
        One lane `[1, N]`: the episodes one after the other. Sets are not recorded: `allowed` is None. An episode
        without an end on record counts as truncated.

    Raises:
        ActlabError: there are no decisions, the code lasts several native steps, shapes are not the task's, or a
            number is not finite or an action not in the native space.
    """
    codec, name = task.spec.codec, task.spec.name
    if codec.length > 1:
        raise ActlabError(
            f"Recorded decisions are put into codes of one native step; the code of {name} lasts {codec.length}."
        )
    if not recordings.steps:
        raise ActlabError(f"There are no recorded decisions for {name}.")
    names = recordings.told if told is None else tuple(told)
    encode = jax.jit(lambda native, step: codec.encode(native, step))
    inside = jax.jit(jax.vmap(task.environment.action.contains))
    parts = []
    for number, episode in enumerate(recordings.episodes):
        if not len(episode):
            continue
        where = f"Episode {number} of the recordings for {name}"
        step, after = _steps(episode, task.spec.observation, names, where)
        native = _shaped(episode.actions, task.environment.action, len(episode), f"{where}: its actions")
        legal = np.asarray(_padded(inside, len(episode), native))
        if not legal.all():
            raise ActlabError(f"{where}: {np.sum(~legal)} of its actions are not in {task.environment.action}.")
        code, valid = _padded(encode, len(episode), native, step)
        one = jax.tree.map(lambda leaf: leaf[:, None], native)
        parts.append(Batch(step, jax.tree.map(np.asarray, code), one, after, valid=np.array(valid, bool)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[None], *parts)


def for_codec(recordings: Recordings, task: Task) -> list[codecs.Episode]:
    """What a codec measures its statistics from: `task.with_code(QuantileBins(), episodes=for_codec(...))`."""
    found = []
    for number, episode in enumerate(recordings.episodes):
        if not len(episode):
            continue
        where = f"Episode {number} of the recordings for {task.spec.name}"
        native = _shaped(episode.actions, task.environment.action, len(episode), f"{where}: its actions")
        found.append(codecs.Episode(native, _steps(episode, task.spec.observation, (), where)[0]))
    return found


def _steps(episode: Trajectory, space: Space, names: Sequence[str], where: str) -> tuple[TimeStep, TimeStep]:
    """The steps `[T]` where decisions were made, and those `[T]` that they led to."""
    count = len(episode)
    seen = _shaped(episode.observations, space, count + 1, f"{where}: its observations")
    missing = [name for name in names if name not in episode.info]
    if missing:
        raise ActlabError(f"{where} does not tell of {missing[0]!r}.")
    zero = np.zeros(1, np.float32)
    info = {name: np.concatenate([zero, np.asarray(episode.info[name], np.float32)]) for name in names}
    rewards = np.concatenate([zero, np.asarray(episode.rewards, np.float32)])
    if not np.isfinite(rewards).all():
        raise ActlabError(f"{where} has rewards that are not finite.")
    elapsed = np.arange(count + 1) > 0
    last = np.arange(count + 1) == count
    terminated, no = last & bool(episode.terminated), np.zeros(count + 1, bool)
    truncated = last & (not episode.terminated)  # as bootstrapping needs it: every episode stops somewhere
    whole = TimeStep(seen, None, rewards, elapsed.astype(np.int32), ~elapsed, no, no, info or ())
    before = jax.tree.map(lambda leaf: leaf[:-1], whole)
    after = jax.tree.map(lambda leaf: leaf[1:], whole._replace(terminated=terminated, truncated=truncated))
    return before, after


def _shaped(values: Tree, space: Space, count: int, what: str) -> Tree:
    """Values `[count, ...]` with exactly the types and shapes of `space`; axes of length one may differ.

    Raises:
        ActlabError: structure, shapes or finiteness are wrong.
    """
    like = space.zeros()
    if jax.tree.structure(values) != jax.tree.structure(like):
        raise ActlabError(f"{what} should have the parts of {space}; received {jax.tree.structure(values)}.")

    def shaped(value: Any, one: Any) -> np.ndarray:
        array, shape = np.asarray(value), (count, *np.shape(one))
        plain = [length for length in array.shape[1:] if length != 1]
        if len(array) != count or plain != [length for length in np.shape(one) if length != 1]:
            raise ActlabError(f"{what} should have shape {list(shape)}; received {list(array.shape)}.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ActlabError(f"{what} should be finite; received NaN or infinity.")
        return array.reshape(shape).astype(one.dtype)

    return jax.tree.map(shaped, values, like)


def _padded(function: Any, count: int, *trees: Tree) -> Tree:
    """A compiled function over `[T, ...]`, for T rounded up to a power of two: few lengths, few compilations."""
    length = 1 << (count - 1).bit_length()
    index = np.minimum(np.arange(length), count - 1)
    found = function(*jax.tree.map(lambda leaf: np.asarray(leaf)[index], trees))
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], found)


def episodes_of(batch: Batch) -> list[Trajectory]:
    """The episodes of played rows `[E, N]`, lane by lane: what `rows` undoes, for codes of one native step.

    An episode ends where its row says so, where the next row is a first one, and where the lane ends; in the last
    two cases it has no end on record. Rows that are not valid are left out.

    Raises:
        ActlabError: a decision lasted several native steps, so that what was seen in between is not known.
    """
    length = jax.tree.leaves(batch.native)[0].shape[2]
    if length != 1:
        raise ActlabError(f"Episodes are taken from decisions of one native step; these last {length}.")
    found = []
    content = (batch.step, batch.native, batch.next)
    for lane in range(len(batch.valid)):
        kept = np.asarray(batch.valid[lane])
        step, native, after = jax.tree.map(lambda leaf, i=lane, k=kept: np.asarray(leaf[i])[k], content)
        if not len(step.reward):
            continue
        breaks = np.flatnonzero(after.ended[:-1] | step.first[1:]) + 1
        for piece in np.split(np.arange(len(step.reward)), breaks):
            seen = jax.tree.map(
                lambda a, b, p=piece: np.concatenate([a[p], b[p[-1:]]]), step.observation, after.observation
            )
            told = {name: after.info[name][piece] for name in after.info} if after.info else {}
            end = piece[-1]
            actions = jax.tree.map(lambda leaf, p=piece: leaf[p, 0], native)
            terminated = bool(after.terminated[end])
            ended = terminated, bool(after.truncated[end]) and not terminated  # one of the two: other readers insist
            found.append(Trajectory(seen, actions, after.reward[piece], *ended, told))
    return found


def first(recordings: Recordings, steps: int) -> Recordings:
    """The first whole episodes that hold at least `steps` decisions together (all, where there are fewer)."""
    lengths = np.cumsum([len(episode) for episode in recordings.episodes])
    count = int(np.searchsorted(lengths, steps)) + 1
    return replace(recordings, episodes=recordings.episodes[:count])
