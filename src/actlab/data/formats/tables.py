"""What the readers have in common: one episode from arrays that lack its last observation, or its end.

Axis letters: T decisions of an episode, N decisions in all.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from actlab.core.errors import ActlabError
from actlab.data.episodes import Trajectory

Tree = Any

DONE = ("terminated", "truncated")
"""What a flag "done" may mean, where a format does not say."""


class Notes(Counter):
    """Sentences about episodes, with how often each holds; `{}` stands for the number."""

    @property
    def sentences(self) -> list[str]:
        """What there is to say."""
        return [sentence.format(count) for sentence, count in self.items()]


def check_done(done: str) -> None:
    """Raise where `done` is no meaning of a flag."""
    if done not in DONE:
        raise ActlabError(f"A flag 'done' means that an episode terminated or was truncated; received {done!r}.")


def lengths_agree(where: str, count: int, **trees: Tree) -> None:
    """Raise where an array `[count, ...]` has another length."""
    for name, tree in trees.items():
        for leaf in jax.tree.leaves(tree):
            if len(np.shape(leaf)) == 0 or len(leaf) != count:
                raise ActlabError(
                    f"{where}: {name} should have {count} entries; received shape {list(np.shape(leaf))}."
                )


def closed(
    before: Tree,
    last: Tree,
    actions: Tree,
    rewards: np.ndarray,
    terminated: bool,
    truncated: bool,
    info: Mapping[str, np.ndarray],
    notes: Notes,
) -> Trajectory | None:
    """An episode from observations `[T, ...]` and the last successor `[1, ...]`, which may be missing (None).

    Without a last successor a terminal state is given the last observation again (its value is never asked for), and
    any other episode loses its last decision and is truncated there. None where nothing is left.
    """
    if last is None and terminated:
        notes["{} episodes terminate in a state that was not recorded: the state before it stands for it"] += 1
        last = jax.tree.map(lambda leaf: leaf[-1:], before)
    if last is None:
        notes["{} episodes lack their last observation: their last decision is left out"] += 1
        before, last = jax.tree.map(lambda x: x[:-1], before), jax.tree.map(lambda x: x[-1:], before)
        actions, info = jax.tree.map(lambda leaf: leaf[:-1], (actions, dict(info)))
        rewards, truncated = rewards[:-1], True
    if not len(rewards):
        notes["{} episodes are too short to be used"] += 1
        return None
    seen = jax.tree.map(lambda a, b: np.concatenate([a, b]), before, last)
    return Trajectory(seen, actions, rewards, terminated, truncated and not terminated, info)


_NAMES = {
    "terminated": ("terminated", "terminals", "terminations"),
    "truncated": ("truncated", "timeouts", "truncations"),
    "done": ("dones", "done"),
    "after": ("next_observations", "next_obs"),
    "observations": ("observations", "obs", "observation"),
    "actions": ("actions", "action"),
    "rewards": ("rewards", "reward"),
}


def from_flat(where: str, arrays: Mapping[str, Tree], notes: Notes, done: str) -> list[Trajectory]:
    """Episodes from arrays `[N, ...]` in one row, as D4RL's files have them.

    Args:
        arrays: `observations`, `actions`, and where there are such: `rewards`, `terminals`, `timeouts`, `dones`,
            `next_observations`; other usual names of these are known too.
        done: what `dones` tell of, "terminated" or "truncated".

    Raises:
        ActlabError: observations or actions are missing, or lengths differ.
    """
    check_done(done)
    found = {kind: next((arrays[n] for n in names if n in arrays), None) for kind, names in _NAMES.items()}
    missing = [kind for kind in ("observations", "actions") if found[kind] is None]
    if missing:
        raise ActlabError(f"{where} holds no {missing[0]}; it holds {', '.join(sorted(arrays)) or 'nothing'}.")
    before, after, actions = found["observations"], found["after"], found["actions"]
    count = len(jax.tree.leaves(actions)[0])
    rewards = found["rewards"]
    if rewards is None:
        notes["there are no rewards: 0 stands for them"] += 1
        rewards = np.zeros(count, np.float32)
    flags = {kind: found[kind] for kind in ("terminated", "truncated", "done") if found[kind] is not None}
    present = {"observations": before, "actions": actions, "rewards": rewards, **flags}
    lengths_agree(where, count, **present, **({} if after is None else {"next_observations": after}))
    flag = {kind: np.asarray(values).reshape(count).astype(bool) for kind, values in flags.items()}
    terminated = flag.get("terminated", np.zeros(count, bool))
    truncated = flag.get("truncated", np.zeros(count, bool))
    if "done" in flag:
        notes[f"its dones count as {done}"] += 1
        (terminated, truncated)[DONE.index(done)][flag["done"]] = True
    elif "truncated" not in flag:
        notes["no flags tell of time limits: where one cut an episode, the next one may be joined to it"] += 1
    ends = terminated | truncated
    if after is not None:
        jumps = _jumps(before, after) & ~ends[:-1]
        if jumps.any():
            notes[f"{np.sum(jumps)} episodes stop without a flag: what was seen next does not follow"] += 1
            ends[:-1] |= jumps
    rewards = np.asarray(rewards).reshape(count)
    episodes = []
    for piece in np.split(np.arange(count), np.flatnonzero(ends[:-1]) + 1):
        if not len(piece):
            continue
        end = piece[-1]
        last = None if after is None else jax.tree.map(lambda leaf, e=end: leaf[e : e + 1], after)
        mine = jax.tree.map(lambda leaf, p=piece: np.asarray(leaf)[p[0] : p[-1] + 1], (before, actions, rewards))
        episode = closed(mine[0], last, *mine[1:], bool(terminated[end]), bool(truncated[end]), {}, notes)
        episodes += [] if episode is None else [episode]
    return episodes


def _jumps(before: Tree, after: Tree) -> np.ndarray:
    """bool `[N - 1]`: is what was seen next another thing than where the row led to?"""
    differs = [
        np.any(np.asarray(b)[1:] != np.asarray(a)[:-1], axis=tuple(range(1, np.ndim(a))))
        for b, a in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    ]
    return np.any(differs, axis=0)


def chosen(found: Mapping[str, np.ndarray], keys: Any, where: str) -> Tree:
    """The observation that names stand for: a Dict of several, the array itself of one.

    Raises:
        ActlabError: a name is not among them, or there are none.
    """
    names = list(found) if keys is None else list(keys)
    for name in names:
        if name not in found:
            raise ActlabError(f"{where} has no observation {name!r}; it has {', '.join(sorted(found)) or 'none'}.")
    if not names:
        raise ActlabError(f"{where} holds no observations of numbers.")
    return found[names[0]] if len(names) == 1 else {name: found[name] for name in names}
