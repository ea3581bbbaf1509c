"""PPO in torch in the manner of CleanRL's single files, written from their published description.

Two networks of 2 x 64 tanh units with orthogonal weights, one Adam with epsilon 1e-5, generalised advantages,
normalised in each batch, clipped surrogate, squared error of the value, gradients scaled down to norm 0.5. The step
behind an end, which only resets, is part of a roll-out as it is there.

Axis letters: T decisions, E environments.
"""

import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Vector(Protocol):
    """Environments side by side."""

    def reset(self) -> np.ndarray:
        """First observations `[E, F]`."""
        ...

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Observations `[E, F]`, rewards `[E]`, and whether an episode ended `[E]`."""
        ...


@dataclass(frozen=True)
class Settings:
    """Of the algorithm."""

    environments: int
    decisions: int
    minibatch: int
    epochs: int
    learning_rate: float
    discount: float
    gae_decay: float
    features: int
    actions: int
    continuous: bool
    clip: float = 0.2
    value_weight: float = 0.5
    max_gradient: float = 0.5


def train(torch: Any, vector: Vector, settings: Settings, rollouts: int, first: int) -> tuple[float, int]:
    """Train for `first + rollouts` roll-outs: seconds and steps of those behind the `first`."""
    from torch import nn

    def layer(inputs: int, outputs: int, gain: float = 2.0**0.5) -> Any:
        made = nn.Linear(inputs, outputs)
        nn.init.orthogonal_(made.weight, gain)
        nn.init.zeros_(made.bias)
        return made

    def network(outputs: int, gain: float) -> Any:
        return nn.Sequential(
            layer(settings.features, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, outputs, gain)
        )

    policy, value = network(settings.actions, 0.01), network(1, 1.0)
    log_deviation = nn.Parameter(torch.zeros(1, settings.actions))
    parameters = [*policy.parameters(), *value.parameters(), *([log_deviation] if settings.continuous else [])]
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate, eps=1e-5)

    def distribution(observations: Any) -> Any:
        output = policy(observations)
        if settings.continuous:
            normal = torch.distributions.Normal(output, log_deviation.exp().expand_as(output))
            return torch.distributions.Independent(normal, 1)
        return torch.distributions.Categorical(logits=output)

    shape = (settings.decisions, settings.environments)
    code = (settings.actions,) if settings.continuous else ()
    observations = torch.zeros((*shape, settings.features))
    actions = torch.zeros((*shape, *code))
    log_probs, rewards, ends, values = (torch.zeros(shape) for _ in range(4))
    observation = torch.as_tensor(vector.reset(), dtype=torch.float32)
    ended = torch.zeros(settings.environments)
    began = 0.0
    for rollout in range(first + rollouts):
        if rollout == first:
            began = time.perf_counter()
        for t in range(settings.decisions):
            observations[t], ends[t] = observation, ended
            with torch.no_grad():
                current = distribution(observation)
                action = current.sample()
                log_probs[t], values[t] = current.log_prob(action), value(observation)[:, 0]
            actions[t] = action
            seen, reward, over = vector.step(action.numpy())
            observation = torch.as_tensor(seen, dtype=torch.float32)
            rewards[t] = torch.as_tensor(reward, dtype=torch.float32)
            ended = torch.as_tensor(over, dtype=torch.float32)
        with torch.no_grad():
            next_value, alive, advantage = value(observation)[:, 0], 1.0 - ended, torch.zeros(settings.environments)
            advantages = torch.zeros(shape)
            for t in reversed(range(settings.decisions)):
                error = rewards[t] + settings.discount * alive * next_value - values[t]
                advantage = error + settings.discount * settings.gae_decay * alive * advantage
                advantages[t], next_value, alive = advantage, values[t], 1.0 - ends[t]
            returns = advantages + values
        rows = [part.reshape(-1, *part.shape[2:]) for part in (observations, actions, log_probs, advantages, returns)]
        for _ in range(settings.epochs):
            for chosen in torch.randperm(len(rows[0])).split(settings.minibatch):
                seen, taken, old, advantage, wanted = (part[chosen] for part in rows)
                current = distribution(seen)
                ratio = (current.log_prob(taken) - old).exp()
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                clipped = ratio.clamp(1.0 - settings.clip, 1.0 + settings.clip)
                loss = -torch.min(ratio * advantage, clipped * advantage).mean()
                loss = loss + settings.value_weight * (value(seen)[:, 0] - wanted).square().mean()
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, settings.max_gradient)
                optimiser.step()
    return time.perf_counter() - began, rollouts * settings.decisions * settings.environments
