"""Files of recorded episodes. Each format reads into `Recordings` and a report of what was found; nothing is unpickled.

| format | what it is | module |
|---|---|---|
| Minari | a folder with `data/main_data.hdf5`, or its id | `minari` |
| robomimic | HDF5 with groups `data/demo_N` | `hdf5` |
| D4RL | HDF5 with `observations`, `actions`, `rewards`, `terminals`, `timeouts` | `hdf5` |
| NumPy | `.npz` in our layout, or with D4RL's arrays | `npz` |
| LeRobot | a folder of version 3, with `meta/info.json` | `lerobot` |
"""

from collections.abc import Sequence
from pathlib import Path

from actlab.core.errors import ActlabError
from actlab.data.episodes import Recordings
from actlab.data.formats import hdf5, lerobot, minari, npz
from actlab.data.formats.report import Report

__all__ = ["Report", "audit", "read"]


def read(
    source: str | Path, *, keys: Sequence[str] | None = None, done: str = "terminated", root: str | Path | None = None
) -> Recordings:
    """Read recorded episodes, in whichever of the formats they are.

    Args:
        source: a file, a folder, or the id of a data set such as `local/hopper-medium-v0`.
        keys: which observations, where there are several by name; all where None. One alone is an array.
        done: what a flag "done" tells of, where a format does not say: "terminated" or "truncated".
        root: where data sets with an id lie; see `minari.root_folder`.

    Raises:
        MissingExtra: the format needs the extra `data`.
        ActlabError: there is no such file, or it is in none of the formats.
    """
    return audit(source, keys=keys, done=done, root=root)[0]


def audit(
    source: str | Path, *, keys: Sequence[str] | None = None, done: str = "terminated", root: str | Path | None = None
) -> tuple[Recordings, Report]:
    """As `read`, with the report of what was found: shapes, ranges, ends, and what had to be guessed."""
    path = Path(source)
    if not path.exists():
        path = _by_id(str(source), root)
    if path.is_dir():
        if (path / "data" / minari.METADATA).exists():
            return minari.read(path, keys)
        if (path / "meta" / "info.json").exists():
            return lerobot.read(path, keys, done)
        raise ActlabError(
            f"{path} is no data set: expected Minari's data/{minari.METADATA} or LeRobot's meta/info.json in it."
        )
    if path.suffix.lower() == ".npz":
        return npz.read(path, keys, done)
    if path.suffix.lower() in (".hdf5", ".h5"):
        if path.name == minari.FILE and (path.parent / minari.METADATA).exists():
            return minari.read(path.parent.parent, keys)
        return hdf5.read(path, keys, done)
    raise ActlabError(f"{path} should be a folder, or a file that ends in .npz, .hdf5 or .h5.")


def _by_id(name: str, root: str | Path | None) -> Path:
    """The folder of a data set's id.

    Raises:
        ActlabError: there is neither a file nor a data set of that name.
    """
    try:
        folder = minari.folder_of(name, root)
    except ActlabError:
        raise ActlabError(f"{name} does not exist.") from None
    if not folder.exists():
        raise ActlabError(f"There is no data set {name} in {minari.root_folder(root)}; see: actlab data list")
    return folder
