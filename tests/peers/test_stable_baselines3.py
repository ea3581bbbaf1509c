"""Stable-Baselines3 and sb3-contrib on the Gymnasium face: their checker passes, and they learn there."""

from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest

from actlab.core import spaces
from actlab.core.registry import TASKS
from actlab.tasks.catalogue import task
from actlab.tasks.face import as_gymnasium
from actlab.tasks.probes import PROBES
from tests.tasks.environments.forgiving import Forgiving

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(
        not all(map(find_spec, ("stable_baselines3", "sb3_contrib"))),
        reason="Stable-Baselines3 and sb3-contrib are not installed: `make test-peers` installs them",
    ),
]

ACTIONS = spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary
"""The action spaces that Stable-Baselines3 has."""
NAMES = [entry.name for entry in TASKS if isinstance(task(entry.name).environment.action, ACTIONS)]
OTHERS = [entry.name for entry in TASKS if entry.name not in NAMES]
EPISODES = 200


@pytest.mark.parametrize("name", NAMES)
def test_its_checker_passes(name):
    from stable_baselines3.common.env_checker import check_env

    check_env(Forgiving(task(name)), warn=False)  # it draws actions from the whole space


@pytest.mark.parametrize("name", OTHERS)
def test_action_spaces_that_it_does_not_have_are_compound(name):
    """Its checker of 2.9 lets them pass, and its learners refuse."""
    from stable_baselines3 import PPO

    with pytest.raises(AssertionError, match="as action spaces"):
        PPO("MlpPolicy", as_gymnasium(task(name)), device="cpu")


class Masks(gymnasium.Wrapper):
    """`info["action_mask"]` as sb3-contrib asks for it: one bool for each value of each digit."""

    def reset(self, **options):
        observation, info = self.env.reset(**options)
        self.mask = info["action_mask"]
        return observation, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.mask = info["action_mask"]
        return observation, reward, terminated, truncated, info

    def action_masks(self):
        digits = self.mask if isinstance(self.mask, tuple) else (self.mask,)
        return np.concatenate(digits).astype(bool)


def mean_return(env, predict):
    """Mean undiscounted return of a deterministic policy."""
    total = 0.0
    for episode in range(EPISODES):
        (observation, _), ended = env.reset(seed=episode), False
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(predict(observation))
            total, ended = total + reward, terminated or truncated
    return total / EPISODES


LEARNERS = {
    "PPO": ("policy-multi-discrete", {"n_steps": 256, "batch_size": 64, "learning_rate": 3e-3}, 6_144),
    "DQN": ("policy-discrete", {"learning_rate": 3e-3, "learning_starts": 200, "target_update_interval": 100}, 3_000),
}


@pytest.mark.parametrize("learner", LEARNERS)
def test_it_learns(learner):
    import stable_baselines3

    probe, options, steps = LEARNERS[learner]
    env, known = as_gymnasium(task(f"probe/{probe}")), PROBES[f"probe/{probe}"]
    model = getattr(stable_baselines3, learner)("MlpPolicy", env, seed=0, device="cpu", **options).learn(steps)
    score = mean_return(env, lambda seen: model.predict(seen, deterministic=True)[0])
    assert score >= known.solved > known.random + 0.3


@pytest.mark.parametrize("probe", ["mask-discrete", "mask-multi-discrete"])
def test_maskable_ppo_learns_within_the_mask(probe):
    from sb3_contrib import MaskablePPO

    env, known = Masks(as_gymnasium(task(f"probe/{probe}"))), PROBES[f"probe/{probe}"]
    options = {"n_steps": 256, "batch_size": 64, "learning_rate": 3e-3, "ent_coef": 0.01}
    model = MaskablePPO("MlpPolicy", env, seed=0, device="cpu", **options).learn(12_288)
    # a forbidden action would have raised
    score = mean_return(env, lambda seen: model.predict(seen, deterministic=True, action_masks=env.action_masks())[0])
    assert score >= known.solved > known.random + 0.3
