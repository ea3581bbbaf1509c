"""Heads: from features to a distribution over the codes of any space, under any set."""

from actlab.nets.heads.autoregressive import Autoregressive
from actlab.nets.heads.build import build
from actlab.nets.heads.distributions import (
    FLOOR,
    MOST_OUTCOMES,
    Branch,
    Categorical,
    Distribution,
    Factored,
    Joint,
    SquashedGaussian,
)
from actlab.nets.heads.modules import Head

__all__ = [
    "FLOOR",
    "MOST_OUTCOMES",
    "Autoregressive",
    "Branch",
    "Categorical",
    "Distribution",
    "Factored",
    "Head",
    "Joint",
    "SquashedGaussian",
    "build",
]
