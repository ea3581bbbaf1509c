"""What passes through the door between Gymnasium and us: values are checked, actions and masks translated.

Axis letters: D digits, K categories, n switches or (in batches) environments.
"""

from collections.abc import Callable, Mapping
from functools import singledispatch
from math import isfinite, prod
from typing import Any

import gymnasium
import jax
import numpy as np

from actlab.core import sets, spaces
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Interval, Mask
from actlab.core.spaces import Choice, Space
from actlab.core.steps import Tree


def each(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """`jax.tree.map`, without its cost for a single numpy array: it is called several times a step."""
    return function(tree) if isinstance(tree, np.ndarray) else jax.tree.map(function, tree)


# --- what does not fit -------------------------------------------------------------------------------


@singledispatch
def fault(space: Space, value: Any, lead: tuple[int, ...] = ()) -> str:
    """What is wrong with an observation from Gymnasium ("expected ..., received ..."), empty if nothing.

    Bounds of a Box are not looked at (many environments leave them a little); categories are.

    Args:
        value: numpy values as Gymnasium gives them, with leading axes `lead`.
    """
    raise SpaceError(f"{space} is not a space that a host environment may observe.")


@fault.register
def _(space: spaces.Box, value: Any, lead: tuple[int, ...] = ()) -> str:
    array = _array(value)
    if array.shape != lead + space.shape or not np.can_cast(array.dtype, space.dtype, "same_kind"):
        return _expected(space.dtype, lead + space.shape, array)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return f"expected finite numbers, received {array[~np.isfinite(array)][0]}"
    return ""


@fault.register
def _(space: spaces.Discrete, value: Any, lead: tuple[int, ...] = ()) -> str:
    array = _array(value)
    return _expected("integers", lead, array) if array.shape != lead else _digits(array, space.n)


@fault.register
def _(space: spaces.MultiDiscrete, value: Any, lead: tuple[int, ...] = ()) -> str:
    array, shape = _array(value), (*lead, len(space.nvec))
    if array.size != prod(shape):
        return _expected("integers", shape, array)
    return _digits(array.reshape(shape), np.asarray(space.nvec))


@fault.register
def _(space: spaces.MultiBinary, value: Any, lead: tuple[int, ...] = ()) -> str:
    array, shape = _array(value), (*lead, space.n)
    return _expected("integers", shape, array) if array.size != prod(shape) else _digits(array, 2)


@fault.register
def _(space: spaces.Tuple, value: Any, lead: tuple[int, ...] = ()) -> str:
    if not isinstance(value, tuple | list) or len(value) != len(space.spaces):
        return f"expected a tuple of {len(space.spaces)}, received {short(value)}"
    return next(filter(None, (fault(part, v, lead) for part, v in zip(space.spaces, value, strict=True))), "")


@fault.register
def _(space: spaces.Dict, value: Any, lead: tuple[int, ...] = ()) -> str:
    if not isinstance(value, Mapping) or not set(space.names) <= set(value):
        return f"expected a dict with {', '.join(space.names)}, received {short(value)}"
    wrong = {name: fault(part, value[name], lead) for name, part in space.items}
    return next((f"in {name!r} {sentence}" for name, sentence in wrong.items() if sentence), "")


@fault.register
def _(space: spaces.OneOf, value: Any, lead: tuple[int, ...] = ()) -> str:
    if lead:
        return next(filter(None, (fault(space, row, lead[1:]) for row in value)), "")
    if not isinstance(value, tuple | list) or len(value) != 2:
        return f"expected a pair (branch, value), received {short(value)}"
    index = _array(value[0])
    return fault(spaces.Discrete(len(space.spaces)), index) or fault(space.spaces[int(index)], value[1])


def reward_fault(reward: Any, lead: tuple[int, ...] = ()) -> str:
    """What is wrong with a reward, empty if nothing."""
    if isinstance(reward, float) and isfinite(reward) and not lead:
        return ""
    array = _array(reward)
    if array.shape != lead or array.dtype.kind not in "fiub":
        return _expected("a number", lead, array)
    return "" if np.isfinite(array).all() else f"expected a finite reward, received {reward}"


def flag_fault(flag: Any, lead: tuple[int, ...] = ()) -> str:
    """What is wrong with `terminated` or `truncated`, empty if nothing."""
    if flag is True or flag is False:
        return ""
    array = _array(flag)
    fits = array.shape == lead and (array.dtype == bool or (array.dtype.kind in "iu" and np.isin(array, (0, 1)).all()))
    return "" if fits else _expected("True or False", lead, array)


def _digits(array: np.ndarray, size: Any) -> str:
    if array.dtype.kind not in "iub":
        return f"expected integers, received {array.dtype}"
    outside = (array < 0) | (array >= size)
    return f"expected 0 .. {np.max(size) - 1}, received {array[outside].flat[0]}" if outside.any() else ""


def _array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError):  # a ragged list has no shape
        return np.asarray(short(value), object)


def _expected(kind: str, shape: tuple[int, ...], array: np.ndarray) -> str:
    received = short(array.item()) if array.dtype == object and array.ndim == 0 else array.dtype
    return f"expected {kind} of shape {list(shape)}, received {received} of shape {list(array.shape)}"


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


# --- actions and masks at the door -------------------------------------------------------------------


@singledispatch
def as_declared(space: gymnasium.Space, value: Any) -> Any:
    """`value` (from `Space.to_host`) in the dtype and shape of the environment's own space."""
    return value


@as_declared.register(gymnasium.spaces.MultiDiscrete)
@as_declared.register(gymnasium.spaces.MultiBinary)
def _(space: Any, value: Any) -> np.ndarray:
    return np.asarray(value, space.dtype).reshape(space.shape)


@as_declared.register
def _(space: gymnasium.spaces.Box, value: Any) -> np.ndarray:
    if value.dtype == space.dtype:
        return value.reshape(space.shape)
    wide = value.astype(space.dtype).reshape(space.shape)
    # a bound, rounded to float32, may lie outside by the rounding; only that is taken back
    near = np.clip(wide, space.low, space.high)
    return np.where(near.astype(value.dtype) == value.reshape(space.shape), near, wide)


@as_declared.register
def _(space: gymnasium.spaces.Tuple, value: tuple) -> tuple:
    return tuple(as_declared(part, v) for part, v in zip(space.spaces, value, strict=True))


@as_declared.register
def _(space: gymnasium.spaces.Dict, value: Mapping) -> dict:
    return {name: as_declared(part, value[name]) for name, part in space.spaces.items()}


@as_declared.register
def _(space: gymnasium.spaces.OneOf, value: tuple) -> tuple:
    return value[0], as_declared(space.spaces[int(value[0])], value[1])


@singledispatch
def mask_from_host(space: Space, mask: Any) -> Allowed:
    """The set that an `info["action_mask"]` means; 1 or True is legal.

    | space | accepted |
    |---|---|
    | Discrete | `[K]` |
    | MultiDiscrete | a sequence of D arrays `[nvec[d]]`, an array `[D, K]`, or all digits joined, `[sum(nvec)]` |
    | MultiBinary | `[n, 2]`, or `[n]` of 0, 1 and 2 (either), as `MultiBinary.sample` takes it |
    | Box | a dict with `low` and `high` |
    | Tuple, Dict | a tuple, a dict of these; None or an absent name allows everything |
    | OneOf | a tuple of one mask for each branch, an array over the branches, or a dict with `index` and `values` |

    Raises:
        SpaceError: the mask has another form; "expected ..., received ...".
    """
    raise SpaceError(f"expected no mask for {space}, received {short(mask)}")


@mask_from_host.register
def _(space: spaces.Discrete, mask: Any) -> Mask:
    return Mask(_zeros_and_ones(mask, (space.n,)))


@mask_from_host.register
def _(space: spaces.MultiDiscrete, mask: Any) -> Mask:
    if isinstance(mask, np.ndarray) and mask.ndim == 1 and mask.dtype != object:
        mask = np.split(_zeros_and_ones(mask, (sum(space.nvec),)), np.cumsum(space.nvec)[:-1])
    if len(mask) != len(space.nvec):
        raise SpaceError(f"expected masks of {len(space.nvec)} digits, received {len(mask)}")
    table: Any = np.zeros((len(space.nvec), space.categories), bool)
    for digit, (row, size) in enumerate(zip(mask, space.nvec, strict=True)):
        padded = np.shape(row) == (space.categories,)
        table[digit, :size] = _zeros_and_ones(row, (space.categories if padded else size,))[:size]
    return Mask(table)


@mask_from_host.register
def _(space: spaces.MultiBinary, mask: Any) -> Mask:
    array = np.asarray(mask)
    if array.shape == (space.n, 2):
        return Mask(_zeros_and_ones(array, (space.n, 2)))
    if array.size != space.n or not np.isin(array, (0, 1, 2)).all():
        raise SpaceError(f"expected [{space.n}, 2] of 0 and 1 or [{space.n}] of 0, 1 and 2, received {short(mask)}")
    table: Any = np.stack([array.ravel() != 1, array.ravel() != 0], axis=-1)
    return Mask(table)


@mask_from_host.register
def _(space: spaces.Box, mask: Any) -> Interval:
    if not isinstance(mask, Mapping) or set(mask) != {"low", "high"}:
        raise SpaceError(f"expected a dict with 'low' and 'high', received {short(mask)}")
    low: Any = np.array(mask["low"], space.dtype)
    high: Any = np.array(mask["high"], space.dtype)
    if low.shape != space.shape or high.shape != space.shape or np.isnan(low + high).any():
        raise SpaceError(f"expected bounds of shape {list(space.shape)} without NaN, received {short(mask)}")
    return Interval(low, high)


@mask_from_host.register
def _(space: spaces.Tuple, mask: Any) -> tuple:
    if not isinstance(mask, tuple | list) or len(mask) != len(space.spaces):
        raise SpaceError(f"expected a tuple of {len(space.spaces)} masks, received {short(mask)}")
    return tuple(_nested(part, m, f"part {i}") for i, (part, m) in enumerate(zip(space.spaces, mask, strict=True)))


@mask_from_host.register
def _(space: spaces.Dict, mask: Any) -> dict:
    if not isinstance(mask, Mapping) or not set(mask) <= set(space.names):
        raise SpaceError(f"expected a dict with names of {', '.join(space.names)}, received {short(mask)}")
    return {name: _nested(part, mask.get(name), repr(name)) for name, part in space.items}


@mask_from_host.register
def _(space: spaces.OneOf, mask: Any) -> Choice:
    branches, index = len(space.spaces), None
    values: Any = mask
    if isinstance(mask, Mapping):
        index, values = mask.get("index"), mask.get("values")
    elif isinstance(mask, np.ndarray) and mask.dtype != object:
        index, values = mask, None
    values = (None,) * branches if values is None else tuple(values)
    if len(values) != branches:
        raise SpaceError(f"expected masks of {branches} branches, received {short(mask)}")
    over = None if index is None else Mask(_zeros_and_ones(index, (branches,)))
    parts = enumerate(zip(space.spaces, values, strict=True))
    return Choice(over, tuple(_nested(part, m, f"branch {i}") for i, (part, m) in parts))


def _nested(space: Space, mask: Any, where: str) -> Allowed:
    try:
        return None if mask is None else mask_from_host(space, mask)
    except SpaceError as error:
        raise SpaceError(f"in {where}, {error}") from None


def _zeros_and_ones(mask: Any, shape: tuple[int, ...]) -> Any:
    array = _array(mask)
    if array.shape != shape or array.dtype.kind not in "iub" or not np.isin(array, (0, 1)).all():
        raise SpaceError(f"expected {list(shape)} of 0 and 1, received {short(mask)}")
    return array.astype(bool)


def possible(allowed: Allowed) -> bool:
    """`core.sets.possible`, without the device for a plain mask: it is asked at every step."""
    return bool(allowed.mask.any(axis=-1).all()) if type(allowed) is Mask else bool(sets.possible(allowed))


# --- batches of a vector environment -----------------------------------------------------------------


@singledispatch
def batch_from_host(space: Space, batch: Any) -> Tree:
    """A batch of observations as a Gymnasium vector gives it, in our form `[n, ...]`, copied."""
    rows = [space.from_host(row) for row in batch]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


@batch_from_host.register
def _(space: spaces.Box, batch: Any) -> np.ndarray:
    return np.array(batch, space.dtype)


@batch_from_host.register
def _(space: spaces.Discrete, batch: Any) -> np.ndarray:
    return np.array(batch, np.int32)


@batch_from_host.register(spaces.MultiDiscrete)
@batch_from_host.register(spaces.MultiBinary)
def _(space: Any, batch: Any) -> np.ndarray:
    return np.array(batch, np.int32).reshape(len(batch), -1)


@batch_from_host.register
def _(space: spaces.Tuple, batch: tuple) -> tuple:
    return tuple(batch_from_host(part, b) for part, b in zip(space.spaces, batch, strict=True))


@batch_from_host.register
def _(space: spaces.Dict, batch: Mapping) -> dict:
    return {name: batch_from_host(part, batch[name]) for name, part in space.items}


@singledispatch
def batch_to_host(space: Space, native: Tree, count: int) -> Any:
    """Native actions `[n, ...]` as the batched space of a Gymnasium vector has them (dtypes aside)."""
    return tuple(space.to_host(jax.tree.map(lambda leaf, i=i: leaf[i], native)) for i in range(count))


@batch_to_host.register(spaces.Box)
@batch_to_host.register(spaces.Discrete)
@batch_to_host.register(spaces.MultiDiscrete)
@batch_to_host.register(spaces.MultiBinary)
def _(space: Any, native: Any, count: int) -> np.ndarray:
    return np.asarray(native)


@batch_to_host.register
def _(space: spaces.Tuple, native: tuple, count: int) -> tuple:
    return tuple(batch_to_host(part, n, count) for part, n in zip(space.spaces, native, strict=True))


@batch_to_host.register
def _(space: spaces.Dict, native: Mapping, count: int) -> dict:
    return {name: batch_to_host(part, native[name], count) for name, part in space.items}
