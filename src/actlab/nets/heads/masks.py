"""What a head may do with a set: read a digit's legal categories, a box's bounds, the sets of its parts.

Heads see only a set over the *code*. None and a `Mask` allow the digits independently of each other; an
`Automaton` and `Cells` in general do not, so that a head which decides digits at the same time cannot
honour them.

Axis letters: D digits, K categories.
"""

from collections.abc import Mapping, Sequence
from functools import singledispatch

import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core import sets
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Automaton, Cells, Interval, Linear, Mask
from actlab.core.spaces import Choice


@singledispatch
def couples(allowed: Allowed) -> bool:
    """May the legal values of one digit depend on another digit?"""
    return False


@couples.register(Automaton)
@couples.register(Cells)
def _(allowed: Allowed) -> bool:
    return True


@couples.register
def _(allowed: Linear) -> bool:
    raise SpaceError("A Linear set is answered by a solver on the host; a head needs a Mask, an Automaton or Cells.")


def require_product(allowed: Allowed, digits: int, marginal: bool) -> None:
    """Check that `digits` digits decided at the same time can honour the set.

    Raises:
        SpaceError: the set couples digits, more than one is decided at once, and `marginal` is not set.
    """
    if couples(allowed) and digits > 1 and not marginal:
        raise SpaceError(
            f"A set of kind {type(allowed).__name__} lets the legal values of one digit depend on the others, and this "
            f"head decides {digits} digits independently; build it with autoregressive=True (each digit in its own "
            "group), or with marginal=True to mask every digit by itself, which admits illegal combinations."
        )


def legal(allowed: Allowed, code: Array, known: Array, digit: Array | int, size: int) -> Array:
    """bool `[K]`: legal values of one digit, given those of `code` that are `known`.

    Args:
        allowed: the set over the code.
        code: int32 `[D]`, or `[]` for a Discrete.
        known: bool of the same shape.
        digit: which one, possibly traced; ignored for a Discrete.
        size: K.

    Raises:
        SpaceError: the set is not one over such codes.
    """
    couples(allowed)  # a Linear set raises here
    if isinstance(allowed, Automaton) and jnp.ndim(code) == 0:
        raise SpaceError("An Automaton allows words over several digits, not a Discrete; give a Mask.")
    if isinstance(allowed, Mask) and jnp.shape(allowed.mask) != (*jnp.shape(code), size):
        needed, received = [*jnp.shape(code), size], list(jnp.shape(allowed.mask))
        raise SpaceError(f"A Mask of shape {needed} is needed; received one of shape {received}.")
    return jnp.asarray(sets.next_mask(allowed, code, known, jnp.asarray(digit), size))


@singledispatch
def bounds(allowed: Allowed, low: np.ndarray, high: np.ndarray) -> tuple[Array, Array]:
    """The lower and upper bounds `[*shape]` that the set leaves inside `low <= x <= high`.

    Raises:
        SpaceError: the set is no Interval of that shape.
    """
    raise SpaceError(
        f"A Box needs an Interval or None; received a set of kind {type(allowed).__name__}. "
        "A codec onto a Box has to give its intervals in closed form (`restrict`)."
    )


@bounds.register(type(None))
def _(allowed: None, low: np.ndarray, high: np.ndarray) -> tuple[Array, Array]:
    return jnp.asarray(low), jnp.asarray(high)


@bounds.register
def _(allowed: Interval, low: np.ndarray, high: np.ndarray) -> tuple[Array, Array]:
    if jnp.shape(allowed.low) != low.shape or jnp.shape(allowed.high) != low.shape:
        shapes = f"{list(jnp.shape(allowed.low))} and {list(jnp.shape(allowed.high))}"
        raise SpaceError(f"An Interval of shape {list(low.shape)} is needed; received bounds of shapes {shapes}.")
    inside = jnp.asarray(allowed.low, jnp.float32), jnp.asarray(allowed.high, jnp.float32)
    return jnp.maximum(inside[0], low), jnp.minimum(inside[1], high)


@singledispatch
def parts(allowed: Allowed, names: Sequence[str] | None, count: int) -> tuple:
    """The sets of the `count` parts of a Tuple (`names` is None) or a Dict.

    Raises:
        SpaceError: the set is not nested as the space is.
    """
    raise _misnested(names, count, f"a set of kind {type(allowed).__name__}")


@parts.register(type(None))
def _(allowed: None, names: Sequence[str] | None, count: int) -> tuple:
    return (None,) * count


@parts.register
def _(allowed: tuple, names: Sequence[str] | None, count: int) -> tuple:
    if names is not None or len(allowed) != count:
        raise _misnested(names, count, f"a tuple of {len(allowed)}")
    return allowed


@parts.register
def _(allowed: Mapping, names: Sequence[str] | None, count: int) -> tuple:
    if names is None or set(allowed) != set(names):
        raise _misnested(names, count, f"a dict for {', '.join(sorted(allowed))}")
    return tuple(allowed[name] for name in names)


def _misnested(names: Sequence[str] | None, count: int, received: str) -> SpaceError:
    form = f"a tuple of {count} sets" if names is None else f"a dict of sets for {', '.join(names)}"
    return SpaceError(f"A set nested as the space is needed ({form}, or None); received {received}.")


@singledispatch
def branches(allowed: Allowed, count: int) -> tuple[Array, tuple]:
    """bool `[count]`, the branches of a OneOf in which something is legal, and the set of each branch.

    Raises:
        SpaceError: the set is no Choice of `count` branches.
    """
    raise SpaceError(
        f"A OneOf needs a Choice of {count} sets, or None; received a set of kind {type(allowed).__name__}."
    )


@branches.register(type(None))
def _(allowed: None, count: int) -> tuple[Array, tuple]:
    return jnp.ones((count,), bool), (None,) * count


@branches.register
def _(allowed: Choice, count: int) -> tuple[Array, tuple]:
    if len(allowed.values) != count:
        raise SpaceError(f"A OneOf needs a Choice of {count} sets; received one of {len(allowed.values)}.")
    inside = jnp.stack([jnp.asarray(sets.possible(part)) for part in allowed.values])
    none = jnp.zeros((), jnp.int32)
    taken = legal(allowed.index, none, jnp.zeros((), bool), none, count)
    return inside & taken, allowed.values
