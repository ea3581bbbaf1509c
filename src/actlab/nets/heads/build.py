"""The one builder: from the space of a code to the head that decides over it.

>>> import jax
>>> import jax.numpy as jnp
>>> from actlab.core.sets import Mask
>>> from actlab.core.spaces import Box, Dict, Discrete
>>> from actlab.nets.heads import build
>>> space = Dict({"gear": Discrete(4), "steer": Box(-1.0, 1.0, (2,))})
>>> head = build(space, 64, key=jax.random.key(0))
>>> first_gear_only = {"gear": Mask(jnp.array([True, False, False, False])), "steer": None}
>>> distribution = head(jnp.ones(64), first_gear_only)
>>> code = distribution.sample(jax.random.key(1))
>>> int(code["gear"]), code["steer"].shape, bool(space.contains(code))
(0, (2,), True)
>>> distribution.log_prob(code).shape, distribution.entropy_is_exact
((), False)

| space | head | its parameters |
|---|---|---|
| Discrete | categorical | |
| MultiDiscrete, MultiBinary | factored, or auto-regressive | `autoregressive`, `order`, `codec`, `marginal` |
| Box | tanh-squashed Gaussian | `std`, `log_std_init` |
| Tuple, Dict | its parts, independent given the features | handed on |
| OneOf | an index and its branches | handed on |

This is the only place that tells spaces apart; agents and losses ask the distribution.
"""

from dataclasses import dataclass
from functools import singledispatch

from jax import Array

from actlab.core.codec import Codec
from actlab.core.errors import SpaceError, UnknownName
from actlab.core.keys import fold
from actlab.core.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Space, Tuple
from actlab.nets.heads.autoregressive import AutoregressiveHead, Order
from actlab.nets.heads.modules import (
    BranchHead,
    CategoricalHead,
    FactoredHead,
    GaussianHead,
    Head,
    JointHead,
    output,
)

STANDARD_DEVIATIONS = ("state", "free")


@dataclass(frozen=True)
class _Plan:
    """What `build` was asked for, handed down a nest of spaces."""

    width: int
    std: str
    autoregressive: bool
    order: Order | None
    codec: Codec | None
    marginal: bool
    log_std_init: float
    gain: float | None


def build(
    space: Space,
    width: int,
    *,
    key: Array,
    std: str = "state",
    autoregressive: bool = False,
    order: Order | None = None,
    codec: Codec | None = None,
    marginal: bool = False,
    log_std_init: float = 0.0,
    final_gain: float | None = 0.01,
) -> Head:
    """A head for `space` on features of `width` (many options, because this is the one door to all heads).

    A factored head decides its digits independently and so can honour only sets that allow them independently
    (None, a Mask). Given an Automaton or Cells it raises when it is called; either build it with
    `autoregressive=True`, or say `marginal=True` and accept that single digits are legal but not every
    combination of them.

    Args:
        space: of the code (`spec.code`).
        width: of the features.
        key: typed key.
        std: standard deviation of a Box: "state" (output of a layer, its logarithm clipped to [-20, 2]: SAC) or
            "free" (a parameter: PPO).
        autoregressive: MultiDiscrete and MultiBinary by the chain rule.
        order: for one auto-regressive space: digits in the order of decision; a tuple of digits is decided
            together, factored: `(2, (0, 1))`. None is one by one.
        codec: for one auto-regressive space: the bound codec whose open interval conditions every digit; it must
            then be given at every call too. Its arrays are not stored in the head.
        marginal: admit sets that couple the digits of a factored head or group, and mask each digit by itself.
        log_std_init: logarithm of the standard deviation, before squashing, at the start.
        final_gain: orthogonal gain of the output layers (0.01: PPO); None is PyTorch's default (SAC).

    Raises:
        SpaceError: a Box is unbounded or not of floats, or `order` or `codec` do not fit the space.
        UnknownName: `std` is neither of the two.
    """
    if std not in STANDARD_DEVIATIONS:
        raise UnknownName("kind of standard deviation", std, STANDARD_DEVIATIONS)
    plan = _Plan(width, std, autoregressive, order, codec, marginal, log_std_init, final_gain)
    return _build(space, plan, key)


@singledispatch
def _build(space: Space, plan: _Plan, key: Array) -> Head:
    raise SpaceError(f"There is no head for the space {space}.")


def _unordered(space: Space, plan: _Plan) -> None:
    if plan.order is not None or plan.codec is not None:
        raise SpaceError(
            f"`order` and `codec` need autoregressive=True and a MultiDiscrete or MultiBinary space; received {space}."
        )


@_build.register
def _(space: Discrete, plan: _Plan, key: Array) -> Head:
    _unordered(space, plan)
    return CategoricalHead(plan.width, space.n, key=key, gain=plan.gain)


@_build.register
def _(space: MultiDiscrete, plan: _Plan, key: Array) -> Head:
    if plan.autoregressive:
        return AutoregressiveHead(
            plan.width,
            space.nvec,
            key=key,
            gain=plan.gain,
            marginal=plan.marginal,
            order=plan.order,
            codec=plan.codec,
        )
    _unordered(space, plan)
    return FactoredHead(plan.width, space.nvec, key=key, gain=plan.gain, marginal=plan.marginal)


@_build.register
def _(space: MultiBinary, plan: _Plan, key: Array) -> Head:
    return _build(MultiDiscrete((2,) * space.n), plan, key)


@_build.register
def _(space: Box, plan: _Plan, key: Array) -> Head:
    _unordered(space, plan)
    if not space.bounded:
        raise SpaceError(f"{space} is unbounded: chain the codec `normalise` with statistics of recorded episodes.")
    if not space.dtype.startswith("float"):
        raise SpaceError(f"{space} does not hold floats: an action of integers is a MultiDiscrete.")
    return GaussianHead(plan.width, space, key=key, gain=plan.gain, std=plan.std, log_std_init=plan.log_std_init)


@_build.register
def _(space: Tuple, plan: _Plan, key: Array) -> Head:
    _unordered(space, plan)
    return JointHead(tuple(_build(part, plan, fold(key, i)) for i, part in enumerate(space.spaces)), None)


@_build.register
def _(space: Dict, plan: _Plan, key: Array) -> Head:
    _unordered(space, plan)
    return JointHead(tuple(_build(part, plan, fold(key, name)) for name, part in space.items), space.names)


@_build.register
def _(space: OneOf, plan: _Plan, key: Array) -> Head:
    _unordered(space, plan)
    index = output(plan.width, len(space.spaces), plan.gain, fold(key, "index"))
    return BranchHead(index, tuple(_build(part, plan, fold(key, i)) for i, part in enumerate(space.spaces)))
