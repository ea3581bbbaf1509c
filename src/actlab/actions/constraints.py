"""Constraints: which native actions are allowed now, as a set that the loop writes into the step.

Each narrows what the environment itself allows (`step.allowed`), it never widens it. The functions of the
observation must be compilable, or the constraint is made with `compiled=False` and runs on the host.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jax import Array

from actlab.actions.dependent import by_prefix, pairwise
from actlab.actions.intersection import intersection
from actlab.core.contracts import Constraint, Context, Memory
from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.sets import Allowed, Automaton, Interval, Mask
from actlab.core.steps import TimeStep

__all__ = ["Both", "Dependent", "StateInterval", "StateMask", "by_prefix", "intersection", "pairwise"]

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


def _checked(allowed: Any, kind: type) -> Any:
    if not isinstance(allowed, kind):
        raise SpaceError(
            f"The constraint's function should return a {kind.__name__}; received {type(allowed).__name__}."
        )
    return allowed
