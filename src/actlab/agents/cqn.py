"""CQN, the coarse-to-fine Q-network (Seo, Uruç & James 2024, arXiv 2407.07787): values zoomed into, level by level.

A Box is cut into K bins at every one of L levels (`--code coarse-to-fine`). At level l, every coordinate d by itself
and all at the same time, the network gives the distribution of the return over N atoms z for every bin,

    logits_l,d[k] = V_l,d + A_l,d[k] - mean over k of A_l,d      given s, the cell c_l that is still open, and l

and the greedy code takes the bins of highest mean, level after level. With a the recorded code and a' the greedy code
of the network at s', an update descends the mean over levels, coordinates and decisions of

    cross entropy( P_l,d(s, a_l,d),  projection of  r + discount^elapsed z  under  P'_l,d(s', a'_l,d) )

with P' the slow copy, and on demonstrated rows two terms of `losses.imitation`: the demonstrated bin's distribution
dominates the others, and its mean is higher by a margin. `atoms=1` is the scalar variant: numbers instead
of distributions, squared errors, the margin alone.

Behaviour: the slow copy's greedy action with Gaussian noise, coded again. Batches mix recorded decisions with own ones
as for ARSQ (`agents.rows.mixed`), against which this is the baseline.

Defaults are those of ARSQ's release for D4RL (`ARSQ-main/d4rl`, configuration `cqn`), of the networks too: two streams
(values, advantages), each a linear map to 64 features, normalised, tanh, and two layers of 512, normalised, SiLU; the
output is zero at first. Atoms 80 apart as for D4RL suit returns of thousands only: set `lowest` and `highest` to what
discounted returns can be. Deviations: hidden layers have biases; terminations are respected (`ignore_termination` is
that release, whose targets bootstrap at every end); the dominance term is weighted once (there twice); in ties within
1e-4 a bin is drawn at random when exploring and in targets, not when the policy is shown; codes that are not cells of a
Box are conditioned on the known digits themselves, and explored by uniform digits.

Axis letters: B batch (decisions), F features, M numbers that condition, D digits (L times the S digits of a level),
K categories, N atoms.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from actlab.agents.digits import by_midpoint, categories_of, groups_of, levels_of, told, told_width
from actlab.agents.rows import encoder_of, gather, mixed, returns_of, shifted, weigh
from actlab.core import sets
from actlab.core.codec import Codec
from actlab.core.contracts import Code, Context, Extras, Memory, Metrics, TaskSpec, hyperparameters
from actlab.core.keys import fold
from actlab.core.sets import Allowed
from actlab.core.sources import Source
from actlab.core.spaces import Box
from actlab.core.steps import Batch, TimeStep
from actlab.losses import imitation
from actlab.losses.distributional import projection, support
from actlab.losses.temporal_difference import one_step_target, polyak
from actlab.nets import optimisers
from actlab.nets.encoder import Encoder
from actlab.nets.heads import masks
from actlab.nets.heads.autoregressive import Groups, forced, walk
from actlab.nets.heads.modules import existing
from actlab.nets.mlp import MLP, linear
from actlab.nets.moments import Returns

TIE = 1e-4
"""Values of all bins of a digit that are no further apart say nothing (CQN's code)."""


class Stream(eqx.Module):
    """One of the two networks."""

    trunk: MLP
    body: MLP
    head: eqx.nn.Linear

    def __init__(self, features: int, conditioning: int, sizes: tuple[int, int], outputs: int, *, key: Array):
        narrow, width = sizes
        self.trunk = MLP(
            (features, narrow),
            key=fold(key, "trunk"),
            activation="tanh",
            initialisation="orthogonal",
            layer_norm=True,
            activate_final=True,
        )
        self.body = MLP(
            (narrow + conditioning, width, width),
            key=fold(key, "body"),
            activation="silu",
            initialisation="orthogonal",
            layer_norm=True,
            activate_final=True,
        )
        head = linear(width, outputs, key=fold(key, "head"))
        self.head = jax.tree.map(jnp.zeros_like, head)

    def __call__(self, features: Array, conditioning: Array) -> Array:
        """Features `[F]` and what conditions `[M + L]` -> the outputs."""
        return self.head(self.body(jnp.concatenate([self.trunk(features), conditioning])))


class CoarseToFineNetwork(eqx.Module):
    """The distribution of the return of every bin of every digit, level by level."""

    encoder: Encoder
    state_values: Stream
    advantages: Stream
    nvec: tuple[int, ...] = eqx.field(static=True)
    levels: int = eqx.field(static=True)
    atoms: int = eqx.field(static=True)

    def logits(self, features: Array, conditioning: Array, level: Array) -> Array:
        """float32 `[S, K, N]` of the digits of one level, given features `[F]` and what conditions `[M]`."""
        which = jnp.concatenate([conditioning, jax.nn.one_hot(level, self.levels)])
        digits, categories = len(self.nvec) // self.levels, max(self.nvec)
        values = self.state_values(features, which).reshape(digits, 1, self.atoms)
        advantages = self.advantages(features, which).reshape(digits, categories, self.atoms)
        exists = existing(self.nvec).reshape(self.levels, digits, categories)[level][:, :, None]
        count = jnp.sum(exists, axis=1, keepdims=True).astype(jnp.float32)
        mean = jnp.sum(jnp.where(exists, advantages, 0.0), axis=1, keepdims=True) / count
        return values + advantages - mean


class State(eqx.Module):
    """Weights, their slow copy, the optimiser's moments, and what is fixed about the task."""

    network: CoarseToFineNetwork
    target: CoarseToFineNetwork
    moments: Any
    codec: Codec
    discount: Array
    returns: Returns | None = None
    """What rewards are scaled by."""


def encoders(state: State) -> tuple[Encoder, Encoder]:
    """The encoder that learns, and its slow copy."""
    return state.network.encoder, state.target.encoder


@hyperparameters
class CQN:
    """The agent; every field is an option on the command line."""

    learning_rate: float = 1e-4
    """Step size of Adam (the release, D4RL)."""
    target_rate: float = 0.005
    """tau: how far the slow copy moves in an update (the release, D4RL)."""
    lowest: float = 0.0
    """The first atom: no discounted return is below it (the release, D4RL; CQN on RLBench: -2)."""
    highest: float = 4_000.0
    """The last atom (the release, D4RL; CQN on RLBench: 2)."""
    dominance_weight: float = 1.0
    """Of the demonstrated bin's dominance (the release, D4RL: 1, on two sets 0.1)."""
    margin_weight: float = 1.0
    """Of the demonstrated bin's margin (the release, D4RL)."""
    margin: float = 1.0
    """By how much a demonstrated bin should be worth more (the release, D4RL; CQN on RLBench: 0.01)."""
    exploration_noise: float = 0.1
    """Deviation of the noise on the action when exploring, bounds scaled to [-1, 1] (the release; RLBench: 0.01)."""
    atoms: int = 51
    """N; 1 is the scalar variant."""
    ignore_termination: bool = False
    """Bootstrap at terminations too, as the release does: a labelled variant that is wrong."""
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
    features: int = 64
    """Units of the first layer of a stream (the release)."""
    width: int = 512
    """Units of its two hidden layers (the release)."""
    random_shift: int = 0
    """Pixels by which the images of a batch are moved at random (CQN on RLBench: 4)."""

    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Source]:
        """Recorded decisions under the name "data", and the replay of its own."""
        return mixed(self, encoders)

    def init(self, spec: TaskSpec, key: Array, start: State | None = None) -> State:
        """Fresh weights, or those of `start`; a fresh optimiser.

        Raises:
            SpaceError: the code is neither a MultiDiscrete nor a MultiBinary.
        """
        network = self._network(spec, key) if start is None else start.network
        return State(
            network=network,
            target=network if start is None else start.target,
            moments=optimisers.begin(self._optimiser, network),
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
        """The slow copy's greedy code; with `explore` with noise.

        Raises:
            SpaceError: the set couples digits of one level.
        """
        features = state.target.encoder(step.observation)
        noisy = explore and not by_midpoint(state.codec)
        dice, random = key if explore else None, self.exploration_noise if noisy else None
        code = self.greedy(state.target, state.codec, features, step.allowed, dice, random)
        return self._disturbed(state.codec, code, step, key) if explore and not noisy else code, memory, ()

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        """One update from `batch["data"]` and `batch["replay"]` `[B, T]`; rows that are not valid do not count."""
        rows, weights, demonstrated = gather(batch, state.returns)
        rows = shifted(rows, fold(key, "shift"), self.random_shift)
        imitated = weigh(demonstrated & rows.valid)
        keys = jax.vmap(lambda i: fold(key, "ties", i))(jnp.arange(weights.shape[0], dtype=jnp.int32))
        targets = jax.vmap(lambda after, key: self._target(state, after, key))(rows.next, keys)

        def loss(network: CoarseToFineNetwork) -> tuple[Array, Metrics]:
            def one(step: TimeStep, code: Array, target: Array) -> tuple[Array, Array, Array, Array]:
                logits = self.logits(network, state.codec, network.encoder(step.observation), code)
                legal = existing(network.nvec)
                taken = jnp.take_along_axis(logits, code[:, None, None], axis=1)[:, 0]
                values = self.means(logits)
                if self.atoms == 1:
                    error, ranked = jnp.square(taken - target), jnp.zeros(())
                else:
                    error = -target * jax.nn.log_softmax(taken, axis=-1)
                    ranked = imitation.dominance(jax.nn.softmax(logits, axis=-1), code, legal)
                margin = imitation.expectation_margin(values, code, legal, self.margin)
                value = jnp.mean(jnp.take_along_axis(values, code[:, None], axis=1))
                return jnp.mean(jnp.sum(error, axis=-1)), ranked, margin, value

            errors, ranked, margins, value = jax.vmap(one)(rows.step, rows.code, targets)
            error, dominance, margin = weights @ errors, imitated @ ranked, imitated @ margins
            metrics = {
                "critic_loss": error,
                "dominance_loss": dominance,
                "margin_loss": margin,
                "value": weights @ value,
            }
            return error + self.dominance_weight * dominance + self.margin_weight * margin, metrics

        (_, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(state.network)
        network, moments = optimisers.step(self._optimiser, gradients, state.moments, state.network)
        target = polyak(state.target, network, self.target_rate)
        return replace(state, network=network, target=target, moments=moments), metrics

    def export(self, state: State) -> tuple["CQN", State]:
        """The policy: the agent and the state that its `act` needs."""
        return self, state

    # --- the levels --------------------------------------------------------------------------------------

    def logits(self, network: CoarseToFineNetwork, codec: Codec, features: Array, code: Array) -> Array:
        """float32 `[D, K, N]` of every digit, given the code's digits of the levels before."""
        level = lambda c, known, level: network.logits(features, told(codec, network.nvec, c, known), level)  # noqa: E731
        return forced(self._groups(codec, network), level, code)

    def means(self, logits: Array) -> Array:
        """The expected return `[..., K]` under logits `[..., K, N]`."""
        if self.atoms == 1:
            return logits[..., 0]
        return jax.nn.softmax(logits, axis=-1) @ support(self.lowest, self.highest, self.atoms)

    def greedy(
        self,
        network: CoarseToFineNetwork,
        codec: Codec,
        features: Array,
        allowed: Allowed,
        key: Array | None,
        random: float | Array | None = None,
    ) -> Array:
        """The code int32 `[D]` of the highest legal means, level after level.

        Args:
            network, codec, features: that judges, of what.
            allowed: the native set.
            key: breaks ties at random; None takes the first bin.
            random: probability that a digit is uniform over what is legal.

        Raises:
            SpaceError: the set couples digits of one level.
        """
        restricted, groups = codec.restrict(allowed), self._groups(codec, network)
        # a native set over a Box is an Interval: its coordinates are independent, only a coordinate's levels are not
        masks.require_product(restricted, groups.slots.shape[1], by_midpoint(codec))
        categories = max(network.nvec)

        def level(code: Array, known: Array, group: Array) -> Array:
            means = self.means(network.logits(features, told(codec, network.nvec, code, known), group))
            slots = jnp.asarray(groups.slots)[group]
            legal = jax.vmap(lambda digit: masks.legal(restricted, code, known, digit, categories))(slots)
            return jnp.where(legal & existing(network.nvec)[slots], means, -jnp.inf)

        def choose(means: Array, group: Array) -> Array:
            best = jnp.argmax(means, axis=-1)
            if key is None:
                return best
            legal = jnp.isfinite(means)
            anything = jax.random.categorical(fold(key, "any", group), jnp.where(legal, 0.0, -jnp.inf), axis=-1)
            tied = jnp.max(means, axis=-1) - jnp.min(jnp.where(legal, means, jnp.inf), axis=-1) < TIE
            if random is not None:
                tied |= jax.random.uniform(fold(key, "dice", group), tied.shape) < random
            return jnp.where(tied, anything, best)

        return walk(groups, level, choose)

    def _disturbed(self, codec: Codec, code: Array, step: TimeStep, key: Array) -> Array:
        """The code of the action with noise; as it was where that is not legal."""
        space = codec.native
        assert isinstance(space, Box)
        native = codec.decode(code, step, jnp.zeros((), jnp.int32), None)
        half = 0.5 * (space.highs - space.lows).astype("float32")
        noise = self.exploration_noise * half * jax.random.normal(fold(key, "noise"), space.shape)
        moved = jnp.clip(native + noise, space.lows.astype("float32"), space.highs.astype("float32"))
        one = jax.tree.map(lambda leaf: leaf[None], step)
        coded = codec.encode(moved[None], one)[0][0]
        return jnp.where(sets.contains(codec.restrict(step.allowed), coded), coded, code)

    def _target(self, state: State, after: TimeStep, key: Array) -> Array:
        """What the digits of one decision should say: distributions `[D, N]`, or values `[D, 1]`."""
        best = self.greedy(state.network, state.codec, state.network.encoder(after.observation), after.allowed, key)
        logits = self.logits(state.target, state.codec, state.target.encoder(after.observation), best)
        slow = jnp.take_along_axis(logits, best[:, None, None], axis=1)[:, 0]
        terminated = after.terminated & (not self.ignore_termination)
        values = slow if self.atoms == 1 else support(self.lowest, self.highest, self.atoms)
        moved = one_step_target(after.reward, after.elapsed, terminated, values, state.discount)
        if self.atoms == 1:
            return moved
        atoms = support(self.lowest, self.highest, self.atoms)
        return jax.lax.stop_gradient(jax.nn.softmax(slow, axis=-1) @ projection(atoms, moved))

    def _groups(self, codec: Codec, network: CoarseToFineNetwork) -> Groups:
        return groups_of(codec, len(network.nvec), "level")

    def _network(self, spec: TaskSpec, key: Array) -> CoarseToFineNetwork:
        nvec, levels = categories_of(spec.code, "CQN"), levels_of(spec.codec)
        encoder, digits = encoder_of(spec, self.normalise_observations, key), len(nvec) // levels
        conditioning, sizes = told_width(spec.codec, nvec) + levels, (self.features, self.width)

        def stream(name: str, outputs: int) -> Stream:
            return Stream(encoder.width, conditioning, sizes, outputs, key=fold(key, name))

        return CoarseToFineNetwork(
            encoder=encoder,
            state_values=stream("state values", digits * self.atoms),
            advantages=stream("advantages", digits * max(nvec) * self.atoms),
            nvec=nvec,
            levels=levels,
            atoms=self.atoms,
        )

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return optimisers.adam(self.learning_rate)
