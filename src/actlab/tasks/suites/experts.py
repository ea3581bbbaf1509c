"""Data of scripted experts: episodes played in a suite's task, as the rows that imitation learns from.

Axis letter: N decisions.
"""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import numpy as np

from actlab.core.contracts import Task
from actlab.core.errors import ActlabError
from actlab.core.keys import fold, seed_of
from actlab.core.spaces import Box, Space
from actlab.core.steps import Batch
from actlab.data.episodes import Recordings, Trajectory, rows
from actlab.tasks.gymnasium import HostEnvironment
from actlab.tasks.suites import module_of, suite_of
from actlab.tasks.suites.scores import SUCCESS

ATTEMPTS = 5
"""Episodes played, at most, for each one that is kept."""


class Expert(Protocol):
    """A script that plays one episode after another."""

    def begin(self, environment: HostEnvironment, seed: int) -> None:
        """A new episode has been reset in `environment`, into whose simulator it may look."""
        ...

    def act(self, observation: Any) -> Any:
        """The native action at an observation, as the task observes it."""
        ...


def record_expert(
    task: Task,
    episodes: int,
    *,
    seed: int = 0,
    noise: float = 0.0,
    random: float = 0.0,
    failures: bool = False,
    whole: bool = False,
) -> Batch:
    """Play the scripted expert of a task of `metaworld/` or `ogbench/`: `al.train(..., data={"data": rows})`.

    Args:
        task: over its native actions, or over a code whose decisions last one native step.
        episodes: how many are kept.
        seed: of the first episode's start; all else follows from it.
        noise: standard deviation of Gaussian noise on real actions, as a share of half their range; what is
            executed is recorded.
        random: the probability of each action to be a uniform one instead of the expert's.
        failures: keep episodes without success too.
        whole: play on after the success, to the end of the episode; otherwise the episode is cut there, which
            counts as truncated.

    Returns:
        One lane `[1, N]`: the episodes one after the other.

    Raises:
        ActlabError: the task has no scripted expert, its code lasts several native steps, or less than one episode
            in five succeeds.
    """
    options = {"seed": seed, "noise": noise, "random": random, "failures": failures, "whole": whole}
    if task.spec.codec.length > 1:  # said before anything is played
        raise ActlabError(
            f"Experts are recorded over codes of one native step; the code of {task.spec.name} lasts "
            f"{task.spec.codec.length}."
        )
    return rows(play_expert(task, episodes, **options), task)


def play_expert(
    task: Task,
    episodes: int,
    *,
    seed: int = 0,
    noise: float = 0.0,
    random: float = 0.0,
    failures: bool = False,
    whole: bool = False,
    report: Callable[[int], None] = lambda kept: None,
) -> Recordings:
    """As `record_expert`, but the episodes themselves, before any code.

    Args:
        report: told how many episodes are kept, after each that was played.
    """
    environment = task.environment
    found = suite_of(environment.name) if isinstance(environment, HostEnvironment) else None
    if found is None or found[0].name not in ("metaworld", "ogbench"):
        raise ActlabError(f"{task.spec.name} has no scripted expert; the tasks of metaworld/ and ogbench/ have.")
    if episodes < 1:
        raise ActlabError(f"Expected at least one episode to record; received {episodes}.")
    if noise < 0 or not 0 <= random <= 1:
        raise ActlabError(
            f"Expected noise of 0 or more and a probability of random actions; received {noise} and {random}."
        )
    expert: Expert = module_of(found[0]).expert(found[1])
    player, key = environment.fresh(), jax.random.key(seed)
    kept: list[Trajectory] = []
    for attempt in range(ATTEMPTS * episodes):
        played, success = _play(player, expert, seed_of(fold(key, "episode", attempt)), noise, random, whole)
        if success or failures:
            kept.append(played)
        report(len(kept))
        if len(kept) == episodes:
            break
    player.close()
    if len(kept) < episodes:
        raise ActlabError(
            f"The scripted expert of {task.spec.name} succeeded in {len(kept)} of {ATTEMPTS * episodes} episodes; "
            f"{episodes} were asked for."
        )
    policy = f"scripted expert of {found[0].name}/{found[1]}"
    told = {"policy": policy, "task": task.spec.name, "seed": seed, "noise": noise, "random_actions": random}
    return Recordings(tuple(kept), told)


def _play(
    environment: HostEnvironment, expert: Expert, seed: int, noise: float, random: float, whole: bool
) -> tuple[Trajectory, bool]:
    """One episode, and whether it told of success."""
    generator = np.random.default_rng(seed)
    state, step = environment.reset(seed)
    expert.begin(environment, seed)
    seen, actions, arrived, success = [step.observation], [], [], False
    while not step.ended:
        native = _disturbed(environment.action, expert.act(step.observation), noise, generator)
        if random and generator.random() < random:
            native = environment.action.sample(jax.random.key(int(generator.integers(2**31))))
            native = jax.tree.map(np.asarray, native)
        state, step = environment.step(None, state, native)
        seen.append(step.observation)
        actions.append(native)
        arrived.append(step)
        success = success or bool(step.info[SUCCESS] > 0)
        if success and not whole:
            break
    observations, natives = (jax.tree.map(lambda *leaves: np.stack(leaves), *parts) for parts in (seen, actions))
    rewards = np.asarray([after.reward for after in arrived], np.float32)
    told = {SUCCESS: np.asarray([after.info[SUCCESS] for after in arrived], np.float32)}
    terminated = bool(step.terminated)
    return Trajectory(observations, natives, rewards, terminated, not terminated, told), success


def _disturbed(space: Space, native: Any, noise: float, generator: np.random.Generator) -> Any:
    if noise == 0 or not isinstance(space, Box):
        return native
    half = (space.highs - space.lows) / 2
    return np.clip(native + noise * half * generator.normal(size=space.shape), space.lows, space.highs).astype(
        space.dtype
    )
