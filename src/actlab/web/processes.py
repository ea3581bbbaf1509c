"""Runs that a page starts: processes of their own, which outlive the server, and are found again by their folders.

What is asked is checked here and becomes words of the command line; the process is the one that a person would have
typed. It leads a process group of its own, so nothing that happens to the server reaches it. It writes what it says
to `log.txt` in its folder; `process.json` beside it says which process it is and what was asked. Stopping is what
Ctrl-C does: the run writes a checkpoint and ends.
"""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from actlab.core.errors import ActlabError
from actlab.core.files import write_atomically
from actlab.core.process import identity, living
from actlab.training.runs import slug
from actlab.web.folders import LOG, PROCESS, lock_of
from actlab.web.index import Row, RunIndex

MOST = 8
"""Processes that one server starts at a time."""
TASK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,99}(\+[a-z]{1,20}(:[a-z]{1,20}=[0-9]{1,4})?)?")
"""Names of tasks: without the form `module:Id`, which would import a module."""

# A server in the background may ignore Ctrl-C, and its children would inherit that.
_BEGIN = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from runpy import run_module; sys.argv[0] = 'actlab'; run_module('actlab', run_name='__main__')"
)


class Asked(Protocol):
    """Something that can be started."""

    what: ClassVar[str]

    @property
    def name(self) -> str:
        """The beginning of its folder's name."""
        ...

    @property
    def about(self) -> dict[str, Any]:
        """What the index says of it before it has files of its own."""
        ...

    def words(self, folder: Path) -> list[str]:
        """The words behind `actlab`."""
        ...


@dataclass(frozen=True)
class Training:
    """One run.

    Raises:
        ActlabError: an agent, code or task has no such name, or a number is out of its range.
    """

    what: ClassVar[str] = "train"
    agent: str
    task: str
    code: str = "identity"
    steps: int = 100_000
    seed: int = 0

    def __post_init__(self):
        _check_agents([self.agent])
        _check_codes([self.code])
        _check_task(self.task)
        _check_range("steps", self.steps, 1, 10**10)
        _check_range("seed", self.seed, 0, 10**9 - 1)

    @property
    def name(self) -> str:
        return slug(self.task, self.agent.partition(":")[0], self.code, f"s{self.seed}")

    @property
    def about(self) -> dict[str, Any]:
        return {**asdict(self), "agent": self.agent.partition(":")[0], "run": True}

    def words(self, folder: Path) -> list[str]:
        numbers = [f"--steps={self.steps}", f"--seed={self.seed}"]
        return ["train", self.agent, f"--task={self.task}", f"--code={self.code}", *numbers, f"--out={folder}"]


@dataclass(frozen=True)
class Comparison:
    """Agents and codes beside each other, several seeds each.

    Raises:
        ActlabError: as for `Training`.
    """

    what: ClassVar[str] = "compare"
    agents: tuple[str, ...]
    task: str
    codes: tuple[str, ...] = ("identity",)
    steps: int = 20_000
    seeds: int = 5

    def __post_init__(self):
        _check_agents(self.agents)
        _check_codes(self.codes)
        _check_task(self.task)
        _check_range("steps", self.steps, 1, 10**10)
        _check_range("seeds", self.seeds, 1, 100)

    @property
    def name(self) -> str:
        return slug("study", self.task, *(agent.partition(":")[0] for agent in self.agents))

    @property
    def about(self) -> dict[str, Any]:
        arms = " and ".join([*self.agents, *self.codes])
        return {"run": False, "task": self.task, "question": f"Which of {arms} learns best on {self.task}?"}

    def words(self, folder: Path) -> list[str]:
        codes = [f"--code={code}" for code in self.codes]
        numbers = [f"--steps={self.steps}", f"--seeds={self.seeds}"]
        return ["compare", *self.agents, f"--task={self.task}", *codes, *numbers, f"--out={folder}"]


@dataclass(frozen=True)
class Reproduction:
    """The study of a paper.

    Raises:
        ActlabError: no paper has that slug, it is planned, or there is no such scale.
    """

    what: ClassVar[str] = "reproduce"
    paper: str
    scale: str = "smoke"

    def __post_init__(self):
        from actlab.papers.card import SCALES
        from actlab.papers.registry import PAPERS

        if PAPERS[self.paper].load().planned:
            raise ActlabError(f"{self.paper} is planned: nothing of it can be run yet.")
        if self.scale not in SCALES:
            raise ActlabError(f"The scale is one of {', '.join(SCALES)}; received {self.scale!r}.")

    @property
    def name(self) -> str:
        return f"reproduce-{self.paper}-{self.scale}"

    @property
    def about(self) -> dict[str, Any]:
        return {"run": False, "question": f"Do the claims of {self.paper} hold, at the {self.scale} scale?"}

    def words(self, folder: Path) -> list[str]:
        results = [f"--results={folder / 'results'}"] if self.scale == "smoke" else []
        return ["reproduce", self.paper, f"--scale={self.scale}", f"--out={folder}", *results]


KINDS: dict[str, Any] = {kind.what: kind for kind in (Training, Comparison, Reproduction)}


def _check_agents(words: Sequence[str]) -> None:
    from actlab.actions.parse import parse_agent

    if not words:
        raise ActlabError("Name at least one agent.")
    for word in words:
        parse_agent(_word(word))


def _check_codes(words: Sequence[str]) -> None:
    from actlab.actions.parse import parse_code

    if not words:
        raise ActlabError("Name at least one code; `identity` leaves actions as they are.")
    for word in words:
        parse_code(_word(word))


def _check_task(word: str) -> None:
    if not TASK.fullmatch(_word(word)):
        raise ActlabError(f"A task is named like CartPole-v1 or probe/mask-v0; received {word[:100]!r}.")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ActlabError(f"The {name} should be a whole number from {low:,} to {high:,}; received {value!r}.")


def _word(word: str) -> str:
    """A word that the command line will not take for a flag."""
    if not isinstance(word, str) or not word or word.startswith("-") or len(word) > 1000:
        raise ActlabError(f"Expected a name; received {str(word)[:100]!r}.")
    return word


class Processes:
    """Starts, stops and resumes what lies below the root of an index."""

    def __init__(self, index: RunIndex):
        self._index = index
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen] = []

    def start(self, asked: Asked) -> Row:
        """Start a process in a new folder, and return the folder's row. A paper's study has one folder, and goes on.

        Raises:
            ActlabError: too many are running, the study is running, or the folder cannot be written.
        """
        again = asked.what == Reproduction.what
        name = asked.name if again else f"{asked.name}-{secrets.token_hex(4)}"
        folder = self._index.root / name
        with self._lock:
            if again:
                self._refuse_running(folder)
            return self._begin(folder, asked.words(folder), asked)

    def resume(self, folder: Path) -> Row:
        """Go on with what was stopped in a folder below the root.

        Raises:
            ActlabError: it is running or finished, or it was not begun by a page and is no run.
        """
        with self._lock:
            row = self._refuse_running(folder)
            if row is None or row.facts.state in ("finished", "broken"):
                state = "no run" if row is None else row.facts.state
                raise ActlabError(f"{folder.name} is {state}; only what was stopped can go on.")
            asked = _read_asked(folder)
            if (folder / "run.json").exists():
                return self._begin(folder, ["resume", str(folder)], asked)
            if asked is None:
                raise ActlabError(f"{folder.name} was begun on the command line, which goes on with it.")
            return self._begin(folder, asked.words(folder), asked)

    def stop(self, folder: Path) -> Row | None:
        """Do what Ctrl-C does to the process that works in a folder.

        Raises:
            ActlabError: no process works in it.
        """
        row = self._index.look(folder)
        pid = living(row.facts.holder) if row is not None else None
        if row is None or pid is None:
            raise ActlabError(f"No process works in {folder.name}.")
        try:
            handle = os.pidfd_open(pid)  # this process and no later one of the same number
        except (AttributeError, OSError):
            handle = None
        try:
            if living(row.facts.holder) == pid:
                # before it holds its folder a run has nothing to save, and what it imports may swallow Ctrl-C
                importing = row.facts.kind == "run" and living(lock_of(folder)) != pid
                wish = signal.SIGTERM if importing else signal.SIGINT
                if os.getpgid(pid) == pid:
                    os.killpg(pid, wish)
                elif handle is not None:
                    signal.pidfd_send_signal(handle, wish)
                else:
                    os.kill(pid, wish)
        except ProcessLookupError:
            pass  # it has just ended
        except PermissionError:
            raise ActlabError(f"The process that works in {folder.name} is another user's.") from None
        finally:
            if handle is not None:
                os.close(handle)
        return row

    def tidy(self) -> int:
        """Take leave of children that have ended; returns how many have not."""
        self._children = [child for child in self._children if child.poll() is None]
        return len(self._children)

    def _refuse_running(self, folder: Path) -> Row | None:
        row = self._index.look(folder) if folder.is_dir() else None
        if row is not None and row.facts.state in ("running", "starting"):
            raise ActlabError(f"{folder.name} is running already.")
        return row

    def _begin(self, folder: Path, words: list[str], asked: Asked | None) -> Row:
        if self.tidy() >= MOST:
            raise ActlabError(f"{MOST} processes are running already; stop one, or wait.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with open(folder / LOG, "ab") as log:
                child = subprocess.Popen(
                    [sys.executable, "-c", _BEGIN, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise ActlabError(f"{folder} cannot be written: {error.strerror}.") from None
        self._children.append(child)
        about = {"process": identity(child.pid), "command": ["actlab", *words]}
        if asked is not None:
            about |= {**asked.about, "asked": {"what": asked.what, **asdict(asked)}}  # type: ignore[call-overload]
        write_atomically(folder / PROCESS, json.dumps(about, indent=1) + "\n")
        row = self._index.look(folder)
        assert row is not None
        return row


def _read_asked(folder: Path) -> Asked | None:
    """What a page once asked for in a folder, checked as if it were asked again; None where none did."""
    try:
        content = json.loads((folder / PROCESS).read_bytes())["asked"]
        kind = KINDS[content.pop("what")]
        fields: Mapping[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in content.items()}
        return kind(**fields)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
