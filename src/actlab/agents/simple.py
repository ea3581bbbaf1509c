"""Policies that learn nothing: uniform choice, a function that somebody wrote, and what was trained elsewhere.

All are agents all the same (they have a state, an empty `experience`, a `learn` that changes nothing),
so that they can stand in any comparison and act as a roll-out's `behaviour`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from actlab.core import sets
from actlab.core.codec import Codec
from actlab.core.contracts import Code, Context, Extras, Memory, Metrics, TaskSpec, hyperparameters
from actlab.core.errors import SpaceError
from actlab.core.sources import Source
from actlab.core.spaces import Space
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


class Doors(State):
    """What a policy from elsewhere needs: the code, and the observation space, in whose Gymnasium form it sees."""

    observation: Space = eqx.field(static=True)


@hyperparameters
class Foreign:
    """A policy that speaks Gymnasium: numpy observation -> native action, one at a time, on the host.

    It knows nothing of codes and sets: its action is encoded by the task's codec (so a coarse code plays the nearest
    that it has), and an action outside of the set is played and counted as a violation. See `policy`.
    """

    function: Callable[[Any], Any]
    """The policy as it would be shipped."""
    stochastic: Callable[[Any], Any] | None = None
    """The policy as it explores; `function` again where there is none."""

    compiled = False

    def experience(self, spec: TaskSpec) -> Mapping[str, Source]:
        """Nothing."""
        return {}

    def init(self, spec: TaskSpec, key: Array, start: State | None = None) -> Doors:
        """The task's codec and observation space.

        Raises:
            SpaceError: one code lasts several native actions.
        """
        if spec.codec.length > 1:
            raise SpaceError(
                f"A policy from elsewhere returns one native action at a time, and a code here lasts "
                f"{spec.codec.length} of them; play it on the task without that code."
            )
        return Doors(spec.codec, spec.observation)

    def begin(self, state: Doors, context: Context, key: Array) -> Memory:
        """No memory."""
        return ()

    def act(
        self, state: Doors, memory: Memory, step: TimeStep, key: Array, *, explore: bool
    ) -> tuple[Code, Memory, Extras]:
        """The function's action, encoded.

        Raises:
            SpaceError: what the function returned is no element of the native space.
        """
        chosen = self.function if self.stochastic is None or not explore else self.stochastic
        space: Any = state.codec.native
        native = _element(space, chosen(state.observation.to_host(jax.tree.map(np.asarray, step.observation))))
        # numpy, because single numbers are slow on the device
        one, steps = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (native, step._replace(allowed=None)))
        codes, _ = state.codec.encode(one, steps)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[0], codes), memory, ()

    def learn(self, state: Doors, batch: Mapping[str, Batch], key: Array) -> tuple[Doors, Metrics]:
        """The same state."""
        return state, {}

    def export(self, state: Doors) -> tuple["Foreign", Doors]:
        """The policy: the agent and the state that its `act` needs."""
        return self, state


def policy(function: Callable[[Any], Any], stochastic: Callable[[Any], Any] | None = None) -> Foreign:
    """Any Python callable as a policy, for `evaluate` and `video`.

    ```python
    scores = al.evaluate(al.policy(lambda observation: model.predict(observation, deterministic=True)[0]), task)
    ```

    Args:
        function: observation -> native action, both as in Gymnasium: numpy arrays of the space's dtype, integers for
            a Discrete, tuples and dicts for a Tuple and a Dict, (branch, value) for a OneOf. It is called with one
            observation at a time, and outside of JAX, so it may do what it likes.
        stochastic: the same with exploration, for the scores that are called stochastic; `function` where None.
    """
    return Foreign(function, stochastic)


def _element(space: Space, returned: Any) -> Any:
    """What a function returned, in our form.

    Raises:
        SpaceError: it is no element of the space.
    """
    try:
        native = space.from_host(returned)
        shapes = [jax.tree.map(np.shape, value) for value in (native, space.zeros())]
        inside = shapes[0] == shapes[1] and bool(space.contains(jax.tree.map(jnp.asarray, native)))
    except (TypeError, ValueError, KeyError, IndexError):
        native, inside = None, False
    if not inside:
        raise SpaceError(
            f"The policy's function should return one action of {space}, as Gymnasium has it; received {returned!r}."
        )
    return native
