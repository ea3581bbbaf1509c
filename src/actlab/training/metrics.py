"""The one metrics writer: a JSON line a row in `metrics.jsonl`; TensorBoard and W&B as optional sinks.

Rows hold what the seed determines and nothing else, so a resumed run has the same bytes as an
undisturbed one; times go to `timing.jsonl` beside it.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from actlab.core.errors import ActlabError, MissingExtra


class Sink(Protocol):
    """Something else that wants every row."""

    def write(self, steps: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in the run folder (extra `tensorboard`)."""

    def __init__(self, folder: Path, name: str):
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise MissingExtra("TensorBoard output", "tensorboard") from None
        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def write(self, steps: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, steps)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A W&B run named as the run folder (extra `wandb`)."""

    def __init__(self, folder: Path, name: str):
        try:
            import wandb
        except ImportError:
            raise MissingExtra("W&B output", "wandb") from None
        self._run = wandb.init(project="actlab", name=name, dir=str(folder), resume="allow")

    def write(self, steps: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=steps)

    def close(self) -> None:
        self._run.finish()


SINKS = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}


class Metrics:
    """Rows of one run. A row is {"steps": native steps, name: value, ...}; names are `group/name`."""

    def __init__(self, folder: Path, name: str, sinks: tuple[str, ...] = (), offset: int = 0):
        """
        Args:
            offset: bytes of `metrics.jsonl` that count; what lies behind them is dropped (resume).

        Raises:
            ActlabError: a sink has no such name, or the file is shorter than the offset.
        """
        unknown = [sink for sink in sinks if sink not in SINKS]
        if unknown:
            raise ActlabError(f"There is no sink named {unknown[0]!r}; known: {', '.join(SINKS)}.")
        path = folder / "metrics.jsonl"
        path.touch()
        if path.stat().st_size < offset:
            raise ActlabError(f"{path} has lost rows: {path.stat().st_size} bytes are left of {offset}.")
        self._file = open(path, "r+b")  # noqa: SIM115 (closed by `close`)
        self._file.truncate(offset)
        self._file.seek(offset)
        self._sinks: list[Sink] = [SINKS[sink](folder, name) for sink in sinks]

    def write(self, steps: int, values: Mapping[str, float]) -> None:
        """Append a row; NaN and infinity are written as null."""
        clean = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self._writing():
            self._file.write((json.dumps({"steps": steps, **clean}) + "\n").encode())
            self._file.flush()  # for those who watch
        for sink in self._sinks:
            sink.write(steps, values)

    def flush(self) -> int:
        """Hand everything to the operating system; returns the offset for the checkpoint.

        Raises:
            ActlabError: the disk refuses it.
        """
        with self._writing():
            self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        """
        Raises:
            ActlabError: the disk refuses the last rows.
        """
        for sink in self._sinks:
            sink.close()
        with self._writing():
            self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ActlabError(f"{self._file.name} could not be written: {error.strerror or error}.") from None


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """All complete rows of a run."""
    path = folder / "metrics.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]
