"""Minari's folders (format of Minari 0.4 and 0.5, HDF5): written and read here without Minari itself.

A data set `NAMESPACE/NAME-vN` is the folder of that name below a root, with `data/main_data.hdf5` (one group an
episode: `observations [T + 1, ...]`, `actions [T, ...]`, `rewards`, `terminations`, `truncations [T]`, `infos`) and
`data/metadata.json`. The root is Minari's own: MINARI_DATASETS_PATH, or else `~/.minari/datasets`, so that what is
written here is found by `minari.load_dataset` and what Minari has fetched is found here.

Our provenance is the entry "actlab" of the metadata; the references are also Minari's `ref_min_score` and
`ref_max_score`, as measured on this machine.

Axis letter: T decisions of an episode.
"""

import io
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actlab.core import spaces
from actlab.core.errors import ActlabError, MissingExtra
from actlab.core.files import write_atomically
from actlab.core.spaces import Space
from actlab.data.episodes import Recordings, Trajectory
from actlab.data.formats.hdf5 import is_group, numbers, opened
from actlab.data.formats.report import Report, report
from actlab.data.formats.tables import Notes, chosen

Tree = Any

FILE, METADATA = "main_data.hdf5", "metadata.json"
WRITTEN_AS = "0.5.0"
"""The version of Minari that the files are marked with: the oldest whose readers understand all that is in them."""
WITH_PICTURES = "0.5.4"
"""The same where there are pictures: readers before it take every picture for a JPEG."""


def root_folder(root: str | Path | None = None) -> Path:
    """Where data sets lie: `root`, MINARI_DATASETS_PATH or `~/.minari/datasets`."""
    return Path(root or os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def folder_of(name: str, root: str | Path | None = None) -> Path:
    """The folder of a data set's id.

    Raises:
        ActlabError: it is no id such as `local/hopper-medium-v0`.
    """
    if not re.fullmatch(r"(?:[-_\w]+/)*[-_\w]+-v\d+", name):
        raise ActlabError(f"The id of a data set looks like local/hopper-medium-v0; received {name!r}.")
    return root_folder(root) / name


def names(root: str | Path | None = None) -> list[str]:
    """The ids of all data sets below the root."""
    base = root_folder(root)
    found = [path.parent.parent for path in base.glob(f"**/data/{METADATA}")]
    ids = [folder.relative_to(base) for folder in found]
    return sorted(i.as_posix() for i in ids if i.parts and not any(part.startswith(".") for part in i.parts))


# --- writing ---------------------------------------------------------------------------------------------


@singledispatch
def space_json(space: Space) -> dict[str, Any]:
    """A space as Minari writes it.

    Raises:
        ActlabError: Minari has no such space.
    """
    raise ActlabError(f"Minari has no form for {space}; write the episodes as .npz instead.")


@space_json.register
def _(space: spaces.Box) -> dict[str, Any]:
    low, high = space.lows.astype(space.dtype).tolist(), space.highs.astype(space.dtype).tolist()
    return {"type": "Box", "dtype": str(space.dtype), "shape": list(space.shape), "low": low, "high": high}


@space_json.register
def _(space: spaces.Discrete) -> dict[str, Any]:
    return {"type": "Discrete", "dtype": "int64", "start": 0, "n": space.n}


@space_json.register
def _(space: spaces.MultiDiscrete) -> dict[str, Any]:
    sizes = list(space.nvec)
    return {"type": "MultiDiscrete", "dtype": "int64", "nvec": sizes, "start": [0] * len(sizes)}


@space_json.register
def _(space: spaces.MultiBinary) -> dict[str, Any]:
    return {"type": "MultiBinary", "n": space.n}


@space_json.register
def _(space: spaces.Dict) -> dict[str, Any]:
    return {"type": "Dict", "subspaces": {name: space_json(part) for name, part in space.items}}


@space_json.register
def _(space: spaces.Tuple) -> dict[str, Any]:
    return {"type": "Tuple", "subspaces": [space_json(part) for part in space.spaces]}


def write(
    recordings: Recordings,
    name: str,
    observation: Space,
    action: Space,
    *,
    root: str | Path | None = None,
    environment: str | None = None,
) -> Path:
    """Write a data set, complete or not at all.

    Args:
        name: its id, such as `local/hopper-medium-v0`.
        observation: the space of the observations.
        action: the space of the native actions.
        root: see `root_folder`.
        environment: the id of the Gymnasium environment, which Minari's clients make from it; None where there is none.

    Returns:
        The data set's folder.

    Raises:
        MissingExtra: h5py is not installed.
        ActlabError: the id is taken, Minari has no form for a space, there are no episodes, or the disk refuses.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtra("A Minari data set", "data") from None
    folder = folder_of(name, root)
    if folder.exists():
        raise ActlabError(f"There is a data set {name} already, in {folder}.")
    if not len(recordings):
        raise ActlabError(f"There are no episodes to write into {name}.")
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for number, episode in enumerate(recordings.episodes):
            group = file.create_group(f"episode_{number}")
            group.attrs["id"] = number
            group.attrs["total_steps"] = len(episode)
            _put(group, "observations", episode.observations)
            _put(group, "actions", episode.actions)
            _put(group, "rewards", episode.rewards)
            last = np.arange(len(episode)) == len(episode) - 1
            _put(group, "terminations", last & bool(episode.terminated))
            _put(group, "truncations", last & bool(episode.truncated))
            if episode.info:  # Minari also tells of the reset, ahead of the first action
                _put(group, "infos", {key: np.concatenate([x[:1] * 0, x]) for key, x in episode.info.items()})
    data = content.getvalue()
    metadata = _metadata(recordings, name, observation, action, environment, len(data))
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        write_atomically(scratch / "data" / FILE, data)
        write_atomically(scratch / "data" / METADATA, json.dumps(metadata, indent=1) + "\n")
        os.replace(scratch, folder)
    except OSError as error:
        raise ActlabError(f"{folder} could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _put(group: Any, name: str, tree: Tree) -> None:
    if isinstance(tree, Mapping | tuple):
        parts = tree.items() if isinstance(tree, Mapping) else ((f"_index_{i}", part) for i, part in enumerate(tree))
        inner = group.create_group(name)
        for key, part in parts:
            _put(inner, key, part)
        return
    group.create_dataset(name, data=np.asarray(tree))


def _metadata(
    recordings: Recordings, name: str, observation: Space, action: Space, environment: str | None, size: int
) -> dict[str, Any]:
    told, pictures = recordings.provenance, any(leaf.dtype == np.uint8 for leaf in jax.tree.leaves(observation.zeros()))
    metadata = {
        "dataset_id": name,
        "total_episodes": len(recordings),
        "total_steps": recordings.steps,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "observation_space": json.dumps(space_json(observation)),
        "action_space": json.dumps(space_json(action)),
        "minari_version": WITH_PICTURES if pictures else WRITTEN_AS,
        "dataset_size": round(size / 1e6, 1),
        "author": ["actlab"],
        "actlab": {**told, "sha256": recordings.checksum},
    }
    for key, entry in (("algorithm_name", "policy"), ("description", "description")):
        if entry in told:
            metadata[key] = told[entry]
    if reference := told.get("reference"):
        metadata["ref_min_score"], metadata["ref_max_score"] = reference["random"], reference["expert"]
        metadata["num_episodes_average_score"] = reference["episodes"]
    if environment is not None:
        import gymnasium

        metadata["env_spec"] = gymnasium.spec(environment).to_json()
    return metadata


# --- reading ---------------------------------------------------------------------------------------------


def provenance_of(folder: str | Path) -> dict[str, Any]:
    """The metadata of a data set, as it is in the file.

    Raises:
        ActlabError: there is none, or it is no JSON.
    """
    path = Path(folder) / "data" / METADATA
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ActlabError(f"{folder} is no data set of Minari: {path} cannot be read ({error}).") from None
    if not isinstance(found, dict):
        raise ActlabError(f"{folder} is no data set of Minari: {path} should hold a JSON object.")
    return found


def read(path: str | Path, keys: Sequence[str] | None = None) -> tuple[Recordings, Report]:
    """Read the folder of a data set, ours or any that Minari wrote as HDF5.

    Args:
        keys: which observations of a Dict; all where None. One alone is an array.

    Raises:
        MissingExtra: h5py is not installed.
        ActlabError: the folder is no data set, its format is not HDF5, it is damaged, or it holds text or pictures as
            JPEG.
    """
    folder, notes = Path(path), Notes()
    metadata = provenance_of(folder)
    if metadata.get("data_format", "hdf5") != "hdf5":
        raise ActlabError(f"{folder} is stored as {metadata['data_format']!r}; expected a data set stored as 'hdf5'.")
    with opened(folder / "data" / FILE) as file:
        found = sorted(
            (int(name.removeprefix("episode_")), name) for name in file if re.fullmatch(r"episode_\d+", name)
        )
        episodes = [_episode(f"{folder}: ", file[name], keys, notes) for _, name in found]
    if metadata.get("total_episodes", len(episodes)) != len(episodes):
        notes[f"its metadata announce {metadata['total_episodes']} episodes, the file holds {len(episodes)}"] += 1
    ours = metadata.get("actlab")
    kept = ("dataset_id", "algorithm_name", "author", "env_spec", "minari_version")
    provenance = ours if isinstance(ours, dict) else {"minari": {key: metadata[key] for key in kept if key in metadata}}
    recordings = Recordings(tuple(episode for episode in episodes if episode is not None), provenance)
    if isinstance(ours, dict) and "sha256" in ours and keys is None and ours["sha256"] != recordings.checksum:
        notes["its content is not the one that was written: the SHA-256 differs"] += 1
    return recordings, report(path, "Minari", recordings, notes.sentences)


def _episode(where: str, group: Any, keys: Sequence[str] | None, notes: Notes) -> Trajectory | None:
    missing = [name for name in ("observations", "actions", "rewards", "terminations") if name not in group]
    if missing:
        raise ActlabError(f"{where}{group.name} has no {missing[0]}.")
    seen, actions = _get(group["observations"], where), _get(group["actions"], where)
    if keys is not None and isinstance(seen, Mapping):
        seen = chosen(seen, keys, f"{where}{group.name}")
    rewards = numbers(group["rewards"], where)
    count = len(rewards)
    terminations = numbers(group["terminations"], where).astype(bool)
    truncations = numbers(group["truncations"], where).astype(bool) if "truncations" in group else terminations & False
    if not count:
        notes["{} episodes are too short to be used"] += 1
        return None
    lengths = {len(leaf) for leaf in jax.tree.leaves(seen)}
    if lengths == {count}:  # some of the published sets have such episodes
        notes["{} episodes lack their last observation: their last decision is left out"] += 1
        actions, rewards, count = jax.tree.map(lambda leaf: leaf[:-1], actions), rewards[:-1], count - 1
        terminations, truncations = terminations[:-1], truncations[:-1] | True
    elif lengths != {count + 1}:
        raise ActlabError(f"{where}{group.name} should have {count + 1} observations; it has {sorted(lengths)}.")
    if any(len(leaf) != count for leaf in jax.tree.leaves(actions)) or len(terminations) != count:
        raise ActlabError(f"{where}{group.name} should have {count} actions and flags, as it has rewards.")
    if not count:
        notes["{} episodes are too short to be used"] += 1
        return None
    if terminations[:-1].any():
        notes["{} episodes go on behind a terminal state: only their end counts"] += 1
    ended = bool(terminations[-1])
    return Trajectory(seen, actions, rewards, ended, bool(truncations[-1]) and not ended, _info(group, count))


def _get(item: Any, where: str) -> Tree:
    if not is_group(item):
        return numbers(item, where)
    parts = {name: _get(part, where) for name, part in item.items()}
    places = [f"_index_{i}" for i in range(len(parts))]
    return tuple(parts[place] for place in places) if set(parts) == set(places) and parts else parts


def _info(group: Any, count: int) -> dict[str, np.ndarray]:
    """What was told on arrival: the numbers of `infos`, one for each action (Minari's own have one more, at reset)."""
    if "infos" not in group or not is_group(group["infos"]):
        return {}
    found = {}
    for name, item in group["infos"].items():
        if not is_group(item) and item.dtype.kind in "fiub" and item.shape in ((count,), (count + 1,)):
            found[name] = item[()][-count:]
    return found
