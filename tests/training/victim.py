"""A training run that kills itself: the other side of `test_kill.py`.

    python victim.py {ppo|sac|compare} FOLDER FAULT

FAULT is `none`, or `POINT:N`: SIGKILL at the N-th time that POINT is reached. Points: `run` (a call of the
driver has ended), `write` (a file is written but not yet renamed), `append` (a metrics row is written).
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import jax

from actlab.agents.ppo import PPO
from actlab.agents.sac import SAC
from actlab.tasks.catalogue import task as find_task
from actlab.training import api, loop
from actlab.training.graph import GraphDriver
from actlab.training.host import HostDriver
from actlab.training.loop import Settings
from actlab.training.metrics import Metrics


def dies_at(owner: object, name: str, count: int, *, after: bool) -> None:
    """Replace a function by one that kills the process at its `count`-th call."""
    original, calls = getattr(owner, name), [0]

    def wrapped(*arguments, **options):
        calls[0] += 1
        if calls[0] == count and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if calls[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)


def main(kind: str, folder: Path, fault: str) -> None:
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    point, _, count = fault.partition(":")
    if point == "run":
        for driver in (GraphDriver, HostDriver):
            dies_at(driver, "run", int(count), after=True)
    elif point == "write":
        dies_at(os, "fsync", int(count), after=True)
    elif point == "append":
        dies_at(Metrics, "write", int(count), after=True)
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "compare":
        plain = api._settings
        api._settings = lambda config: replace(plain(config), checkpoint_seconds=0.0)
        agent = PPO(environments=2, decisions=32, minibatch=32, epochs=2, width=16)
        api.compare([agent], "CartPole-v1", ["identity", "chunk:length=2"], seeds=2, steps=256, out=folder,
                    evaluations=1, episodes=2, quiet=True)  # fmt: skip
        return
    if kind == "ppo":
        agent, task, steps = PPO(environments=2, decisions=32, minibatch=32, epochs=2, width=16), "CartPole-v1", 640
    else:
        agent, task, steps = SAC(width=16, batch_size=16, warmup=40), "Hopper-v5", 160
    settings = Settings(steps, evaluations=2, episodes=2, checkpoint_seconds=0.0)
    loop.train(agent, find_task(task), settings, 3, folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
