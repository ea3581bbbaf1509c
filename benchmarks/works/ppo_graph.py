"""PPO on CartPole-v1: steps a second, and seconds to a mean return of 475."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from .common import Given, learn, timed

TASK = "CartPole-v1"
ENVIRONMENTS, DECISIONS, EPOCHS, RATE, DISCOUNT, DECAY = 8, 32, 20, 1e-3, 0.98, 0.8
ROLLOUT = ENVIRONMENTS * DECISIONS
SOLVED, EPISODES = 475.0, 20


def solved(rollouts: Sequence[tuple[int, float]]) -> bool:
    """Is the mean return of the last episodes high enough?

    Args:
        rollouts: of every roll-out, how many episodes ended in it and the sum of their returns. The latest ones
            that hold `EPISODES` episodes together count, with all of theirs.
    """
    episodes, returns = 0, 0.0
    for ended, total in reversed(rollouts):
        episodes, returns = episodes + ended, returns + total
        if episodes >= EPISODES:
            return returns / episodes >= SOLVED
    return False


# --- actlab --------------------------------------------------------------------------------------------


def _actlab() -> tuple[Any, Any]:
    from actlab.agents.ppo import PPO
    from actlab.tasks.catalogue import task
    from actlab.training.loop import make_driver

    agent = PPO(
        environments=ENVIRONMENTS,
        decisions=DECISIONS,
        minibatch=ROLLOUT,
        epochs=EPOCHS,
        learning_rate=RATE,
        gae_decay=DECAY,
    )
    return agent, make_driver(task(TASK, discount=DISCOUNT), agent)


def actlab(given: Given) -> dict[str, float]:
    import jax

    given.listen()
    agent, driver = _actlab()
    steps = given.settings["steps"]
    carry = driver.start(agent, jax.random.key(given.seed), {}, None, steps)
    carry, *_ = driver.run(agent, carry, 1, False)
    jax.block_until_ready(carry.learner)
    seconds = timed(lambda: jax.block_until_ready(driver.run(agent, carry, steps // ROLLOUT, False)[0].learner))
    return given.rate(steps, seconds)


def actlab_solves(given: Given) -> dict[str, float]:
    import jax

    from actlab.training.compilation import enable_compilation_cache

    enable_compilation_cache()
    given.listen()
    agent, driver = _actlab()
    rollouts: list[tuple[int, float]] = []
    imported = given.since()
    carry = driver.start(agent, jax.random.key(given.seed), {}, None, given.settings["steps"])
    while not solved(rollouts) and len(rollouts) * ROLLOUT < given.settings["steps"]:
        carry, tally, _ = driver.run(agent, carry, 1, False)
        rollouts.append((int(tally.episodes), float(tally.returns)))
    return given.seconds(steps=len(rollouts) * ROLLOUT, solved=float(solved(rollouts)), import_seconds=imported)


# --- Stable-Baselines3 and sbx ---------------------------------------------------------------------------


def _model(library: Any, given: Given) -> Any:
    from stable_baselines3.common.env_util import make_vec_env

    return library.PPO(
        "MlpPolicy",
        make_vec_env(TASK, ENVIRONMENTS, seed=given.seed),
        n_steps=DECISIONS,
        batch_size=ROLLOUT,
        n_epochs=EPOCHS,
        learning_rate=RATE,
        gamma=DISCOUNT,
        gae_lambda=DECAY,
        seed=given.seed,
        device="cpu",
    )


def _steps_a_second(library: Any, given: Given) -> dict[str, float]:
    return learn(_model(library, given), 2 * ROLLOUT, given.settings["steps"], given)


def _solves(library: Any, given: Given) -> dict[str, float]:
    from stable_baselines3.common.callbacks import BaseCallback

    class Until(BaseCallback):
        """Stops the training when the task is solved."""

        def __init__(self) -> None:
            super().__init__()
            self.rollouts: list[tuple[int, float]] = []
            self.ended, self.returns = 0, 0.0

        def _on_step(self) -> bool:
            for info in self.locals["infos"]:
                if "episode" in info:
                    self.ended, self.returns = self.ended + 1, self.returns + info["episode"]["r"]
            return not solved(self.rollouts)

        def _on_rollout_end(self) -> None:
            self.rollouts.append((self.ended, self.returns))
            self.ended, self.returns = 0, 0.0
            if solved(self.rollouts):
                self.at = given.seconds(steps=self.num_timesteps, solved=1.0, import_seconds=imported)

        at: dict[str, float] | None = None

    imported = given.since()
    until = Until()
    _model(library, given).learn(given.settings["steps"], callback=until)
    return until.at or given.seconds(steps=given.settings["steps"], solved=0.0, import_seconds=imported)


def stable_baselines3(given: Given) -> dict[str, float]:
    given.torch()
    import stable_baselines3

    return _steps_a_second(stable_baselines3, given)


def stable_baselines3_solves(given: Given) -> dict[str, float]:
    given.torch()
    import stable_baselines3

    return _solves(stable_baselines3, given)


def sbx(given: Given) -> dict[str, float]:
    given.listen()
    import sbx

    return _steps_a_second(sbx, given)


def sbx_solves(given: Given) -> dict[str, float]:
    given.listen()
    import sbx

    return _solves(sbx, given)


# --- the others ------------------------------------------------------------------------------------------


class _Carts:
    """Gymnasium's own environments, one after the other."""

    def __init__(self) -> None:
        import gymnasium

        self._vector = gymnasium.make_vec(TASK, ENVIRONMENTS, vectorization_mode="sync")

    def reset(self) -> np.ndarray:
        return self._vector.reset(seed=0)[0]

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        seen, rewards, terminated, truncated, _ = self._vector.step(actions)
        return seen, rewards, terminated | truncated


def cleanrl_style(given: Given) -> dict[str, float]:
    from .torch_ppo import Settings, train

    torch = given.torch()
    torch.manual_seed(given.seed)
    settings = Settings(ENVIRONMENTS, DECISIONS, ROLLOUT, EPOCHS, RATE, DISCOUNT, DECAY, 4, 2, continuous=False)
    seconds, steps = train(torch, _Carts(), settings, given.settings["steps"] // ROLLOUT, 2)
    return given.rate(steps, seconds)


def rejax(given: Given) -> dict[str, float]:
    import jax
    from rejax import PPO

    given.listen()
    steps = given.settings["steps"]
    algorithm = PPO.create(
        env=TASK,
        num_envs=ENVIRONMENTS,
        num_steps=DECISIONS,
        num_epochs=EPOCHS,
        num_minibatches=1,
        learning_rate=RATE,
        gamma=DISCOUNT,
        gae_lambda=DECAY,
        ent_coef=0.0,
        max_grad_norm=0.5,
        agent_kwargs={"activation": "tanh"},
        total_timesteps=steps,
        eval_freq=steps,
        skip_initial_evaluation=True,
    )
    algorithm = algorithm.replace(eval_callback=lambda algorithm, state, key: ())  # nobody here is evaluated
    train = jax.jit(algorithm.train)
    key = jax.random.key(given.seed)
    jax.block_until_ready(train(key))
    state = [None]

    def work() -> None:
        state[0] = jax.block_until_ready(train(key))[0]

    seconds = timed(work)
    return given.rate(float(state[0].global_step), seconds)


def profile(given: Given) -> dict[str, float]:
    """Milliseconds of one roll-out of 256 decisions and its 20 updates, and of what a process spends before."""
    import jax

    from actlab.training.collect import roll_out

    given.listen()
    agent, driver = _actlab()
    imported = given.since()
    carry = driver.start(agent, jax.random.key(given.seed), {}, None, ROLLOUT)
    began = time.perf_counter()
    carry, *_ = driver.run(agent, carry, 1, False)
    first = time.perf_counter() - began
    count, source = 40, driver.sources["rollout"]

    def collect(lanes: Any, key: Any) -> tuple[Any, None]:
        return roll_out(driver.task, agent, source, carry.learner, lanes, key)[1], None

    keys = jax.random.split(carry.key, count)
    collecting = jax.jit(lambda lanes: jax.lax.scan(collect, lanes, keys)[0])
    alone = lambda: jax.block_until_ready(collecting(carry.lanes["rollout"]))  # noqa: E731
    alone()
    collected = timed(alone) / count
    seconds = timed(lambda: jax.block_until_ready(driver.run(agent, carry, count, False)[0].learner)) / count
    return {
        "roll-out, alone: ms": 1e3 * collected,
        "updates: ms": 1e3 * (seconds - collected),
        "both, as measured: ms": 1e3 * seconds,
        "imports: ms": 1e3 * imported,
        "first roll-out with compilation, nothing cached: ms": 1e3 * first,
    }
