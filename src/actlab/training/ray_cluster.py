"""Cells on a Ray cluster: every cell is a task, and writes into the same runs folder as without a cluster.

The folder of runs has to be one that all machines of the cluster see at the same path. Results alone could be sent
back, but a checkpoint has to outlive the worker, and the machine, that wrote it: a cell whose worker was killed is
given to another one, which goes on from the last checkpoint, and replay buffers may be gigabytes that nobody wants to
send twice a minute. So nothing but the words of a cell travels through Ray.

Which worker computes a cell changes none of its bits, as long as the workers run the same code on the same kind of
machine. The code is compared before anything is computed; a Ray worker that runs other code ends the study with a
sentence. Every cell's folder says in `machine.json` on what kind of machine it was computed.

Ray is imported where it is used.
"""

import hashlib
import os
import platform
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import jax

from actlab.core.errors import ActlabError, MissingExtra
from actlab.core.studies import Cell
from actlab.training.cells import compute, folder_of, sentence_of
from actlab.training.checkpoint import write_json
from actlab.training.cluster import Cluster, Outcome, arrived
from actlab.training.loop import Interrupted
from actlab.training.patience import patience as waiting_for
from actlab.training.runs import machine, versions

LOCKED = 120.0
"""Most seconds until the lock of a worker that is gone is given back."""
FAREWELL = 60.0
"""Seconds that running cells have for their last checkpoint after Ctrl-C."""
ANSWER = 20.0
"""Seconds that the head of a cluster may take to answer."""
OBJECTS = 100_000_000
"""Bytes of the object store of a local cluster: sentences are all that goes through it."""
_TOKEN = "RAY_AUTH_MODE"


@contextmanager
def connection(address: str | None, workers: int | None = None) -> Iterator[Any]:
    """Inside, this process is connected to a Ray cluster; gives the package `ray` (None without an address).

    A process that is connected already stays so; "local" and "auto" then mean the cluster that it is connected to.

    Args:
        address: "local" starts a cluster of this machine for the time being; else that of a running one, which this
            machine is part of: "host:6379", or "auto" for the one that is found here or in `RAY_ADDRESS`.
        workers: CPUs of a local cluster; None takes all.

    Raises:
        MissingExtra: Ray is not installed.
        ActlabError: there is no such cluster, or the process is connected to another one.
    """
    if address is None:
        yield None
        return
    try:
        ray = import_module("ray")
    except ImportError:
        raise MissingExtra("A Ray cluster", "ray") from None
    if ray.is_initialized():
        here = ray.get_runtime_context().gcs_address
        if address not in ("local", "auto", here):
            raise ActlabError(f"This process is connected to the Ray cluster at {here!r} already, not to {address!r}.")
        yield ray
        return
    try:
        try:
            with _quietly():
                _connect(ray, address, workers)
        except (ConnectionError, RuntimeError, ValueError, AssertionError) as error:
            what = "could not be started" if address == "local" else "was not found"
            hint = ""
            if address not in ("local", "auto") and _TOKEN not in os.environ and not isinstance(error, _Nobody):
                hint = f" If it asks for a token: export {_TOKEN}=token"
            raise ActlabError(f"The Ray cluster {address!r} {what}: {_first_line(error)}{hint}") from None
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str, workers: int | None) -> None:
    import logging

    if address != "local":
        if address != "auto":
            _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        return
    ray.init(
        address="local",
        num_cpus=workers or os.cpu_count(),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECTS,
    )


class _Nobody(ConnectionError, ValueError):
    """There is nothing at an address."""


def _knock(address: str) -> None:
    """Does anybody answer? Ray itself would try for minutes.

    Raises:
        _Nobody: nobody does, or it is no address.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        raise _Nobody("an address is HOST:PORT, auto or local.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise _Nobody(f"nobody answers ({error}).") from None


@contextmanager
def _quietly() -> Iterator[None]:
    """Inside, Ray sends nothing home, and warns of nothing that does not concern us.

    Its servers are started by a fork and an exec, of which JAX warns because of what happens between the two; there
    nothing of JAX is touched.
    """
    import warnings

    name, before = "RAY_USAGE_STATS_ENABLED", os.environ.get("RAY_USAGE_STATS_ENABLED")
    os.environ.setdefault(name, "0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ[name]


class RayCluster:
    """Tasks of a connected Ray (see `Cluster`). A cell takes one CPU, and one GPU where this process uses one."""

    def __init__(self, ray: Any, job: "Job"):
        self._ray = ray
        self._job = job
        accelerator = jax.default_backend() != "cpu"
        # what decides on bits, and where this machine keeps compiled programs, holds for the workers, too
        words = {name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_", "ACTLAB_"))}
        words.setdefault("JAX_PLATFORMS", "cuda" if accelerator else "cpu")
        self._task = ray.remote(num_cpus=1, num_gpus=int(accelerator), max_retries=0, runtime_env={"env_vars": words})(
            _task
        )

    def submit(self, cell: Cell) -> Any:
        return self._task.options(name=folder_of(cell, self._job.root).name).remote(cell, self._job)

    def wait(self, tickets: Sequence[Any]) -> Sequence[Any]:
        return self._ray.wait(list(tickets), num_returns=1)[0]

    def outcome(self, ticket: Any) -> Outcome:
        errors = self._ray.exceptions
        try:
            return self._ray.get(ticket)
        except errors.TaskCancelledError:
            return Outcome("stopped")
        except errors.RayTaskError as error:  # before the cell began: what it was made of could not be imported
            return Outcome("failed", sentence_of(error.cause) if error.cause is not None else _first_line(error))
        except (errors.RuntimeEnvSetupError, errors.TaskUnschedulableError) as error:
            return Outcome("failed", _first_line(error))
        except errors.OutOfMemoryError:
            return Outcome("died", "its machine ran out of memory")
        except errors.RayError as error:
            return Outcome("died", _first_line(error))

    def stop(self, tickets: Sequence[Any]) -> None:
        for ticket in tickets:
            self._ray.cancel(ticket)
        if tickets:
            self._ray.wait(list(tickets), num_returns=len(tickets), timeout=FAREWELL)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@contextmanager
def ray_cluster(address: str, root: Path, workers: int | None, patience: float) -> Iterator[Cluster]:
    """A Ray cluster that computes cells into `root` (`connection` says what else)."""
    with connection(address, workers) as ray:
        root.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=root, prefix=".cluster-") as token:
            job = Job(root.absolute(), Path(token.name).name, patience, os.getcwd(), tuple(sys.path), fingerprint())
            yield RayCluster(ray, job)


# --- what a worker does --------------------------------------------------------------------------------


class Job(NamedTuple):
    """What all tasks of a study are told."""

    root: Path
    """Folder of the cells."""
    token: str
    """Name of a file in it, by which a worker knows that it is the same folder."""
    patience: float
    folder: str
    """Where the person is: relative paths and modules of their own begin there."""
    path: tuple[str, ...]
    """Where Python looks for modules."""
    code: dict[str, str]
    """`fingerprint()`"""


@lru_cache(maxsize=1)
def fingerprint() -> dict[str, str]:
    """Versions of what numbers depend on, and the digest of our own source files."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    return {**versions(), "sources of actlab": digest.hexdigest()[:12]}


def unfit(job: Job) -> str | None:
    """None if this process may compute cells of the job, else the sentence why not."""
    where, code = f"The Ray worker on {platform.node()}", fingerprint()
    for name in sorted(code.keys() | job.code.keys()):
        ours, theirs = (found.get(name, "missing") for found in (code, job.code))
        if ours != theirs:
            return f"{where} runs other code ({name}: {ours} there, {theirs} here), so its results could differ."
    if not arrived(job.root / job.token):
        return (
            f"{where} does not see {job.root}: the machines of a cluster need one folder for runs that all of them see "
            "at the same path; --out DIR chooses it."
        )
    return None


def _task(cell: Cell, job: Job) -> Outcome:
    """Compute one cell in a Ray worker."""
    from actlab.training.compilation import enable_compilation_cache

    if (sentence := unfit(job)) is not None:
        return Outcome("unfit", sentence)
    if os.path.isdir(job.folder):
        os.chdir(job.folder)
    sys.path.extend(place for place in job.path if place not in sys.path)
    enable_compilation_cache()
    folder = folder_of(cell, job.root)
    try:
        for source in cell.inputs.values():
            arrived(folder_of(source, job.root) / "result.json")
        if not (folder / "result.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "machine.json", machine())
        with waiting_for(job.patience):
            compute(cell, job.root, wait=LOCKED)
    except Interrupted:
        return Outcome("stopped")
    except Exception as error:  # one broken cell must not stop a study; its sentence goes to the report
        return Outcome("failed", sentence_of(error))
    return Outcome("done")
