"""The one checkpointer: a PyTree of arrays in one safetensors file, written atomically.

Leaves are stored by their path, so a file says what is in it; typed keys are stored as their data.
Nothing is ever unpickled. Counters and offsets travel as JSON in the file's header.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from actlab.core.errors import ActlabError
from actlab.core.files import write_atomically

FORMAT = 1


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically; NaN and infinity are refused."""
    write_atomically(path, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        ActlabError: the file is missing or is no JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise ActlabError(f"{path} does not exist.") from None
    except (ValueError, OSError) as error:
        raise ActlabError(f"{path} could not be read as JSON: {error}.") from None


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _named(tree: Any) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


_LOOSE = "loose/"


def save_tree(path: Path, tree: Any, header: dict[str, Any], loose: Mapping[str, np.ndarray] | None = None) -> None:
    """Save the arrays of `tree`, arrays whose shapes a reader cannot know (`loose`), and a JSON `header`.

    Raises:
        ActlabError: a leaf is no array, or the disk refuses the file.
    """
    arrays = {}
    for name, leaf in _named(tree).items():
        array = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        if array.dtype == object:
            raise ActlabError(f"The leaf {name} is no array ({type(leaf).__name__}) and cannot be saved.")
        arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
    arrays |= {_LOOSE + name: np.ascontiguousarray(array) for name, array in (loose or {}).items()}
    metadata = {"actlab": json.dumps({"format": FORMAT, **header}, allow_nan=False)}
    write_atomically(path, save(arrays, metadata=metadata))


def read_header(path: Path) -> dict[str, Any]:
    """The JSON that a saved tree travels with.

    Raises:
        ActlabError: the file is missing, truncated, foreign or newer.
    """
    with _opened(path) as (_, header):
        return header


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The open file and its header.

    Raises:
        ActlabError: the file is missing, truncated, foreign or newer.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("actlab", "null"))
            if header is None:
                raise ActlabError(f"{path} is no checkpoint of actlab.")
            if header["format"] > FORMAT:
                raise ActlabError(
                    f"{path} was written by a newer actlab (format {header['format']}, this is {FORMAT})."
                )
            yield file, header
    except FileNotFoundError:
        raise ActlabError(f"{path} does not exist.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ActlabError(f"{path} is damaged or no checkpoint: {error}.") from None


def load_tree(path: Path, like: Any) -> tuple[Any, dict[str, Any], dict[str, np.ndarray]]:
    """The tree saved at `path`, in the structure of `like` (arrays or shapes); its header; its loose arrays.

    Raises:
        ActlabError: the file is missing, truncated, foreign or newer, or its leaves are not those of `like`.
    """
    with _opened(path) as (file, header):
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    loose = {name[len(_LOOSE) :]: found.pop(name) for name in list(found) if name.startswith(_LOOSE)}
    expected = _named(like)
    if expected.keys() != found.keys():
        missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
        raise ActlabError(f"{path} does not fit this run: missing {missing[:3]}, unexpected {extra[:3]}.")

    def restore(name: str, leaf: Any) -> Any:
        array = found[name]
        if _is_key(leaf):
            return jax.random.wrap_key_data(jnp.asarray(array))
        if array.shape != leaf.shape or array.dtype != leaf.dtype:
            expected = f"{leaf.dtype}{list(leaf.shape)}"
            raise ActlabError(f"{path}: {name} should be {expected}, but is {array.dtype}{list(array.shape)}.")
        return array if isinstance(leaf, np.ndarray) else jnp.asarray(array)

    paths, structure = jax.tree_util.tree_flatten_with_path(like)
    leaves = [restore(jax.tree_util.keystr(path), leaf) for path, leaf in paths]
    return jax.tree_util.tree_unflatten(structure, leaves), header, loose
