"""What the measurements share: one clock, one account of compilation, one form of the result."""

import importlib.metadata
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PACKAGES = (
    "actlab",
    "jax",
    "jaxlib",
    "equinox",
    "optax",
    "flax",
    "numpy",
    "torch",
    "stable-baselines3",
    "sbx-rl",
    "rejax",
    "gymnax",
    "d3rlpy",
    "gymnasium",
    "mujoco",
    "envpool",
)
OBSERVED, DECIDED, ROWS = 17, 6, 100_000
"""Numbers of HalfCheetah's observations and actions, and rows of the recorded decisions."""


@dataclass(frozen=True)
class Given:
    """What a measurement is told."""

    settings: dict[str, Any]
    threads: int
    began: float
    """`time.time()` of the moment when its process was started."""
    seed: int
    _compiled: list[float] = field(default_factory=lambda: [0.0])

    def listen(self) -> "Given":
        """Begin to add up what JAX spends on tracing, lowering and compiling."""
        import jax

        def count(event: str, seconds: float, **details: object) -> None:
            if event.startswith("/jax/core/compile/"):
                self._compiled[0] += seconds

        jax.monitoring.register_event_duration_secs_listener(count)
        return self

    def torch(self) -> Any:
        """torch, with the threads that were asked for."""
        import torch

        torch.set_num_threads(self.threads)
        assert torch.get_num_threads() == self.threads
        return torch

    def since(self) -> float:
        """Seconds since the process was started."""
        return time.time() - self.began

    def rate(self, amount: float, seconds: float, **details: float) -> dict[str, float]:
        """The result of a work that is measured as a rate; call it right behind the timed part.

        `start_seconds` are all seconds of the process before the timed part: imports, compilation, warm-up.
        """
        return {
            "value": amount / seconds,
            "timed_seconds": seconds,
            "start_seconds": self.since() - seconds,
            "compile_seconds": self._compiled[0],
            **details,
        }

    def seconds(self, **details: float) -> dict[str, float]:
        """The result of a work that is measured in seconds from the start of the process."""
        return {"value": self.since(), "compile_seconds": self._compiled[0], **details}


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a call takes; for JAX it has to block by itself."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pin(cores: list[int]) -> None:
    """Keep this process, and all that it starts, on these cores (where the system can)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def versions() -> dict[str, str]:
    """Of the interpreter and of what is installed of `PACKAGES`."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def clock_callback(first: int) -> Any:
    """A callback of Stable-Baselines3 (and sbx) that notes when the roll-out after step `first` begins.

    Everything that belongs to earlier steps, their updates too, is done by then.
    """
    from stable_baselines3.common.callbacks import BaseCallback

    class Clock(BaseCallback):
        """The time, and the step, of that moment."""

        at = 0.0
        steps = 0

        def _on_rollout_start(self) -> None:
            if not self.at and self.num_timesteps >= first:
                self.at, self.steps = time.perf_counter(), self.num_timesteps

        def _on_step(self) -> bool:
            return True

    return Clock()


def learn(model: Any, first: int, steps: int, given: Given) -> dict[str, float]:
    """Train a model of Stable-Baselines3 or sbx, and time the `steps` behind `first`."""
    clock = clock_callback(first)
    model.learn(first + steps, callback=clock)
    return given.rate(model.num_timesteps - clock.steps, time.perf_counter() - clock.at)
