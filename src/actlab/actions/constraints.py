"""Constraints: which native actions are allowed now, as a set that the loop writes into the step.

Each narrows what the environment itself allows (`step.allowed`), it never widens it. The functions of the
observation must be compilable, or the constraint is made with `compiled=False` and runs on the host.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jax import Array

from actlab.actions.dependent import by_factor, by_prefix, pairwise
from actlab.actions.intersection import intersection
from actlab.actions.product import children, entries, gather, labels
from actlab.actions.subset import StateSubset, enumerated
from actlab.core.contracts import Constraint, Context, Memory
from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.sets import Allowed, Automaton, Interval, Mask
from actlab.core.spaces import Choice, OneOf, Space
from actlab.core.steps import TimeStep

__all__ = [
    "Both",
    "Dependent",
    "Factors",
    "StateInterval",
    "StateMask",
    "StateSubset",
    "by_factor",
    "by_prefix",
    "enumerated",
    "intersection",
    "pairwise",
]

Tree = Any


@dataclass(frozen=True, eq=False)
class StateMask:
    """Categories that depend on the state, for a Discrete, MultiDiscrete or MultiBinary.

    StateMask(lambda observation: Mask(observation["stock"] > 0))
    """

    function: Callable[[Tree], Mask]
    """observation -> Mask."""
    compiled: bool = True

    def begin(self, key: Array, context: Context) -> Memory:
        return ()

    def allowed(self, memory: Memory, step: TimeStep) -> tuple[Allowed, Memory]:
        """
        Raises:
            SpaceError: the function returns no Mask, or one of another shape than the environment's.
        """
        return intersection(step.allowed, _checked(self.function(step.observation), Mask)), memory


@dataclass(frozen=True, eq=False)
class StateInterval:
    """Bounds that depend on the state, for a Box.

    StateInterval(lambda observation: Interval(-room(observation), room(observation)))
    """

    function: Callable[[Tree], Interval]
    """observation -> Interval of the action's shape."""
    compiled: bool = True

    def begin(self, key: Array, context: Context) -> Memory:
        return ()

    def allowed(self, memory: Memory, step: TimeStep) -> tuple[Allowed, Memory]:
        """
        Raises:
            SpaceError: the function returns no Interval, or one of another shape than the environment's.
        """
        return intersection(step.allowed, _checked(self.function(step.observation), Interval)), memory


@dataclass(frozen=True, eq=False)
class Dependent:
    """Digits whose legal values depend on each other, for a MultiDiscrete or MultiBinary.

    Dependent(tables)                                    # digit d given digit d - 1, bool [D - 1, K, K]
    Dependent(by_prefix(rule, nvec))                     # digit d given all former ones
    Dependent(lambda observation: pairwise(...))         # and the state
    """

    rule: Any
    """An `Automaton`, tables as `pairwise` takes them, or a function observation -> either."""
    compiled: bool = True

    def begin(self, key: Array, context: Context) -> Memory:
        return ()

    def allowed(self, memory: Memory, step: TimeStep) -> tuple[Allowed, Memory]:
        """
        Raises:
            SpaceError: the rule is neither an Automaton nor tables, or the environment's set has other digits.
        """
        rule = self.rule(step.observation) if callable(self.rule) else self.rule
        return intersection(step.allowed, rule if isinstance(rule, Automaton) else pairwise(rule)), memory


@dataclass(frozen=True, eq=False)
class Both:
    """Two constraints at once: what both allow (`intersection` says which sets go together)."""

    first: Constraint
    second: Constraint

    @property
    def compiled(self) -> bool:
        """Only if both are."""
        return self.first.compiled and self.second.compiled

    def begin(self, key: Array, context: Context) -> Memory:
        return self.first.begin(fold(key, "first"), context), self.second.begin(fold(key, "second"), context)

    def allowed(self, memory: Memory, step: TimeStep) -> tuple[Allowed, Memory]:
        one, first = self.first.allowed(memory[0], step)
        two, second = self.second.allowed(memory[1], step)
        return intersection(one, two), (first, second)


@dataclass(frozen=True, eq=False)
class Factors:
    """One constraint for each part of a Tuple, Dict or OneOf, and one for the branch of a OneOf.

    Factors(space, {"arm": StateInterval(reach), "tool": StateMask(loaded)})
    """

    space: Space
    """The native space."""
    parts: Mapping[str | int, Constraint]
    """By name for a Dict, by number for a Tuple or OneOf; parts that are not named are free."""
    branch: Constraint | None = None
    """Of a OneOf: its Mask says which branches may be taken (one in which nothing is legal never is)."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.parts if name not in labels(self.space)]
        if unknown or not children(self.space):
            known = ", ".join(map(str, labels(self.space))) or "none"
            raise SpaceError(f"Factors of {self.space!r} are {known}; received {', '.join(map(str, self.parts))}.")
        if self.branch is not None and not isinstance(self.space, OneOf):
            raise SpaceError(f"Only a OneOf has branches; received {self.space!r}.")

    def _each(self) -> tuple[Constraint | None, ...]:
        return (*(self.parts.get(name) for name in labels(self.space)), self.branch)

    @property
    def compiled(self) -> bool:
        """Only if all are."""
        return all(part is None or part.compiled for part in self._each())

    def begin(self, key: Array, context: Context) -> Memory:
        each = enumerate(self._each())
        return tuple(() if part is None else part.begin(fold(key, "part", i), context) for i, part in each)

    def allowed(self, memory: Memory, step: TimeStep) -> tuple[Allowed, Memory]:
        """
        Raises:
            SpaceError: the environment's set is not nested as the space is, or a part's own error.
        """
        given: Any = step.allowed
        if given is None:
            given = gather(self.space, [None] * len(children(self.space)), Choice(None, ()))
        index = given.index if isinstance(self.space, OneOf) else None
        pairs = []
        for part, inner, kept in zip(self._each(), (*entries(self.space, given), index), memory, strict=True):
            pairs.append((inner, kept) if part is None else part.allowed(kept, step._replace(allowed=inner)))
        chosen = [pair[0] for pair in pairs]
        nest = gather(self.space, chosen[:-1], Choice(chosen[-1], ()))
        return nest, tuple(pair[1] for pair in pairs)


def _checked(allowed: Any, kind: type) -> Any:
    if not isinstance(allowed, kind):
        raise SpaceError(
            f"The constraint's function should return a {kind.__name__}; received {type(allowed).__name__}."
        )
    return allowed
