"""Branching dueling Q-network, BDQ (Tavakoli, Pardo & Kormushev 2018, arXiv 1711.08946), for codes of many digits.

A code of D digits has as many joint outcomes as the product of their categories; this network has only their sum as
outputs. A shared trunk feeds one state value V(s) and, for each digit d, a branch of advantages A_d(s)[k]:

    Q_d(s)[k] = V(s) + A_d(s)[k] - mean over the categories of A_d(s)

An update descends the mean over digits and decisions of (Q_d(s)[code_d] - y)^2 with one target for all digits,

    y = r + discount^elapsed mean_d Q'_d(s')[k_d]       (y = r where the episode terminated)
    k_d = argmax of Q_d(s')[k] over the categories of digit d legal at s'      (double: van Hasselt et al. 2016)

where Q' is the slow copy: of the published variants, those that the paper found best (mean target, local mean
aggregation, mean loss). The gradient that enters the trunk is divided by D + 1, its number of streams.

Behaviour: every digit by itself, with probability epsilon uniform over its legal categories, else the legal category
of highest value; epsilon falls linearly over the learner's updates. Digits are decided at the same time, so a set
has to allow them independently of each other (a Mask, or None): others are refused.

Defaults are those of the authors' code (github.com/atavakol/action-branching-agents, train_continuous.py).
Deviations: uniform instead of prioritised replay; epsilon-greedy digits, which that code has too, instead of
Gaussian noise on the real numbers that its digits stand for, which a code in general does not have.

Axis letters: B batch (decisions), F features, D digits, K categories of the largest digit.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from actlab.agents.digits import categories_of
from actlab.agents.rows import decisions, encoder_of, replay, returns_of
from actlab.core.codec import Codec
from actlab.core.contracts import Code, Context, Extras, Memory, Metrics, TaskSpec, hyperparameters
from actlab.core.errors import SpaceError
from actlab.core.keys import fold
from actlab.core.sets import Allowed
from actlab.core.sources import Replay
from actlab.core.spaces import MultiDiscrete
from actlab.core.steps import Batch, TimeStep
from actlab.losses.temporal_difference import one_step_target, polyak
from actlab.nets import optimisers
from actlab.nets.encoder import Encoder
from actlab.nets.heads import masks
from actlab.nets.mlp import MLP, Ensemble, ensemble
from actlab.nets.moments import Returns


class BranchingNetwork(eqx.Module):
    """The value of every category of every digit."""

    encoder: Encoder
    trunk: MLP
    state_value: MLP
    advantages: Ensemble
    """One network a digit, each with K outputs."""
    nvec: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, observation: Any) -> Array:
        """float32 `[D, K]`; what stands where a digit has no such category means nothing."""
        hidden = self.trunk(self.encoder(observation))
        hidden = scale_gradient(hidden, 1.0 / (len(self.nvec) + 1))
        advantages = self.advantages(hidden)
        exists = MultiDiscrete(self.nvec).digits
        count = jnp.asarray(self.nvec, jnp.float32)[:, None]
        mean = jnp.sum(jnp.where(exists, advantages, 0.0), axis=1, keepdims=True) / count
        return self.state_value(hidden)[None, :] + advantages - mean


class State(eqx.Module):
    """Weights, their slow copy, the optimiser's moments, and what is fixed about the task."""

    network: BranchingNetwork
    target: BranchingNetwork
    moments: Any
    updates: Array
    """int32 `[]`: updates so far."""
    codec: Codec
    discount: Array
    returns: Returns | None = None
    """What rewards are scaled by."""


def encoders(state: State) -> tuple[Encoder, Encoder]:
    """The encoder that learns, and its slow copy."""
    return state.network.encoder, state.target.encoder


@hyperparameters
class BranchingDQN:
    """The agent; every field is an option on the command line."""

    learning_rate: float = 1e-4
    """Step size of Adam (Tavakoli et al., the authors' code)."""
    exploration: float = 0.05
    """Epsilon of a digit at the end of its schedule (ours)."""
    exploration_updates: int = 10_000
    """Updates over which epsilon falls from 1 (ours)."""
    target_rate: float = 1.0
    """How far the slow copy moves each time: 1 copies (the authors' code), less is Polyak averaging."""
    target_every: int = 1_000
    """Updates between two moves of the slow copy (the authors' code)."""
    max_gradient: float = 10.0
    """Gradients are scaled down to this norm (the authors' code, for each tensor; here for all together)."""
    environments: int = 1
    """Environments that are rolled out side by side."""
    updates: int = 1
    """Updates after one decision in every environment (the authors' code)."""
    batch_size: int = 64
    """B (the authors' code)."""
    capacity: int = 1_000_000
    """Decisions that are remembered (the authors' code)."""
    warmup: int = 1_000
    """Uniform decisions before the first update (the authors' code: decisions before learning)."""
    normalise_observations: bool = False
    """Scale observations (but no images) by the running mean and deviation of all that were seen."""
    normalise_rewards: bool = False
    """Divide rewards by the running deviation of their discounted sum (VecNormalize of Stable-Baselines3)."""
    width: int = 512
    """Units of the first shared layer; the second has a half, each branch's own a quarter (the authors' code)."""
    activation: str = "relu"
    """Of the hidden layers (the authors' code)."""

    compiled = True

    def experience(self, spec: TaskSpec) -> Mapping[str, Replay]:
        """Replay of single decisions."""
        return replay(self, encoders)

    def init(self, spec: TaskSpec, key: Array, start: State | None = None) -> State:
        """Fresh weights (uniform within 1/sqrt(fan-in), as PyTorch's), or those of `start`; a fresh optimiser.

        Raises:
            SpaceError: the code is neither a MultiDiscrete nor a MultiBinary.
        """
        nvec = categories_of(spec.code, "Branching DQN")
        network = self._network(spec, nvec, key) if start is None else start.network
        return State(
            network=network,
            target=network if start is None else start.target,
            moments=optimisers.begin(self._optimiser, network),
            updates=jnp.zeros((), jnp.int32),
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
        """The legal categories of highest value; with `explore` some digits at random.

        Raises:
            SpaceError: the set couples digits.
        """
        legal = legal_categories(state.codec.restrict(step.allowed), state.network.nvec)
        code = best(state.network(step.observation), legal)
        if explore:
            anything = jax.random.categorical(fold(key, "digits"), jnp.where(legal, 0.0, -jnp.inf), axis=-1)
            dice = jax.random.uniform(fold(key, "dice"), code.shape)
            code = jnp.where(dice < self.epsilon(state.updates), anything.astype(jnp.int32), code)
        return code, memory, ()

    def learn(self, state: State, batch: Mapping[str, Batch], key: Array) -> tuple[State, Metrics]:
        """One descent from `batch["replay"]` `[B, T]`; rows that are not valid do not count."""
        rows, weights = decisions(batch["replay"], state.returns)
        target = jax.vmap(lambda after: self._target(state, after))(rows.next)

        def loss(network: BranchingNetwork) -> tuple[Array, Array]:
            values = jax.vmap(network)(rows.step.observation)
            value = jnp.take_along_axis(values, rows.code[:, :, None], axis=2)[:, :, 0]
            error = jnp.mean(jnp.square(value - target[:, None]), axis=1)
            return weights @ error, weights @ jnp.mean(value, axis=1)

        (error, value), gradients = jax.value_and_grad(loss, has_aux=True)(state.network)
        network, moments = optimisers.step(self._optimiser, gradients, state.moments, state.network)
        updates = state.updates + 1
        due = updates % self.target_every == 0
        slow = polyak(state.target, network, jnp.where(due, jnp.asarray(self.target_rate, jnp.float32), 0.0))
        metrics = {"loss": error, "value": value, "epsilon": self.epsilon(state.updates)}
        return replace(state, network=network, target=slow, moments=moments, updates=updates), metrics

    def export(self, state: State) -> tuple["BranchingDQN", State]:
        """The policy: the agent and the state that its `act` needs."""
        return self, state

    def epsilon(self, updates: Array) -> Array:
        """float32 `[]`: probability that a digit is decided at random after `updates` updates."""
        progress = jnp.minimum(updates.astype(jnp.float32) / max(self.exploration_updates, 1), 1.0)
        return 1.0 + (self.exploration - 1.0) * progress

    def _target(self, state: State, after: TimeStep) -> Array:
        """y of one decision: what came of it, and the mean over digits of the best category legal there."""
        legal = legal_categories(state.codec.restrict(after.allowed), state.network.nvec)
        chosen = best(state.network(after.observation), legal)
        values = jnp.take_along_axis(state.target(after.observation), chosen[:, None], axis=1)[:, 0]
        return one_step_target(after.reward, after.elapsed, after.terminated, jnp.mean(values), state.discount)

    def _network(self, spec: TaskSpec, nvec: tuple[int, ...], key: Array) -> BranchingNetwork:
        encoder = encoder_of(spec, self.normalise_observations, key)

        def mlp(key: Array, *sizes: int, activate_final: bool = False) -> MLP:
            return MLP(
                sizes, key=key, activation=self.activation, initialisation="uniform", activate_final=activate_final
            )

        shared, own = self.width // 2, self.width // 4

        def branch(key: Array) -> MLP:
            return mlp(key, shared, own, max(nvec))

        return BranchingNetwork(
            encoder=encoder,
            trunk=mlp(fold(key, "trunk"), encoder.width, self.width, shared, activate_final=True),
            state_value=mlp(fold(key, "state"), shared, own, 1),
            advantages=ensemble(branch, len(nvec), fold(key, "advantages")),
            nvec=nvec,
        )

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return optimisers.adam(self.learning_rate, max_gradient=self.max_gradient)


def scale_gradient(x: Array, factor: float) -> Array:
    """x, whose gradient is multiplied by `factor`."""
    still = jax.lax.stop_gradient(x)
    return still + factor * (x - still)


def legal_categories(allowed: Allowed, nvec: tuple[int, ...]) -> Array:
    """bool `[D, K]`: the legal categories of every digit, each for itself.

    Args:
        allowed: the set over the code.
        nvec: number of categories of every digit.

    Raises:
        SpaceError: the set couples digits.
    """
    digits, size = len(nvec), max(nvec)
    if digits > 1 and masks.couples(allowed):
        raise SpaceError(
            f"A set of kind {type(allowed).__name__} lets the legal values of one digit depend on the others, and "
            "Branching DQN decides them at the same time; use DQN (which enumerates), or PPO with autoregressive=true."
        )
    code, known = jnp.zeros((digits,), jnp.int32), jnp.zeros((digits,), bool)
    legal = jax.vmap(lambda digit: masks.legal(allowed, code, known, digit, size))(jnp.arange(digits))
    return legal & MultiDiscrete(nvec).digits


def best(values: Array, legal: Array) -> Array:
    """int32 `[D]`: the legal category of the highest value of every digit, of values `[D, K]`."""
    return jnp.argmax(jnp.where(legal, values, -jnp.inf), axis=1).astype(jnp.int32)
