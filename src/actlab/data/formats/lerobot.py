"""Episodes of LeRobot, version 3 of its data sets: a folder with `meta/info.json` and tables in Parquet files.

`data/chunk-*/file-*.parquet` hold one row a frame: `action`, `observation.state` and others, `episode_index`,
`frame_index`, often `next.reward`, `next.done`, `next.success`. Many episodes share a file. The last observation of an
episode is not recorded. Pictures lie in videos, which are not read.

Axis letter: T frames of an episode.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actlab.core.errors import ActlabError, MissingExtra
from actlab.data.episodes import Recordings
from actlab.data.formats.report import Report, report
from actlab.data.formats.tables import Notes, check_done, chosen, closed

PREFIX = "observation."


def read(path: str | Path, keys: Sequence[str] | None = None, done: str = "terminated") -> tuple[Recordings, Report]:
    """Read a folder.

    Args:
        keys: which observations, such as "state" for `observation.state`; all that are numbers where None. One alone
            is an array, several are a Dict.
        done: what `next.done` on an episode's last frame tells of, "terminated" or "truncated".

    Raises:
        MissingExtra: pyarrow is not installed.
        ActlabError: the folder is no LeRobot data set of version 3, or its tables do not fit its `info.json`.
    """
    check_done(done)
    folder, notes = Path(path), Notes()
    info = _info(folder)
    features: Mapping[str, Any] = info["features"]
    films = sorted(name for name, told in features.items() if told.get("dtype") in ("video", "image"))
    if films:
        notes[f"pictures are not read: {', '.join(films)}"] += 1
    table = _table(folder, features, films)
    for needed in ("action", "episode_index", "frame_index"):
        if needed not in table:
            raise ActlabError(f"{folder} has no column {needed!r}; it has {', '.join(sorted(table)) or 'none'}.")
    order = np.lexsort((table["frame_index"].reshape(-1), table["episode_index"].reshape(-1)))
    table = {name: column[order] for name, column in table.items()}
    count = len(order)
    rewards = table.get("next.reward")
    if rewards is None:
        notes["there are no rewards (next.reward): 0 stands for them"] += 1
        rewards = np.zeros(count, np.float32)
    if "next.done" not in table:
        notes["no flags tell how episodes end (next.done)"] += 1
    else:
        notes[f"next.done counts as {done}"] += 1
    numbers = table["episode_index"].reshape(-1)
    seen = {name.removeprefix(PREFIX): table[name] for name in table if name.startswith(PREFIX)}
    before = chosen(seen, keys, str(folder))
    episodes = []
    for piece in np.split(np.arange(count), np.flatnonzero(np.diff(numbers)) + 1):
        if not len(piece):
            continue
        cut = slice(piece[0], piece[-1] + 1)
        frames = table["frame_index"].reshape(-1)[cut]
        if not np.array_equal(frames, np.arange(len(piece))):
            notes["{} episodes have frames that do not follow one another"] += 1
        ended = "next.done" in table and bool(table["next.done"].reshape(-1)[piece[-1]])
        told = {"success": table["next.success"].reshape(-1)[cut].astype(np.float32)} if "next.success" in table else {}
        mine = {name: leaf[cut] for name, leaf in before.items()} if isinstance(before, dict) else before[cut]
        terminated, truncated = ended and done == "terminated", ended and done == "truncated"
        episode = closed(mine, None, table["action"][cut], rewards.reshape(-1)[cut], terminated, truncated, told, notes)
        episodes += [] if episode is None else [episode]
    announced = info.get("total_episodes")
    if announced is not None and announced != len(set(numbers.tolist())):
        notes[f"meta/info.json announces {announced} episodes, the tables hold {len(set(numbers.tolist()))}"] += 1
    kept = ("codebase_version", "robot_type", "fps")
    provenance = {"lerobot": {name: info[name] for name in kept if name in info}}
    recordings = Recordings(tuple(episodes), provenance)
    return recordings, report(path, f"LeRobot {info.get('codebase_version')}", recordings, notes.sentences)


def _info(folder: Path) -> dict[str, Any]:
    path = folder / "meta" / "info.json"
    try:
        info = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ActlabError(f"{folder} is no LeRobot data set: {path} cannot be read ({error}).") from None
    version = str(info.get("codebase_version", "none")) if isinstance(info, dict) else "none"
    if not version.startswith("v3"):
        raise ActlabError(f"{folder} should be a LeRobot data set of version 3; its version is {version}.")
    if not isinstance(info.get("features"), dict):
        raise ActlabError(f"{path} names no features.")
    return info


def _table(folder: Path, features: Mapping[str, Any], films: Sequence[str]) -> dict[str, np.ndarray]:
    """The columns of all tables that are numbers, `[frames, ...]` in the shapes that `features` say."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtra("LeRobot's tables", "data") from None
    files = sorted((folder / "data").glob("chunk-*/file-*.parquet"))
    if not files:
        raise ActlabError(f"{folder} has no tables data/chunk-*/file-*.parquet.")
    wanted = [name for name, told in features.items() if name not in films and told.get("dtype") != "string"]
    parts: dict[str, list[np.ndarray]] = {}
    for file in files:
        try:
            with parquet.ParquetFile(file) as opened:
                present = set(opened.schema_arrow.names)
                table = opened.read(columns=[name for name in wanted if name in present])
        except (pyarrow.ArrowException, OSError) as error:
            raise ActlabError(f"{file} is damaged or no Parquet file: {' '.join(str(error).split())}.") from None
        for name in table.column_names:
            shape = tuple(features[name].get("shape") or (1,))
            parts.setdefault(name, []).append(_column(table.column(name), shape, f"{file}: {name}"))
    lengths = {name: sum(map(len, arrays)) for name, arrays in parts.items()}
    if len(set(lengths.values())) > 1:
        raise ActlabError(f"The tables of {folder} differ in their columns: {lengths}.")
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _column(column: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """A column, of numbers or of (nested) lists of numbers, as an array."""
    from pyarrow import types

    def lists(kind: Any) -> bool:
        return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)

    values = column.combine_chunks()
    if values.null_count:
        raise ActlabError(f"{where} has {values.null_count} empty entries.")
    rows = len(values)
    while lists(values.type):
        values = values.flatten()  # which heeds slices
    array = values.to_numpy(zero_copy_only=False)
    if array.dtype.kind not in "fiub" or array.size != rows * int(np.prod(shape)):
        raise ActlabError(f"{where} should hold numbers of shape {list(shape)} in {rows} rows; it holds {column.type}.")
    return array.reshape(rows, *shape)
