"""SAC on HalfCheetah-v5: as many updates as steps, one by one or 32 by 32."""

import time
from typing import Any

from .common import Given, learn, timed

TASK = "HalfCheetah-v5"


def _begun(given: Given) -> tuple[Any, Any, Any, int]:
    """Agent, driver and carry behind the warm-up, all compiled; and the steps of a tick."""
    import jax

    from actlab.agents.sac import SAC
    from actlab.tasks.catalogue import task
    from actlab.training.loop import make_driver

    settings = given.settings
    lanes = settings["environments"]
    agent = SAC(environments=lanes, updates=lanes, warmup=settings["warmup"])
    driver = make_driver(task(TASK), agent)
    budget = settings["warmup"] + settings["first"] + settings["steps"]
    carry = driver.start(agent, jax.random.key(given.seed), {}, None, budget)
    carry, *_ = driver.run(agent, carry, settings["warmup"] // lanes, True)
    carry, *_ = driver.run(agent, carry, settings["first"] // lanes, False)
    jax.block_until_ready(carry.learner)
    return agent, driver, carry, lanes


def actlab(given: Given) -> dict[str, float]:
    import jax

    given.listen()
    agent, driver, carry, lanes = _begun(given)
    steps = given.settings["steps"] // lanes * lanes

    def work() -> None:
        jax.block_until_ready(driver.run(agent, carry, steps // lanes, False)[0].learner)

    return given.rate(steps, timed(work))


def _peer(given: Given, library: Any) -> dict[str, float]:
    from stable_baselines3.common.env_util import make_vec_env

    settings = given.settings
    model = library.SAC(
        "MlpPolicy",
        make_vec_env(TASK, settings["environments"]),
        learning_starts=settings["warmup"],
        gradient_steps=settings["environments"],
        seed=given.seed,
        device="cpu",
    )
    return learn(model, settings["warmup"] + settings["first"], settings["steps"], given)


def stable_baselines3(given: Given) -> dict[str, float]:
    given.torch()
    import stable_baselines3

    return _peer(given, stable_baselines3)


def sbx(given: Given) -> dict[str, float]:
    given.listen()
    import sbx

    return _peer(given, sbx)


def profile(given: Given) -> dict[str, float]:
    """Milliseconds of one step: alone the updates, the decisions and the simulator; the rest is the loop's."""
    import gymnasium
    import jax
    import numpy as np

    from actlab.core.keys import fold

    agent, driver, carry, lanes = _begun(given)
    ticks = given.settings["steps"] // lanes
    began = time.perf_counter()
    carry, *_ = driver.run(agent, carry, ticks, False)
    jax.block_until_ready(carry.learner)
    whole = (time.perf_counter() - began) / (ticks * lanes)
    act = jax.jit(jax.vmap(lambda state, step, key: agent.act(state, (), step, key, explore=True)[0], (None, 0, 0)))
    step, keys = carry.lanes["replay"].step, jax.random.split(fold(carry.key, "profile"), lanes)
    updates = given.settings["steps"]
    learner = scanned(agent, driver, carry, updates)
    learner()
    jax.block_until_ready(act(carry.learner, step, keys))
    acting = timed(lambda: [jax.block_until_ready(act(carry.learner, step, keys)) for _ in range(100)]) / 100 / lanes
    simulator = gymnasium.make(TASK)
    simulator.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (500, 6)).astype(np.float32)
    simulating = timed(lambda: [simulator.step(action) for action in actions]) / len(actions)
    learning = timed(learner) / updates
    parts = {"updates, alone": learning, "decisions, alone": acting, "simulator, alone": simulating}
    return {f"{name}: ms a step": 1e3 * x for name, x in {**parts, "all, as measured": whole}.items()}


def scanned(agent: Any, driver: Any, carry: Any, updates: int) -> Any:
    """A function that makes so many updates of a driver's learner from its buffers in one compiled call, and waits."""
    import jax
    import jax.numpy as jnp

    from actlab.core.keys import fold
    from actlab.training.graph import sample_batches

    def run(learner: Any, buffers: Any) -> Any:
        def update(learner: Any, i: Any) -> tuple[Any, None]:
            batches = sample_batches(driver.sources, buffers, {}, fold(carry.key, "sample", i))
            return agent.learn(learner, batches, fold(carry.key, "learn", i))[0], None

        return jax.lax.scan(update, learner, jnp.arange(updates, dtype=jnp.int32))[0]

    compiled = jax.jit(run)
    return lambda: jax.block_until_ready(compiled(carry.learner, carry.buffers))
