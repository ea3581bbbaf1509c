"""Plain Python state (of solvers, planners, language agents) as JSON and back, without pickle.

Dicts with string keys, lists, tuples, strings, numbers, None and arrays are carried exactly; anything else
is refused, so state on the host stays something that a person can read.
"""

from typing import Any

import jax
import numpy as np

from actlab.core.errors import ActlabError


def to_plain(value: Any) -> Any:
    """JSON for `value`.

    Raises:
        ActlabError: a part of it is neither a plain container nor a number, string or array.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        array = np.asarray(value)
        return {"array": array.ravel().tolist(), "dtype": array.dtype.name, "shape": list(array.shape)}
    if isinstance(value, list):
        return {"list": [to_plain(part) for part in value]}
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return {"tuple": [to_plain(part) for part in value]}
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {"dict": {name: to_plain(part) for name, part in value.items()}}
    raise ActlabError(
        "State on the host is made of dicts, lists, tuples, strings, numbers and arrays; "
        f"received {type(value).__name__}."
    )


def from_plain(data: Any) -> Any:
    """Inverse of `to_plain`."""
    if not isinstance(data, dict):
        return data
    if "array" in data:
        return np.asarray(data["array"], data["dtype"]).reshape(data["shape"])
    if "list" in data:
        return [from_plain(part) for part in data["list"]]
    if "tuple" in data:
        return tuple(from_plain(part) for part in data["tuple"])
    return {name: from_plain(part) for name, part in data["dict"].items()}
