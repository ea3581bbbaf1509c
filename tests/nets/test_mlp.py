"""Perceptrons, their initialisations, ensembles and the encoder."""

import math

import equinox as eqx
import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.core.errors import SpaceError, UnknownName
from actlab.core.spaces import Box, Dict, Discrete, MultiBinary, OneOf, Tuple
from actlab.nets.encoder import encode
from actlab.nets.mlp import MLP, ensemble, linear


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "gelu"])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_mlp_equals_its_formula(key, activation, layer_norm):
    network = MLP((3, 5, 2), key=key, activation=activation, layer_norm=layer_norm)
    x = jnp.array([0.5, -1.0, 2.0])
    hidden = network.layers[0].weight @ x + network.layers[0].bias
    if layer_norm:
        hidden = (hidden - hidden.mean()) / jnp.sqrt(hidden.var() + 1e-5)
    function = {"relu": jax.nn.relu, "tanh": jnp.tanh, "silu": jax.nn.silu, "gelu": jax.nn.gelu}[activation]
    expected = network.layers[1].weight @ function(hidden) + network.layers[1].bias
    np.testing.assert_allclose(network(x), expected, rtol=1e-5, atol=1e-6)


def test_orthogonal_has_the_published_gains(key):
    network = MLP((16, 16, 4), key=key, initialisation="orthogonal", final_gain=0.01)
    hidden, last = (layer.weight for layer in network.layers)
    np.testing.assert_allclose(hidden @ hidden.T, 2.0 * np.eye(16), atol=1e-5)
    np.testing.assert_allclose(last @ last.T, 1e-4 * np.eye(4), atol=1e-8)
    torso = MLP((16, 16, 4), key=key, initialisation="orthogonal", final_gain=0.01, activate_final=True)
    np.testing.assert_allclose(torso.layers[1].weight @ torso.layers[1].weight.T, 2.0 * np.eye(4), atol=1e-5)
    assert float(torso(jnp.ones(16)).min()) >= 0.0


def test_orthogonal_draws_of_an_ensemble_are_decomposed_one_after_the_other(key):
    """Batched QR decompositions can wait for each other forever; see `actlab.nets.mlp`."""
    keys = jax.random.split(key, 3)

    def weight(key):
        return linear(6, 4, key=key, initialisation="orthogonal").weight

    def decomposed(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name in ("qr", "geqrf"):
                yield equation.invars[0].aval.ndim
            for inner in jax.extend.core.jaxprs_in_params(equation.params):
                yield from decomposed(inner)

    assert set(decomposed(jax.make_jaxpr(jax.vmap(weight))(keys).jaxpr)) == {2}
    np.testing.assert_array_equal(jax.vmap(weight)(keys), jnp.stack([weight(key) for key in keys]))


def test_uniform_is_the_default_of_pytorch(key):
    layer = linear(100, 400, key=key, initialisation="uniform")
    for values in (layer.weight, layer.bias):
        assert float(jnp.abs(values).max()) <= 0.1
        assert float(values.std()) == pytest.approx(0.1 / math.sqrt(3.0), rel=0.1)


def test_lecun_keeps_unit_variance(key):
    layer = linear(400, 400, key=key)
    assert float(layer.weight.std()) == pytest.approx(1.0 / 20.0, rel=0.02)
    assert float(jnp.abs(layer.bias).max()) == 0.0


def test_unknown_names_and_too_few_sizes_raise(key):
    with pytest.raises(UnknownName, match="relu"):
        MLP((2, 2), key=key, activation="rel")
    with pytest.raises(UnknownName, match="orthogonal"):
        MLP((2, 2), key=key, initialisation="orthogonl")
    with pytest.raises(SpaceError, match="input and output"):
        MLP((2,), key=key)


def test_ensemble_members_differ_and_equal_their_own_evaluation(key):
    critics = ensemble(lambda k: MLP((3, 8, 1), key=k), 4, key)
    x = jnp.array([1.0, 2.0, 3.0])
    together = eqx.filter_jit(critics)(x)
    assert together.shape == (4, 1)
    assert len(np.unique(np.asarray(together))) == 4
    for i in range(4):
        member = jax.tree.map(lambda leaf, i=i: leaf[i] if eqx.is_array(leaf) else leaf, critics.members)
        np.testing.assert_allclose(together[i], member(x), rtol=1e-5)


def test_ensemble_takes_several_inputs(key):
    class Product(eqx.Module):
        weight: jax.Array

        def __call__(self, x, y):
            return self.weight * x @ y

    both = ensemble(lambda k: Product(jax.random.normal(k, (3,))), 2, key)
    x, y = jnp.array([1.0, 2.0, 3.0]), jnp.array([4.0, 5.0, 6.0])
    np.testing.assert_allclose(both(x, y), both.members.weight @ (x * y), rtol=1e-5)


@pytest.mark.parametrize(
    "space",
    [
        Box(-2.0, 2.0, (3,)),
        Box(0, 255, (2, 2, 3), "uint8"),
        Discrete(4),
        MultiBinary(3),
        Tuple([Box(0, 255, (4,), "uint8"), Discrete(3)]),
        Dict({"image": Box(0, 255, (2, 2), "uint8"), "position": Box(-np.inf, np.inf, (2,))}),
        OneOf([Discrete(2), Box(0.0, 1.0, (2,))]),
    ],
    ids=repr,
)
def test_encode_has_the_width_of_the_space(space):
    observation = jax.tree.map(np.asarray, space.zeros())
    features = encode(space, observation)
    assert features.shape == (space.width,)
    assert features.dtype == jnp.float32


def test_encode_scales_bytes_and_leaves_the_rest():
    space = Dict({"image": Box(0, 255, (2,), "uint8"), "position": Box(-300.0, 300.0, (1,))})
    features = encode(space, {"image": np.array([0, 255], np.uint8), "position": np.array([250.0], np.float32)})
    np.testing.assert_allclose(features, [0.0, 1.0, 250.0])
