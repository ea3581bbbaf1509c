"""Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905), for continuous, discrete and hybrid codes.

Every code splits into N joint discrete outcomes and C continuous coordinates (`core.spaces`). The actor
gives the outcomes' probabilities p_n and a squashed Gaussian over all coordinates x, with log-density d_c
each; two critics map (observation, x) to the values Q(s, x)[n] of all outcomes at once. With relevant[n, c]
= 1 where coordinate c counts under outcome n, the cost of outcome n in nats is

    cost_n = alpha_d log p_n + alpha_c sum_c relevant[n, c] d_c

and the three losses, expectations over n being exact and x being reparameterised, are

    critics       1/2 sum_e E[ (Q_e(s, x)[n] - y)^2 ],   y = r + discount^elapsed V(s')  (r if terminated)
                  V(s') = sum_n p'_n ( min_e Q'_e(s', x')[n] - cost'_n )
    actor         E[ sum_n p_n ( cost_n - min_e Q_e(s, x)[n] ) ]
    temperatures  E[ log alpha_d (H_d - target_d) ] + E[ log alpha_c (H_c - target_c) ]

with H_d = -sum_n p_n log p_n and H_c = -sum_n p_n sum_c relevant[n, c] d_c. For N = 1 this is SAC (algorithm
1), for C = 0 discrete SAC (Christodoulou 2019, arXiv 1910.07207, eqs. 10-12), for both hybrid SAC (Delalleau
et al. 2019, arXiv 1912.11077), each with automatic temperatures.

Target entropies: -1 nat for each coordinate that counts and that the set leaves free (Haarnoja et al., -dim A),
where densities are relative to the allowed interval scaled to [-1, 1], so that units and sets do not matter;
0.5 log(number of legal outcomes) for the outcomes. Christodoulou publishes 0.98 log |A|, which asks for a nearly
uniform policy: where one outcome is clearly better, alpha_d grows without bound (on CartPole to 49 within 6,000
steps, one seed). `discrete_entropy=0.98` is the published value.

The updates of one call use the temperatures from before it: critics, then the actor on the new critics, then
temperatures and slow copies. This gives the weights of Stable-Baselines3, which steps the temperatures first
but uses their old values too.

With `recorded_rows` a share of every batch comes from a data set (Ball et al. 2023, arXiv 2302.02948: half, and
`layer_norm` critics, of which it has ten; here two).

Deviations: an illegal outcome has probability 0; outcomes are one joint categorical, not one for each digit
(so that sets which couple digits are exact); a coordinate of a branch that is not taken still enters the
critics (as in Delalleau et al.). Entropy of the coordinates counts only where they are relevant.

Axis letters: B batch (decisions), F features, N joint outcomes, C continuous coordinates, E critics (2).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from actlab.agents.enumeration import Situation, limits, require_enumerable, situation
from actlab.agents.rows import encoder_of, gather, mixed, returns_of
from actlab.core.codec import Codec
from actlab.core.contracts import Code, Context, Extras, Memory, Metrics, TaskSpec, hyperparameters
from actlab.core.keys import fold
from actlab.core.sets import Interval, Mask
from actlab.core.sources import Source
from actlab.core.spaces import Box, Discrete, Space
from actlab.core.steps import Batch, TimeStep
from actlab.losses.temporal_difference import one_step_target, polyak
from actlab.nets import optimisers
from actlab.nets.encoder import Encoder
from actlab.nets.heads import Distribution, Head, build
from actlab.nets.mlp import MLP, Ensemble, ensemble
from actlab.nets.moments import Returns


class Actor(eqx.Module):
    """The policy: probabilities of the outcomes, and a distribution over the coordinates beside them."""

    torso: MLP
    outcomes: Head | None
    """None where there is only one outcome."""
    coordinates: Head | None
    """None where there are no coordinates."""

    def __call__(self, situation: Situation) -> tuple[Array, Distribution | None]:
        """Log-probabilities float32 `[N]` (finite, illegal ones below -1e8), and the coordinates' distribution."""
        hidden = self.torso(situation.features)
        log_probs, box = jnp.zeros((1,)), None
        if self.outcomes is not None:
            log_probs = self.outcomes(hidden, Mask(situation.legal)).outcome_log_probs()
        if self.coordinates is not None:
            box = self.coordinates(hidden, Interval(situation.low, situation.high))
        return log_probs, box


class Critic(eqx.Module):
    """The values of all outcomes, given the coordinates."""

    network: MLP
    bounds: tuple[tuple[float, ...], tuple[float, ...]] = eqx.field(static=True)
    """Of the coordinates: low and high, each C numbers."""

    def __call__(self, features: Array, coordinates: Array) -> Array:
        """float32 `[F]`, `[C]` (scaled to [-1, 1] here) -> `[N]`."""
        low, high = np.asarray(self.bounds, np.float32)
        centre, half = 0.5 * (low + high), np.where(high > low, 0.5 * (high - low), np.float32(1.0))
        return self.network(jnp.concatenate([features, (coordinates - centre) / half]))


class Values(eqx.Module):
    """Critics and the encoder that they train (SAC-AE, Yarats et al. 2021, section 4.1); the actor reads it too."""

    encoder: Encoder
    critics: Ensemble


class State(eqx.Module):
    """Weights, slow copies, temperatures, optimisers, and what is fixed about the task."""

    actor: Actor
    values: Values
    targets: Values
    log_temperatures: Array
    """float32 `[2]`: log alpha_d (outcomes) and log alpha_c (coordinates); one that has nothing to weigh rests."""
    moments: tuple
    """Of the optimisers of values, actor and temperatures."""
    codec: Codec
    discount: Array
    returns: Returns | None = None
    """What rewards are scaled by."""

    @property
    def code(self) -> Space:
        """The space that is decided over."""
        assert self.codec.code is not None
        return self.codec.code


@hyperparameters
class SAC:
    """The agent; every field is an option on the command line."""

    learning_rate: float = 3e-4
    """Step size of the three Adams (Haarnoja et al., table 1)."""
    target_rate: float = 0.005
    """tau: how far the slow critics move in an update (Haarnoja et al., table 1)."""
    temperature: float = 1.0
    """Both temperatures at the start (Stable-Baselines3)."""
    discrete_entropy: float = 0.5
    """Target entropy of the outcomes, as a fraction of log(number of legal outcomes); a deviation, see above."""
    continuous_entropy: float = -1.0
    """Target entropy of a coordinate in nats, its interval scaled to [-1, 1] (Haarnoja et al., table 1: -dim A)."""
    environments: int = 1
    """Environments that are rolled out side by side."""
    updates: int = 1
    """Updates after one decision in every environment (Haarnoja et al., table 1: one a step)."""
    batch_size: int = 256
    """B (Haarnoja et al., table 1)."""
    capacity: int = 1_000_000
    """Decisions that are remembered (Haarnoja et al., table 1)."""
    warmup: int = 1_000
    """Uniform decisions before the first update (rlkit's example of SAC)."""
    normalise_observations: bool = False
    """Scale observations (but no images) by the running mean and deviation of all that were seen."""
    normalise_rewards: bool = False
    """Divide rewards by the running deviation of their discounted sum (VecNormalize of Stable-Baselines3)."""
    recorded_rows: int = 0
    """Rows of a batch that are recorded decisions, "data" (RLPD, Ball et al. 2023: half)."""
    prefill: str | None = None
    """Data set that fills the replay first, where there are recorded rows (RLPD: none)."""
    layer_norm: bool = False
    """Normalise the critics' hidden layers before their activation (RLPD: yes)."""
    width: int = 256
    """Units of a hidden layer (Haarnoja et al., table 1)."""
    layers: int = 2
    """Hidden layers (Haarnoja et al., table 1)."""
    activation: str = "relu"
    """Of the hidden layers (Haarnoja et al., table 1)."""

    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Source]:
        """Replay of single decisions, and recorded ones under the name "data" where they are asked for."""
        return mixed(self, lambda state: (state.values.encoder, state.targets.encoder))

    def init(self, spec: TaskSpec, key: Array, start: State | None = None) -> State:
        """Fresh weights (uniform within 1/sqrt(fan-in), as PyTorch's), or those of `start`; fresh optimisers.

        Raises:
            SpaceError: a coordinate is unbounded, or there are more outcomes than can be enumerated.
        """
        require_enumerable(spec.code, "SAC")
        if start is None:
            actor, values = self._networks(spec, key)
            targets = values
            log_temperatures = jnp.log(jnp.full((2,), self.temperature, jnp.float32))
        else:
            actor, values, targets = start.actor, start.values, start.targets
            log_temperatures = start.log_temperatures
        return State(
            actor=actor,
            values=values,
            targets=targets,
            log_temperatures=log_temperatures,
            moments=tuple(optimisers.begin(self._optimiser, part) for part in (values, actor, log_temperatures)),
            codec=spec.codec,
            discount=jnp.asarray(spec.discount, jnp.float32),
            returns=returns_of(self, start),
        )

    def begin(self, state: State, context: Context, key: Array) -> Memory:
        """No memory."""
        return ()

    def act(
        self, state: State, memory: Memory, step: TimeStep, key: Array, *, explore: bool
    ) -> tuple[Code, Memory, Extras]:
        """A sampled code, or without `explore` the likeliest outcome and the coordinates' mode."""
        log_probs, box = state.actor(situation(state.codec, state.values.encoder, step))
        coordinates = jnp.zeros((0,))
        if explore:
            outcome = jax.random.categorical(fold(key, "outcome"), log_probs)
            if box is not None:
                coordinates = box.sample(fold(key, "coordinates"))
        else:
            outcome = jnp.argmax(log_probs)
            if box is not None:
                coordinates = box.mode()
        return state.code.join(outcome, coordinates), memory, ()

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        """One update from `batch["replay"]` (and `["data"]`) `[B, T]`; rows that are not valid do not count."""
        rows, weights, _ = gather(batch, state.returns)
        relevant = jnp.asarray(state.code.relevant, jnp.float32)
        alphas = jnp.exp(state.log_temperatures)
        keys, next_keys = (_keys(fold(key, name), weights.shape[0]) for name in ("here", "there"))

        after, slow = rows.next, state.targets
        there = jax.vmap(lambda step: situation(state.codec, state.values.encoder, step))(after)
        slow_features = jax.vmap(slow.encoder)(after.observation)
        next_values = soft_values(state.actor, slow.critics, there, slow_features, relevant, alphas, next_keys)
        target = one_step_target(after.reward, after.elapsed, after.terminated, next_values, state.discount)
        taken, coordinates = jax.vmap(state.code.split)(rows.code)

        def critic_loss(values: Values) -> tuple[Array, Array]:
            all_values = jax.vmap(values.critics)(jax.vmap(values.encoder)(rows.step.observation), coordinates)
            value = jnp.take_along_axis(all_values, taken[:, None, None], axis=2)[:, :, 0]
            error = jnp.sum(jnp.square(value - target[:, None]), axis=1)
            return 0.5 * (weights @ error), weights @ jnp.mean(value, axis=1)

        (critic_error, value), gradients = jax.value_and_grad(critic_loss, has_aux=True)(state.values)
        values, value_moments = optimisers.step(self._optimiser, gradients, state.moments[0], state.values)
        here = jax.vmap(lambda step: situation(state.codec, values.encoder, step))(rows.step)

        def actor_loss(actor: Actor) -> tuple[Array, tuple[Array, Array]]:
            losses, draws = policy_losses(actor, values.critics, here, here.features, relevant, alphas, keys)
            wanted = jax.vmap(lambda here, draw: self._target_entropies(here, draw, relevant))(here, draws)
            return weights @ losses, (weights @ jax.vmap(Draw.entropies)(draws), weights @ wanted)

        (loss, (entropies, wanted)), gradients = jax.value_and_grad(actor_loss, has_aux=True)(state.actor)
        actor, actor_moments = optimisers.step(self._optimiser, gradients, state.moments[1], state.actor)
        log_temperatures, temperature_moments = optimisers.step(
            self._optimiser, entropies - wanted, state.moments[2], state.log_temperatures
        )
        new = replace(
            state,
            actor=actor,
            values=values,
            targets=polyak(slow, values, self.target_rate),
            log_temperatures=log_temperatures,
            moments=(value_moments, actor_moments, temperature_moments),
        )
        metrics = {"critic_loss": critic_error, "value": value, "actor_loss": loss}
        if state.code.outcomes > 1:
            metrics |= {"discrete_entropy": entropies[0], "discrete_temperature": alphas[0]}
        if state.code.dims > 0:
            metrics |= {"continuous_entropy": entropies[1], "continuous_temperature": alphas[1]}
        return new, metrics

    def export(self, state: State) -> tuple["SAC", State]:
        """The policy: the agent and the state that its `act` needs."""
        return self, state

    def _target_entropies(self, here: Situation, draw: "Draw", relevant: Array) -> Array:
        """float32 `[2]`: the entropies wanted of the outcomes and of the coordinates (no gradient)."""
        legal = jnp.maximum(jnp.sum(here.legal), 1).astype(jnp.float32)
        counting = draw.probs @ (relevant @ here.free.astype(jnp.float32))
        wanted = jnp.stack([self.discrete_entropy * jnp.log(legal), self.continuous_entropy * counting])
        return jax.lax.stop_gradient(wanted)

    def _networks(self, spec: TaskSpec, key: Array) -> tuple[Actor, Values]:
        encoder = encoder_of(spec, self.normalise_observations, key)
        space, features = spec.code, encoder.width
        hidden = (self.width,) * self.layers
        with jax.ensure_compile_time_eval():  # the bounds are static, also where `init` is compiled
            low, high = (np.asarray(bound) for bound in limits(space, None))

        mlp = partial(MLP, activation=self.activation, initialisation="uniform")

        def head(name: str, part: Space) -> Head:
            return build(part, self.width, key=fold(key, name), std="state", final_gain=None)

        actor = Actor(
            torso=mlp((features, *hidden), key=fold(key, "torso"), activate_final=True),
            outcomes=head("outcomes", Discrete(space.outcomes)) if space.outcomes > 1 else None,
            coordinates=head("coordinates", Box(low, high, (space.dims,))) if space.dims else None,
        )
        bounds = tuple(map(float, low)), tuple(map(float, high))

        def critic(key: Array) -> Critic:
            sizes = (features + space.dims, *hidden, space.outcomes)
            return Critic(mlp(sizes, key=key, layer_norm=self.layer_norm), bounds)

        return actor, Values(encoder, ensemble(critic, 2, fold(key, "critics")))

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return optimisers.adam(self.learning_rate)


class Draw(NamedTuple):
    """What an actor makes of a situation, with one reparameterised draw of the coordinates."""

    log_probs: Array
    """float32 `[N]`."""
    coordinates: Array
    """float32 `[C]`."""
    log_densities: Array
    """float32 `[N]`: of the coordinates that count under each outcome, relative to their allowed intervals."""

    @property
    def probs(self) -> Array:
        """float32 `[N]`: exactly 0 where an outcome is illegal."""
        return jnp.exp(self.log_probs)

    def cost(self, alphas: Array) -> Array:
        """float32 `[N]`: alpha_d log p_n + alpha_c log-density of what counts under n."""
        return alphas[0] * self.log_probs + alphas[1] * self.log_densities

    def entropies(self) -> Array:
        """float32 `[2]`: H_d exactly, and the one-sample estimate of H_c."""
        return -jnp.stack([self.probs @ self.log_probs, self.probs @ self.log_densities])


def soft_values(
    actor: Actor, critics: Ensemble, there: Situation, features: Array, relevant: Array, alphas: Array, keys: Array
) -> Array:
    """V(s') float32 `[B]` of situations `[B]`: sum_n p_n (min_e Q_e(s', x)[n] - cost_n), x one draw for each key.

    `features` `[B, F]` are what the critics read, by their own encoder.
    """
    draws = jax.vmap(lambda there, key: decide(actor, there, relevant, key))(there, keys)
    values = jnp.min(jax.vmap(critics)(features, draws.coordinates), axis=1)
    return jnp.sum(draws.probs * (values - draws.cost(alphas)), axis=1)


def policy_losses(
    actor: Actor, critics: Ensemble, here: Situation, features: Array, relevant: Array, alphas: Array, keys: Array
) -> tuple[Array, Draw]:
    """The actor's loss float32 `[B]` in situations `[B]`: sum_n p_n (cost_n - min_e Q_e(s, x)[n]); and the draws."""
    draws = jax.vmap(lambda here, key: decide(actor, here, relevant, key))(here, keys)
    values = jnp.min(jax.vmap(critics)(features, draws.coordinates), axis=1)
    return jnp.sum(draws.probs * (draws.cost(alphas) - values), axis=1), draws


def _keys(key: Array, count: int) -> Array:
    return jax.vmap(lambda i: fold(key, i))(jnp.arange(count, dtype=jnp.int32))


def decide(actor: Actor, here: Situation, relevant: Array, key: Array) -> Draw:
    """Ask the actor and draw the coordinates.

    Args:
        actor: the policy.
        here: what it is told.
        relevant: float32 `[N, C]` of 0 and 1 (`Space.relevant`).
        key: typed key.
    """
    log_probs, box = actor(here)
    if box is None:
        return Draw(log_probs, jnp.zeros((0,)), jnp.zeros_like(log_probs))
    coordinates, densities = box.vector(key)
    half = jnp.where(here.free, 0.5 * (here.high - here.low), 1.0)
    return Draw(log_probs, coordinates, relevant @ (densities + jnp.log(half)))
