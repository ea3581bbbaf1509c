"""What one folder under the root holds: a run, a study, another part of one, or neither. Reads only; never raises."""

import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actlab.core.process import living
from actlab.training.runs import FORMAT, LOCK

PROCESS = "process.json"
"""What a page started in a folder: the process and its words."""
LOG = "log.txt"
"""What that process said."""
TAIL = 1 << 16
"""Bytes at the end of a file that are read of it."""
LARGEST = 1 << 26
"""Bytes of the largest JSON file that is read."""

STATES = {
    "running": "a process works at it",
    "starting": "its process has begun, and nothing is trained yet",
    "stopped": "it can go on from its last checkpoint",
    "failed": "its process ended with an error",
    "finished": "the whole budget is trained",
    "broken": "its files cannot be read",
}


@dataclass(frozen=True)
class Facts:
    """What a list says of a folder."""

    kind: str
    """"run", "study", "suggestion", or "part" of a study, such as an evaluation."""
    state: str
    """One of `STATES`."""
    task: str = ""
    agent: str = ""
    code: str = ""
    seed: int | None = None
    options: str = ""
    """The agent's hyper-parameters as JSON."""
    question: str = ""
    """Of a study."""
    steps: int = 0
    """Steps that its metrics tell of."""
    budget: int = 0
    score: float | None = None
    """Mean return of its last evaluation."""
    changed: float = 0.0
    """When its files changed last, seconds since 1970."""
    note: str = ""
    """Why it is broken or failed."""
    holder: str = ""
    """The process that works in it (`core.process.identity`)."""


class _Unreadable(Exception):
    """A file that says something else than it should; the text is a sentence."""


def examine(folder: Path, names: set[str]) -> Facts | None:
    """What a folder with these files is; None where it is nothing of ours.

    Args:
        names: of what lies in it.
    """
    facts = _examine(folder, names)
    return None if facts is None else replace(facts, **{n: _clean(x) for n, x in vars(facts).items() if type(x) is str})


def _clean(text: str) -> str:
    """Text that can be stored: at most 10,000 letters, and only those that UTF-8 has."""
    return text[:10_000].encode("utf-8", "replace").decode()


def _examine(folder: Path, names: set[str]) -> Facts | None:
    if names & {"run.json", PROCESS}:
        return _run(folder, names)
    if "study.json" in names:
        return _guarded(_study, folder, "study")
    if "plan.json" in names:
        return _guarded(_suggestion, folder, "suggestion")
    if names & {"metrics.jsonl", "checkpoint.safetensors"}:
        return Facts("run", "broken", changed=_time(folder), note="It has no run.json.")
    return Facts("part", "finished" if "result.json" in names else "stopped") if LOCK in names else None


def _guarded(read: Any, folder: Path, kind: str) -> Facts:
    try:
        return read(folder)
    except _Unreadable as error:
        return Facts(kind, "broken", changed=_time(folder), note=str(error))


def _run(folder: Path, names: set[str]) -> Facts:
    started = _started(folder) if PROCESS in names else {}
    holder = lock_of(folder)
    at_work = living(holder) is not None
    holder = holder if at_work else str(started.get("process", ""))
    alive = at_work or living(holder) is not None
    if "run.json" not in names:
        if "study.json" in names or "cells" in names or not started.get("run", True):
            return _job(folder, names, started, alive, holder)
        words = {name: str(started.get(name, "")) for name in ("task", "agent", "code")}
        seed, budget = (_count(started.get(name)) for name in ("seed", "steps"))
        said = _last_words(folder)
        state = "starting" if alive else "failed" if _is_error(said) else "stopped"
        note, changed = said if state == "failed" else "", _time(folder)
        return Facts(
            "run", state, **words, seed=seed, budget=budget or 0, changed=changed, note=note, holder=holder * alive
        )
    facts = _guarded(_config, folder, "run")
    if facts.state == "broken":
        return facts
    try:
        facts = _progress(folder, facts)
    except _Unreadable as error:
        return replace(facts, state="broken", note=str(error))
    if "result.json" in names:
        return _guarded_result(folder, facts)
    if alive:
        return replace(facts, state="running" if at_work and facts.steps else "starting", holder=holder)
    said = _last_words(folder)
    return replace(facts, state="failed", note=said) if _is_error(said) else facts


def _guarded_result(folder: Path, facts: Facts) -> Facts:
    try:
        _object(folder / "result.json")
    except _Unreadable as error:
        return replace(facts, state="broken", note=str(error))
    return replace(facts, state="finished")


def _job(folder: Path, names: set[str], started: dict[str, Any], alive: bool, holder: str) -> Facts:
    """A study that a page started."""
    facts = _guarded(_study, folder, "study") if "study.json" in names else Facts("study", "stopped")
    said = _last_words(folder)
    failed = _is_error(said)
    state = "running" if alive else "failed" if failed else facts.state
    if not alive and not failed and "study.json" not in names:
        state = "finished" if said.startswith("result: ") else "stopped"
    return replace(
        facts,
        state=state,
        question=facts.question or str(started.get("question", "")),
        changed=_time(folder),
        note=facts.note or (said if failed else ""),
        holder=holder * alive,
    )


def _config(folder: Path) -> Facts:
    config = _object(folder / "run.json")
    for name, kind in {"task": str, "agent": str, "code": str, "seed": int, "steps": int}.items():
        if type(config.get(name)) is not kind or (kind is int and not 0 <= config[name] < 1 << 62):
            raise _Unreadable(f"run.json should name its {name}.")
    if not isinstance(config.get("format", 0), int) or config.get("format", 0) > FORMAT:
        raise _Unreadable("It was written by a newer actlab.")
    options = json.dumps(config.get("options", {}), sort_keys=True)
    return Facts(
        "run",
        "stopped",
        *(config[name] for name in ("task", "agent", "code", "seed")),
        options=options if len(options) < 10_000 else "{}",
        budget=config["steps"],
        changed=_time(folder / "run.json"),
    )


def _progress(folder: Path, facts: Facts) -> Facts:
    """With what the end of its metrics tells."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        return facts
    steps, score = facts.steps, None
    for line in reversed(tail(path)):
        try:
            row = json.loads(line)
            steps = max(steps, _count(row["steps"]) or 0)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise _Unreadable("metrics.jsonl holds a line that is no row.") from None
        value = row.get("evaluation/return")
        if isinstance(value, int | float) and math.isfinite(value):
            score = float(value)
            break
    return replace(facts, steps=steps, score=score, changed=max(facts.changed, _time(path)))


def _study(folder: Path) -> Facts:
    content = _object(folder / "study.json")
    question = content.get("question")
    if not isinstance(question, str) or not isinstance(content.get("arms"), list):
        raise _Unreadable("study.json does not hold a study's result.")
    tasks = content.get("tasks")
    listed = ", ".join(map(str, tasks)) if isinstance(tasks, list) else ""
    return Facts("study", "finished", task=listed, question=question, changed=_time(folder / "study.json"))


def _suggestion(folder: Path) -> Facts:
    asked = _object(folder / "plan.json").get("asked", {})
    if not isinstance(asked, dict):
        raise _Unreadable("plan.json does not say what was asked.")
    question = f"What suits {asked.get('task')}, for {asked.get('budget')}?"
    state = "finished" if (folder / "suggest.json").exists() else "stopped"
    return Facts("suggestion", state, task=str(asked.get("task", "")), question=question, changed=_time(folder))


def _started(folder: Path) -> dict[str, Any]:
    try:
        return _object(folder / PROCESS)
    except _Unreadable:
        return {}


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 62 else None


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST:
            raise _Unreadable(f"{path.name} is larger than {LARGEST >> 20} MiB.")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise _Unreadable(f"{path.name} could not be read: {reason}.") from None
    if not isinstance(content, dict):
        raise _Unreadable(f"{path.name} should hold an object.")
    return content


def tail(path: Path, size: int = TAIL) -> list[bytes]:
    """The whole lines at the end of a file; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            begin = max(0, end - size)
            file.seek(begin)
            lines = file.read(size).split(b"\n")[:-1]
    except OSError:
        return []
    return lines[1:] if begin else lines


def _is_error(said: str) -> bool:
    """Is this line what the command line says of an error?"""
    return said.startswith("actlab: ") and not said.lower().startswith("actlab: stopped")


def lock_of(folder: Path) -> str:
    """The process that holds a folder (`core.process.identity`), or held it; "" where none did."""
    return _text(folder / LOCK)


def _last_words(folder: Path) -> str:
    """The last line that its process wrote."""
    lines = [line.strip() for line in tail(folder / LOG, 4096) if line.strip()]
    return lines[-1].decode("utf-8", "replace")[:500] if lines else ""


def _text(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(100).decode("ascii", "replace")
    except OSError:
        return ""


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
