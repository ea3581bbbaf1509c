"""Agents: one file each, from the paper down to `learn`."""

from actlab.agents.arsq import ARSQ
from actlab.agents.bc import BC
from actlab.agents.branching_dqn import BranchingDQN
from actlab.agents.cqn import CQN
from actlab.agents.dqn import DQN
from actlab.agents.ppo import PPO
from actlab.agents.sac import SAC
from actlab.agents.simple import Random, Scripted
from actlab.agents.td3 import TD3
from actlab.agents.td3_bc import TD3BC

__all__ = ["ARSQ", "BC", "CQN", "DQN", "PPO", "SAC", "TD3", "TD3BC", "BranchingDQN", "Random", "Scripted"]
