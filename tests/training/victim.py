"""A training run that kills itself: the other side of `kills.py`.

    python victim.py {ppo|sac|bc|compare} FOLDER FAULT [COUNTS]

FAULT is `none`, or `POINT:N`: SIGKILL at the N-th time that POINT is reached (see `points`). Into the file COUNTS
goes how often each point was reached, as JSON.
"""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from actlab.agents.bc import BC
from actlab.agents.ppo import PPO
from actlab.agents.sac import SAC
from actlab.core.steps import Batch, first_step
from actlab.tasks.catalogue import task as find_task
from actlab.tasks.gymnasium import HostEnvironment
from actlab.training import api, loop
from actlab.training.graph import GraphDriver
from actlab.training.host import HostDriver
from actlab.training.loop import Settings
from actlab.training.metrics import Metrics


def points(fault: str) -> dict[str, int]:
    """Arm the fault; returns how often each point has been reached so far.

    `run`: a call of the driver has ended. `step`: a simulator on the host has made a step. `append`: a row of metrics
    is written. `write`: a file is written but not yet renamed. `rename`: it is renamed. `unlink`: a file is removed.
    """
    counts: dict[str, int] = {}

    def watch(point: str, owner: object, name: str) -> None:
        original = getattr(owner, name)
        counts.setdefault(point, 0)

        def wrapped(*arguments, **options):
            result = original(*arguments, **options)
            counts[point] += 1
            if fault == f"{point}:{counts[point]}":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, wrapped)

    watch("run", GraphDriver, "run")
    watch("run", HostDriver, "run")
    watch("step", HostEnvironment, "step")
    watch("append", Metrics, "write")
    watch("write", os, "fsync")
    watch("rename", os, "replace")
    watch("unlink", Path, "unlink")
    return counts


def rows(count: int) -> Batch:
    """Decisions `[1, N]` of nobody on Pendulum, the same each time."""
    numbers = np.random.default_rng(0)
    observed = numbers.uniform(-1, 1, (1, count + 1, 3)).astype(np.float32)
    code = numbers.uniform(-2, 2, (1, count, 1)).astype(np.float32)
    step = jax.vmap(jax.vmap(first_step))(jnp.asarray(observed))
    now, after = (jax.tree.map(lambda leaf, s=s: leaf[:, s], step) for s in (slice(0, count), slice(1, None)))
    return Batch(now, code, code[:, :, None], after, (), jnp.ones((1, count), bool), ())


def train(kind: str, folder: Path) -> None:
    """What is killed: tiny, with a checkpoint after every call of the driver."""
    if kind == "compare":
        plain = api._settings
        api._settings = lambda config: replace(plain(config), checkpoint_seconds=0.0)
        agent = PPO(environments=2, decisions=32, minibatch=32, epochs=2, width=16)
        api.compare([agent], "CartPole-v1", ["identity", "chunk:length=2"], seeds=2, steps=256, out=folder,
                    evaluations=1, episodes=2, quiet=True)  # fmt: skip
        return
    agent, task, steps, data = {
        "ppo": (PPO(environments=2, decisions=32, minibatch=32, epochs=2, width=16), "CartPole-v1", 640, {}),
        "sac": (SAC(width=16, batch_size=16, warmup=40), "Hopper-v5", 160, {}),
        "bc": (BC(width=16, batch_size=16), "Pendulum-v1", 24, {"data": rows(200)}),
    }[kind]
    settings = Settings(steps, evaluations=2, episodes=2, checkpoint_seconds=0.0)
    loop.train(agent, find_task(task), settings, 3, folder, data=data)


def main(kind: str, folder: Path, fault: str, counted: str | None = None) -> None:
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    counts = points(fault)
    folder.mkdir(parents=True, exist_ok=True)
    train(kind, folder)
    if counted is not None:
        Path(counted).write_text(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
