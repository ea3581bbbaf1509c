"""Twin delayed deterministic policy gradient, TD3 (Fujimoto, van Hoof & Meger 2018, arXiv 1802.09477), for
continuous and hybrid codes.

Every code splits into N joint discrete outcomes and C continuous coordinates (`core.spaces`). The actor mu gives
all coordinates x; two critics map (observation, x) to the values Q(s, x)[n] of all outcomes at once. The policy is
mu with the legal outcome that the first critic values most. With slow copies mu', Q' and half[c] half the width of
the interval that the set leaves coordinate c,

    critics   sum_e E[ (Q_e(s, x)[n] - y)^2 ],    y = r + discount^elapsed min_e Q'_e(s', x')[n*]  (r if terminated)
              x' = mu'(s') + half clip(eps, -c, c), eps ~ N(0, sigma), clipped into the interval   (sections 4.2, 5.3)
              n* = argmax of Q'_1(s', x')[n] over the outcomes legal at s'
    actor     -E[ sum_g max of Q_1(s, x_g)[n] over the legal outcomes n of group g ]

and every `policy_delay`-th update of the critics the actor and all slow copies move (section 5.2). A group is the
coordinates that count under the same outcomes, and x_g is mu(s), seen as a constant in all other coordinates: each
parameter climbs the value of the best outcome that it belongs to. For N = 1 this is TD3 (algorithm 1). For one
branch of parameters an outcome it is P-DQN (Xiong et al. 2018, arXiv 1810.06394), whose actor climbs the sum over n
of Q(s, n, x_n), with the critics and slow copies of TD3. As in P-DQN a critic reads all coordinates at once, but no
coordinate climbs the value of an outcome under which it does not count: those are the false gradients that MP-DQN
(Bester et al. 2019, arXiv 1905.04388) removes by a pass for every outcome.

Behaviour: mu with Gaussian noise, clipped into the interval, and with probability `exploration` a uniform legal
outcome instead of the best one.

Everything that is scaled - mu, both noises - is scaled to the interval that the set leaves; the critics read
coordinates scaled to the bounds of the code. Defaults are those of the paper, but for networks, batches and step
size, which are those of the authors' later code (github.com/sfujim/TD3: 2x256, 256, 3e-4; the paper: 400 and 300
units, 100, 1e-3).
Where there are images, the actor sits behind the encoder that the critics train (as in our SAC).

Axis letters: B batch (decisions), F features, N joint outcomes, C continuous coordinates, G groups, E critics (2).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from actlab.agents.enumeration import Situation, limits, require_enumerable, situation
from actlab.agents.rows import decisions, encoder_of, replay, returns_of
from actlab.agents.sac import Critic, Values
from actlab.core.codec import Codec
from actlab.core.contracts import Code, Context, Extras, Memory, Metrics, TaskSpec, hyperparameters
from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.sources import Replay
from actlab.core.spaces import Space
from actlab.core.steps import Batch, TimeStep
from actlab.losses.temporal_difference import one_step_target, polyak
from actlab.nets import optimisers
from actlab.nets.encoder import Encoder
from actlab.nets.mlp import MLP, ensemble
from actlab.nets.moments import Returns

FLOOR = -1e9
"""What an outcome that is illegal counts as, where gradients flow."""


class Actor(eqx.Module):
    """The deterministic policy over the coordinates."""

    network: MLP

    def __call__(self, here: Situation) -> Array:
        """float32 `[C]`, inside of the intervals."""
        return inside(here.low + half_width(here) * (1.0 + jnp.tanh(self.network(here.features))), here)


class State(eqx.Module):
    """Weights, slow copies, optimisers, and what is fixed about the task. TD3+BC has the same."""

    actor: Actor
    values: Values
    slow_actor: Actor
    slow_values: Values
    moments: tuple
    """Of the optimisers of values and actor."""
    updates: Array
    """int32 `[]`: updates of the critics so far."""
    actor_metrics: Metrics
    """Of the actor's last update (it has none of its own in most updates)."""
    codec: Codec
    discount: Array
    returns: Returns | None = None
    """What rewards are scaled by."""

    @property
    def code(self) -> Space:
        """The space that is decided over."""
        assert self.codec.code is not None
        return self.codec.code


def encoders(state: State) -> tuple[Encoder, Encoder]:
    """The encoder that learns, and its slow copy."""
    return state.values.encoder, state.slow_values.encoder


@hyperparameters
class TD3:
    """The agent; every field is an option on the command line."""

    learning_rate: float = 3e-4
    """Step size of the two Adams (the authors' later code; the paper: 1e-3)."""
    target_rate: float = 0.005
    """tau: how far the slow copies move each time (Fujimoto et al., section 6.1)."""
    exploration_noise: float = 0.1
    """Deviation of the noise on a coordinate when exploring, its interval scaled to [-1, 1] (section 6.1)."""
    exploration: float = 0.1
    """Probability of a uniform legal outcome when exploring; without effect where there is one outcome (ours)."""
    smoothing: float = 0.2
    """sigma: deviation of the noise on a target's coordinates, their intervals scaled to [-1, 1] (section 6.1)."""
    smoothing_limit: float = 0.5
    """c: that noise is clipped to this size (section 6.1)."""
    policy_delay: int = 2
    """d: updates of the critics for one of the actor and the slow copies (section 6.1)."""
    environments: int = 1
    """Environments that are rolled out side by side."""
    updates: int = 1
    """Updates after one decision in every environment (section 6.1: one a step)."""
    batch_size: int = 256
    """B (the authors' later code; the paper: 100)."""
    capacity: int = 1_000_000
    """Decisions that are remembered (section 6.1: the whole history, of a million steps)."""
    warmup: int = 1_000
    """Uniform decisions before the first update (section 6.1; 10,000 for HalfCheetah and Ant)."""
    normalise_observations: bool = False
    """Scale observations (but no images) by the running mean and deviation of all that were seen."""
    normalise_rewards: bool = False
    """Divide rewards by the running deviation of their discounted sum (VecNormalize of Stable-Baselines3)."""
    width: int = 256
    """Units of a hidden layer (the authors' later code; the paper: 400 and 300)."""
    layers: int = 2
    """Hidden layers (section 6.1)."""
    activation: str = "relu"
    """Of the hidden layers (section 6.1)."""

    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Replay]:
        """Replay of single decisions."""
        return replay(self, encoders)

    def init(self, spec: TaskSpec, key: Array, start: State | None = None) -> State:
        """Fresh weights (uniform within 1/sqrt(fan-in), as PyTorch's), or those of `start`; fresh optimisers.

        Raises:
            SpaceError: the code has no coordinates, one is unbounded, or its outcomes cannot be enumerated.
        """
        require_enumerable(spec.code, "TD3")
        hidden = (self.width,) * self.layers
        networks = make_networks(spec, "TD3", hidden, self.activation, self.normalise_observations, key)
        state = make_state(spec, networks, start, self._optimiser, {"actor_loss": jnp.zeros(())})
        return replace(state, returns=returns_of(self, start))

    def begin(self, state: State, context: Context, key: Array) -> Memory:
        """No memory."""
        return ()

    def act(
        self, state: State, memory: Memory, step: TimeStep, key: Array, *, explore: bool
    ) -> tuple[Code, Memory, Extras]:
        """The actor's coordinates with the best legal outcome; with `explore`, noise on both."""
        here = situation(state.codec, state.values.encoder, step)
        coordinates = state.actor(here)
        outcome = jnp.zeros((), jnp.int32)
        if state.code.outcomes > 1:
            outcome = best_outcome(state.values.critics(here.features, coordinates)[0], here.legal)
        if explore:
            dice = jax.random.uniform(fold(key, "dice"))
            anything = jax.random.categorical(fold(key, "outcome"), jnp.where(here.legal, 0.0, FLOOR))
            outcome = jnp.where(dice < self.exploration, anything.astype(jnp.int32), outcome)
            noise = self.exploration_noise * jax.random.normal(fold(key, "noise"), coordinates.shape)
            coordinates = inside(coordinates + half_width(here) * noise, here)
        return state.code.join(outcome, coordinates), memory, ()

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        """One update from `batch["replay"]` `[B, T]`; rows that are not valid do not count."""
        rows, weights = decisions(batch["replay"], state.returns)
        noise = smoothing_noise(key, (weights.shape[0], state.code.dims), self.smoothing, self.smoothing_limit)
        state, metrics = improve_critics(state, rows, weights, noise, self._optimiser)

        def loss(actor: Actor) -> tuple[Array, Metrics]:
            _, values = policy_values(state, actor, rows.step)
            error = -(weights @ values)
            return error, {"actor_loss": error}

        state = improve_actor(state, loss, self._optimiser, self.target_rate, self.policy_delay)
        return state, {**metrics, **state.actor_metrics}

    def export(self, state: State) -> tuple["TD3", State]:
        """The policy: the agent and the state that its `act` needs."""
        return self, state

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return optimisers.adam(self.learning_rate)


# --- what fits into a situation --------------------------------------------------------------------------


def half_width(here: Situation) -> Array:
    """float32 `[C]`: half the width of each coordinate's interval, 0 where it is one point."""
    return jnp.where(here.free, 0.5 * (here.high - here.low), 0.0)


def inside(coordinates: Array, here: Situation) -> Array:
    """The coordinates `[C]`, clipped into their intervals."""
    return jnp.where(here.free, jnp.clip(coordinates, here.low, here.high), here.low)


def best_outcome(values: Array, legal: Array) -> Array:
    """int32 `[]`: the legal outcome of the highest value `[N]`."""
    return jnp.argmax(jnp.where(legal, values, -jnp.inf)).astype(jnp.int32)


class Groups(NamedTuple):
    """Coordinates that count under the same outcomes, together."""

    members: np.ndarray
    """bool `[G, C]`: which coordinates a group has."""
    outcomes: np.ndarray
    """bool `[G, N]`: under which outcomes they count."""


def groups(relevant: np.ndarray) -> Groups:
    """The groups of a space, from its bool `relevant` `[N, C]`."""
    outcomes, group = np.unique(relevant.T, axis=0, return_inverse=True)
    return Groups(np.arange(len(outcomes))[:, None] == group.reshape(1, -1), outcomes)


# --- the losses ------------------------------------------------------------------------------------------


def smoothing_noise(key: Array, shape: tuple[int, int], deviation: float, limit: float) -> Array:
    """clip(eps, -limit, limit), eps ~ N(0, deviation): float32 `[B, C]`, intervals scaled to [-1, 1] (section 5.3)."""
    return jnp.clip(deviation * jax.random.normal(fold(key, "smoothing"), shape), -limit, limit)


def next_value(state: State, after: TimeStep, noise: Array) -> Array:
    """min_e Q'_e(s', x')[n*] of one step s', with x' the slow actor's coordinates and `noise` `[C]` on them."""
    there = situation(state.codec, state.slow_values.encoder, after)
    coordinates = inside(state.slow_actor(there) + half_width(there) * noise, there)
    values = state.slow_values.critics(there.features, coordinates)
    return jnp.min(values[:, best_outcome(values[0], there.legal)])


def improve_critics(
    state: State, rows: Batch, weights: Array, noise: Array, optimiser: optax.GradientTransformation
) -> tuple[State, Metrics]:
    """One step of the critics down sum_e sum_b weights_b (Q_e(s, x)[n] - y)^2, and its metrics.

    Args:
        rows: decisions `[B]`.
        weights: float32 `[B]`, with sum 1.
        noise: float32 `[B, C]`: of the targets' coordinates.
    """
    after = rows.next
    next_values = jax.vmap(lambda step, noise: next_value(state, step, noise))(after, noise)
    target = one_step_target(after.reward, after.elapsed, after.terminated, next_values, state.discount)
    taken, coordinates = jax.vmap(state.code.split)(rows.code)

    def loss(values: Values) -> tuple[Array, Array]:
        all_values = jax.vmap(values.critics)(jax.vmap(values.encoder)(rows.step.observation), coordinates)
        value = jnp.take_along_axis(all_values, taken[:, None, None], axis=2)[:, :, 0]
        error = jnp.sum(jnp.square(value - target[:, None]), axis=1)
        return weights @ error, weights @ jnp.mean(value, axis=1)

    (error, value), gradients = jax.value_and_grad(loss, has_aux=True)(state.values)
    values, moments = optimisers.step(optimiser, gradients, state.moments[0], state.values)
    state = replace(state, values=values, moments=(moments, state.moments[1]), updates=state.updates + 1)
    return state, {"critic_loss": error, "value": value}


def policy_values(state: State, actor: Actor, steps: TimeStep) -> tuple[Array, Array]:
    """What an actor decides in steps `[B]`, float32 `[B, C]`, and what that is worth, float32 `[B]`.

    The worth is the sum over groups of the best value of a legal outcome under which the group counts, by the first
    critic; its gradient flows through the group's own coordinates only. A group without a legal outcome counts 0.
    """
    members, outcomes = (jnp.asarray(part) for part in groups(state.code.relevant))
    critic = jax.tree.map(lambda leaf: leaf[0], state.values.critics.members)

    def one(step: TimeStep) -> tuple[Array, Array]:
        here = situation(state.codec, state.values.encoder, step)
        coordinates = actor(here)

        def worth(member: Array, counts: Array) -> Array:
            own = jnp.where(member, coordinates, jax.lax.stop_gradient(coordinates))
            legal = counts & here.legal
            best = jnp.max(jnp.where(legal, critic(here.features, own), FLOOR))
            return jnp.where(jnp.any(legal), best, 0.0)

        return coordinates, jnp.sum(jax.vmap(worth)(members, outcomes))

    return jax.vmap(one)(steps)


def improve_actor(
    state: State,
    loss: Callable[[Actor], tuple[Array, Metrics]],
    optimiser: optax.GradientTransformation,
    rate: float | Array,
    delay: int,
) -> State:
    """Every `delay`-th update of the critics: one step of the actor down its loss, then all slow copies move.

    Args:
        loss: actor -> loss and metrics, which have the names of `state.actor_metrics`.
        rate: of the slow copies, in [0, 1].
    """

    def improve() -> tuple[Actor, optax.OptState, Actor, Values, Metrics]:
        (_, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(state.actor)
        actor, moments = optimisers.step(optimiser, gradients, state.moments[1], state.actor)
        slow = polyak(state.slow_actor, actor, rate), polyak(state.slow_values, state.values, rate)
        return actor, moments, *slow, metrics

    def rest() -> tuple[Actor, optax.OptState, Actor, Values, Metrics]:
        return state.actor, state.moments[1], state.slow_actor, state.slow_values, state.actor_metrics

    actor, moments, slow_actor, slow_values, metrics = jax.lax.cond(state.updates % delay == 0, improve, rest)
    return replace(
        state,
        actor=actor,
        slow_actor=slow_actor,
        slow_values=slow_values,
        moments=(state.moments[0], moments),
        actor_metrics=metrics,
    )


# --- the beginning ---------------------------------------------------------------------------------------


def make_networks(
    spec: TaskSpec, agent: str, hidden: tuple[int, ...], activation: str, normalise: bool, key: Array
) -> tuple[Actor, Values]:
    """Fresh networks with hidden layers of these widths.

    Args:
        agent: whose messages these are.
        normalise: keep moments of the observations and normalise by them.

    Raises:
        SpaceError: the code has no coordinates, or one of them is unbounded.
    """
    space = spec.code
    if not space.dims:
        raise SpaceError(f"{agent} decides over continuous coordinates; {space} has none. DQN decides over it.")
    with jax.ensure_compile_time_eval():  # the bounds are static, also where `init` is compiled
        low, high = (np.asarray(bound) for bound in limits(space, None))
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise SpaceError(f"{space} is unbounded: chain the codec `normalise` with statistics of recorded episodes.")
    bounds = tuple(map(float, low)), tuple(map(float, high))
    encoder = encoder_of(spec, normalise, key)

    def mlp(key: Array, *sizes: int) -> MLP:
        return MLP(sizes, key=key, activation=activation, initialisation="uniform")

    def critic(key: Array) -> Critic:
        return Critic(mlp(key, encoder.width + space.dims, *hidden, space.outcomes), bounds)

    actor = Actor(mlp(fold(key, "actor"), encoder.width, *hidden, space.dims))
    return actor, Values(encoder, ensemble(critic, 2, fold(key, "critics")))


def make_state(
    spec: TaskSpec,
    networks: tuple[Actor, Values],
    start: State | None,
    optimiser: optax.GradientTransformation,
    metrics: Metrics,
) -> State:
    """A first state: fresh networks whose slow copies equal them, or all that `start` has; fresh optimisers.

    Args:
        metrics: of the actor, before its first update.
    """
    actor, values = networks if start is None else (start.actor, start.values)
    slow_actor, slow_values = networks if start is None else (start.slow_actor, start.slow_values)
    return State(
        actor=actor,
        values=values,
        slow_actor=slow_actor,
        slow_values=slow_values,
        moments=(optimisers.begin(optimiser, values), optimisers.begin(optimiser, actor)),
        updates=jnp.zeros((), jnp.int32),
        actor_metrics=metrics,
        codec=spec.codec,
        discount=jnp.asarray(spec.discount, jnp.float32),
    )
