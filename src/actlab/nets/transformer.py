"""A stack of pre-norm transformer blocks over tokens that the caller embeds: `[..., T, D] -> [..., T, D]`.

A block is x + attention(norm(x)), then x + network(norm(x)), with a last norm behind the stack (Vaswani et al. 2017,
arXiv:1706.03762, section 3; the norm before each part as in Radford et al. 2019, section 2.3). What a token is - a
return, an observation, an action, a chunk's noise - is its user's matter, and so are the embedding and the head.

Unlike other networks these take leading axes as they come: all products but those of the attention itself are made
over the tokens of the whole batch in one row, which on a CPU is half as fast again as `vmap` of one example. `vmap`
gives the same numbers.

Axis letters: T tokens, D width, H attention heads, K width of a head (D / H), B batch (all leading axes in one),
R rows (B x T).
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core.errors import SpaceError, UnknownName
from actlab.core.keys import fold
from actlab.nets.mlp import ACTIVATIONS, linear

POSITIONS = ("rotary", "learned", "none")
ROTARY_BASE = 10_000.0
"""Of the rotary angles (Su et al. 2021, arXiv:2104.09864, section 3.2.2)."""
FLOOR = -1e9
"""Score of a token that must not be looked at: finite, so that a token that may look at none has finite gradients."""


class Places(NamedTuple):
    """What attention knows of the tokens beside their contents."""

    visible: Array
    """bool `[B, T, T]` (or `[1, T, T]`): may the first token look at the second?"""
    turn: tuple[Array, Array] | None
    """Cosine and sine float32 `[B, 1, T, K / 2]` (or `[1, ...]`) by which queries and keys are turned, if they are."""
    batch: int
    """B."""


class Attention(eqx.Module):
    """Scaled dot-product attention of H heads (Vaswani et al. 2017, section 3.2)."""

    inner: eqx.nn.Linear
    """To queries, keys and values, one product: D -> 3 D."""
    outer: eqx.nn.Linear
    heads: int = eqx.field(static=True)

    def __init__(self, width: int, heads: int, *, key: Array, gain: float = 1.0):
        """
        Args:
            width, heads: D and H.
            key: typed key.
            gain: factor on the weights of the last product.
        """
        self.inner = linear(width, 3 * width, key=fold(key, "inner"))
        self.outer = linear(width, width, key=fold(key, "outer"), gain=gain)
        self.heads = heads

    def __call__(self, rows: Array, places: Places) -> Array:
        """float32 `[R, D]` -> `[R, D]`."""
        width = rows.shape[1]

        def by_head(part: Array) -> Array:  # [R, D] -> [B, H, T, K]
            return jnp.swapaxes(part.reshape(places.batch, -1, self.heads, width // self.heads), 1, 2)

        query, keys, values = map(by_head, jnp.split(product(self.inner, rows), 3, axis=1))
        if places.turn is not None:
            query, keys = rotate(query, *places.turn), rotate(keys, *places.turn)
        scores = jnp.einsum("bhtk,bhsk->bhts", query, keys) / math.sqrt(width // self.heads)
        weights = jax.nn.softmax(jnp.where(places.visible[:, None], scores, FLOOR), axis=-1)
        seen = jnp.einsum("bhts,bhsk->bhtk", weights, values)
        return product(self.outer, jnp.swapaxes(seen, 1, 2).reshape(-1, width))


class Block(eqx.Module):
    """Attention and a network of one hidden layer, each behind a norm and added to what comes in."""

    attention_norm: eqx.nn.LayerNorm
    attention: Attention
    network_norm: eqx.nn.LayerNorm
    up: eqx.nn.Linear
    down: eqx.nn.Linear
    activation: str = eqx.field(static=True)
    dropout: float = eqx.field(static=True)

    def __init__(
        self, width: int, heads: int, hidden: int, *, key: Array, gain: float, activation: str, dropout: float
    ):
        self.attention_norm, self.network_norm = eqx.nn.LayerNorm(width), eqx.nn.LayerNorm(width)
        self.attention = Attention(width, heads, key=fold(key, "attention"), gain=gain)
        self.up = linear(width, hidden, key=fold(key, "up"))
        self.down = linear(hidden, width, key=fold(key, "down"), gain=gain)
        self.activation, self.dropout = activation, dropout

    def __call__(self, rows: Array, places: Places, key: Array | None = None) -> Array:
        """float32 `[R, D]` -> `[R, D]`; units are dropped where a key is given."""
        seen = self.attention(jax.vmap(self.attention_norm)(rows), places)
        rows = rows + self._drop(seen, key, "attention")
        hidden = ACTIVATIONS[self.activation](product(self.up, jax.vmap(self.network_norm)(rows)))
        return rows + self._drop(product(self.down, hidden), key, "network")

    def _drop(self, rows: Array, key: Array | None, name: str) -> Array:
        if key is None or self.dropout == 0.0:
            return rows
        kept = jax.random.bernoulli(fold(key, name), 1.0 - self.dropout, rows.shape)
        return jnp.where(kept, rows / (1.0 - self.dropout), 0.0)


class Transformer(eqx.Module):
    """Blocks, the norm behind them, and the positions of tokens."""

    blocks: tuple[Block, ...]
    norm: eqx.nn.LayerNorm
    table: Array | None
    """float32 `[longest, D]`: the learned positions, added to the tokens."""
    heads: int = eqx.field(static=True)
    positions: str = eqx.field(static=True)
    causal: bool = eqx.field(static=True)

    def __init__(
        self,
        width: int,
        heads: int,
        layers: int,
        *,
        key: Array,
        hidden: int | None = None,
        activation: str = "gelu",
        positions: str = "rotary",
        longest: int | None = None,
        causal: bool = True,
        dropout: float = 0.0,
    ):
        """
        Weights are normal of variance 1 / inputs (truncated, `nets.mlp.linear`), those that end on the residual path
        smaller by sqrt(2 layers) (Radford et al. 2019, section 2.3, whose normal has deviation 0.02); biases are 0.

        Args:
            width, heads, layers: D, H and the number of blocks.
            key: typed key.
            hidden: units of the network in a block; 4 D where None.
            activation: of those units, see `nets.mlp.ACTIVATIONS`.
            positions: "rotary" (queries and keys are turned, so that only distances count; Su et al. 2021, eq. 34,
                pairing the two halves of a head), "learned" (a table of `longest` rows of deviation 0.02) or "none"
                (the caller has put positions into the tokens).
            longest: most tokens, for learned positions.
            causal: a token sees itself and what is before it; else all tokens.
            dropout: share of units that are dropped before each residual sum, where the call is given a key.

        Raises:
            SpaceError: there is no layer, the heads do not divide the width, a head's width is odd under rotary
                positions, learned positions have no length, or the dropout is not in [0, 1).
            UnknownName: there are no such positions, or no such activation.
        """
        if positions not in POSITIONS:
            raise UnknownName("kind of positions", positions, POSITIONS)
        if activation not in ACTIVATIONS:
            raise UnknownName("activation", activation, ACTIVATIONS)
        if layers < 1:
            raise SpaceError(f"A transformer has at least one layer; received {layers}.")
        if width % heads or (positions == "rotary" and width // heads % 2):
            even = "an even number of" if positions == "rotary" else "equally many"
            raise SpaceError(f"Every head takes {even} units; received width {width} and {heads} heads.")
        if positions == "learned" and longest is None:
            raise SpaceError("Learned positions need the most tokens that will come: longest.")
        if not 0.0 <= dropout < 1.0:
            raise SpaceError(f"The share of units that are dropped is in [0, 1); received {dropout}.")
        self.blocks = tuple(
            Block(
                width,
                heads,
                hidden or 4 * width,
                key=fold(key, "block", i),
                gain=1.0 / math.sqrt(2.0 * layers),
                activation=activation,
                dropout=dropout,
            )
            for i in range(layers)
        )
        self.norm = eqx.nn.LayerNorm(width)
        learned = positions == "learned"
        self.table = 0.02 * jax.random.normal(fold(key, "positions"), (longest, width)) if learned else None
        self.heads, self.positions, self.causal = heads, positions, causal

    def __call__(self, tokens: Array, valid: Array | None = None, key: Array | None = None) -> Array:
        """What became of the tokens.

        Args:
            tokens: float32 `[..., T, D]`.
            valid: bool `[..., T]`, with the leading axes of `tokens`: False for padding, before or behind. Nobody
                looks at it, and it does not count in positions, so what comes of the other tokens is what would
                come without it. What comes of padding is finite and means nothing.
            key: typed key; drops units (training).

        Returns:
            float32 `[..., T, D]`.

        Raises:
            SpaceError: the tokens are more than the learned positions.
        """
        shape = tokens.shape
        count, width = shape[-2:]
        if self.table is not None and count > self.table.shape[0]:
            raise SpaceError(f"There are learned positions for {self.table.shape[0]} tokens; received {count}.")
        there = jnp.ones((1, count), bool) if valid is None else valid.reshape(-1, count)
        order = jnp.maximum(jnp.cumsum(there, axis=1, dtype=jnp.int32) - 1, 0)
        seen = jnp.ones((1, count, count), bool)
        seen = jnp.tril(seen) if self.causal else seen
        turn = rotary(order, width // self.heads) if self.positions == "rotary" else None
        places = Places(there[:, None, :] & seen, turn, math.prod(shape[:-2]))
        examples = tokens.reshape(-1, count, width)
        if self.table is not None:
            examples = examples + jnp.broadcast_to(self.table[order], examples.shape)
        rows = examples.reshape(-1, width)
        for i, block in enumerate(self.blocks):
            rows = block(rows, places, None if key is None else fold(key, "block", i))
        return jax.vmap(self.norm)(rows).reshape(shape)


def product(layer: eqx.nn.Linear, rows: Array) -> Array:
    """An affine layer over all rows in one matrix product: `[R, I] -> [R, O]`."""
    assert layer.bias is not None
    return rows @ layer.weight.T + layer.bias[None]


def rotary(order: Array, width: int) -> tuple[Array, Array]:
    """Cosine and sine float32 `[B, 1, T, K / 2]` of order int32 `[B, T]` times base^(-2 i / K), i = 0 to K / 2 - 1."""
    speeds = (ROTARY_BASE ** (-np.arange(0, width, 2) / width)).astype(np.float32)
    angles = order[:, None, :, None].astype(jnp.float32) * speeds[None, None, None]
    return jnp.cos(angles), jnp.sin(angles)


def rotate(x: Array, cosine: Array, sine: Array) -> Array:
    """Turn the pairs (x_i, x_{i + K/2}) of x `[B, H, T, K]` by the angles of `rotary`."""
    left, right = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([left * cosine - right * sine, left * sine + right * cosine], axis=-1)
