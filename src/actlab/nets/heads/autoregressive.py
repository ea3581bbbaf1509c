"""Auto-regressive heads: digits decided one group after the other, each given those before it.

The conditional of group g is one shared hidden layer,

    tanh(W_s s + sum over known digits d of E[d, code_d] + b_g + W_m m),

with s the features and m, where the head was built with a codec, the midpoint of the native interval that
the known digits leave open (for coarse-to-fine codes this is the conditioning of the Auto-Regressive Soft
Q-network, arXiv:2502.00288, section 4), relative to the interval that is open before any digit is known.
Each digit has its own output rows. Deviations from that paper: the digits known so far enter by an
embedding too, so that the head works for any code, and the network has one hidden layer of its own (the
torso under the head has the others).

A digit's legal values are asked of the set with the digits of earlier groups known (`sets.next_mask`), so
that dependent digits, automata and the cells of any codec are honoured exactly if every group is one digit.

Axis letters: D digits, K categories, G groups, S digits of the largest group, W hidden units,
C coordinates of the native intervals.
"""

from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.codec import Codec
from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.sets import Allowed, Interval
from actlab.core.spaces import Choice
from actlab.nets.heads import masks
from actlab.nets.heads.distributions import (
    Distribution,
    entropies,
    masked_log_softmax,
    nothing_continuous,
    pick,
    require_enumerable,
)
from actlab.nets.heads.modules import Head, existing, output
from actlab.nets.mlp import linear

Order = tuple[int | tuple[int, ...], ...]


class Groups:
    """An order and grouping of digits, as index arrays."""

    def __init__(self, groups: tuple[tuple[int, ...], ...]):
        digits, largest = sum(map(len, groups)), max(map(len, groups))
        self.slots = np.full((len(groups), largest), digits, np.int32)
        """`[G, S]`: digits of every group; D is padding."""
        self.group = np.zeros(digits, np.int32)
        """`[D]`: the group of every digit."""
        self.slot = np.zeros(digits, np.int32)
        """`[D]`: its place in the group."""
        for g, members in enumerate(groups):
            for s, digit in enumerate(members):
                self.slots[g, s], self.group[digit], self.slot[digit] = digit, g, s
        self.known = self.group[None, :] < np.arange(len(groups))[:, None]
        """bool `[G, D]`: digits known before every group."""
        self.later = (self.group[None, :] > self.group[:, None]).astype(np.float32)
        """`[D, D]`: 1 where the column's digit is decided in a later group than the row's."""


def grouped(order: Order | None, digits: int) -> tuple[tuple[int, ...], ...]:
    """The groups of an order: `(2, (0, 1))` decides digit 2, then 0 and 1 together; None is one by one.

    Raises:
        SpaceError: not every digit occurs exactly once.
    """
    given = tuple(range(digits)) if order is None else order
    groups = tuple(tuple(entry) if isinstance(entry, (tuple, list)) else (entry,) for entry in given)
    if sorted(digit for group in groups for digit in group) != list(range(digits)) or not all(groups):
        raise SpaceError(f"An order names every digit 0 .. {digits - 1} exactly once; received {order}.")
    return groups


@singledispatch
def midpoints(cell: Any) -> list[tuple[Array, Array]]:
    """Centre and half-width, each `[C_i]`, of every Interval in a (nested) cell; other sets have none."""
    return []


@midpoints.register
def _(cell: Interval) -> list[tuple[Array, Array]]:
    low, high = jnp.ravel(cell.low).astype(jnp.float32), jnp.ravel(cell.high).astype(jnp.float32)
    finite = jnp.isfinite(low) & jnp.isfinite(high)
    low, high = jnp.where(finite, low, 0.0), jnp.where(finite, high, 0.0)
    return [(0.5 * (low + high), 0.5 * (high - low))]


@midpoints.register
def _(cell: tuple) -> list[tuple[Array, Array]]:
    return [pair for part in cell for pair in midpoints(part)]


@midpoints.register
def _(cell: Choice) -> list[tuple[Array, Array]]:
    return midpoints(cell.values)


@midpoints.register
def _(cell: dict) -> list[tuple[Array, Array]]:
    return [pair for name in sorted(cell) for pair in midpoints(cell[name])]


def open_midpoint(codec: Codec, code: Array, known: Array) -> Array:
    """float32 `[C]`: the midpoint of the native intervals that `code` leaves open, in [-1, 1].

    -1 and 1 are the bounds of what is open while nothing is known. Coordinates that no Interval describes
    (categories) are left out; where an interval is infinite the entry is 0.
    """
    now = midpoints(codec.cell(code, known))
    whole = midpoints(codec.cell(code, jnp.zeros_like(known)))
    relative = [
        jnp.where(half > 0.0, (centre - start) / jnp.where(half > 0.0, half, 1.0), 0.0)
        for (centre, _), (start, half) in zip(now, whole, strict=True)
    ]
    return jnp.concatenate([jnp.zeros((0,)), *relative])


Conditional = Callable[[Array, Array, Array], Array]
"""(code int32 `[D]`, known bool `[D]`, group int32 `[]`) -> `[S, K]`: a number for every value of the digits of one
group, given the known digits of the code."""


def forced(groups: Groups, conditional: Conditional, code: Array) -> Array:
    """Teacher forcing: what `conditional` says of every digit given the code's digits in earlier groups, `[D, K]`.

    All groups go in one batched pass. Row d depends on no digit of its own or a later group.
    """
    each = jax.vmap(conditional, in_axes=(None, 0, 0))
    table = each(jnp.asarray(code), jnp.asarray(groups.known), jnp.arange(len(groups.known)))
    return table[groups.group, groups.slot]


def walk(groups: Groups, conditional: Conditional, choose: Callable[[Array, Array], Array]) -> Array:
    """A code int32 `[D]`, decided group after group.

    Args:
        groups: the order and grouping of its digits.
        conditional: what is known of the next group.
        choose: (what `conditional` says `[S, K]`, group `[]`) -> the values `[S]` of the group's digits.
    """
    digits = len(groups.group)

    def decide(carry: tuple[Array, Array], group: Array) -> tuple[tuple[Array, Array], None]:
        code, known = carry
        chosen = choose(conditional(code, known, group), group).astype(jnp.int32)
        slots = jnp.asarray(groups.slots)[group]
        code = code.at[slots].set(chosen, mode="drop")  # padding lies outside
        return (code, known.at[slots].set(True, mode="drop")), None

    start = jnp.zeros((digits,), jnp.int32), jnp.zeros((digits,), bool)
    (code, _), _ = jax.lax.scan(decide, start, jnp.arange(len(groups.known)))
    return code


class Autoregressive(Distribution):
    """Digits by the chain rule (MultiDiscrete, MultiBinary): an `AutoregressiveHead` at given features.

    It carries the head's weights, so `vmap` a function that asks it, not the head alone (that would copy the
    weights for every example).
    """

    head: "AutoregressiveHead"
    features: Array
    allowed: Allowed
    codec: Codec | None

    @property
    def entropy_method(self) -> str:
        return "exact entropies of the conditionals along one sampled code (unbiased, and so is its gradient)"

    def conditional(self, code: Array, known: Array, group: Array | int) -> Array:
        """float32 `[S, K]`: log-probabilities of the digits of one group, given the `known` digits of `code`.

        Args:
            code: int32 `[D]`; digits that are not known are ignored.
            known: bool `[D]`.
            group: position in the order, possibly traced.
        """
        head, slots = self.head, jnp.asarray(self.head.groups.slots)[group]
        hidden = head.hidden(self.features, code, known, group, self.codec)
        slots = jnp.minimum(slots, len(head.nvec) - 1)  # padding repeats the last digit and is never read
        weight, bias = head.rows.weight, head.rows.bias
        assert bias is not None
        categories = max(head.nvec)
        logits = weight.reshape(-1, categories, weight.shape[1])[slots] @ hidden + bias.reshape(-1, categories)[slots]
        legal = jax.vmap(lambda d: masks.legal(self.allowed, code, known, d, categories))(slots)
        return masked_log_softmax(logits, legal, existing(head.nvec)[slots])

    def conditionals(self, code: Array) -> Array:
        """float32 `[D, K]`: for every digit its log-probabilities given the code's digits in earlier groups."""
        return forced(self.head.groups, self.conditional, code)

    def sample(self, key: Array) -> Array:
        draw = lambda log_probs, group: jax.random.categorical(fold(key, group), log_probs, axis=-1)  # noqa: E731
        return walk(self.head.groups, self.conditional, draw)

    def mode(self) -> Array:
        """The greedy code: the most probable value of every digit in turn (not always the most probable code)."""
        return walk(self.head.groups, self.conditional, lambda log_probs, group: jnp.argmax(log_probs, axis=-1))

    def log_prob(self, code: Array) -> Array:
        return jnp.sum(pick(self.conditionals(code), code))

    def entropy(self, key: Array) -> Array:
        """Entropy in nats, estimated along one sampled code.

        H = E[sum over digits of H(digit | earlier groups)] by the chain rule; each conditional entropy is exact.
        The prefix itself depends on the weights: a score-function term of value 0 adds that part of the gradient.
        """
        code = jax.lax.stop_gradient(self.sample(key))
        log_probs = self.conditionals(code)
        exact = entropies(log_probs)
        taken = pick(log_probs, code)
        still_to_come = jax.lax.stop_gradient(self.head.groups.later @ exact)
        return jnp.sum(exact) + jnp.sum(still_to_come * (taken - jax.lax.stop_gradient(taken)))

    def outcome_log_probs(self) -> Array:
        nvec = self.head.nvec
        require_enumerable(nvec)
        codes = np.stack(np.unravel_index(np.arange(np.prod(nvec)), nvec), axis=-1).astype(np.int32)
        return jax.vmap(self.log_prob)(jnp.asarray(codes))

    def vector(self, key: Array) -> tuple[Array, Array]:
        return nothing_continuous()


class AutoregressiveHead(Head):
    """MultiDiscrete and MultiBinary by the chain rule, in any order and grouping of the digits."""

    state: eqx.nn.Linear
    digit: Array
    """`[D, K, W]`: embedding of every value of every digit."""
    place: Array
    """`[G, W]`: which group is decided."""
    midpoint: eqx.nn.Linear | None
    rows: eqx.nn.Linear
    """Logits of all digits, `[D K]`; a group reads its own rows."""
    nvec: tuple[int, ...] = eqx.field(static=True)
    order: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    marginal: bool = eqx.field(static=True)

    def __init__(
        self,
        width: int,
        nvec: tuple[int, ...],
        *,
        key: Array,
        gain: float | None,
        marginal: bool,
        order: Order | None,
        codec: Codec | None,
    ):
        digits, categories = len(nvec), max(nvec)
        self.order = grouped(order, digits)
        self.nvec = nvec
        self.marginal = marginal
        self.state = linear(width, width, key=fold(key, "state"))
        # Unit variance for a hidden unit when every digit is known, as for the other inputs.
        spread = 1.0 / np.sqrt(digits)
        self.digit = float(spread) * jax.random.normal(fold(key, "digit"), (digits, categories, width))
        self.place = jax.random.normal(fold(key, "place"), (len(self.order), width))
        self.midpoint = None
        if codec is not None:
            none = jnp.zeros((digits,), jnp.int32), jnp.zeros((digits,), bool)
            size = jax.eval_shape(partial(open_midpoint, codec), *none).shape[0]
            if size == 0:
                raise SpaceError(
                    f"The cells of {type(codec).__name__} hold no Interval whose midpoint could condition."
                )
            self.midpoint = linear(size, width, key=fold(key, "midpoint"))
        self.rows = output(width, digits * categories, gain, fold(key, "rows"))

    @property
    def groups(self) -> Groups:
        """Index arrays of the order."""
        return Groups(self.order)

    def __call__(self, features: Array, allowed: Allowed = None, codec: Codec | None = None) -> Autoregressive:
        masks.require_product(allowed, max(map(len, self.order)), self.marginal)
        if self.midpoint is not None and codec is None:
            raise SpaceError("This head was built with a codec and needs it at every call: head(features, set, codec).")
        return Autoregressive(self, features, allowed, codec if self.midpoint is not None else None)

    def hidden(self, features: Array, code: Array, known: Array, group: Array | int, codec: Codec | None) -> Array:
        """float32 `[W]`: the conditioning vector of one group, from the features and the known digits alone."""
        values = jnp.clip(code, 0, max(self.nvec) - 1)
        embedded = known.astype(jnp.float32) @ self.digit[jnp.arange(len(self.nvec)), values]
        total = self.state(features) + embedded + self.place[group]
        if self.midpoint is not None and codec is not None:
            total = total + self.midpoint(open_midpoint(codec, code, known))
        return jnp.tanh(total)
