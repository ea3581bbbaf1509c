"""Random keys, derived by name, so that a new consumer never shifts the streams of the others."""

import zlib

import jax


def fold(key: jax.Array, *names: str | int | jax.Array) -> jax.Array:
    """Derive a typed key from `key` and a path of names or counters.

    Args:
        key: a typed key (`jax.random.key`), shape `[]`.
        names: strings (hashed by CRC-32) or integers (possibly traced), applied in order.
    """
    for name in names:
        key = jax.random.fold_in(key, zlib.crc32(name.encode()) if isinstance(name, str) else name)
    return key


def split_by_name(key: jax.Array, *names: str) -> tuple[jax.Array, ...]:
    """One key for each name, in the order of the names."""
    return tuple(fold(key, name) for name in names)


def seed_of(key: jax.Array) -> int:
    """A seed in [0, 2**31) for a simulator on the host, drawn from `key`."""
    return int(jax.random.bits(key, dtype="uint32")) & 0x7FFFFFFF
