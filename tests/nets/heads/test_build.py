"""The builder: what it makes of a space, what it refuses, and its example."""

import doctest
from functools import partial
from importlib import import_module

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.core.errors import SpaceError, UnknownName
from actlab.core.sets import Interval, Mask
from actlab.core.spaces import Box, Choice, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Space, Tuple
from actlab.nets.heads import build

WIDTH = 8
ONES = np.ones(WIDTH, np.float32)


def test_the_example_of_the_module_runs():
    outcome = doctest.testmod(import_module("actlab.nets.heads.build"))
    assert outcome.attempted > 5
    assert outcome.failed == 0


# --- the start ---------------------------------------------------------------------------------------


def test_a_small_gain_starts_near_uniform(key):
    d = build(MultiDiscrete((3, 2)), WIDTH, key=key)(ONES)
    np.testing.assert_allclose(d.outcome_log_probs(), -np.log(6.0), atol=0.1)
    assert float(jnp.abs(d.log_probs[0] + np.log(3.0)).max()) > 0.0


@pytest.mark.parametrize("gain", [0.01, None])
def test_the_gain_is_that_of_the_output_layer(key, gain):
    head = build(Discrete(4), WIDTH, key=key, final_gain=gain)
    weight = np.asarray(head.logits.weight)
    if gain is None:  # PyTorch's default
        assert 0.3 < np.abs(weight).max() <= 1.0 / np.sqrt(WIDTH)
        assert np.abs(np.asarray(head.logits.bias)).max() > 0.0
    else:
        np.testing.assert_allclose(weight @ weight.T, gain**2 * np.eye(4), atol=1e-7)


def test_a_free_standard_deviation_is_one_parameter_and_ignores_the_state(key):
    head = build(Box(-1.0, 1.0, (2,)), WIDTH, key=key, std="free", log_std_init=-0.7)
    assert head.log_std.shape == (2,)
    for features in (ONES, -5.0 * ONES):
        np.testing.assert_allclose(head(features).log_std, -0.7)
    gradient = eqx.filter_grad(lambda h: h(ONES).log_prob(jnp.zeros(2)))(head)
    assert float(jnp.abs(gradient.log_std).min()) > 0.0


def test_a_standard_deviation_of_the_state_starts_there_and_is_clipped(key):
    head = build(Box(-1.0, 1.0, (2,)), WIDTH, key=key, std="state", log_std_init=-0.7)
    near, far = head(ONES).log_std, head(1e4 * ONES).log_std
    np.testing.assert_allclose(near, -0.7, atol=0.1)
    assert float(jnp.abs(near - head(-ONES).log_std).max()) > 0.0
    assert set(np.asarray(far).tolist()) <= {-20.0, 2.0}


def test_only_weights_are_trainable(key):
    space = Dict({"a": Box(-3.0, 5.0, (2,)), "b": MultiDiscrete((2, 3)), "c": OneOf([Discrete(2), Box(0.0, 1.0, ())])})
    head = eqx.filter_eval_shape(partial(build, space, WIDTH, autoregressive=True), key=key)
    layers = {"a": 2 * 2, "b": 2 + 1 + 1 + 2, "c": 2 + 2 + 2 * 2}
    assert len(jax.tree.leaves(head)) == sum(layers.values())


# --- large spaces ------------------------------------------------------------------------------------


def test_ten_thousand_categories_are_enumerated(key):
    head = eqx.filter_eval_shape(partial(build, Tuple([Discrete(10_000), Box(0.0, 1.0, ())]), WIDTH), key=key)
    assert eqx.filter_eval_shape(lambda h: h(jnp.ones(WIDTH)).outcome_log_probs(), head).shape == (10_000,)


@pytest.mark.parametrize("autoregressive", [False, True])
@pytest.mark.parametrize("space", [MultiBinary(13), Tuple([MultiBinary(6), MultiBinary(7)]), MultiDiscrete((7,) * 60)])
def test_too_many_joint_outcomes_are_named(key, space, autoregressive):
    head = eqx.filter_eval_shape(partial(build, space, WIDTH, autoregressive=autoregressive), key=key)
    with pytest.raises(SpaceError, match=r"ppo.*fewer outcomes"):
        eqx.filter_eval_shape(lambda h: h(jnp.ones(WIDTH)).outcome_log_probs(), head)


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (Box(-np.inf, np.inf, (2,)), {}, "`normalise` with statistics"),
        (OneOf([Discrete(2), Box(0.0, np.inf, (2,))]), {}, "`normalise` with statistics"),
        (Box(0, 255, (2,), "uint8"), {}, "MultiDiscrete"),
        (MultiDiscrete((2, 2)), {"order": (1, 0)}, "autoregressive=True"),
        (Discrete(2), {"autoregressive": True, "order": (0,)}, "MultiDiscrete"),
        (Tuple([MultiBinary(2)]), {"autoregressive": True, "order": (0, 1)}, "MultiDiscrete"),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_said_when_it_is_built(key, space, options, message):
    with pytest.raises(SpaceError, match=message):
        build(space, WIDTH, key=key, **options)


def test_other_spaces_and_names_are_refused(key):
    class Odd(Space):
        pass

    Odd.__abstractmethods__ = frozenset()
    with pytest.raises(SpaceError, match="no head"):
        build(Odd(), WIDTH, key=key)
    with pytest.raises(UnknownName, match="free"):
        build(Discrete(2), WIDTH, key=key, std="fre")


MASK = Mask(np.ones(3, bool))


@pytest.mark.parametrize(
    ("space", "allowed", "message"),
    [
        (Discrete(4), MASK, r"shape \[4\]"),
        (Discrete(3), Interval(np.zeros(1), np.ones(1)), "digits"),
        (MultiDiscrete((2, 4)), Mask(np.ones((2, 3), bool)), r"shape \[2, 4\]"),
        (MultiDiscrete((2, 3)), MASK, r"shape \[2, 3\]"),
        (Discrete(3), Mask(np.ones((2, 3), bool)), r"shape \[3\]"),
        (Box(0.0, 1.0, (2,)), MASK, "Interval"),
        (Box(0.0, 1.0, (2,)), Interval(np.zeros(3), np.ones(3)), r"shape \[2\]"),
        (Tuple([Discrete(3), Discrete(3)]), (MASK,), "tuple of 2 sets"),
        (Tuple([Discrete(3), Discrete(3)]), MASK, "tuple of 2 sets"),
        (Dict({"a": Discrete(3)}), {"b": MASK}, "sets for a"),
        (Dict({"a": Discrete(3)}), (MASK,), "sets for a"),
        (OneOf([Discrete(3), Discrete(3)]), (MASK, MASK), "Choice of 2"),
        (OneOf([Discrete(3), Discrete(3)]), Choice(None, (MASK,)), "Choice of 2"),
        (OneOf([Discrete(3), Discrete(3)]), Choice(MASK, (MASK, MASK)), r"shape \[2\]"),
    ],
    ids=repr,
)
def test_a_set_that_does_not_fit_the_space_is_refused(key, space, allowed, message):
    head = eqx.filter_eval_shape(partial(build, space, WIDTH), key=key)
    with pytest.raises(SpaceError, match=message):
        eqx.filter_eval_shape(lambda h: h(jnp.ones(WIDTH), allowed), head)


# --- keys --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_key_reuse")
def test_no_key_is_used_twice():
    space = Tuple([MultiDiscrete((2, 3)), OneOf([Discrete(2), Box(-1.0, 1.0, (2,))])])
    shapes = eqx.filter_eval_shape(partial(build, space, WIDTH, autoregressive=True), key=jax.random.key(0))
    head = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), shapes)

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def ask(key):
        sampling, estimating, drawing = jax.random.split(key, 3)
        d = head(jnp.ones(WIDTH))
        return d.sample(sampling), d.entropy(estimating), d.vector(drawing)

    assert bool(space.contains(ask(jax.random.key(1))[0]))


@pytest.mark.usefixtures("no_key_reuse")
def test_initialisation_uses_no_key_twice():
    space = Dict({"a": Box(-1.0, 1.0, (2,)), "b": MultiDiscrete((2, 2))})
    make = partial(build, space, 2, autoregressive=True, final_gain=None)
    head = eqx.filter_jit(lambda key: make(key=key))(jax.random.key(1))
    leaves = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(head) if leaf.size > 1]
    drawn = np.concatenate([leaf for leaf in leaves if np.abs(leaf).max() > 0.0])
    assert len(np.unique(drawn)) == drawn.size
