"""The sets that an action may be restricted to. True means allowed; it is defined here and nowhere else.

Four sets: `Mask` (categories), `Interval` (boxes), `Linear` (0/1 vectors under linear constraints, on the
host) and `Automaton` (words over digits). `None` allows everything. For a Tuple, Dict or OneOf the sets
are nested as the values are: a tuple, a dict, a `Choice`. `Cells` is how a codec hands a native set to a
head when the set over its codes has no closed form.

Seven functions work on all of them:
`contains`, `meets`, `possible`, `sample`, `project`, `next_mask`, `restrict` (with the codec, in `codec.py`).

A *cell* is a set too: all values that a partly decided code still leaves open. A digit is legal if its
cell meets the set - this one rule carries masks through every codec.

Axis letters: D digits, K categories, M automaton nodes, n binary variables, R rows.
"""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.spaces import Choice, Space, Value

Allowed = Any  # Mask | Interval | Linear | Automaton | Cells | Choice | tuple | dict | None


class Mask(eqx.Module):
    """Categories: bool `[K]` for a Discrete, `[D, K]` for a MultiDiscrete or MultiBinary (padded with False)."""

    mask: Array


class Interval(eqx.Module):
    """A box: `low <= x <= high`, both `[*shape]`."""

    low: Array
    high: Array


class Automaton(eqx.Module):
    """Words of exactly D digits: `next[node, digit]` is the node reached, -1 forbidden.

    int32 `next` `[M, K]`, int32 `start` `[]`. A prefix is legal if some completion of it is. Dependent
    factors, tool calls, walks and small grammars are automata.
    """

    next: Array
    start: Array


class Linear(eqx.Module):
    """x in {0,1}^n with `A x + G y <= b` for some integer y.

    float64 numpy arrays `A` `[R, n]`, `G` `[R, m]` (m may be 0), `b` `[R]`. Host only: questions are
    answered by the HiGHS solver inside scipy.
    """

    A: np.ndarray
    G: np.ndarray
    b: np.ndarray


class Cells(eqx.Module):
    """The codes whose cell, under `codec`, meets the native set `allowed`."""

    codec: Any
    allowed: Allowed


# --- contains: is this value in the set? -------------------------------------------------------------


@singledispatch
def contains(allowed: Allowed, value: Value) -> Array:
    """bool `[]`: is `value` in the set?"""
    raise SpaceError(f"{type(allowed).__name__} is not a set of actions.")


@contains.register(type(None))
def _(allowed: None, value: Value) -> Array:
    return jnp.ones((), bool)


@contains.register
def _(allowed: Mask, value: Array) -> Array:
    size = allowed.mask.shape[-1]
    inside = jnp.all((value >= 0) & (value < size))
    column = jnp.expand_dims(jnp.clip(jnp.asarray(value), 0, size - 1), -1)
    return inside & jnp.all(jnp.take_along_axis(jnp.asarray(allowed.mask), column, axis=-1))


@contains.register
def _(allowed: Interval, value: Array) -> Array:
    return jnp.all((value >= allowed.low) & (value <= allowed.high))


@contains.register
def _(allowed: Automaton, value: Array) -> Array:
    return _accepts(allowed, value)


@jax.jit  # on the host too: there a scan over a new closure would be compiled anew at every call
def _accepts(allowed: Automaton, value: Array) -> Array:
    size = allowed.next.shape[1]

    def follow(node: Array, digit: Array) -> tuple[Array, None]:
        legal = (node >= 0) & (digit >= 0) & (digit < size)
        return jnp.where(legal, allowed.next[node, jnp.clip(digit, 0, size - 1)], -1), None

    node, _ = jax.lax.scan(follow, jnp.asarray(allowed.start, jnp.int32), jnp.asarray(value))
    return node >= 0


@contains.register
def _(allowed: Linear, value: np.ndarray) -> Any:
    x = np.asarray(value, np.float64)
    return bool(np.isin(x, (0.0, 1.0)).all()) and _solve(allowed, x, x) is not None


@contains.register
def _(allowed: Cells, value: Value) -> Array:
    codec = allowed.codec
    return meets(allowed.allowed, codec.cell(value, codec.code.known(True)))


@contains.register
def _(allowed: tuple, value: tuple) -> Array:
    return jnp.all(jnp.stack([jnp.asarray(contains(a, v)) for a, v in zip(allowed, value, strict=True)]))


@contains.register
def _(allowed: Mapping, value: Mapping) -> Array:
    return contains(tuple(allowed[k] for k in sorted(allowed)), tuple(value[k] for k in sorted(allowed)))


@contains.register
def _(allowed: Choice, value: Choice) -> Array:
    inside = jnp.stack([jnp.asarray(contains(a, v)) for a, v in zip(allowed.values, value.values, strict=True)])
    index = jnp.clip(value.index, 0, inside.shape[0] - 1)
    return contains(allowed.index, value.index) & inside[index]


# --- meets: do a set and a cell have a value in common? ----------------------------------------------


@singledispatch
def meets(allowed: Allowed, cell: Allowed) -> Array:
    """bool `[]`: does the set share a value with `cell` (a Mask, an Interval, or a nest of them)?"""
    raise SpaceError(f"{type(allowed).__name__} is not a set of actions.")


@meets.register(type(None))
def _(allowed: None, cell: Allowed) -> Array:
    return possible(cell)


@meets.register
def _(allowed: Mask, cell: Mask) -> Array:
    return jnp.all(jnp.any(allowed.mask & cell.mask, axis=-1))


@meets.register
def _(allowed: Interval, cell: Interval) -> Array:
    overlap = (allowed.low <= cell.high) & (cell.low <= allowed.high)
    return jnp.all(overlap & (allowed.low <= allowed.high) & (cell.low <= cell.high))


@meets.register
def _(allowed: Automaton, cell: Mask) -> Array:
    return _crosses(allowed, cell)


@jax.jit
def _crosses(allowed: Automaton, cell: Mask) -> Array:
    nodes, size = allowed.next.shape

    def spread(reached: Array, digits: Array) -> tuple[Array, None]:
        target = jnp.where(reached[:, None] & digits[None, :] & (allowed.next >= 0), allowed.next, nodes)
        return jnp.zeros((nodes,), bool).at[target.ravel()].set(True, mode="drop"), None

    reached, _ = jax.lax.scan(spread, jnp.arange(nodes) == allowed.start, jnp.asarray(cell.mask)[:, :size])
    return jnp.any(reached)


@meets.register
def _(allowed: Linear, cell: Mask) -> Any:
    mask = np.asarray(cell.mask)
    return _solve(allowed, np.where(mask[:, 0], 0.0, 1.0), np.where(mask[:, 1], 1.0, 0.0)) is not None


@meets.register
def _(allowed: Cells, cell: Allowed) -> Array:
    return meets(allowed.allowed, allowed.codec.image(cell))


@meets.register
def _(allowed: tuple, cell: tuple) -> Array:
    return jnp.all(jnp.stack([jnp.asarray(meets(a, c)) for a, c in zip(allowed, cell, strict=True)]))


@meets.register
def _(allowed: Mapping, cell: Mapping) -> Array:
    return meets(tuple(allowed[k] for k in sorted(allowed)), tuple(cell[k] for k in sorted(allowed)))


@meets.register
def _(allowed: Choice, cell: Choice) -> Array:
    branches = jnp.stack([jnp.asarray(meets(a, c)) for a, c in zip(allowed.values, cell.values, strict=True)])
    index = cell.index.mask if allowed.index is None else cell.index.mask & allowed.index.mask
    return jnp.any(index & branches)


# --- possible: is anything legal at all? -------------------------------------------------------------


@singledispatch
def possible(allowed: Allowed) -> Array:
    """bool `[]`: does the set hold anything? (For an Automaton: is any first digit legal?)"""
    return jnp.ones((), bool)


@possible.register
def _(allowed: Mask) -> Array:
    return jnp.all(jnp.any(jnp.asarray(allowed.mask), axis=-1))


@possible.register
def _(allowed: Interval) -> Array:
    return jnp.all(jnp.asarray(allowed.low <= allowed.high))


@possible.register
def _(allowed: Automaton) -> Array:
    return jnp.any(allowed.next[allowed.start] >= 0)


@possible.register
def _(allowed: Linear) -> Any:
    size = allowed.A.shape[1]
    return _solve(allowed, np.zeros(size), np.ones(size)) is not None


@possible.register
def _(allowed: Cells) -> Array:
    code = allowed.codec.code
    return meets(allowed.allowed, allowed.codec.cell(code.zeros(), code.known(False)))


@possible.register
def _(allowed: tuple) -> Array:
    return jnp.all(jnp.stack([jnp.asarray(possible(part)) for part in allowed]))


@possible.register
def _(allowed: Mapping) -> Array:
    return possible(tuple(allowed.values()))


@possible.register
def _(allowed: Choice) -> Array:
    branches = jnp.stack([jnp.asarray(possible(part)) for part in allowed.values])
    return jnp.any(branches if allowed.index is None else branches & allowed.index.mask)


# --- next_mask: which values may the next digit take? ------------------------------------------------


@singledispatch
def next_mask(allowed: Allowed, code: Array, known: Array, digit: Array, size: int) -> Array:
    """bool `[size]`: the legal values of `digit`, given the digits of `code` that are `known`.

    Works in any order of digits. Heads call it with the set over the *code* (`codec.restrict`).

    Args:
        code: int32 `[D]` (or `[]` for a Discrete, then `digit` is ignored).
        known: bool, one for each digit: which entries of `code` are decided.
        digit: int `[]`, possibly traced.
        size: K, number of categories asked for.
    """
    raise SpaceError(f"{type(allowed).__name__} has no digits.")


@next_mask.register(type(None))
def _(allowed: None, code: Array, known: Array, digit: Array, size: int) -> Array:
    return jnp.ones((size,), bool)


@next_mask.register
def _(allowed: Mask, code: Array, known: Array, digit: Array, size: int) -> Array:
    row = allowed.mask if allowed.mask.ndim == 1 else jnp.asarray(allowed.mask)[digit]
    return row[:size]


@next_mask.register
def _(allowed: Automaton, code: Array, known: Array, digit: Array, size: int) -> Array:
    width = allowed.next.shape[1]

    def legal(value: Array) -> Array:
        decided, word = known.at[digit].set(True), code.at[digit].set(value)
        return meets(allowed, Mask(~decided[:, None] | (word[:, None] == jnp.arange(width)[None, :])))

    return jax.vmap(legal)(jnp.arange(size))


@next_mask.register
def _(allowed: Linear, code: np.ndarray, known: np.ndarray, digit: int, size: int) -> np.ndarray:
    legal = np.zeros(size, bool)
    for value in range(2):
        low = np.where(known, code, 0).astype(np.float64)
        high = np.where(known, code, 1).astype(np.float64)
        low[digit] = high[digit] = value
        legal[value] = _solve(allowed, low, high) is not None
    return legal


@next_mask.register
def _(allowed: Cells, code: Array, known: Array, digit: Array, size: int) -> Array:
    codec = allowed.codec

    def legal(value: Array) -> Array:
        if known.ndim == 0:
            return meets(allowed.allowed, codec.cell(value, jnp.ones((), bool)))
        return meets(allowed.allowed, codec.cell(code.at[digit].set(value), known.at[digit].set(True)))

    return jax.vmap(legal)(jnp.arange(size))


# --- sample: a random value of the set ---------------------------------------------------------------


@singledispatch
def sample(allowed: Allowed, space: Space, key: Array) -> Value:
    """A random value of `space` in the set, every one with positive probability.

    Uniform for a Mask and an Interval (half-normal from the finite end, or normal, where an Interval is
    unbounded); for an Automaton, a Linear set and Cells it is drawn digit by digit, uniformly over the legal
    next digits (so not uniform over whole words).
    """
    raise SpaceError(f"{type(allowed).__name__} is not a set of actions.")


@sample.register(type(None))
def _(allowed: None, space: Space, key: Array) -> Value:
    return space.sample(key)


@sample.register
def _(allowed: Mask, space: Space, key: Array) -> Array:
    return jax.random.categorical(key, jnp.where(allowed.mask, 0.0, -jnp.inf), axis=-1).astype(jnp.int32)


@sample.register
def _(allowed: Interval, space: Space, key: Array) -> Array:
    low, high = jnp.asarray(allowed.low), jnp.asarray(allowed.high)
    finite_low, finite_high = jnp.isfinite(low), jnp.isfinite(high)
    bounded = finite_low & finite_high
    unit = jax.random.uniform(fold(key, "uniform"), low.shape, low.dtype)
    uniform = low + unit * jnp.where(bounded, high - jnp.where(bounded, low, 0.0), 0.0)
    normal = jax.random.normal(fold(key, "normal"), low.shape, low.dtype)
    tail = jnp.where(finite_low, low + jnp.abs(normal), jnp.where(finite_high, high - jnp.abs(normal), normal))
    return jnp.where(bounded, jnp.clip(uniform, low, high), tail)


@sample.register(Automaton)
@sample.register(Cells)
def _(allowed: Allowed, space: Any, key: Array) -> Array:
    empty, size = space.zeros(), space.categories
    if empty.ndim == 0:
        return sample(Mask(next_mask(allowed, empty, space.known(False), jnp.zeros((), jnp.int32), size)), space, key)

    def draw(carry: tuple[Array, Array], digit: Array) -> tuple[tuple[Array, Array], None]:
        code, known = carry
        legal = next_mask(allowed, code, known, digit, size)
        value = jax.random.categorical(fold(key, digit), jnp.where(legal, 0.0, -jnp.inf)).astype(jnp.int32)
        return (code.at[digit].set(value), known.at[digit].set(True)), None

    (code, _), _ = jax.lax.scan(draw, (empty, space.known(False)), jnp.arange(empty.shape[0]))
    return code


@sample.register
def _(allowed: Linear, space: Space, key: Array) -> np.ndarray:
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    n = allowed.A.shape[1]
    code, known = np.zeros(n, np.int32), np.zeros(n, bool)
    for digit in generator.permutation(n):
        legal = np.flatnonzero(next_mask(allowed, code, known, digit, 2))
        if legal.size == 0:
            raise SpaceError("No action is legal: the linear set is empty.")
        code[digit], known[digit] = generator.choice(legal), True
    return code


@sample.register
def _(allowed: tuple, space: Any, key: Array) -> tuple:
    return tuple(sample(a, s, fold(key, i)) for i, (a, s) in enumerate(zip(allowed, space.spaces, strict=True)))


@sample.register
def _(allowed: Mapping, space: Any, key: Array) -> dict:
    return {name: sample(allowed[name], part, fold(key, name)) for name, part in space.items}


@sample.register
def _(allowed: Choice, space: Any, key: Array) -> Choice:
    branches = jnp.stack([jnp.asarray(possible(part)) for part in allowed.values])
    mask = Mask(branches if allowed.index is None else branches & allowed.index.mask)
    values = tuple(sample(a, s, fold(key, i)) for i, (a, s) in enumerate(zip(allowed.values, space.spaces)))
    return Choice(sample(mask, space, fold(key, "index")), values)


# --- project: the nearest value of the set -----------------------------------------------------------


@singledispatch
def project(allowed: Allowed, value: Value) -> Value:
    """The nearest value in the set.

    Euclidean for an Interval, |i - j| for a Mask, Hamming for an Automaton and a Linear set; ties go to
    the smaller value. The branch of a Choice stays if anything in it is legal.
    """
    raise SpaceError(f"{type(allowed).__name__} cannot project.")


@project.register(type(None))
def _(allowed: None, value: Value) -> Value:
    return value


@project.register
def _(allowed: Mask, value: Array) -> Array:
    categories = jnp.broadcast_to(jnp.arange(allowed.mask.shape[-1], dtype=jnp.int32), allowed.mask.shape)
    distance = jnp.abs(categories - jnp.expand_dims(jnp.asarray(value), -1))
    return jnp.argmin(jnp.where(allowed.mask, distance, jnp.iinfo(jnp.int32).max), axis=-1).astype(jnp.int32)


@project.register
def _(allowed: Interval, value: Array) -> Array:
    return jnp.clip(value, allowed.low, allowed.high)


@project.register
def _(allowed: Automaton, value: Array) -> Array:
    return _nearest_word(allowed, value)


@jax.jit
def _nearest_word(allowed: Automaton, value: Array) -> Array:
    nodes, size = allowed.next.shape
    far = jnp.asarray(value.shape[0] + 1, jnp.int32)

    def backward(cost: Array, digit: Array) -> tuple[Array, Array]:
        change = (jnp.arange(size) != digit).astype(jnp.int32)[None, :]
        step = jnp.minimum(jnp.where(allowed.next >= 0, cost[allowed.next], far) + change, far)
        return jnp.min(step, axis=1), jnp.argmin(step, axis=1).astype(jnp.int32)

    _, best = jax.lax.scan(backward, jnp.zeros((nodes,), jnp.int32), value, reverse=True)

    def forward(node: Array, choice: Array) -> tuple[Array, Array]:
        return allowed.next[node, choice[node]].astype(jnp.int32), choice[node]

    _, word = jax.lax.scan(forward, jnp.asarray(allowed.start, jnp.int32), best)
    return word


@project.register
def _(allowed: Linear, value: np.ndarray) -> np.ndarray:
    size = allowed.A.shape[1]
    nearest = _solve(allowed, np.zeros(size), np.ones(size), cost=1.0 - 2.0 * np.asarray(value, np.float64))
    if nearest is None:
        raise SpaceError("No action is legal: the linear set is empty.")
    return nearest


@project.register
def _(allowed: tuple, value: tuple) -> tuple:
    return tuple(project(a, v) for a, v in zip(allowed, value, strict=True))


@project.register
def _(allowed: Mapping, value: Mapping) -> dict:
    return {name: project(allowed[name], value[name]) for name in allowed}


@project.register
def _(allowed: Choice, value: Choice) -> Choice:
    branches = jnp.stack([jnp.asarray(possible(part)) for part in allowed.values])
    mask = Mask(branches if allowed.index is None else branches & allowed.index.mask)
    return Choice(project(mask, value.index), tuple(map(project, allowed.values, value.values)))


# --- helpers -----------------------------------------------------------------------------------------


def _solve(allowed: Linear, low: np.ndarray, high: np.ndarray, cost: np.ndarray | None = None) -> np.ndarray | None:
    """The cheapest feasible x (int32 `[n]`) with `low <= x <= high`, or None where there is none."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    n, m = allowed.A.shape[1], allowed.G.shape[1]
    if (low > high).any():
        return None
    result = milp(
        c=np.concatenate([np.zeros(n) if cost is None else cost, np.zeros(m)]),
        integrality=np.ones(n + m),
        bounds=Bounds(np.concatenate([low, np.full(m, -np.inf)]), np.concatenate([high, np.full(m, np.inf)])),
        constraints=LinearConstraint(np.concatenate([allowed.A, allowed.G], axis=1), ub=allowed.b),
    )
    return None if result.x is None else np.rint(result.x[:n]).astype(np.int32)
