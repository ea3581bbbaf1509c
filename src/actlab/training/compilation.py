"""Compilation: the persistent cache (on by default) and a clock that tells its time apart."""

import os
from pathlib import Path

import jax

_seconds = [0.0]


def _count(event: str, seconds: float, **details: object) -> None:
    if event.startswith("/jax/core/compile/"):
        _seconds[0] += seconds


jax.monitoring.register_event_duration_secs_listener(_count)  # for the whole process: JAX has one compiler


class CompileClock:
    """Seconds that JAX spent on tracing, lowering and compiling since this clock was made."""

    def __init__(self) -> None:
        self._start = _seconds[0]

    @property
    def seconds(self) -> float:
        return _seconds[0] - self._start


def cache_folder() -> Path:
    """`$ACTLAB_CACHE`, else `$XDG_CACHE_HOME/actlab`, else `~/.cache/actlab`."""
    if "ACTLAB_CACHE" in os.environ:
        return Path(os.environ["ACTLAB_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "actlab"


def enable_compilation_cache() -> None:
    """Keep compiled programs on disk, unless the user configured JAX's cache or the folder cannot be written."""
    if jax.config.jax_compilation_cache_dir:
        return
    folder = cache_folder() / "xla"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
