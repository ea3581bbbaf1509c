"""Agents: one file each, from the paper down to `learn`."""

from actlab.agents.dqn import DQN
from actlab.agents.ppo import PPO
from actlab.agents.sac import SAC
from actlab.agents.simple import Random, Scripted

__all__ = ["DQN", "PPO", "SAC", "Random", "Scripted"]
