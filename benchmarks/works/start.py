"""Seconds from the start of the process until the first update of SAC is done.

Nobody can take the step behind an update before it is done, since the policy that decides is its result: so the
environment itself tells the time (`stamped`).
"""

import json
import os
import time
from typing import Any

from .common import Given


def _stamp(given: Given) -> None:
    """Print the result and end the process, at the step behind the first update."""
    from . import stamped

    def call() -> None:
        os.write(1, (json.dumps(given.seconds()) + "\n").encode())
        os._exit(0)

    stamped.WHEN.append((given.settings["warmup"] + 2, call))


def actlab(given: Given) -> dict[str, float]:
    from actlab.cli import main

    given.listen()
    _stamp(given)
    from .stamped import IDENTITY

    warmup = str(given.settings["warmup"])
    main(["train", "sac", "--task", IDENTITY, "--warmup", warmup, "--steps", "1000", "--out", "run", "--quiet"])
    raise AssertionError("the training ended by itself")


def _peer(given: Given, library: Any) -> dict[str, float]:
    import gymnasium

    from .stamped import IDENTITY

    _stamp(given)
    warmup = given.settings["warmup"]
    library.SAC("MlpPolicy", gymnasium.make(IDENTITY), learning_starts=warmup, device="cpu").learn(1_000)
    raise AssertionError("the training ended by itself")


def stable_baselines3(given: Given) -> dict[str, float]:
    given.torch()
    import stable_baselines3

    return _peer(given, stable_baselines3)


def sbx(given: Given) -> dict[str, float]:
    given.listen()
    import sbx

    return _peer(given, sbx)


def profile(given: Given) -> dict[str, float]:
    """Milliseconds of what happens one after the other in such a process, without the first update."""
    marks = {"the interpreter: ms": given.since()}
    began = time.perf_counter()

    def mark(name: str) -> None:
        nonlocal began
        marks[name] = time.perf_counter() - began
        began = time.perf_counter()

    import jax

    mark("import jax: ms")
    key = jax.random.key(0)
    mark("its first random key: ms")
    import actlab  # noqa: F401
    from actlab.agents.sac import SAC
    from actlab.tasks.catalogue import task
    from actlab.training.compilation import enable_compilation_cache
    from actlab.training.loop import make_driver

    enable_compilation_cache()
    mark("import of actlab: ms")
    agent = SAC(warmup=given.settings["warmup"])
    driver = make_driver(task("HalfCheetah-v5"), agent)
    mark("simulator: ms")
    carry = driver.start(agent, key, {}, None, 1_000)
    mark("first weights and lanes: ms")
    carry, *_ = driver.run(agent, carry, given.settings["warmup"], True)
    mark("warm-up: ms")
    jax.block_until_ready(driver.run(agent, carry, 1, False)[0].learner)
    mark("decision and update: ms")
    return {name: 1e3 * seconds for name, seconds in marks.items()}
