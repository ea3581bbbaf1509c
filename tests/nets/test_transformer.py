"""The transformer against the same sums in numpy, who sees whom, padding, compiled or not, dropout and gradients."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.core.errors import SpaceError, UnknownName
from actlab.nets.transformer import FLOOR, POSITIONS, Transformer, rotary, rotate
from tests.agents.helpers import quick

WIDTH, HEADS, LAYERS, TOKENS = 12, 3, 2, 5
RUN = quick(lambda network, *given: network(*given))


def make(positions="rotary", **options):
    return Transformer(
        WIDTH, HEADS, LAYERS, key=jax.random.key(1), hidden=20, positions=positions, longest=8, **options
    )


@pytest.fixture(params=POSITIONS)
def network(request):
    return make(request.param)


@pytest.fixture
def tokens(key):
    return jax.random.normal(key, (2, TOKENS, WIDTH))


def numpy_norm(norm, x):
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(-1, keepdims=True) + norm.eps)
    return centred / deviation * np.asarray(norm.weight) + np.asarray(norm.bias)


def numpy_layer(layer, x):
    return x @ np.asarray(layer.weight, np.float64).T + np.asarray(layer.bias)


def numpy_gelu(x):
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def numpy_turn(vector, place):
    """One head's query or key as complex numbers, turned by place / 10000^(2 i / K)."""
    half = len(vector) // 2
    numbers = vector[:half] + 1j * vector[half:]
    numbers = numbers * np.exp(1j * place * 10_000.0 ** (-np.arange(half) / half))
    return np.concatenate([numbers.real, numbers.imag])


def numpy_attention(attention, x, rotated, causal):
    """One example `[T, D]`, a query and a head at a time."""
    whole = numpy_layer(attention.inner, x)
    size, heads = x.shape[1] // attention.heads, []
    for head in range(attention.heads):
        query, keys, values = (part[:, head * size : (head + 1) * size] for part in np.split(whole, 3, axis=1))
        if rotated:
            query, keys = ([numpy_turn(row, place) for place, row in enumerate(part)] for part in (query, keys))
        rows = []
        for place in range(len(x)):
            seen = place + 1 if causal else len(x)
            scores = np.array([query[place] @ keys[other] for other in range(seen)]) / math.sqrt(size)
            weights = np.exp(scores - scores.max())
            rows.append((weights / weights.sum()) @ values[:seen])
        heads.append(np.array(rows))
    return numpy_layer(attention.outer, np.concatenate(heads, axis=1))


def numpy_transformer(network, x):
    x = np.asarray(x, np.float64)
    if network.table is not None:
        x = x + np.asarray(network.table)[: len(x)]
    for block in network.blocks:
        normed = numpy_norm(block.attention_norm, x)
        x = x + numpy_attention(block.attention, normed, network.positions == "rotary", network.causal)
        x = x + numpy_layer(block.down, numpy_gelu(numpy_layer(block.up, numpy_norm(block.network_norm, x))))
    return numpy_norm(network.norm, x)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("positions", POSITIONS)
def test_it_is_what_numpy_makes_of_it(positions, causal, tokens):
    network = make(positions, causal=causal)
    after = network(tokens)
    for example, expected in zip(after, tokens, strict=True):
        np.testing.assert_allclose(example, numpy_transformer(network, expected), atol=2e-5)


def test_a_token_changes_nothing_before_it(network, tokens):
    place = 2
    changed = np.asarray(jnp.abs(RUN(network, tokens.at[:, place, 0].add(1.0)) - RUN(network, tokens)).max(axis=(0, 2)))
    np.testing.assert_array_equal(changed[:place], 0.0)
    assert (changed[place:] > 1e-4).all()


def test_without_causality_a_token_changes_everything(tokens):
    network = make(causal=False)
    changed = np.asarray(jnp.abs(RUN(network, tokens.at[:, -1, 0].add(1.0)) - RUN(network, tokens)).max(axis=(0, 2)))
    assert (changed > 1e-4).all()


@pytest.mark.parametrize("before", [0, 2, 3])
def test_padding_before_or_behind_is_as_if_it_were_not_there(network, tokens, key, before):
    padded = 1e3 * jax.random.normal(key, (2, TOKENS + 3, WIDTH))
    padded = padded.at[:, before : before + TOKENS].set(tokens)
    places = np.arange(TOKENS + 3)
    valid = np.broadcast_to((places >= before) & (places < before + TOKENS), (2, TOKENS + 3))
    after = RUN(network, padded, jnp.asarray(valid))
    np.testing.assert_allclose(after[:, before : before + TOKENS], RUN(network, tokens), atol=1e-5)
    assert np.isfinite(after).all()


def test_examples_of_one_batch_may_have_other_lengths(network, tokens):
    valid = np.arange(TOKENS)[None] < np.array([[5], [3]])
    after = RUN(network, tokens, jnp.asarray(valid))
    np.testing.assert_allclose(after[0], RUN(network, tokens[0]), atol=1e-5)
    np.testing.assert_allclose(after[1, :3], RUN(network, tokens[1, :3]), atol=1e-5)


def test_compiled_mapped_and_with_more_axes_it_gives_the_same(network, tokens):
    valid = jnp.asarray(np.arange(TOKENS)[None] < np.array([[5], [3]]))
    plain = network(tokens, valid)
    np.testing.assert_allclose(eqx.filter_jit(network)(tokens, valid), plain, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(network)(tokens, valid), plain, atol=1e-5)
    more = network(tokens[None, :, None], valid[None, :, None])
    np.testing.assert_allclose(more, plain[None, :, None], atol=1e-5)


def test_rotation_depends_on_distances_alone(key):
    vectors = jax.random.normal(key, (2, 1, 1, 1, 4))

    def score(here, there):
        turned = [
            rotate(vector, *rotary(jnp.full((1, 1), at, jnp.int32), 4))
            for vector, at in zip(vectors, (here, there), strict=True)
        ]
        return float(jnp.sum(turned[0] * turned[1]))

    np.testing.assert_allclose(score(9, 4), score(6, 1), rtol=1e-5)
    assert abs(score(9, 4) - score(9, 5)) > 1e-3


def test_gradients_are_finite_even_where_all_is_padding(network, tokens):
    valid = jnp.asarray(np.arange(TOKENS)[None] < np.array([[3], [0]]))

    def loss(network, tokens):
        return jnp.sum(jnp.where(valid[:, :, None], jnp.square(network(tokens, valid)), 0.0))

    gradients, by_tokens = quick(jax.grad(loss, argnums=(0, 1)))(network, tokens)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    assert all(np.abs(leaf).max() > 0.0 for leaf in jax.tree.leaves(eqx.filter(gradients.blocks, eqx.is_array)))
    np.testing.assert_array_equal(by_tokens[1], 0.0)
    np.testing.assert_array_equal(by_tokens[0, 3:], 0.0)
    assert np.isfinite(FLOOR)


def test_dropout_drops_with_a_key_alone(tokens):
    network, keys = make(dropout=0.5), jax.random.split(jax.random.key(2), 20)
    np.testing.assert_array_equal(RUN(network, tokens), RUN(make(), tokens))
    first, again, second = (RUN(network, tokens, None, keys[i]) for i in (0, 0, 1))
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_array_equal(first, again)
    block, rows = network.blocks[0], jnp.ones((100, WIDTH))
    dropped = np.asarray(jax.vmap(lambda key: block._drop(rows, key, "network"))(keys))
    assert set(np.unique(dropped)) == {0.0, 2.0}
    np.testing.assert_allclose(dropped.mean(), 1.0, atol=0.05)


def test_no_random_key_is_used_twice(tokens, no_key_reuse):
    RUN(make("learned", dropout=0.1), tokens, None, jax.random.key(3))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "says"),
    [
        ((10, 3, 1), {}, SpaceError, "width 10 and 3 heads"),
        ((9, 3, 1), {"positions": "rotary"}, SpaceError, "an even number"),
        ((8, 2, 0), {}, SpaceError, "at least one layer"),
        ((8, 2, 1), {"positions": "learned"}, SpaceError, "longest"),
        ((8, 2, 1), {"dropout": 1.0}, SpaceError, "received 1.0"),
        ((8, 2, 1), {"positions": "learnt"}, UnknownName, "did you mean 'learned'"),
        ((8, 2, 1), {"activation": "sine"}, UnknownName, "activation"),
    ],
)
def test_bad_arguments_are_named(arguments, options, error, says):
    with pytest.raises(error, match=says):
        Transformer(*arguments, key=jax.random.key(0), **options)


def test_too_many_tokens_for_a_table():
    with pytest.raises(SpaceError, match="for 8 tokens; received 9"):
        make("learned")(jnp.zeros((9, WIDTH)))
