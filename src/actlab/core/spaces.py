"""Spaces: what an observation, a native action or a code may be.

Frozen, hashable twins of Gymnasium's spaces whose values are JAX PyTrees. Everything is written for
one value; `vmap` batches.

| space | value |
|---|---|
| `Box` | float array `[*shape]` |
| `Discrete` | int32 `[]` in `0 .. n-1` |
| `MultiDiscrete` | int32 `[D]`, digit d in `0 .. nvec[d]-1` |
| `MultiBinary` | int32 `[n]` of 0 and 1 |
| `Tuple`, `Dict` | tuple, dict of values |
| `OneOf` | `Choice(index, values)`: every branch is present, only branch `index` counts |

Every space also splits into a *finite part* and a *continuous part*: `outcomes` joint settings of all
its discrete factors and `dims` real coordinates. Learners that enumerate (DQN, SAC) are written once
on that split and so need no ladder over spaces.

Axis letters: D digits, K categories, N joint outcomes, C continuous coordinates.
"""

import abc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.errors import SpaceError
from actlab.core.keys import fold

Value = Any

_NARROW = {"float64": "float32", "int64": "int32", "uint64": "uint32"}
"""What numbers of eight bytes become on the device."""


class Choice(eqx.Module):
    """A value (or a set, or a cell) of a `OneOf`: the branch taken, and one entry for each branch."""

    index: Any
    values: tuple


class Space(abc.ABC):
    """What a value may be. `outcomes` and `dims` are its finite and its continuous size."""

    @property
    @abc.abstractmethod
    def outcomes(self) -> int:
        """Number N of joint settings of the discrete factors (1 for a Box)."""

    @property
    @abc.abstractmethod
    def dims(self) -> int:
        """Number C of continuous coordinates (0 for a Discrete)."""

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Length of `flatten(value)`."""

    @property
    @abc.abstractmethod
    def relevant(self) -> np.ndarray:
        """bool `[N, C]`: does coordinate c count when the outcome is n? (False for branches not taken.)"""

    @abc.abstractmethod
    def sample(self, key: Array) -> Value:
        """A uniform value (standard normal where a Box is unbounded)."""

    @abc.abstractmethod
    def contains(self, value: Value) -> Array:
        """bool `[]`: is the value, shapes given, inside? NaN never is."""

    @abc.abstractmethod
    def zeros(self) -> Value:
        """A value-shaped PyTree of zeros (a Box is clipped into its bounds)."""

    @abc.abstractmethod
    def flatten(self, value: Value) -> Array:
        """float32 `[width]`: numbers for a network; categories one-hot, branches not taken zero."""

    @abc.abstractmethod
    def join(self, outcome: Array, vector: Array) -> Value:
        """The value with joint outcome int `[]` and continuous coordinates `[C]`."""

    @abc.abstractmethod
    def split(self, value: Value) -> tuple[Array, Array]:
        """Inverse of `join`: joint outcome int32 `[]` and coordinates float32 `[C]`."""

    @abc.abstractmethod
    def known(self, flag: bool) -> Value:
        """A value-shaped PyTree of booleans, one for each digit: which of them are decided."""

    @abc.abstractmethod
    def repeat(self, count: int) -> "Space":
        """The space of `count` values in a row."""

    @abc.abstractmethod
    def row(self, values: Value, i: Array) -> Value:
        """The i-th of the values in an element of `repeat(count)`."""

    @abc.abstractmethod
    def stack(self, values: Value) -> Value:
        """An element of `repeat(count)` from values with a leading axis `[count, ...]`."""

    @abc.abstractmethod
    def to_gymnasium(self) -> gymnasium.Space:
        """The Gymnasium space with the same values."""

    @abc.abstractmethod
    def to_host(self, value: Value) -> Any:
        """A numpy value as Gymnasium wants it (dtype, `OneOf` as a pair)."""

    @abc.abstractmethod
    def from_host(self, value: Any) -> Value:
        """A numpy value from Gymnasium in our form."""


def _bounds(values: Any, shape: tuple[int, ...], dtype: np.dtype) -> float | tuple[float, ...]:
    array = np.asarray(values, np.float64)
    if dtype.kind == "f":  # so that equal Boxes have equal bounds, from wherever they come
        with np.errstate(over="ignore"):
            array = array.astype(dtype).astype(np.float64)
    array = np.broadcast_to(array, shape).ravel()
    if array.size == 0 or (array == array[0]).all():
        return float(array[0]) if array.size else 0.0
    return tuple(float(x) for x in array)


@dataclass(frozen=True, init=False)
class Box(Space):
    """Real (or pixel) arrays of one shape between `low` and `high`; a bound may be infinite."""

    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    shape: tuple[int, ...]
    dtype: str

    def __init__(self, low: Any, high: Any, shape: Sequence[int] | None = None, dtype: Any = "float32"):
        """
        Args:
            low, high: scalars or arrays; broadcast to `shape`.
            shape: taken from the bounds where it is not given.
            dtype: of the values; float32 for actions.

        Raises:
            SpaceError: a bound is NaN, `low` is above `high` somewhere, or the numbers take eight bytes.
        """
        if np.dtype(dtype).name in _NARROW:
            raise SpaceError(f"A Box holds numbers of at most four bytes (float32, int32); received {np.dtype(dtype)}.")
        size = tuple(np.broadcast_shapes(np.shape(low), np.shape(high))) if shape is None else tuple(shape)
        if not (np.asarray(low, np.float64) <= np.asarray(high, np.float64)).all():
            raise SpaceError(f"A Box needs low <= high everywhere; received low={low}, high={high}.")
        object.__setattr__(self, "low", _bounds(low, size, np.dtype(dtype)))
        object.__setattr__(self, "high", _bounds(high, size, np.dtype(dtype)))
        object.__setattr__(self, "shape", size)
        object.__setattr__(self, "dtype", np.dtype(dtype).name)

    def __repr__(self) -> str:
        def short(bound: float | tuple[float, ...]) -> str:
            return f"{bound:g}" if isinstance(bound, float) else f"[{min(bound):g}..{max(bound):g}]"

        kind = "" if self.dtype == "float32" else f", {self.dtype}"
        return f"Box({short(self.low)}, {short(self.high)}, {list(self.shape)}{kind})"

    @property
    def lows(self) -> np.ndarray:
        """Lower bounds, `[*shape]`, in the space's dtype."""
        return self._array(self.low)

    @property
    def highs(self) -> np.ndarray:
        """Upper bounds, `[*shape]`, in the space's dtype."""
        return self._array(self.high)

    def _array(self, bound: float | tuple[float, ...]) -> np.ndarray:
        array = np.asarray(bound, np.float64)
        array = np.full(self.shape, array) if array.ndim == 0 else array.reshape(self.shape)
        return array.astype(self.dtype)

    @property
    def bounded(self) -> bool:
        """Are all bounds finite?"""
        return bool(np.isfinite(np.asarray(self.low)).all() and np.isfinite(np.asarray(self.high)).all())

    @property
    def outcomes(self) -> int:
        return 1

    @property
    def dims(self) -> int:
        return math.prod(self.shape)

    @property
    def width(self) -> int:
        return self.dims

    @property
    def relevant(self) -> np.ndarray:
        return np.ones((1, self.dims), bool)

    def sample(self, key: Array) -> Array:
        low, high = self.lows.astype(np.float32), self.highs.astype(np.float32)
        bounded = np.isfinite(low) & np.isfinite(high)
        uniform = jax.random.uniform(fold(key, "uniform"), self.shape)
        normal = jax.random.normal(fold(key, "normal"), self.shape)
        inside = np.where(bounded, low, 0.0) + uniform * np.where(bounded, high - low, 0.0)
        return jnp.where(bounded, inside, jnp.clip(normal, low, high)).astype(self.dtype)

    def contains(self, value: Array) -> Array:
        return jnp.all((value >= self.lows) & (value <= self.highs))

    def zeros(self) -> Array:
        return jnp.asarray(np.clip(np.zeros(self.shape, self.dtype), self.lows, self.highs))

    def flatten(self, value: Array) -> Array:
        return jnp.asarray(value).astype(jnp.float32).reshape(-1)

    def join(self, outcome: Array, vector: Array) -> Array:
        return vector.reshape(self.shape).astype(self.dtype)

    def split(self, value: Array) -> tuple[Array, Array]:
        return jnp.zeros((), jnp.int32), self.flatten(value)

    def known(self, flag: bool) -> Array:
        return jnp.full((), flag)

    def repeat(self, count: int) -> "Box":
        return Box(
            np.broadcast_to(self.lows, (count, *self.shape)),
            np.broadcast_to(self.highs, (count, *self.shape)),
            (count, *self.shape),
            self.dtype,
        )

    def row(self, values: Array, i: Array) -> Array:
        return jax.lax.dynamic_index_in_dim(values, i, keepdims=False)

    def stack(self, values: Array) -> Array:
        return values

    def to_gymnasium(self) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(self.lows, self.highs, self.shape, np.dtype(self.dtype).type)

    def to_host(self, value: Any) -> np.ndarray:
        return np.asarray(value, self.dtype)

    def from_host(self, value: Any) -> np.ndarray:
        return np.asarray(value, self.dtype)


@dataclass(frozen=True)
class Discrete(Space):
    """One of `n` categories."""

    n: int

    @property
    def categories(self) -> int:
        """K."""
        return self.n

    @property
    def outcomes(self) -> int:
        return self.n

    @property
    def dims(self) -> int:
        return 0

    @property
    def width(self) -> int:
        return self.n

    @property
    def relevant(self) -> np.ndarray:
        return np.zeros((self.n, 0), bool)

    def sample(self, key: Array) -> Array:
        return jax.random.randint(key, (), 0, self.n, jnp.int32)

    def contains(self, value: Array) -> Array:
        return (value >= 0) & (value < self.n)

    def zeros(self) -> Array:
        return jnp.zeros((), jnp.int32)

    def flatten(self, value: Array) -> Array:
        return jax.nn.one_hot(value, self.n, dtype=jnp.float32)

    def join(self, outcome: Array, vector: Array) -> Array:
        return outcome.astype(jnp.int32)

    def split(self, value: Array) -> tuple[Array, Array]:
        return value.astype(jnp.int32), jnp.zeros((0,))

    def known(self, flag: bool) -> Array:
        return jnp.full((), flag)

    def repeat(self, count: int) -> "MultiDiscrete":
        return MultiDiscrete((self.n,) * count)

    def row(self, values: Array, i: Array) -> Array:
        return jax.lax.dynamic_index_in_dim(values, i, keepdims=False)

    def stack(self, values: Array) -> Array:
        return values

    def to_gymnasium(self) -> gymnasium.spaces.Discrete:
        return gymnasium.spaces.Discrete(self.n)

    def to_host(self, value: Any) -> Any:
        return np.int64(value)

    def from_host(self, value: Any) -> np.ndarray:
        return np.asarray(value, np.int32)


@dataclass(frozen=True)
class MultiDiscrete(Space):
    """D digits, digit d one of `nvec[d]` categories."""

    nvec: tuple[int, ...]

    def __repr__(self) -> str:
        if len(set(self.nvec)) == 1 and len(self.nvec) > 3:
            return f"MultiDiscrete([{self.nvec[0]}] * {len(self.nvec)})"
        return f"MultiDiscrete({list(self.nvec)})"

    @property
    def outcomes(self) -> int:
        return math.prod(self.nvec)

    @property
    def dims(self) -> int:
        return 0

    @property
    def width(self) -> int:
        return sum(self.nvec)

    @property
    def relevant(self) -> np.ndarray:
        return np.zeros((self.outcomes, 0), bool)

    @property
    def categories(self) -> int:
        """K: categories of the largest digit."""
        return max(self.nvec)

    @property
    def digits(self) -> np.ndarray:
        """bool `[D, K]`, K the largest digit: which categories exist."""
        return np.arange(max(self.nvec)) < np.asarray(self.nvec)[:, None]

    def sample(self, key: Array) -> Array:
        return jax.random.randint(key, (len(self.nvec),), 0, jnp.asarray(self.nvec), jnp.int32)

    def contains(self, value: Array) -> Array:
        return jnp.all((value >= 0) & (value < np.asarray(self.nvec)))

    def zeros(self) -> Array:
        return jnp.zeros((len(self.nvec),), jnp.int32)

    def flatten(self, value: Array) -> Array:
        hot = jax.nn.one_hot(value, max(self.nvec), dtype=jnp.float32)
        return hot[np.nonzero(self.digits)]

    def join(self, outcome: Array, vector: Array) -> Array:
        return jnp.stack(jnp.unravel_index(outcome, self.nvec)).astype(jnp.int32)

    def split(self, value: Array) -> tuple[Array, Array]:
        index = jnp.zeros((), jnp.int32)
        for digit, size in enumerate(self.nvec):
            index = index * size + value[digit]
        return index, jnp.zeros((0,))

    def known(self, flag: bool) -> Array:
        return jnp.full((len(self.nvec),), flag)

    def repeat(self, count: int) -> "MultiDiscrete":
        return MultiDiscrete(self.nvec * count)

    def row(self, values: Array, i: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(values, i * len(self.nvec), len(self.nvec))

    def stack(self, values: Array) -> Array:
        return values.reshape(-1)

    def to_gymnasium(self) -> gymnasium.spaces.MultiDiscrete:
        return gymnasium.spaces.MultiDiscrete(np.asarray(self.nvec, np.int64))

    def to_host(self, value: Any) -> np.ndarray:
        return np.asarray(value, np.int64)

    def from_host(self, value: Any) -> np.ndarray:
        return np.asarray(value, np.int32).reshape(-1)


@dataclass(frozen=True)
class MultiBinary(Space):
    """`n` switches, each 0 or 1."""

    n: int

    @property
    def categories(self) -> int:
        """K."""
        return 2

    @property
    def _digits(self) -> MultiDiscrete:
        return MultiDiscrete((2,) * self.n)

    @property
    def outcomes(self) -> int:
        return 2**self.n

    @property
    def dims(self) -> int:
        return 0

    @property
    def width(self) -> int:
        return self.n

    @property
    def relevant(self) -> np.ndarray:
        return np.zeros((self.outcomes, 0), bool)

    def sample(self, key: Array) -> Array:
        return self._digits.sample(key)

    def contains(self, value: Array) -> Array:
        return self._digits.contains(value)

    def zeros(self) -> Array:
        return self._digits.zeros()

    def flatten(self, value: Array) -> Array:
        return jnp.asarray(value).astype(jnp.float32)

    def join(self, outcome: Array, vector: Array) -> Array:
        return self._digits.join(outcome, vector)

    def split(self, value: Array) -> tuple[Array, Array]:
        return self._digits.split(value)

    def known(self, flag: bool) -> Array:
        return jnp.full((self.n,), flag)

    def repeat(self, count: int) -> "MultiBinary":
        return MultiBinary(self.n * count)

    def row(self, values: Array, i: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(values, i * self.n, self.n)

    def stack(self, values: Array) -> Array:
        return values.reshape(-1)

    def to_gymnasium(self) -> gymnasium.spaces.MultiBinary:
        return gymnasium.spaces.MultiBinary(self.n)

    def to_host(self, value: Any) -> np.ndarray:
        return np.asarray(value, np.int8)

    def from_host(self, value: Any) -> np.ndarray:
        return np.asarray(value, np.int32).reshape(-1)


@dataclass(frozen=True, init=False)
class Tuple(Space):
    """Several values at once, by position."""

    spaces: tuple[Space, ...]

    def __init__(self, spaces: Sequence[Space]):
        object.__setattr__(self, "spaces", tuple(spaces))

    def __repr__(self) -> str:
        return f"Tuple({', '.join(map(repr, self.spaces))})"

    @property
    def outcomes(self) -> int:
        return math.prod(space.outcomes for space in self.spaces)

    @property
    def dims(self) -> int:
        return sum(space.dims for space in self.spaces)

    @property
    def width(self) -> int:
        return sum(space.width for space in self.spaces)

    @property
    def relevant(self) -> np.ndarray:
        rows = np.stack(np.unravel_index(np.arange(self.outcomes), [s.outcomes for s in self.spaces]))
        return np.concatenate([space.relevant[rows[i]] for i, space in enumerate(self.spaces)], axis=1)

    def sample(self, key: Array) -> tuple:
        return tuple(space.sample(fold(key, i)) for i, space in enumerate(self.spaces))

    def contains(self, value: Value) -> Array:
        return jnp.all(jnp.stack([space.contains(v) for space, v in zip(self.spaces, value, strict=True)]))

    def zeros(self) -> tuple:
        return tuple(space.zeros() for space in self.spaces)

    def flatten(self, value: Value) -> Array:
        return jnp.concatenate([space.flatten(v) for space, v in zip(self.spaces, value, strict=True)])

    def join(self, outcome: Array, vector: Array) -> tuple:
        indices = jnp.unravel_index(outcome, [space.outcomes for space in self.spaces])
        ends = np.cumsum([space.dims for space in self.spaces])
        parts = jnp.split(vector, ends[:-1])
        return tuple(space.join(i, part) for space, i, part in zip(self.spaces, indices, parts, strict=True))

    def split(self, value: Value) -> tuple[Array, Array]:
        index, vectors = jnp.zeros((), jnp.int32), []
        for space, part in zip(self.spaces, value, strict=True):
            outcome, vector = space.split(part)
            index = index * space.outcomes + outcome
            vectors.append(vector)
        return index, jnp.concatenate(vectors)

    def known(self, flag: bool) -> tuple:
        return tuple(space.known(flag) for space in self.spaces)

    def repeat(self, count: int) -> "Tuple":
        return Tuple([space.repeat(count) for space in self.spaces])

    def row(self, values: Value, i: Array) -> tuple:
        return tuple(space.row(v, i) for space, v in zip(self.spaces, values, strict=True))

    def stack(self, values: Value) -> tuple:
        return tuple(space.stack(v) for space, v in zip(self.spaces, values, strict=True))

    def to_gymnasium(self) -> gymnasium.spaces.Tuple:
        return gymnasium.spaces.Tuple([space.to_gymnasium() for space in self.spaces])

    def to_host(self, value: Value) -> tuple:
        return tuple(space.to_host(v) for space, v in zip(self.spaces, value, strict=True))

    def from_host(self, value: Any) -> tuple:
        return tuple(space.from_host(v) for space, v in zip(self.spaces, value, strict=True))


@dataclass(frozen=True, init=False)
class Dict(Space):
    """Several values at once, by name (sorted, as JAX sorts the keys of a dict)."""

    items: tuple[tuple[str, Space], ...]

    def __init__(self, spaces: Mapping[str, Space]):
        object.__setattr__(self, "items", tuple(sorted(spaces.items())))

    def __repr__(self) -> str:
        return f"Dict({', '.join(f'{name}={space!r}' for name, space in self.items)})"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.items)

    @property
    def _tuple(self) -> Tuple:
        return Tuple([space for _, space in self.items])

    def _values(self, value: Mapping[str, Value]) -> tuple:
        return tuple(value[name] for name in self.names)

    def _named(self, values: Sequence[Value]) -> dict[str, Value]:
        return dict(zip(self.names, values, strict=True))

    @property
    def outcomes(self) -> int:
        return self._tuple.outcomes

    @property
    def dims(self) -> int:
        return self._tuple.dims

    @property
    def width(self) -> int:
        return self._tuple.width

    @property
    def relevant(self) -> np.ndarray:
        return self._tuple.relevant

    def sample(self, key: Array) -> dict:
        return {name: space.sample(fold(key, name)) for name, space in self.items}

    def contains(self, value: Value) -> Array:
        return self._tuple.contains(self._values(value))

    def zeros(self) -> dict:
        return self._named(self._tuple.zeros())

    def flatten(self, value: Value) -> Array:
        return self._tuple.flatten(self._values(value))

    def join(self, outcome: Array, vector: Array) -> dict:
        return self._named(self._tuple.join(outcome, vector))

    def split(self, value: Value) -> tuple[Array, Array]:
        return self._tuple.split(self._values(value))

    def known(self, flag: bool) -> dict:
        return self._named(self._tuple.known(flag))

    def repeat(self, count: int) -> "Dict":
        return Dict({name: space.repeat(count) for name, space in self.items})

    def row(self, values: Value, i: Array) -> dict:
        return {name: space.row(values[name], i) for name, space in self.items}

    def stack(self, values: Value) -> dict:
        return {name: space.stack(values[name]) for name, space in self.items}

    def to_gymnasium(self) -> gymnasium.spaces.Dict:
        return gymnasium.spaces.Dict({name: space.to_gymnasium() for name, space in self.items})

    def to_host(self, value: Value) -> dict:
        return {name: space.to_host(value[name]) for name, space in self.items}

    def from_host(self, value: Any) -> dict:
        return {name: space.from_host(value[name]) for name, space in self.items}


@dataclass(frozen=True, init=False)
class OneOf(Space):
    """One of several branches, each with its own space: a parameterised (hybrid) action."""

    spaces: tuple[Space, ...]

    def __init__(self, spaces: Sequence[Space]):
        object.__setattr__(self, "spaces", tuple(spaces))

    def __repr__(self) -> str:
        return f"OneOf({', '.join(map(repr, self.spaces))})"

    @property
    def outcomes(self) -> int:
        return sum(space.outcomes for space in self.spaces)

    @property
    def dims(self) -> int:
        return sum(space.dims for space in self.spaces)

    @property
    def width(self) -> int:
        return len(self.spaces) + sum(space.width for space in self.spaces)

    @property
    def _starts(self) -> np.ndarray:
        return np.cumsum([0] + [space.outcomes for space in self.spaces])

    @property
    def relevant(self) -> np.ndarray:
        table, column = np.zeros((self.outcomes, self.dims), bool), 0
        for start, space in zip(self._starts[:-1], self.spaces, strict=True):
            table[start : start + space.outcomes, column : column + space.dims] = space.relevant
            column += space.dims
        return table

    def sample(self, key: Array) -> Choice:
        index = jax.random.randint(fold(key, "index"), (), 0, len(self.spaces), jnp.int32)
        return Choice(index, tuple(space.sample(fold(key, i)) for i, space in enumerate(self.spaces)))

    def contains(self, value: Choice) -> Array:
        inside = jnp.stack([space.contains(v) for space, v in zip(self.spaces, value.values, strict=True)])
        legal = (value.index >= 0) & (value.index < len(self.spaces))
        return legal & inside[jnp.clip(value.index, 0, len(self.spaces) - 1)]

    def zeros(self) -> Choice:
        return Choice(jnp.zeros((), jnp.int32), tuple(space.zeros() for space in self.spaces))

    def flatten(self, value: Choice) -> Array:
        taken = jax.nn.one_hot(value.index, len(self.spaces), dtype=jnp.float32)
        parts = [space.flatten(v) * taken[i] for i, (space, v) in enumerate(zip(self.spaces, value.values))]
        return jnp.concatenate([taken, *parts])

    def join(self, outcome: Array, vector: Array) -> Choice:
        starts = self._starts
        index = jnp.searchsorted(jnp.asarray(starts[1:]), outcome, side="right").astype(jnp.int32)
        parts = jnp.split(vector, np.cumsum([space.dims for space in self.spaces])[:-1])
        values = tuple(
            space.join(jnp.clip(outcome - starts[i], 0, space.outcomes - 1), part)
            for i, (space, part) in enumerate(zip(self.spaces, parts, strict=True))
        )
        return Choice(index, values)

    def split(self, value: Choice) -> tuple[Array, Array]:
        pairs = [space.split(v) for space, v in zip(self.spaces, value.values, strict=True)]
        outcomes = jnp.stack([start + pair[0] for start, pair in zip(self._starts[:-1].astype(np.int32), pairs)])
        return outcomes[value.index], jnp.concatenate([pair[1] for pair in pairs])

    def known(self, flag: bool) -> Choice:
        return Choice(jnp.full((), flag), tuple(space.known(flag) for space in self.spaces))

    def repeat(self, count: int) -> "Tuple":
        return Tuple([self] * count)

    def row(self, values: tuple, i: Array) -> Choice:
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *values)
        return jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, i, keepdims=False), stacked)

    def stack(self, values: Choice) -> tuple:
        count = jax.tree.leaves(values)[0].shape[0]
        return tuple(jax.tree.map(lambda leaf, i=i: leaf[i], values) for i in range(count))

    def to_gymnasium(self) -> gymnasium.spaces.OneOf:
        return gymnasium.spaces.OneOf([space.to_gymnasium() for space in self.spaces])

    def to_host(self, value: Choice) -> tuple:
        index = int(value.index)
        return np.int64(index), self.spaces[index].to_host(value.values[index])

    def from_host(self, value: Any) -> Choice:
        index, inner = value
        values = tuple(
            space.from_host(inner) if i == int(index) else jax.tree.map(np.asarray, space.zeros())
            for i, space in enumerate(self.spaces)
        )
        return Choice(np.asarray(index, np.int32), values)


def _narrow_box(space: gymnasium.spaces.Box) -> Box:
    """The Box with numbers of at most four bytes, as on the device; a bound beyond their range becomes its end."""
    dtype = np.dtype(_NARROW.get(space.dtype.name, space.dtype))
    low, high = np.asarray(space.low, np.float64), np.asarray(space.high, np.float64)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            low, high = low.astype(dtype), high.astype(dtype)
    elif dtype.kind in "iu":
        low, high = (np.clip(bound, np.iinfo(dtype).min, np.iinfo(dtype).max) for bound in (low, high))
    return Box(low, high, space.shape, dtype)


_FROM_GYMNASIUM = {
    gymnasium.spaces.Box: _narrow_box,
    gymnasium.spaces.Discrete: lambda s: Discrete(int(s.n)),
    gymnasium.spaces.MultiDiscrete: lambda s: MultiDiscrete(tuple(int(n) for n in np.ravel(s.nvec))),
    gymnasium.spaces.MultiBinary: lambda s: MultiBinary(int(np.prod(s.n))),
    gymnasium.spaces.Tuple: lambda s: Tuple([from_gymnasium(x) for x in s.spaces]),
    gymnasium.spaces.Dict: lambda s: Dict({k: from_gymnasium(x) for k, x in s.spaces.items()}),
    gymnasium.spaces.OneOf: lambda s: OneOf([from_gymnasium(x) for x in s.spaces]),
}


def from_gymnasium(space: gymnasium.Space) -> Space:
    """Our twin of a Gymnasium space.

    Raises:
        SpaceError: the kind of space has no twin (Graph, Sequence, Text), or a Discrete starts above 0.
    """
    convert = _FROM_GYMNASIUM.get(type(space))
    if convert is None:
        known = ", ".join(kind.__name__ for kind in _FROM_GYMNASIUM)
        raise SpaceError(f"The space {space} is not supported; supported are {known}.")
    if np.any(np.asarray(getattr(space, "start", 0)) != 0):
        raise SpaceError(f"The space {space} does not start at 0; wrap the environment so that it does.")
    return convert(space)
