"""A checkpoint comes back exactly, or one sentence says why not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.core.errors import ActlabError
from actlab.training.checkpoint import load_tree, save_tree
from actlab.training.plain import from_plain, to_plain

TREE = {
    "weights": jnp.asarray([[1.5, -2.0]]),
    "key": jax.random.key(3),
    "count": jnp.asarray(7, jnp.int32),
    "nothing": (),
    "mask": np.asarray([True, False]),
}


def test_a_tree_comes_back_exactly(tmp_path):
    path = tmp_path / "c.safetensors"
    save_tree(path, TREE, {"steps": 5}, {"actions/0": np.arange(3.0)})
    like = jax.tree.map(lambda leaf: leaf, TREE)
    tree, header, loose = load_tree(path, like)
    assert header["steps"] == 5
    np.testing.assert_array_equal(loose["actions/0"], np.arange(3.0))
    assert jax.tree.structure(tree) == jax.tree.structure(TREE)
    for before, after in zip(jax.tree.leaves(TREE), jax.tree.leaves(tree), strict=True):
        assert before.dtype == after.dtype
        if jnp.issubdtype(before.dtype, jax.dtypes.prng_key):
            before, after = jax.random.key_data(before), jax.random.key_data(after)
        np.testing.assert_array_equal(before, after)
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "damaged"), (b"\x80\x04\x95pickle", "damaged"), (None, "does not exist")],
)
def test_a_broken_file_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "c.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ActlabError, match=sentence):
        load_tree(path, TREE)


def test_a_truncated_file_is_one_sentence(tmp_path):
    path = tmp_path / "c.safetensors"
    save_tree(path, TREE, {})
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ActlabError, match="damaged"):
        load_tree(path, TREE)


def test_another_structure_shape_or_format_is_named(tmp_path):
    path = tmp_path / "c.safetensors"
    save_tree(path, TREE, {})
    with pytest.raises(ActlabError, match=r"missing.*bias"):
        load_tree(path, TREE | {"bias": jnp.zeros(())})
    with pytest.raises(ActlabError, match=r"weights.*float32\[3\].*float32\[1, 2\]"):
        load_tree(path, TREE | {"weights": jnp.zeros((3,))})
    save_tree(path, TREE, {"format": 99})
    with pytest.raises(ActlabError, match="newer actlab"):
        load_tree(path, TREE)


def test_plain_state_comes_back_exactly():
    state = {"plans": [("open", 1), ("read", 2.5)], "table": np.arange(4, dtype=np.int32).reshape(2, 2), "none": None}
    back = from_plain(to_plain(state))
    assert back["plans"] == state["plans"]
    assert back["none"] is None
    np.testing.assert_array_equal(back["table"], state["table"])
    assert back["table"].dtype == np.int32


def test_state_that_is_not_plain_is_refused():
    with pytest.raises(ActlabError, match="received object"):
        to_plain({"solver": object()})
