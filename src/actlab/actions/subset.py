"""Sets without a form of their own over a few digits: every word is listed, legal or not.

The answer to linear rules (a budget, at most three at once) over small spaces, in the graph: with 2**12 words
a question costs as many comparisons. Over large spaces a `Linear` set stays with its solver, on the host.

Axis letters: N words (joint outcomes), D digits, n binary variables, R rows of a linear rule.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.actions.flatten import LIMIT, Flatten
from actlab.actions.unflatten import Unflatten
from actlab.core import sets
from actlab.core.contracts import Context, Memory
from actlab.core.errors import SpaceError
from actlab.core.sets import Allowed, Cells, Linear, Mask
from actlab.core.spaces import MultiBinary, MultiDiscrete
from actlab.core.steps import TimeStep

Tree = Any

SLACK = 1e-7
"""By how much a row of a linear rule may be exceeded: what the solver tolerates, too."""


def enumerated(allowed: Allowed, space: MultiDiscrete | MultiBinary) -> Cells:
    """The same set, as Cells over a Mask `[N]` of all words: for compiled code, heads and `intersection`.

    Args:
        allowed: over `space`. A Linear set is asked here, on the host: without hidden integers by one matrix
            product, with them by the solver, once for every word (some thousand a second).
        space: of at most 100,000 words.

    Raises:
        SpaceError: the space has more words, or the set is over another one.
    """
    codec = _words_of(space)
    if isinstance(allowed, Linear) and allowed.A.shape[1] != len(space.zeros()):
        raise SpaceError(f"A Linear set over {allowed.A.shape[1]} variables does not fit {space!r}.")
    if isinstance(allowed, Linear) and allowed.G.shape[1] == 0:
        words = np.asarray(codec.words(), np.float64)
        legal = np.all(words @ allowed.A.T <= allowed.b + SLACK, axis=1) & np.isin(words, (0.0, 1.0)).all(axis=1)
        return Cells(codec, Mask(jnp.asarray(legal)))
    mask = Flatten().fit(space).restrict(allowed)
    return Cells(codec, Mask(jnp.ones((space.outcomes,), bool)) if mask is None else mask)


@dataclass(frozen=True, eq=False)
class StateSubset:
    """Words of a MultiDiscrete or MultiBinary, legal by any rule over the state: linear ones, for example.

    StateSubset(space, lambda observation, word: weights @ word <= observation["budget"])
    """

    space: MultiDiscrete | MultiBinary
    """The native space, of at most 100,000 words: all of them are asked at every step."""
    function: Callable[[Tree, Array], Array]
    """observation, word int32 `[D]` -> bool `[]`."""
    compiled: bool = True

    def begin(self, key: Array, context: Context) -> Memory:
        return ()

    def allowed(self, memory: Memory, step: TimeStep) -> tuple[Allowed, Memory]:
        """
        Raises:
            SpaceError: the space has too many words, or the function returns no single truth value.
        """
        codec = _words_of(self.space)

        def legal(word: Array) -> Array:
            inside = jnp.asarray(self.function(step.observation, word))
            if inside.shape != () or inside.dtype != bool:
                raise SpaceError(
                    f"The rule should return one truth value; received {inside.dtype} of shape {list(inside.shape)}."
                )
            return inside & sets.contains(step.allowed, word)

        return Cells(codec, Mask(jax.vmap(legal)(codec.words()))), memory


def _words_of(space: MultiDiscrete | MultiBinary) -> Unflatten:
    if not isinstance(space, MultiDiscrete | MultiBinary):
        raise SpaceError(f"Words are those of a MultiDiscrete or MultiBinary; received {space!r}.")
    if space.outcomes > LIMIT:
        raise SpaceError(f"At most {LIMIT:,} words are listed; {space!r} has {space.outcomes:,}.")
    return Unflatten.onto(space)
