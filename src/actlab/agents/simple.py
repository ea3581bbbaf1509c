"""Two policies that learn nothing: uniform choice, and a function that somebody wrote.

Both are agents all the same (they have a state, an empty `experience`, a `learn` that changes nothing),
so that they can stand in any comparison and act as a roll-out's `behaviour`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from actlab.core import sets
from actlab.core.codec import Codec
from actlab.core.contracts import Code, Context, Extras, Memory, Metrics, TaskSpec, hyperparameters
from actlab.core.errors import SpaceError
from actlab.core.sources import Source
from actlab.core.steps import Batch, TimeStep


class State(eqx.Module):
    """All that these policies know: the code that they decide in."""

    codec: Codec


@hyperparameters
class Random:
    """Every decision uniform over the allowed codes.

    Uniform for masks and intervals (standard normal where a Box is unbounded); for automata and for
    native sets seen through a codec, uniform over the legal values of one digit after the other.
    """

    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Source]:
        """Nothing."""
        return {}

    def init(self, spec: TaskSpec, key: Array, start: State | None = None) -> State:
        """The task's codec; nothing is drawn and nothing is taken over from `start`."""
        return State(spec.codec)

    def begin(self, state: State, context: Context, key: Array) -> Memory:
        """No memory."""
        return ()

    def act(
        self, state: State, memory: Memory, step: TimeStep, key: Array, *, explore: bool
    ) -> tuple[Code, Memory, Extras]:
        """A random allowed code, whether or not it is to explore."""
        return sets.sample(state.codec.restrict(step.allowed), state.codec.code, key), memory, ()

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        """The same state."""
        return state, {}

    def export(self, state: State) -> tuple["Random", State]:
        """The policy: the agent and the state that its `act` needs."""
        return self, state


@hyperparameters
class Scripted:
    """A policy from a function (observation, key) -> native action, or -> code with `native=False`.

    The set is not enforced: what the function returns is what is played, and a violation is counted.

    ```python
    def push_right(observation, key):
        return jnp.asarray(1, jnp.int32)

    agent = Scripted(push_right)
    ```
    """

    function: Callable[[Any, Array], Any]
    """Pure and traceable where `compiled`; else any Python function of numpy values."""
    compiled: bool = True
    """Does the function run inside of JAX?"""
    native: bool = True
    """Does it return native actions, which the task's codec then encodes?"""

    def experience(self, spec: TaskSpec) -> Mapping[str, Source]:
        """Nothing."""
        return {}

    def init(self, spec: TaskSpec, key: Array, start: State | None = None) -> State:
        """The task's codec.

        Raises:
            SpaceError: the function returns native actions and one code lasts several of them.
        """
        if self.native and spec.codec.length > 1:
            raise SpaceError(
                f"One native action cannot be encoded in a code that lasts {spec.codec.length} of them; "
                "let the function return whole codes and say native=False."
            )
        return State(spec.codec)

    def begin(self, state: State, context: Context, key: Array) -> Memory:
        """No memory."""
        return ()

    def act(
        self, state: State, memory: Memory, step: TimeStep, key: Array, *, explore: bool
    ) -> tuple[Code, Memory, Extras]:
        """The function's action, encoded, whether or not it is to explore."""
        action = self.function(step.observation, key)
        if not self.native:
            return action, memory, ()
        episode, steps = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], (action, step))
        codes, _ = state.codec.encode(episode, steps)
        return jax.tree.map(lambda leaf: leaf[0], codes), memory, ()

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        """The same state."""
        return state, {}

    def export(self, state: State) -> tuple["Scripted", State]:
        """The policy: the agent and the state that its `act` needs."""
        return self, state
