"""A code as agents that enumerate see it: N joint outcomes, C bounded coordinates, and what a set leaves of them.

Sets are over the code (`codec.restrict(step.allowed)`).

Axis letters: F features, N joint outcomes, C continuous coordinates.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core import sets
from actlab.core.codec import Codec
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Mask
from actlab.core.spaces import Box, Dict, Discrete, OneOf, Space, Tuple
from actlab.core.steps import TimeStep
from actlab.nets.encoder import Encoder
from actlab.nets.heads import masks

MOST_OUTCOMES = 4_096
"""Joint outcomes of a code with several digits; every one of them is asked whether it is legal."""
MOST_CATEGORIES = 100_000
"""Outcomes of a plain Discrete, whose mask is read as it is."""


def require_enumerable(space: Space, agent: str) -> None:
    """Raise where the outcomes of a code are too many to enumerate.

    Args:
        space: of the code.
        agent: whose message it is.

    Raises:
        SpaceError: it has too many joint outcomes.
    """
    most = MOST_CATEGORIES if isinstance(space, Discrete) else MOST_OUTCOMES
    if space.outcomes > most:
        raise SpaceError(
            f"{agent} enumerates every joint outcome of a code, at most {most:,} of them; {space} has "
            f"{space.outcomes:,}. Use fewer bins or shorter chunks, or PPO."
        )


class Situation(NamedTuple):
    """What the networks are told of a step."""

    features: Array
    """float32 `[F]`."""
    legal: Array
    """bool `[N]`: the legal outcomes."""
    low: Array
    high: Array
    """float32 `[C]`: the interval that the set leaves each coordinate."""

    @property
    def free(self) -> Array:
        """bool `[C]`: the coordinates that the set leaves more than one value."""
        return self.high > self.low


@singledispatch
def legal_outcomes(allowed: Allowed, space: Space, coordinates: Array) -> Array:
    """bool `[N]`: which joint outcomes of a code are in the set (a set over the code).

    Args:
        allowed: the set.
        space: of the code.
        coordinates: float32 `[C]`, inside of the set's intervals, so that only the outcome decides.
    """

    def legal(outcome: Array) -> Array:
        return sets.contains(allowed, space.join(outcome, coordinates))

    return jax.vmap(legal)(jnp.arange(space.outcomes, dtype=jnp.int32))


@legal_outcomes.register(type(None))
def _(allowed: None, space: Space, coordinates: Array) -> Array:
    return jnp.ones((space.outcomes,), bool)


@legal_outcomes.register
def _(allowed: Mask, space: Space, coordinates: Array) -> Array:
    enumerate_all = legal_outcomes.dispatch(object)
    return jnp.asarray(allowed.mask) if jnp.ndim(allowed.mask) == 1 else enumerate_all(allowed, space, coordinates)


@singledispatch
def limits(space: Space, allowed: Allowed) -> tuple[Array, Array]:
    """Bounds float32 `[C]` of all continuous coordinates of a code, inside the set (a set over the code).

    Raises:
        SpaceError: a Box does not hold floats, or the set does not fit the space.
    """
    return jnp.zeros((0,)), jnp.zeros((0,))


@limits.register
def _(space: Box, allowed: Allowed) -> tuple[Array, Array]:
    if not space.dtype.startswith("float"):
        raise SpaceError(f"{space} does not hold floats: an action of integers is a MultiDiscrete.")
    low, high = masks.bounds(allowed, space.lows.astype(np.float32), space.highs.astype(np.float32))
    return low.reshape(-1), high.reshape(-1)


@limits.register
def _(space: Tuple, allowed: Allowed) -> tuple[Array, Array]:
    return _together(space.spaces, masks.parts(allowed, None, len(space.spaces)))


@limits.register
def _(space: Dict, allowed: Allowed) -> tuple[Array, Array]:
    return _together([part for _, part in space.items], masks.parts(allowed, space.names, len(space.items)))


@limits.register
def _(space: OneOf, allowed: Allowed) -> tuple[Array, Array]:
    return _together(space.spaces, masks.branches(allowed, len(space.spaces))[1])


def _together(spaces: Sequence[Space], allowed: tuple) -> tuple[Array, Array]:
    pairs = [limits(space, inner) for space, inner in zip(spaces, allowed, strict=True)]
    return jnp.concatenate([low for low, _ in pairs]), jnp.concatenate([high for _, high in pairs])


def situation(codec: Codec, encoder: Encoder, step: TimeStep) -> Situation:
    """What the networks are told of a step: numbers, legal outcomes and free intervals."""
    space, allowed = codec.code, codec.restrict(step.allowed)
    assert space is not None
    low, high = limits(space, allowed)
    inside = jnp.clip(jnp.zeros_like(low), low, high)
    legal = legal_outcomes(allowed, space, inside)
    return Situation(encoder(step.observation), legal, low, high)
