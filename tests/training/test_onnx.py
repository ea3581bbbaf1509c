"""Every translation to ONNX against JAX, in ONNX Runtime."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from actlab.core.errors import ActlabError
from actlab.training.linear import linearise

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from actlab.training import onnx_places, onnx_rules  # noqa: E402, F401 (they register the translations)
from actlab.training.onnx_graph import to_model  # noqa: E402

X = jnp.asarray([[0.3, -1.5, 2.5], [1.0, 0.0, -0.5]])
I = jnp.asarray([2, 0, -1, 7], jnp.int32)
B = jnp.asarray([[True, False, True], [True, True, False]])
IMAGE = jnp.arange(2 * 6 * 5, dtype=jnp.float32).reshape(1, 2, 6, 5) / 60


def taken(mode: str) -> Callable:
    return lambda x, i: jnp.take(x, i, axis=1, mode=mode, **({"fill_value": 9.0} if mode == "fill" else {}))


CASES: dict[str, tuple[Callable, ...]] = {
    "arithmetic": (lambda x: (x + 1.0) * x - x / 3.0 + x**2 + jnp.exp(x) - jnp.tanh(x), X),
    "roots": (lambda x: jnp.sqrt(jnp.abs(x)) + lax.rsqrt(jnp.abs(x) + 1.0) + jnp.log1p(jnp.abs(x)) + jnp.expm1(x), X),
    "powers": (lambda x: jnp.square(x) + lax.integer_pow(x, 3) + jnp.exp2(x), X),
    "whole numbers": (lambda i: (i * 3 - 1) // 2 + lax.rem(i, jnp.int32(3)) + jnp.clip(i, 0, 2), I),
    "rounding": (lambda x: jnp.round(x) + jnp.floor(x) * 10 + lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO) * 100, X),
    "comparisons": (lambda x: ((x > 0) & (x <= 1)) | ~(x != 2.5) | jnp.isfinite(x), X),
    "choices": (lambda x, b: jnp.where(b, x, -x) + jnp.where(b, b, ~b).astype(jnp.float32), X, B),
    "choice of three": (lambda i: lax.select_n(jnp.clip(i, 0, 2), i, i * 10, i * 100), I),
    "reductions": (lambda x: jnp.stack([x.sum(0), x.max(0), x.min(0), x.prod(0), jnp.cumsum(x, axis=1)[0]]), X),
    "all and any": (lambda b: jnp.concatenate([b.all(0), b.any(1), b.all()[None]]), B),
    "arguments": (lambda x, b: jnp.concatenate([x.argmax(1), x.argmin(0), b.argmax(1)]), X, B),
    "softmax": (lambda x: jax.nn.log_softmax(x, axis=-1) + jax.nn.sigmoid(x) + jax.nn.softplus(x), X),
    "shapes": (lambda x: jnp.flip(jnp.pad(x.T, ((1, 0), (0, 2)), constant_values=4.0), 0)[1:, ::2].reshape(-1), X),
    "tiles": (lambda x: jnp.tile(jnp.concatenate(jnp.split(x, [1, 2], axis=1)[::-1], axis=1), (2, 1)), X),
    "products": (lambda x: jnp.einsum("ij,kj->ik", x, x) + jnp.einsum("ij,ij->i", x, x)[:, None], X),
    "batched products": (lambda x: jnp.einsum("bij,bjk->kbi", IMAGE[0], IMAGE[0].transpose(0, 2, 1)) * x[0, 0], X),
    "convolution": (lambda x: lax.conv(x, jnp.ones((3, 2, 2, 3)), (2, 1), "SAME"), IMAGE),
    "take, clipped": (taken("clip"), X, I),
    "take, filled": (taken("fill"), X, I),
    "rows": (lambda x, i: x[jnp.abs(i[:2]) % 2, jnp.abs(i[2:]) % 3], X, I),
    "along an axis": (lambda x: jnp.take_along_axis(x, jnp.argmax(x, axis=1, keepdims=True), axis=1), X),
    "one element": (lambda x, i: x[0, i[0]], X, I),
    "a slice": (lambda x, i: lax.dynamic_slice(x, (i[2], i[0]), (1, 2)), X, I),
    "a slice, written": (lambda x, i: lax.dynamic_update_slice(x, x[:1, :2] + 5.0, (i[1], i[3])), X, I),
    "elements, written": (lambda x, i: x.at[0, i].set(7.0, mode="drop"), X, I),
    "elements, added": (lambda x, i: x.at[:, i[:2]].add(1.0), X, I),
    "marks, written": (lambda b, i: b.at[1, i[0]].set(True), B, I),
    "bytes": (lambda x: (x.astype(jnp.uint8).astype(jnp.float32) / 255.0, x.astype(jnp.int32) == 1), jnp.abs(X)),
    "a loop": (lambda x: lax.scan(lambda c, row: (c + row, c * row), jnp.zeros((3,)), x), X),
}


@pytest.mark.parametrize("name", CASES)
def test_a_translation_computes_what_jax_does(name):
    function, *arguments = CASES[name]
    program = linearise(lambda *given: jax.tree.leaves(function(*given)), *arguments)
    inputs = {i: f"in{i}" for i in sorted(program.used)}
    outputs = [f"out{i}" for i in range(len(program.outputs))]
    model = to_model(program, inputs, outputs, {"name": name})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(outputs, {name: np.asarray(arguments[i]) for i, name in inputs.items()})
    wanted = jax.tree.leaves(function(*arguments))
    assert len(found) == len(wanted)
    for got, expected in zip(found, wanted, strict=True):
        assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_what_has_no_translation_is_named():
    for function, said in ((jnp.sort, "'sort'"), (lambda x: x.astype(jnp.int32) & 3, "'and' on the bits")):
        program = linearise(lambda x, function=function: [function(x)], X)
        with pytest.raises(ActlabError, match=said):
            to_model(program, {0: "x"}, ["y"], {})
