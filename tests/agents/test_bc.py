"""Behaviour cloning: its losses by hand, sets, every space, and an expert cloned."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.agents.bc import BC
from actlab.core import sets
from actlab.core.contracts import Learner, Policy
from actlab.core.errors import SpaceError, UnknownName
from actlab.core.sets import Automaton, Interval, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple
from actlab.core.steps import first_step
from actlab.tasks.probes import PROBES
from tests.agents.helpers import LEARN, batch_of, begin, expert_rows, learn_probe, quick, shapes, spec_of

SMALL = BC(width=16, layers=1, learning_rate=1e-2)
SQUARED = replace(SMALL, objective="squared-error")
LOGITS = np.array([0.0, 1.0, -1.0], np.float32)


def constant(state, where, values):
    """The state with all weights 0, but for the biases at `where`: a policy that sees nothing."""
    networks = jax.tree.map(jnp.zeros_like, state.networks)
    return replace(state, networks=eqx.tree_at(where, networks, jnp.asarray(values)))


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum())


def test_likelihood_of_categories_by_hand_and_what_is_outside_of_the_set(key):
    state = constant(begin(SMALL, Discrete(3), key), lambda n: n.head.logits.bias, LOGITS)
    _, metrics = LEARN(
        SMALL, state, {"data": batch_of(jnp.array([2, 1, 0]), np.zeros(3), valid=[True, True, False])}, key
    )
    np.testing.assert_allclose(metrics["loss"], -log_softmax(LOGITS)[[2, 1]].mean(), rtol=1e-5)
    assert float(metrics["outside"]) == 0.0
    batch = batch_of(jnp.array([2, 1, 0, 0, 0]), np.zeros(5), allowed=Mask(jnp.array([True, False, True])))
    after, metrics = LEARN(SMALL, state, {"data": batch}, key)
    legal = log_softmax(LOGITS[[0, 2]])
    np.testing.assert_allclose(metrics["loss"], -(3 * legal[0] + legal[1]) / 4, rtol=1e-5)
    np.testing.assert_allclose(metrics["outside"], 0.2)
    moved = np.asarray(after.networks.head.logits.bias - LOGITS)
    assert moved[0] > 0.0 > moved[2]  # recorded in 75 % of what counts, of probability 73 %
    assert moved[1] == 0.0


def test_likelihood_and_squared_error_of_coordinates_by_hand(key):
    box, bias = Box(-1.0, 3.0, (2,)), np.array([0.4, -0.8], np.float32)
    code = np.array([[0.5, 2.0], [0.0, 0.0]], np.float32)
    batch = {"data": batch_of(jnp.asarray(code), np.zeros(2))}
    state = constant(begin(SMALL, box, key), lambda n: n.head.mean.bias, bias)
    _, metrics = LEARN(SMALL, state, batch, key)
    unit = (code - 1.0) / 2.0
    normal = -0.5 * (np.arctanh(unit) - bias) ** 2 - 0.5 * np.log(2.0 * np.pi)
    wanted = (normal - np.log(1.0 - unit**2) - np.log(2.0)).sum(axis=1)
    np.testing.assert_allclose(metrics["loss"], -wanted.mean(), rtol=1e-4)
    _, metrics = LEARN(SQUARED, state, batch, key)
    np.testing.assert_allclose(metrics["loss"], np.mean((np.tanh(bias) - unit) ** 2), rtol=1e-5)


def test_squared_error_counts_only_the_branch_taken(key):
    space = OneOf([Discrete(2), Box(0.0, 4.0, (1,))])
    state = constant(begin(SMALL, space, key), lambda n: n.head.index.bias, LOGITS[:2])
    codes = Choice(jnp.array([0, 1]), (jnp.array([1, 0]), jnp.array([[4.0], [3.0]])))
    _, metrics = LEARN(SQUARED, state, {"data": batch_of(codes, np.zeros(2))}, key)
    index = log_softmax(LOGITS[:2])
    first = -index[0] + np.log(2.0)  # the digit of branch 0 is uniform; the coordinate of branch 1 does not count
    second = -index[1] + ((2.0 - 3.0) / 2.0) ** 2
    np.testing.assert_allclose(metrics["loss"], (first + second) / 2.0, rtol=1e-5)
    step = first_step(jnp.ones(2))
    act = quick(jax.vmap(lambda key: SQUARED.act(state, (), step, key, explore=True)[0]))
    drawn = act(jax.random.split(key, 200))
    assert set(np.unique(drawn.index)) == {0, 1}
    np.testing.assert_allclose(drawn.values[1], 2.0)  # always the mode


SPACES = [
    (Box(-1.0, 3.0, (2,)), Interval(jnp.array([0.0, -1.0]), jnp.array([0.5, 3.0])), SMALL),
    (Discrete(3), Mask(jnp.array([True, False, True])), SMALL),
    (MultiDiscrete((2, 3)), Mask(jnp.array([[True, True, False], [False, True, True]])), SMALL),
    (
        MultiDiscrete((2, 2)),
        Automaton(jnp.array([[1, 1], [2, -1], [-1, -1]]), jnp.asarray(0)),
        replace(SMALL, autoregressive=True),
    ),
    (MultiBinary(3), None, SMALL),
    (Tuple([Discrete(2), Box(0.0, 1.0, (1,))]), (Mask(jnp.array([False, True])), None), SQUARED),
    (Dict({"a": Box(0.0, 1.0, ()), "b": Discrete(3)}), None, replace(SMALL, normalise_observations=True)),
    (OneOf([Discrete(2), Box(-1.0, 1.0, (1,))]), Choice(None, (Mask(jnp.array([False, True])), None)), SMALL),
]


@pytest.mark.parametrize(("space", "allowed", "agent"), SPACES, ids=lambda part: type(part).__name__)
def test_every_space(space, allowed, agent, key):
    state = jax.eval_shape(lambda key: agent.init(spec_of(space), key), key)
    step = first_step(jnp.ones(2), allowed)
    for explore in (True, False):
        code, _, _ = jax.eval_shape(lambda s, k, e=explore: agent.act(s, (), step, k, explore=e), state, key)
        assert shapes(code) == shapes(space.zeros())
    codes = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), space.zeros())
    after, metrics = jax.eval_shape(agent.learn, state, {"data": batch_of(codes, [0.0, 1.0], allowed=allowed)}, key)
    assert shapes(after) == shapes(state)
    assert metrics.keys() == {"loss", "outside"}


def test_what_does_not_fit_is_refused_in_words(key):
    with pytest.raises(UnknownName, match="likelihood"):
        BC(objective="liklihood").init(spec_of(Discrete(2)), key)
    with pytest.raises(SpaceError, match="squared error needs coordinates"):
        SQUARED.init(spec_of(Discrete(2)), key)
    with pytest.raises(SpaceError, match="4,096"):
        SQUARED.init(spec_of(Tuple([MultiDiscrete((7,) * 6), Box(0.0, 1.0, (1,))])), key)
    with pytest.raises(SpaceError, match="normalise"):
        SMALL.init(spec_of(Box(-jnp.inf, jnp.inf, (2,))), key)


def test_contracts_and_sources():
    assert isinstance(BC(), Learner)
    assert isinstance(BC(), Policy)
    sources = BC(batch_size=32).experience(spec_of(Discrete(2)))
    assert {name: source.batch_size for name, source in sources.items()} == {"data": 32}


@pytest.mark.parametrize(("probe", "objective"), [("mask-one-of", "likelihood"), ("policy-box", "squared-error")])
def test_clones_an_expert(probe, objective, key):
    rows = expert_rows(probe, 1_000, key)
    made = PROBES[f"probe/{probe}"]
    legal = quick(jax.vmap(sets.contains))(*jax.tree.map(lambda leaf: leaf[0], (rows.step.allowed, rows.code)))
    assert bool(jnp.all(legal))
    agent = BC(width=64, batch_size=64, learning_rate=3e-3, objective=objective)
    assert learn_probe(agent, probe, 1_000, data={"data": rows}) >= made.solved
