"""Factors: which values of each digit are legal, by itself (`by_factor`) or depending on the digits before it.

`pairwise` and `by_prefix` build `Automaton`s without dead ends: from every legal prefix some legal word can
be completed, so a policy that decides digit by digit never gets stuck.

Axis letters: D digits, K categories of the largest digit, M nodes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from actlab.core.errors import SpaceError
from actlab.core.sets import Automaton, Mask

LIMIT = 100_000
"""Most prefixes that `by_prefix` looks at."""


def by_factor(masks: Mapping[int, Any], nvec: Sequence[int]) -> Mask:
    """Every digit by itself: the Mask `[D, K]` of one row for each digit that is limited.

    Args:
        masks: digit -> bool `[nvec[digit]]`, possibly traced; digits that are not named are free.
        nvec: categories of each digit.

    Raises:
        SpaceError: there is no such digit, or a mask has another number of entries.
    """
    unknown = sorted(set(masks) - set(range(len(nvec))))
    if unknown:
        raise SpaceError(f"There are {len(nvec)} digits, from 0 on; received a mask for number {unknown[0]}.")
    rows = []
    for digit, size in enumerate(nvec):
        row = jnp.asarray(masks.get(digit, np.ones(size, bool)), bool)
        if row.shape != (size,):
            raise SpaceError(f"The mask of digit {digit} has shape [{size}]; received {list(row.shape)}.")
        rows.append(jnp.pad(row, (0, max(nvec) - size)))
    return Mask(jnp.stack(rows))


def pairwise(tables: Any, first: Any = None) -> Automaton:
    """Digit d is legal given digit d - 1 alone.

    Works inside of compiled functions, so the tables may depend on the state. If nothing is legal at all,
    the start has no way on, and `sets.possible` says so.

    Args:
        tables: bool `[D - 1, K, K]`: `tables[d - 1, j, k]`, may digit d be k after digit d - 1 was j?
            Categories that a digit does not have are False.
        first: bool `[K]`: values of digit 0; all if not given.

    Returns:
        an Automaton of M = 1 + D K nodes: the start, and "digit d is k" at 1 + d K + k.

    Raises:
        SpaceError: the tables do not have such shapes.
    """
    tables = jnp.asarray(tables, bool)
    if tables.ndim != 3 or tables.shape[1] != tables.shape[2]:
        raise SpaceError(f"Tables of shape [D - 1, K, K] are expected; received {list(tables.shape)}.")
    digits, size = tables.shape[0] + 1, tables.shape[1]
    begin = jnp.ones((size,), bool) if first is None else jnp.asarray(first, bool)
    if begin.shape != (size,):
        raise SpaceError(f"The values of the first digit have shape [{size}]; received {list(begin.shape)}.")
    alive = [jnp.ones((size,), bool)]  # from the last digit back: can a word be completed from here?
    for table in tables[::-1]:
        alive.append(jnp.any(table & alive[-1][None, :], axis=1))
    alive.reverse()
    node = 1 + jnp.arange(digits * size, dtype=jnp.int32).reshape(digits, size)
    rows = [jnp.where(begin & alive[0], node[0], -1)[None, :]]
    rows += [jnp.where(tables[d] & alive[d + 1][None, :], node[d + 1][None, :], -1) for d in range(digits - 1)]
    rows += [jnp.full((size, size), -1, jnp.int32)]
    return Automaton(jnp.concatenate(rows), jnp.zeros((), jnp.int32))


def by_prefix(legal: Callable[[tuple[int, ...]], Any], nvec: Sequence[int]) -> Automaton:
    """Digit d is legal given all former digits: on the host, once, for a rule that does not change.

    Every legal prefix is visited; prefixes that allow the same completions share a node.

    Args:
        legal: prefix of d digits -> bool `[nvec[d]]`, the legal values of digit d.
        nvec: categories of each digit.

    Raises:
        SpaceError: no word is legal, the rule returns another shape, or there are more than 100,000 prefixes.
    """
    size, visited = max(nvec), 0
    nodes: dict[tuple[int, ...], int] = {(-1,) * size: 0}  # what follows a node, to its number; 0 ends a word

    def node(prefix: tuple[int, ...]) -> int:
        """The node after `prefix`, -1 if no legal word begins so."""
        nonlocal visited
        if len(prefix) == len(nvec):
            return 0
        visited += 1
        if visited > LIMIT:
            raise SpaceError(
                f"A rule over prefixes may have at most {LIMIT:,} of them; describe it with pairwise tables."
            )
        mask = np.asarray(legal(prefix), bool)
        if mask.shape != (nvec[len(prefix)],):
            raise SpaceError(
                f"The rule should return a mask of shape [{nvec[len(prefix)]}] after the prefix {prefix}; "
                f"received {list(mask.shape)}."
            )
        below = [node((*prefix, value)) if mask[value] else -1 for value in range(mask.size)]
        follow = tuple(below) + (-1,) * (size - mask.size)
        return nodes.setdefault(follow, len(nodes)) if max(follow) >= 0 else -1

    start = node(())
    if start < 0:
        raise SpaceError("The rule allows no word at all.")
    return Automaton(jnp.asarray(list(nodes), jnp.int32), jnp.asarray(start, jnp.int32))
