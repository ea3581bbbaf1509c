"""What lies in a folder of runs: list it, remove parts of it. Reads the JSON files only, so it needs no JAX."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError


@dataclass(frozen=True)
class Listed:
    """One run, evaluation or study."""

    folder: str
    kind: str
    """"run", "study", "suggestion" or "cell" (another part of a study, such as an evaluation)."""
    what: str
    """Task, agent, code and seed of a run; the question of a study; task and budget of a suggestion."""
    state: str
    """"finished" or "unfinished"."""
    megabytes: float


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


_MARKS = (("run.json", "run"), ("study.json", "study"), ("plan.json", "suggestion"), (".lock", "cell"))


def kind_of(folder: Path) -> str | None:
    """What a folder is, by the files in it; None where it is nothing of ours."""
    for name, kind in _MARKS:
        if (folder / name).is_file():
            return kind
    begun = folder.is_dir() and [path.name for path in folder.iterdir()] == ["cells"]  # with --out, before its end
    return "study" if begun and any(kind_of(part) for part in _folders(folder / "cells")) else None


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _listed(folder: Path, kind: str) -> Listed:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if kind == "study":
        study = _read(folder / "study.json")
        what, finished = str(study.get("question", "?")), bool(study)
    elif kind == "suggestion":
        asked = _read(folder / "plan.json").get("asked", {})
        what, finished = f"{asked.get('task')}, budget {asked.get('budget')}", (folder / "suggest.json").is_file()
    else:
        run = _read(folder / "run.json")
        words = [str(run[name]) for name in ("task", "agent", "code") if name in run]
        what = ", ".join([*words, f"seed {run['seed']}"]) if "seed" in run else folder.name
        finished = (folder / "result.json").is_file()
    return Listed(str(folder), kind, what, "finished" if finished else "unfinished", round(size / 1e6, 1))


def list_folders(root: Path) -> list[Listed]:
    """Runs and studies in `root`, and the cells that studies share; by name.

    Raises:
        ActlabError: there is no such folder.
    """
    if not root.is_dir():
        raise ActlabError(f"There is no folder {root}; runs are written under runs/ unless --out says otherwise.")
    candidates = [*_folders(root), *_folders(root / "cells")]
    return [_listed(folder, kind) for folder in candidates if folder.name != "cells" and (kind := kind_of(folder))]


def remove_folders(folders: list[Path]) -> list[Path]:
    """Remove runs and studies; what a study shares with others under `cells` stays.

    Raises:
        ActlabError: one of them is no run or study (then nothing is removed).
    """
    for folder in folders:
        if folder.is_symlink() or kind_of(folder) is None:
            raise ActlabError(f"{folder} is no run or study of actlab; nothing was removed.")
    for folder in folders:
        shutil.rmtree(folder)
    return folders
