"""PPO on HalfCheetah-v5, whose simulators EnvPool steps together."""

import time
from typing import Any

import numpy as np

from .common import DECIDED, OBSERVED, Given, learn, timed

TASK = "HalfCheetah-v5"
LANES, ROLLOUT, MINIBATCH, EPOCHS = 64, 2_048, 64, 10


def _begun(given: Given) -> tuple[Any, Any, Any]:
    import jax

    from actlab.agents.ppo import PPO
    from actlab.tasks.catalogue import task
    from actlab.training.loop import make_driver

    agent = PPO(environments=LANES, decisions=ROLLOUT // LANES, minibatch=MINIBATCH, epochs=EPOCHS)
    driver = make_driver(task(f"envpool/{TASK}", threads=given.threads), agent)
    carry = driver.start(agent, jax.random.key(given.seed), {}, None, ROLLOUT)
    carry, *_ = driver.run(agent, carry, 1, False)
    jax.block_until_ready(carry.learner)
    return agent, driver, carry


def actlab(given: Given) -> dict[str, float]:
    import jax

    given.listen()
    agent, driver, carry = _begun(given)
    rollouts = given.settings["rollouts"]
    seconds = timed(lambda: jax.block_until_ready(driver.run(agent, carry, rollouts, False)[0].learner))
    return given.rate(rollouts * ROLLOUT, seconds)


def stable_baselines3(given: Given) -> dict[str, float]:
    given.torch()
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    environments = make_vec_env(TASK, 8, seed=given.seed)
    model = PPO("MlpPolicy", environments, n_steps=ROLLOUT // 8, batch_size=MINIBATCH, n_epochs=EPOCHS, device="cpu")
    return learn(model, ROLLOUT, given.settings["rollouts"] * ROLLOUT, given)


class _Pool:
    """EnvPool's environments."""

    def __init__(self, threads: int):
        import envpool

        self._pool = envpool.make(TASK, env_type="gymnasium", num_envs=LANES, num_threads=threads, seed=0)

    def reset(self) -> np.ndarray:
        return self._pool.reset()[0]

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        clipped = np.clip(actions, -1.0, 1.0).astype(np.float64)
        seen, rewards, terminated, truncated, _ = self._pool.step(clipped)
        return seen, rewards, terminated | truncated


def cleanrl_style(given: Given) -> dict[str, float]:
    from .torch_ppo import Settings, train

    torch = given.torch()
    torch.manual_seed(given.seed)
    cores = len(_cores())
    settings = Settings(
        LANES, ROLLOUT // LANES, MINIBATCH, EPOCHS, 3e-4, 0.99, 0.95, OBSERVED, DECIDED, continuous=True
    )
    seconds, steps = train(torch, _Pool(cores), settings, given.settings["rollouts"], 1)
    return given.rate(steps, seconds)


def _cores() -> Any:
    import os

    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


def profile(given: Given) -> dict[str, float]:
    """Milliseconds of one roll-out of 2,048 decisions and its 320 updates."""
    import jax

    agent, driver, carry = _begun(given)
    pool = _Pool(given.threads)
    pool.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (LANES, DECIDED))
    stepping = timed(lambda: [pool.step(actions) for _ in range(ROLLOUT // LANES)])
    collector, source, key = driver.collectors["rollout"], driver.sources["rollout"], carry.key
    began = time.perf_counter()
    batch, *_ = collector.roll_out(
        agent, source, carry.learner, carry.lanes["rollout"], key, 1, discount=driver.task.spec.discount
    )
    collected = time.perf_counter() - began
    absorb = jax.jit(agent.learn)
    given_batch = {"rollout": batch}
    jax.block_until_ready(absorb(carry.learner, given_batch, key))
    learned = timed(lambda: jax.block_until_ready(absorb(carry.learner, given_batch, key)))
    return {
        "simulators, alone: ms": 1e3 * stepping,
        "roll-out, with decisions and simulators: ms": 1e3 * collected,
        "320 updates, alone: ms": 1e3 * learned,
    }
