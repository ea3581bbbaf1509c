"""Random keys, derived by name, so that a new consumer never shifts the streams of the others."""

import zlib

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.random import threefry_2x32


def fold(key: Array, *names: str | int | Array) -> Array:
    """Derive a typed key from `key` and a path of names and counters.

    Names are hashed (CRC-32). A run of names and the counter behind it are one application of the
    generator's block cipher, which keeps compiled programs small: `jax.random.fold_in` takes one each.

    Args:
        key: a typed key (`jax.random.key`), shape `[]`.
        names: strings, and integers in [0, 2**32) that may be traced; applied in order.
    """
    path: list[str] = []
    for name in names:
        if isinstance(name, str):
            path.append(name)
        else:
            key = _block(key, zlib.crc32("/".join([*path, "#"]).encode()), name)
            path = []
    return _block(key, zlib.crc32("/".join(path).encode()), 0) if path else key


def _block(key: Array, name: int, counter: int | Array) -> Array:
    if jax.random.key_impl(key) != "threefry2x32":
        return jax.random.fold_in(jax.random.fold_in(key, name), counter)
    count = jnp.stack([jnp.asarray(name, jnp.uint32), jnp.asarray(counter).astype(jnp.uint32)])
    return jax.random.wrap_key_data(threefry_2x32(jax.random.key_data(key), count))


def split_by_name(key: Array, *names: str) -> tuple[Array, ...]:
    """One key for each name, in the order of the names."""
    return tuple(fold(key, name) for name in names)


def seed_of(key: Array) -> int:
    """A seed in [0, 2**31) for a simulator on the host, drawn from `key`."""
    return int(jax.random.bits(key, dtype="uint32")) & 0x7FFFFFFF
