"""Episodes in HDF5: robomimic's layout, and D4RL's arrays in one row.

robomimic (Mandlekar et al. 2021): one group an episode, `data/demo_N`, with `actions [T, ...]`, `obs/NAME [T, ...]`
and often `next_obs/NAME`, `rewards [T]`, `dones [T]`. D4RL (Fu et al. 2020): `observations`, `actions`, `rewards`,
`terminals`, `timeouts` and sometimes `next_observations`, all `[N, ...]`, at the top.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actlab.core.errors import ActlabError, MissingExtra
from actlab.data.episodes import Recordings, Trajectory
from actlab.data.formats.report import Report, report
from actlab.data.formats.tables import Notes, check_done, chosen, closed, from_flat, lengths_agree

Tree = Any


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """An HDF5 file to read.

    Raises:
        MissingExtra: h5py is not installed.
        ActlabError: the file is missing, damaged or no HDF5 file.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtra("HDF5", "data") from None
    path = Path(path)
    if not path.is_file():
        raise ActlabError(f"{path} does not exist.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError) as error:
        raise ActlabError(f"{path} is damaged or no HDF5 file: {' '.join(str(error).split())}.") from None


def is_group(item: Any) -> bool:
    """A group, or else a dataset."""
    return isinstance(item, Mapping)


def numbers(item: Any, where: str) -> np.ndarray:
    """The array of a dataset.

    Raises:
        ActlabError: it holds no numbers (text, references, Python objects).
    """
    if item.dtype.kind not in "fiub":
        raise ActlabError(f"{where}{item.name} should hold numbers; it holds {item.dtype}.")
    return item[()]


def read(path: str | Path, keys: Sequence[str] | None = None, done: str = "terminated") -> tuple[Recordings, Report]:
    """Read either layout, whichever the file has.

    Args:
        keys: which observations of robomimic's `obs`; all where None. One alone is an array, several are a Dict.
        done: what `dones` at the end of an episode tells of, "terminated" (as robomimic reads it) or "truncated".

    Raises:
        MissingExtra: h5py is not installed.
        ActlabError: the file is missing, damaged, or has neither layout.
    """
    check_done(done)
    notes = Notes()
    with opened(path) as file:
        if "data" in file and is_group(file["data"]):
            recordings = _robomimic(str(path), file["data"], keys, done, notes)
            return recordings, report(path, "HDF5, robomimic's layout", recordings, notes.sentences)
        arrays = {name: numbers(item, f"{path}: ") for name, item in file.items() if _numeric(item)}
    recordings = Recordings(tuple(from_flat(str(path), arrays, notes, done)))
    return recordings, report(path, "HDF5, D4RL's layout", recordings, notes.sentences)


def _numeric(item: Any) -> bool:
    return not is_group(item) and item.dtype.kind in "fiub" and len(item.shape) > 0


def _robomimic(path: str, data: Any, keys: Sequence[str] | None, done: str, notes: Notes) -> Recordings:
    names = [name for name in data if is_group(data[name]) and "actions" in data[name]]
    if not names:
        raise ActlabError(f"{path} has a group `data`, but no episodes data/demo_N with actions in it.")
    names.sort(key=lambda name: (int(found[0]) if (found := re.search(r"\d+$", name)) else -1, name))
    episodes = [_demonstration(f"{path}: data/{name}", data[name], keys, done, notes) for name in names]
    told = data.attrs.get("env_args")
    try:
        environment = json.loads(told) if told is not None else {}
    except (TypeError, ValueError):
        notes["its env_args are no JSON"] += 1
        environment = {}
    provenance = {"environment": environment} if environment else {}
    return Recordings(tuple(episode for episode in episodes if episode is not None), provenance)


def _demonstration(where: str, group: Any, keys: Sequence[str] | None, done: str, notes: Notes) -> Trajectory | None:
    actions = numbers(group["actions"], f"{where}: ")
    count = len(actions)
    if not count:
        notes["{} episodes are too short to be used"] += 1
        return None
    before = chosen(_observations(group, "obs", where), keys, where)
    last = None
    if "next_obs" in group:
        after = chosen(_observations(group, "next_obs", where), keys, where)
        lengths_agree(where, count, next_obs=after)
        last = jax.tree.map(lambda leaf: leaf[-1:], after)
    rewards = np.zeros(count, np.float32)
    if "rewards" in group:
        rewards = numbers(group["rewards"], f"{where}: ").reshape(-1)
    else:
        notes["{} episodes have no rewards: 0 stands for them"] += 1
    ended = False
    if "dones" in group:
        dones = numbers(group["dones"], f"{where}: ").reshape(-1).astype(bool)
        lengths_agree(where, count, dones=dones)
        ended = bool(dones[-1])
        if dones[:-1].any():
            notes["{} episodes say done before their end (robomimic marks success so): only the end counts"] += 1
    else:
        notes["{} episodes have no dones"] += 1
    lengths_agree(where, count, obs=before, rewards=rewards)
    terminated, truncated = ended and done == "terminated", ended and done == "truncated"
    return closed(before, last, actions, rewards, terminated, truncated, {}, notes)


def _observations(group: Any, name: str, where: str) -> dict[str, np.ndarray]:
    if name not in group or not is_group(group[name]):
        raise ActlabError(f"{where} has no group {name!r} of observations.")
    return {key: numbers(item, f"{where}: ") for key, item in group[name].items() if _numeric(item)}
