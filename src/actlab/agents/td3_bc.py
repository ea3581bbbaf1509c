"""TD3 + BC (Fujimoto & Gu 2021, arXiv 2106.06860): learning a continuous policy from recorded decisions alone.

The critics, the delay and the slow copies are TD3's (`agents.td3`). The actor mu climbs its value and stays near
what was recorded:

    actor    -lambda E[ Q_1(s, mu(s)) ] + E[ mean over c of ((mu(s) - x) / half)[c]^2 ]
    lambda    = alpha / E[ |Q_1(s, mu(s))| ]     (a number: no gradient)

with expectations over the batch, x the recorded coordinates and half[c] half the width of the code's bounds, so that
units do not matter and alpha means the same for every reward's scale (section 5). In the paper's text lambda has
the recorded action instead of mu(s); the authors' code (github.com/sfujim/TD3_BC), which made its results, has mu(s).

Observations are normalised by their mean and deviation in the data (section 5), measured before the first update,
part of the state and shipped with it. With weights to begin with, the data are counted beside what those had seen.

The codes have coordinates only: an outcome that nobody recorded has no value that could be trusted, and the loss
above says nothing about outcomes.

Deviations: the deviation is sqrt(variance + 1e-8) and normalised observations are clipped to +-10 (`nets.moments`;
the paper adds 1e-3 and does not clip); sets are respected as in TD3.

Axis letters: B batch (decisions), C continuous coordinates.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from actlab.agents.enumeration import limits, situation
from actlab.agents.rows import decisions, recorded
from actlab.agents.td3 import (
    Actor,
    State,
    encoders,
    improve_actor,
    improve_critics,
    make_networks,
    make_state,
    policy_values,
    smoothing_noise,
)
from actlab.core.contracts import Code, Context, Extras, Memory, Metrics, TaskSpec, hyperparameters
from actlab.core.errors import SpaceError
from actlab.core.sources import Dataset
from actlab.core.spaces import Space
from actlab.core.steps import Batch, TimeStep
from actlab.nets import optimisers


@hyperparameters
class TD3BC:
    """The agent; every field is an option on the command line."""

    alpha: float = 2.5
    """Weight of the value against the recorded actions; small imitates (Fujimoto & Gu, section 5.1)."""
    learning_rate: float = 3e-4
    """Step size of the two Adams (the authors' code)."""
    target_rate: float = 0.005
    """tau: how far the slow copies move each time (the authors' code)."""
    smoothing: float = 0.2
    """Deviation of the noise on a target's coordinates, their intervals scaled to [-1, 1] (the authors' code)."""
    smoothing_limit: float = 0.5
    """That noise is clipped to this size (the authors' code)."""
    policy_delay: int = 2
    """Updates of the critics for one of the actor and the slow copies (the authors' code)."""
    normalise_observations: bool = True
    """Scale observations (but no images) by their mean and deviation in the data (Fujimoto & Gu, section 5)."""
    batch_size: int = 256
    """B (the authors' code)."""
    width: int = 256
    """Units of a hidden layer (the authors' code)."""
    layers: int = 2
    """Hidden layers (the authors' code)."""
    activation: str = "relu"
    """Of the hidden layers (the authors' code)."""

    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Dataset]:
        """Recorded decisions, under the name "data"."""
        return recorded(self, encoders)

    def init(self, spec: TaskSpec, key: Array, start: State | None = None) -> State:
        """Fresh weights (uniform within 1/sqrt(fan-in), as PyTorch's), or those of `start`; fresh optimisers.

        Raises:
            SpaceError: the code has a discrete part, no coordinates, or an unbounded one.
        """
        if spec.code.outcomes > 1:
            raise SpaceError(
                f"TD3 + BC decides over continuous coordinates alone; {spec.code} has a discrete part with "
                f"{spec.code.outcomes:,} outcomes. BC clones it."
            )
        hidden = (self.width,) * self.layers
        networks = make_networks(spec, "TD3 + BC", hidden, self.activation, self.normalise_observations, key)
        metrics = {name: jnp.zeros(()) for name in ("actor_loss", "imitation_error", "value_weight")}
        return make_state(spec, networks, start, self._optimiser, metrics)

    def begin(self, state: State, context: Context, key: Array) -> Memory:
        """No memory."""
        return ()

    def act(
        self, state: State, memory: Memory, step: TimeStep, key: Array, *, explore: bool
    ) -> tuple[Code, Memory, Extras]:
        """The actor's coordinates, whether or not it is to explore."""
        coordinates = state.actor(situation(state.codec, state.values.encoder, step))
        return state.code.join(jnp.zeros((), jnp.int32), coordinates), memory, ()

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        """One update from `batch["data"]` `[B, T]`; rows that are not valid do not count."""
        rows, weights = decisions(batch["data"])
        noise = smoothing_noise(key, (weights.shape[0], state.code.dims), self.smoothing, self.smoothing_limit)
        state, metrics = improve_critics(state, rows, weights, noise, self._optimiser)
        half, (_, recorded) = half_bounds(state.code), jax.vmap(state.code.split)(rows.code)

        def loss(actor: Actor) -> tuple[Array, Metrics]:
            coordinates, values = policy_values(state, actor, rows.step)
            size = jax.lax.stop_gradient(weights @ jnp.abs(values))
            value_weight = self.alpha / jnp.maximum(size, 1e-8)
            error = weights @ jnp.mean(jnp.square((coordinates - recorded) / half), axis=1)
            total = error - value_weight * (weights @ values)
            return total, {"actor_loss": total, "imitation_error": error, "value_weight": value_weight}

        state = improve_actor(state, loss, self._optimiser, self.target_rate, self.policy_delay)
        return state, {**metrics, **state.actor_metrics}

    def export(self, state: State) -> tuple["TD3BC", State]:
        """The policy: the agent and the state that its `act` needs."""
        return self, state

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return optimisers.adam(self.learning_rate)


def half_bounds(space: Space) -> np.ndarray:
    """float32 `[1, C]`: half the width of the bounds of each coordinate of a code; 1 where they coincide."""
    with jax.ensure_compile_time_eval():
        low, high = (np.asarray(bound) for bound in limits(space, None))
    return np.where(high > low, 0.5 * (high - low), np.float32(1.0))[None]
