"""Run folders: one training run of one seed, everything that is needed to read, resume or ship it.

```
run.json                 what was asked: task, agent, code, seed, budget; versions and machine
metrics.jsonl            one row a line (training rows and evaluations)
checkpoint.safetensors   learner, lanes, counters, and which segments of the replay buffers count
replay/                  the rows of replay buffers, in segments that are written once (see `segments`)
result.json              written when the run is finished
timing.json              seconds, compilation apart
```
"""

import dataclasses
import fcntl
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax

from actlab.actions.parse import code_text, parse_code
from actlab.actions.save import codec_from_json
from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.files import remove_temporaries
from actlab.core.process import identity
from actlab.core.registry import AGENTS
from actlab.tasks.catalogue import task as find_task
from actlab.training.checkpoint import read_json, write_json

FORMAT = 1
LOCK = ".lock"
"""The file that a process holds that works in a folder; it says which one."""
RUNS = Path("runs")
"""Where runs and studies go that are not told otherwise."""
PACKAGES = ("actlab", "jax", "jaxlib", "equinox", "optax", "numpy", "gymnasium", "mujoco")


def versions() -> dict[str, str]:
    """Versions of actlab and of what its numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Kind of machine, without its name."""
    model = ""
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model,
        "cores": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
    }


def options_of(agent: Any) -> dict[str, Any]:
    """The hyper-parameters of an agent as JSON values."""
    return {field.name: getattr(agent, field.name) for field in dataclasses.fields(agent)}


def static_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of the agent of that name that its compiled programs depend on.

    The others are annotated `float`: traced, so that their values share one compilation (`hyperparameters`).
    """
    kinds = {field.name: field.type for field in dataclasses.fields(AGENTS[name].load())}
    return {option: value for option, value in options.items() if kinds.get(option) not in (float, "float")}


def make_agent(name: str, options: Mapping[str, Any]) -> Any:
    """The agent of that name.

    Raises:
        UnknownName: no such agent, or no such option.
    """
    return AGENTS[name].load()(**options)


def slug(*parts: str) -> str:
    """A folder name from free text: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(parts)).strip("-")[:80]


@contextmanager
def locked(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold `folder` for this process, without what a killed one left half written.

    Args:
        wait: most seconds for another process that works in it.

    Raises:
        ActlabError: another process works in it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / LOCK, "a")  # noqa: SIM115
    except OSError as error:
        raise ActlabError(f"{folder} cannot be written: {error.strerror}.") from None
    with file:
        end = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= end:
                    raise ActlabError(f"{folder} is in use by another process.") from None
            time.sleep(0.2)
        remove_temporaries(folder / "*")
        with suppress(OSError):  # for those who ask who works here; a full disk is told of where it matters
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), identity().encode())
        try:
            yield
        finally:
            os.ftruncate(file.fileno(), 0)


@dataclass(frozen=True)
class Run:
    """One run folder, read."""

    folder: Path
    config: Mapping[str, Any]
    agent: Any
    task: Task

    @property
    def seed(self) -> int:
        return self.config["seed"]

    @property
    def finished(self) -> bool:
        """Has the whole budget been trained?"""
        return (self.folder / "result.json").exists()

    @property
    def result(self) -> dict[str, Any]:
        """What `result.json` says."""
        return read_json(self.folder / "result.json")


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write `run.json`, or check that the folder holds a run with the same settings.

    Raises:
        ActlabError: the folder holds another run.
    """
    path = folder / "run.json"
    if path.exists():
        held = read_json(path)
        different = [name for name in config if name not in ("versions", "machine") and held.get(name) != config[name]]
        if different:
            raise ActlabError(
                f"{folder} holds another run ({different[0]} = {held.get(different[0])!r}, not "
                f"{config[different[0]]!r}); choose another folder with --out."
            )
        return
    write_json(path, {"format": FORMAT, **config, "versions": versions(), "machine": machine()})


def read_run(folder: str | Path, task: Task | None = None) -> Run:
    """Open a run folder.

    Args:
        task: where the run's task was made in Python and has no registered name.

    Raises:
        ActlabError: the folder is no run, or was written by a newer actlab.
    """
    folder = Path(folder)
    if not (folder / "run.json").exists():
        raise ActlabError(f"{folder} is no run folder: it has no run.json.")
    config = read_json(folder / "run.json")
    if not isinstance(config, dict) or "agent" not in config or "task" not in config:
        raise ActlabError(f"{folder / 'run.json'} does not describe a run of actlab.")
    if config.get("format", 0) > FORMAT:
        raise ActlabError(f"{folder} was written by a newer actlab (format {config['format']}, this is {FORMAT}).")
    if task is None:
        task = find_task(config["task"])
        saved = config.get("codec")  # with its statistics, which the text of a code does not say
        task = (
            task.with_code(parse_code(config["code"], own=True))
            if saved is None
            else task.with_bound(codec_from_json(saved))
        )
    return Run(folder, config, make_agent(config["agent"], config["options"]), task)


def describe(agent: Any, task: Task) -> dict[str, Any]:
    """The part of a configuration that names agent, task and code."""
    return {
        "agent": AGENTS.name_of(type(agent)),
        "options": options_of(agent),
        "task": task.spec.name,
        "code": code_text(task.spec.codec),
    }
