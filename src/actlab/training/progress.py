"""Progress on the terminal: steps, steps/s (compilation apart), time left. Rich draws it; `quiet` draws nothing."""

import sys
import time
from typing import Any


class Progress:
    """One bar for one run. Where standard error is no terminal, a line every ten per cent instead."""

    def __init__(self, total: int = 0, label: str = "", quiet: bool = False, unit: str = "steps"):
        self.total, self.label, self.quiet, self.unit = total, label, quiet, unit
        self._began = time.perf_counter()
        self._first_steps: int | None = None
        self._tenth = 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> "Progress":
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.label, total=self.total, speed="compiling")
        return self

    def __exit__(self, *error: Any) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, steps: int, compile_seconds: float) -> None:
        """Show that `steps` (or whatever the unit is) of `total` are done."""
        if self.quiet:
            return
        if self._first_steps is None:
            self._first_steps, self._began = steps, time.perf_counter()
        elapsed = max(time.perf_counter() - self._began, 1e-9)
        speed = (steps - self._first_steps) / elapsed
        compiled = f" (+{compile_seconds:.1f} s compile)" if compile_seconds else ""
        text = f"{speed:,.0f} {self.unit}/s{compiled}" if steps > self._first_steps else ""
        if self._bar is not None:
            self._bar.update(self._task, completed=steps, speed=text)
        elif steps * 10 // max(self.total, 1) > self._tenth:
            self._tenth = steps * 10 // max(self.total, 1)
            # right after a resume there is no speed yet, and so nothing to say of the time left
            rate = f", {text}, {(self.total - steps) / speed:.0f} s left" if text else ""
            note = f"{self.label}: {steps:,} of {self.total:,} {self.unit}{rate}"
            sys.stderr.write(note + "\n")
            sys.stderr.flush()
