"""ARSQ, the auto-regressive soft Q-network (Liu et al. 2025, arXiv 2502.00288): a critic over digits, and the policy.

An action is a code of D digits, decided one after the other; for coarse-to-fine codes all coordinates at the coarse
level come first. With c_i what the digits before digit i leave open (the midpoint of the open cell),

    Q(s, a) = V(s) + sum_i A_i(s, c_i)[a_i]
    A_i = f_i - alpha log sum_k exp(f_i[k] / alpha)      (hence sum_k exp(A_i[k] / alpha) = 1)

so that V(s) = alpha log sum_a exp(Q(s, a) / alpha) by construction, and the soft policy is the chain of the
conditionals exp(A_i / alpha). Two critics, each of one value network and one network f for all digits; with slow
copies V'_e and demonstrated rows D, an update descends

    sum_e mean [ (Q_e(s, a) - y)^2 ] + w mean over D of B_e,   y = r + discount^elapsed min_e V'_e(s')

where B is one of two terms of `losses.imitation` on the advantages: "margin", or "cql" (a soft margin). Acting takes
the lower advantage of both critics for every bin, and samples at temperature alpha or takes the best.

Batches mix recorded decisions (demonstrated, D) with those of the replay, which the recorded ones fill first; with
`recorded_rows=0` it learns online from scratch, with all rows recorded it learns offline.

`grouping` and `order` say in which order and which digits together are decided: "digit" is the paper; with "level"
all coordinates of a level see only the levels before, with "all" nothing is seen: the ablations of the conditioning.

Defaults are those of the authors' release for D4RL (`ARSQ-main/d4rl`, configuration `sqar`), with its networks: tanh,
orthogonal with gain sqrt(2), output gain 0.01. Deviations: illegal bins have no probability and no share in V; only
the rows of the output that are read are computed; codes that are not cells of a Box are conditioned on the known
digits themselves (`agents.digits.told`); the release's margin term sums over rows that are not demonstrated
(`imitation_mean="release"`), the default is the mean over demonstrated rows, as it is described; a decision is
followed by its updates at once, not after the episode.

Axis letters: B batch (decisions), F features, M numbers that condition, D digits, K categories, E critics (2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from actlab.agents.digits import categories_of, groups_of, told, told_width
from actlab.agents.rows import encoder_of, gather, mixed, returns_of, shifted, weigh
from actlab.core.codec import Codec
from actlab.core.contracts import Code, Context, Extras, Memory, Metrics, TaskSpec, hyperparameters
from actlab.core.errors import ActlabError
from actlab.core.keys import fold
from actlab.core.sets import Allowed
from actlab.core.sources import Source
from actlab.core.steps import Batch, TimeStep
from actlab.losses import imitation
from actlab.losses.temporal_difference import one_step_target, polyak
from actlab.nets import optimisers
from actlab.nets.encoder import Encoder
from actlab.nets.heads import masks
from actlab.nets.heads.autoregressive import Groups, forced, walk
from actlab.nets.heads.distributions import masked_log_softmax
from actlab.nets.heads.modules import existing
from actlab.nets.mlp import MLP, Ensemble, ensemble, linear
from actlab.nets.moments import Returns

TERMS = ("cql", "margin")
MEANS = ("demonstrations", "batch", "release")


@dataclass(frozen=True)
class Chain:
    """The digits of a code in the order of their decision, and what a set leaves of each."""

    codec: Codec
    nvec: tuple[int, ...]
    groups: Groups
    allowed: Allowed

    def slots(self, group: Array | int) -> Array:
        """int32 `[S]`: the digits of a group; padding repeats the last digit and is never read."""
        return jnp.minimum(jnp.asarray(self.groups.slots)[group], len(self.nvec) - 1)

    def legal(self, code: Array, known: Array, group: Array | int) -> Array:
        """bool `[S, K]`: the legal bins of a group's digits, given the known ones."""
        one = lambda digit: masks.legal(self.allowed, code, known, digit, max(self.nvec))  # noqa: E731
        slots = self.slots(group)
        return jax.vmap(one)(slots) & existing(self.nvec)[slots]


class Critic(eqx.Module):
    """V(s), and f(s, c) for every digit."""

    value: MLP
    torso: MLP
    """`[F + M]` -> hidden."""
    rows: eqx.nn.Linear
    """Hidden -> `[D K]`."""

    def soft_value(self, features: Array) -> Array:
        """V float32 `[]` of features `[F]`."""
        return self.value(features)[0]

    def scores(self, features: Array, conditioning: Array, slots: Array, categories: int) -> Array:
        """f float32 `[S, K]` of the digits `slots` `[S]`, all under one conditioning vector `[M]`."""
        hidden = self.torso(jnp.concatenate([features, conditioning]))
        weight, bias = self.rows.weight, self.rows.bias
        assert bias is not None
        return weight.reshape(-1, categories, weight.shape[1])[slots] @ hidden + bias.reshape(-1, categories)[slots]


class Values(eqx.Module):
    """Both critics and the encoder that they share."""

    encoder: Encoder
    critics: Ensemble


class State(eqx.Module):
    """Weights, slow copies, the optimiser's moments, and what is fixed about the task."""

    values: Values
    targets: Values
    moments: Any
    codec: Codec
    discount: Array
    returns: Returns | None = None
    """What rewards are scaled by."""


def encoders(state: State) -> tuple[Encoder, Encoder]:
    """The encoder that learns, and its slow copy."""
    return state.values.encoder, state.targets.encoder


@hyperparameters
class ARSQ:
    """The agent; every field is an option on the command line."""

    alpha: float = 0.01
    """Temperature, in training and acting (the release, D4RL)."""
    learning_rate: float = 3e-4
    """Step size of Adam (the release, D4RL)."""
    target_rate: float = 0.005
    """tau: how far the slow critics move in an update (the release, D4RL)."""
    imitation_weight: float = 1.0
    """w: of the term on demonstrated rows (the release has one for each data set, 0.03 to 10)."""
    imitation_least: float = -1.0
    """C: where a difference of advantages stops to count (the release: -1 in most data sets)."""
    imitation: str = "cql"
    """The term on demonstrated rows: cql or margin (the release: cql)."""
    imitation_mean: str = "demonstrations"
    """What the term is averaged over: demonstrations, batch, or release (summed over all rows, as that code does)."""
    grouping: str = "digit"
    """What is decided together: digit (the paper), or for ablation a whole level, or all."""
    order: tuple[int, ...] = ()
    """Order of the digits, as in 3x2x1x0; none is their own order, coarse level first (the paper)."""
    recorded_rows: int = 256
    """Rows of a batch that are recorded decisions, "data" (the release: half); 0 learns online, all offline."""
    prefill: str | None = "data"
    """Data set that fills the replay first (the release: all recorded decisions)."""
    environments: int = 1
    """Environments that are rolled out side by side."""
    updates: int = 1
    """Updates after one decision in every environment (the release)."""
    batch_size: int = 512
    """B (the release, D4RL)."""
    capacity: int = 1_000_000
    """Decisions that are remembered, the recorded ones included."""
    warmup: int = 0
    """Uniform decisions before the first update (the release: none)."""
    normalise_observations: bool = False
    """Scale observations (but no images) by the running mean and deviation of all that were seen."""
    normalise_rewards: bool = False
    """Divide rewards by the running deviation of their discounted sum (VecNormalize of Stable-Baselines3)."""
    width: int = 512
    """Units of a hidden layer (the release)."""
    layers: int = 3
    """Hidden layers (the release)."""
    activation: str = "tanh"
    """Of the hidden layers (the release, D4RL; silu with layer_norm for pictures)."""
    layer_norm: bool = False
    """Normalise before every activation (the release: for pictures)."""
    random_shift: int = 0
    """Pixels by which the images of a batch are moved at random (the release, RLBench: 4)."""

    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Source]:
        """Recorded decisions under the name "data", and the replay of its own."""
        return mixed(self, encoders)

    def init(self, spec: TaskSpec, key: Array, start: State | None = None) -> State:
        """Fresh weights, or those of `start`; a fresh optimiser.

        Raises:
            SpaceError: the code is neither a MultiDiscrete nor a MultiBinary, or the order does not fit it.
            ActlabError: there is no such term or mean.
        """
        for value, known in ((self.imitation, TERMS), (self.imitation_mean, MEANS)):
            if value not in known:
                raise ActlabError(f"Expected one of {', '.join(known)}; received {value!r}.")
        nvec = categories_of(spec.code, "ARSQ")
        self._groups(spec.codec, len(nvec))
        values = self._networks(spec, nvec, key) if start is None else start.values
        return State(
            values=values,
            targets=values if start is None else start.targets,
            moments=optimisers.begin(self._optimiser, values),
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
        """Digit after digit: sampled by the lower advantages of both critics, or without `explore` the best."""
        chain = self.chain(state, step.allowed)
        features = state.values.encoder(step.observation)

        def lower(code: Array, known: Array, group: Array) -> Array:
            return jnp.min(self.advantages(chain, state.values.critics, features, code, known, group), axis=0)

        def choose(advantages: Array, group: Array) -> Array:
            if not explore:
                return jnp.argmax(advantages, axis=-1)
            return jax.random.categorical(fold(key, group), advantages / self.alpha, axis=-1)

        return walk(chain.groups, lower, choose), memory, ()

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        """One update from `batch["data"]` and `batch["replay"]` `[B, T]`; rows that are not valid do not count."""
        rows, weights, demonstrated = gather(batch, state.returns)
        rows = shifted(rows, fold(key, "shift"), self.random_shift)
        weigh_terms = self._weights(demonstrated & rows.valid)
        slow = state.targets

        def slow_value(observation: Any) -> Array:
            features = slow.encoder(observation)
            return jnp.min(_each(slow.critics, lambda critic: critic.soft_value(features)))

        after = rows.next
        following = jax.vmap(slow_value)(after.observation)
        target = one_step_target(after.reward, after.elapsed, after.terminated, following, state.discount)

        def loss(values: Values) -> tuple[Array, Metrics]:
            def one(step: TimeStep, code: Array) -> tuple[Array, Array, Array]:
                features, chain = values.encoder(step.observation), self.chain(state, step.allowed)
                tables, legal = self.tables(chain, values.critics, features, code)
                soft = _each(values.critics, lambda critic: critic.soft_value(features))
                taken = jnp.take_along_axis(tables, code[None, :, None], axis=2)[:, :, 0]
                term = jax.vmap(lambda table: self._term(table, code, legal))(tables)
                return soft, soft + jnp.sum(taken, axis=1), term

            soft, value, terms = jax.vmap(one)(rows.step, rows.code)
            error = weights @ jnp.sum(jnp.square(value - target[:, None]), axis=1)
            term = weigh_terms @ jnp.sum(terms, axis=1)
            metrics = {
                "critic_loss": error,
                "imitation_loss": term,
                "value": weights @ jnp.mean(value, axis=1),
                "soft_value": weights @ jnp.min(soft, axis=1),
            }
            return error + self.imitation_weight * term, metrics

        (_, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(state.values)
        values, moments = optimisers.step(self._optimiser, gradients, state.moments, state.values)
        targets = polyak(slow, values, self.target_rate)
        return replace(state, values=values, targets=targets, moments=moments), metrics

    def export(self, state: State) -> tuple["ARSQ", State]:
        """The policy: the agent and the state that its `act` needs."""
        return self, state

    # --- the chain ---------------------------------------------------------------------------------------

    def chain(self, state: State, allowed: Allowed) -> Chain:
        """The digits, their order and what a native set leaves of them.

        Raises:
            SpaceError: the set couples digits that are decided together.
        """
        nvec = categories_of(state.codec.code, "ARSQ")
        legal, groups = state.codec.restrict(allowed), self._groups(state.codec, len(nvec))
        masks.require_product(legal, groups.slots.shape[1], False)
        return Chain(state.codec, nvec, groups, legal)

    def advantages(
        self, chain: Chain, critics: Ensemble, features: Array, code: Array, known: Array, group: Array
    ) -> Array:
        """A float32 `[E, S, K]` of the digits of one group, given the known ones; `FLOOR` alpha for illegal bins."""
        slots, legal = chain.slots(group), chain.legal(code, known, group)
        conditioning = told(chain.codec, chain.nvec, code, known)
        raw = _each(critics, lambda critic: critic.scores(features, conditioning, slots, max(chain.nvec)))
        exists = jnp.broadcast_to(existing(chain.nvec)[slots], raw.shape)
        return self.alpha * masked_log_softmax(raw / self.alpha, jnp.broadcast_to(legal, raw.shape), exists)

    def tables(self, chain: Chain, critics: Ensemble, features: Array, code: Array) -> tuple[Array, Array]:
        """Teacher forcing: A float32 `[E, D, K]`, every digit given those of `code` before it; bool `[D, K]`: legal."""
        table = lambda c, known, group: self.advantages(chain, critics, features, c, known, group)  # noqa: E731
        by_digit = forced(chain.groups, lambda *given: jnp.moveaxis(table(*given), 0, -1), code)
        return jnp.moveaxis(by_digit, -1, 0), forced(chain.groups, chain.legal, code)

    def q_values(self, state: State, step: TimeStep, code: Array) -> tuple[Array, Array]:
        """Q(s, a) and V(s) of both critics, float32 `[E]` each, for a code `[D]` at one step."""
        features, chain = state.values.encoder(step.observation), self.chain(state, step.allowed)
        tables, _ = self.tables(chain, state.values.critics, features, code)
        soft = _each(state.values.critics, lambda critic: critic.soft_value(features))
        return soft + jnp.sum(jnp.take_along_axis(tables, code[None, :, None], axis=2), axis=(1, 2)), soft

    def _groups(self, codec: Codec, digits: int) -> Groups:
        return groups_of(codec, digits, self.grouping, self.order)

    def _term(self, table: Array, code: Array, legal: Array) -> Array:
        if self.imitation == "margin":
            return imitation.margin(table, code, legal, self.imitation_least)
        return imitation.soft_margin(table, code, legal, self.imitation_least)

    def _weights(self, demonstrated: Array) -> Array:
        """float32 `[B]`: what the imitation term of every row counts."""
        if self.imitation_mean == "release":
            return jnp.where(jnp.any(demonstrated), jnp.ones(demonstrated.shape), 0.0)
        if self.imitation_mean == "batch":
            return demonstrated.astype(jnp.float32) / demonstrated.shape[0]
        return weigh(demonstrated)

    # --- networks ----------------------------------------------------------------------------------------

    def _networks(self, spec: TaskSpec, nvec: tuple[int, ...], key: Array) -> Values:
        encoder = encoder_of(spec, self.normalise_observations, key)
        features, hidden = encoder.width, (self.width,) * self.layers
        conditioning = told_width(spec.codec, nvec)
        mlp = partial(MLP, activation=self.activation, initialisation="orthogonal", layer_norm=self.layer_norm)

        def critic(key: Array) -> Critic:
            return Critic(
                value=mlp((features, *hidden, 1), key=fold(key, "value"), final_gain=0.01),
                torso=mlp((features + conditioning, *hidden), key=fold(key, "torso"), activate_final=True),
                rows=linear(
                    self.width,
                    len(nvec) * max(nvec),
                    key=fold(key, "rows"),
                    initialisation="orthogonal",
                    gain=0.01,
                ),
            )

        return Values(encoder, ensemble(critic, 2, fold(key, "critics")))

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return optimisers.adam(self.learning_rate)


def _each(critics: Ensemble, ask: Any) -> Array:
    """What every critic answers, `[E, ...]`."""
    return eqx.filter_vmap(ask, in_axes=(eqx.if_array(0),))(critics.members)
