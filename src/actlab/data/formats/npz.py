"""Episodes as NumPy's `.npz`: our own layout, and plain arrays in one row. Nothing is unpickled.

Our layout, for E episodes of N decisions in all: `lengths [E]`; `observations [N + E, ...]`, of one episode after the
other, each with its last one; `actions [N, ...]`; `rewards [N]`; `terminated [E]`; `truncated [E]`; `info/NAME [N]`;
`provenance`, JSON. A Dict is `observations/NAME`, a Tuple `observations/0`, `observations/1`.

Plain arrays are `observations`, `actions`, `rewards`, `terminals`, `timeouts` (and `dones`, `next_observations`), all
`[N, ...]`, as in D4RL's files.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actlab.core.errors import ActlabError
from actlab.core.files import write_atomically
from actlab.data.episodes import Recordings, Trajectory
from actlab.data.formats.report import Report, report
from actlab.data.formats.tables import Notes, chosen, from_flat, lengths_agree

Tree = Any


def write(recordings: Recordings, path: str | Path) -> Path:
    """Write episodes in our layout.

    Raises:
        ActlabError: a part is no array of numbers, or the disk refuses the file.
    """
    episodes = recordings.episodes
    if not episodes:
        raise ActlabError(f"There are no episodes to write into {path}.")
    arrays: dict[str, np.ndarray] = {}
    for kind, trees in (
        ("observations", [episode.observations for episode in episodes]),
        ("actions", [episode.actions for episode in episodes]),
        ("info", [{name: episode.info[name] for name in recordings.told} for episode in episodes]),
    ):
        joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *trees)
        arrays |= _named(kind, joined)
    arrays["rewards"] = np.concatenate([episode.rewards for episode in episodes])
    arrays["lengths"] = np.asarray([len(episode) for episode in episodes], np.int64)
    arrays["terminated"] = np.asarray([episode.terminated for episode in episodes], bool)
    arrays["truncated"] = np.asarray([episode.truncated for episode in episodes], bool)
    arrays["provenance"] = np.asarray(json.dumps(dict(recordings.provenance), allow_nan=False))
    for name, array in arrays.items():
        if array.dtype == object:
            raise ActlabError(f"{name} is no array of numbers and cannot be written into {path}.")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return write_atomically(path, buffer.getvalue())


def read(path: str | Path, keys: Sequence[str] | None = None, done: str = "terminated") -> tuple[Recordings, Report]:
    """Read either layout.

    Args:
        keys: which observations, where there are several by name; one alone is taken out of its Dict.
        done: what `dones` tell of in plain arrays.

    Raises:
        ActlabError: the file is missing, damaged, holds Python objects, or lacks what is needed.
    """
    arrays = _load(Path(path))
    notes = Notes()
    if "lengths" not in arrays:
        nested = _nested(arrays)
        for name in ("observations", "obs", "observation"):
            if isinstance(nested.get(name), Mapping):
                nested[name] = chosen(nested[name], keys, str(path))
        recordings = Recordings(tuple(from_flat(str(path), nested, notes, done)))
        return recordings, report(path, "npz, plain arrays", recordings, notes.sentences)
    recordings = _ours(str(path), arrays, keys)
    return recordings, report(path, "npz", recordings, [])


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise ActlabError(f"{path} does not exist.") from None
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise ActlabError(f"{path} is damaged or no .npz file: {error}.") from None
    except ValueError as error:  # NumPy says so where an array would have to be unpickled
        raise ActlabError(f"{path} cannot be read; Python objects are never unpickled: {error}.") from None


def _ours(where: str, arrays: Mapping[str, np.ndarray], keys: Sequence[str] | None) -> Recordings:
    nested = _nested(arrays)
    missing = {"observations", "actions", "rewards", "terminated", "truncated"} - nested.keys()
    if missing:
        raise ActlabError(f"{where} holds `lengths` but no {sorted(missing)[0]}.")
    if keys is not None and isinstance(nested["observations"], Mapping):
        nested["observations"] = chosen(nested["observations"], keys, where)
    lengths = np.asarray(arrays["lengths"], np.int64)
    count, number = int(lengths.sum()), len(lengths)
    lengths_agree(where, count + number, observations=nested["observations"])
    info = nested.get("info", {})
    lengths_agree(where, count, actions=nested["actions"], rewards=nested["rewards"], info=info)
    lengths_agree(where, number, terminated=nested["terminated"], truncated=nested["truncated"])
    episodes, end = [], 0
    for i, length in enumerate(lengths):
        begin, end = end, end + int(length)
        seen = jax.tree.map(lambda leaf, b=begin + i, e=end + i + 1: leaf[b:e], nested["observations"])
        actions, rewards, told = jax.tree.map(
            lambda leaf, b=begin, e=end: leaf[b:e], (nested["actions"], nested["rewards"], info)
        )
        ended = bool(nested["terminated"][i]), bool(nested["truncated"][i])
        episodes.append(Trajectory(seen, actions, rewards, *ended, told))
    try:
        provenance = json.loads(str(arrays.get("provenance", "{}")))
    except ValueError:
        raise ActlabError(f"{where} holds a provenance that is no JSON.") from None
    return Recordings(tuple(episodes), provenance)


def _named(kind: str, tree: Tree) -> dict[str, np.ndarray]:
    """Leaves by their path: `observations/camera/0`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        kind + "".join(f"/{jax.tree_util.keystr((key,), simple=True)}" for key in path): np.asarray(leaf)
        for path, leaf in leaves
    }


def _nested(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `_named`, for all kinds at once; a group of parts named 0, 1, ... is a tuple."""
    nested: dict[str, Any] = {}
    for name, array in arrays.items():
        *groups, last = name.split("/")
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = array
    return {name: _tuples(value) for name, value in nested.items()}


def _tuples(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    parts = {name: _tuples(part) for name, part in value.items()}
    numbers = [str(i) for i in range(len(parts))]
    return tuple(parts[i] for i in numbers) if set(parts) == set(numbers) else parts
