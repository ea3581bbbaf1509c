"""What agents over codes of many digits share: the digits' categories, levels and groups, and what conditions them.

Axis letters: D digits, K categories of the largest digit, C native coordinates, M numbers that condition.
"""

from functools import singledispatch

import jax
import jax.numpy as jnp
from jax import Array

from actlab.actions.coarse_to_fine import CoarseToFine
from actlab.core.codec import Chain, Codec
from actlab.core.errors import SpaceError
from actlab.core.spaces import Box, MultiBinary, MultiDiscrete, Space
from actlab.nets.heads.autoregressive import Groups, grouped, open_midpoint


@singledispatch
def categories_of(space: Space, agent: str) -> tuple[int, ...]:
    """Number of categories of every digit of a code.

    Args:
        space: of the code.
        agent: whose message it is.

    Raises:
        SpaceError: the code is not made of digits.
    """
    raise SpaceError(
        f"{agent} decides over MultiDiscrete and MultiBinary codes; received {space}. "
        "Cut a Box into bins (--code bins); put the digits of a Dict or Tuple in one row (--code bins+digits); "
        "a plain Discrete is for DQN."
    )


@categories_of.register
def _(space: MultiDiscrete, agent: str) -> tuple[int, ...]:
    return space.nvec


@categories_of.register
def _(space: MultiBinary, agent: str) -> tuple[int, ...]:
    return (2,) * space.n


@singledispatch
def levels_of(codec: Codec) -> int:
    """Levels of a code's digits, coarse ones first, each as many digits as the others; 1 for codes without levels."""
    return 1


@levels_of.register
def _(codec: CoarseToFine) -> int:
    return codec.levels


@levels_of.register
def _(codec: Chain) -> int:
    return levels_of(codec.inner)


GROUPINGS = ("digit", "level", "all")
"""What is decided at the same time: one digit, the digits of one level, all."""


def groups_of(codec: Codec, digits: int, grouping: str, order: tuple[int, ...] = ()) -> Groups:
    """The order in which digits are decided, and those that are decided at the same time.

    Args:
        codec: bound.
        digits: D.
        grouping: one of `GROUPINGS`.
        order: every digit once, for "digit" alone; () is 0 .. D - 1.

    Raises:
        SpaceError: there is no such grouping, or the order does not name every digit once.
    """
    if grouping not in GROUPINGS or (order and grouping != "digit"):
        raise SpaceError(
            f"A grouping is one of {', '.join(GROUPINGS)}, and an order of digits goes with 'digit' alone; received "
            f"{grouping!r} and the order {order}."
        )
    if grouping == "digit":
        return Groups(grouped(order or None, digits))
    count = levels_of(codec) if grouping == "level" else 1
    size = digits // count
    return Groups(grouped(tuple(tuple(range(g * size, (g + 1) * size)) for g in range(count)), digits))


def by_midpoint(codec: Codec) -> bool:
    """Do the cells of partly decided codes say all that is known? Yes where one native action of a Box is coded."""
    return isinstance(codec.native, Box) and codec.length == 1


def told(codec: Codec, nvec: tuple[int, ...], code: Array, known: Array) -> Array:
    """float32 `[M]`: what is known of a partly decided code, for a network.

    The midpoint of the cell that is still open, every coordinate in [-1, 1] (both papers), M =
    C; for other codes, which the papers do not have, the known digits as one-hot vectors, M = D K.
    """
    if by_midpoint(codec):
        return open_midpoint(codec, code, known)
    return (jax.nn.one_hot(code, max(nvec)) * known.astype(jnp.float32)[:, None]).reshape(-1)


def told_width(codec: Codec, nvec: tuple[int, ...]) -> int:
    """M."""
    nothing = jnp.zeros((len(nvec),), jnp.int32), jnp.zeros((len(nvec),), bool)
    return jax.eval_shape(lambda code, known: told(codec, nvec, code, known), *nothing).shape[0]
