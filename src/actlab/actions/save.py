"""Codecs as plain JSON and back, exactly: options, spaces, statistics, chains.

A codec is the record {"code": name, "fields": {...}}. The name is a registered one, or `module:Class` of a
person's own, as for agents: it is imported, and only a codec is made of it. Nothing is unpickled. Numbers that
JSON lacks are written as text ("inf", "-inf", "nan").
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actlab.actions.product import Product
from actlab.core import spaces
from actlab.core.codec import Chain, Codec
from actlab.core.errors import ActlabError, SpaceError, UnknownName
from actlab.core.registry import CODES
from actlab.core.spaces import Space

_STRUCTURE: dict[str, type[Codec]] = {"(chain)": Chain, "(product)": Product}
"""Codecs that hold others; no registered name has brackets."""

_DTYPES = ("bool", "int8", "int32", "int64", "uint8", "uint32", "float16", "float32", "float64")

_SPACES: dict[str, type[Space]] = {
    cls.__name__: cls
    for cls in (
        spaces.Box,
        spaces.Discrete,
        spaces.MultiDiscrete,
        spaces.MultiBinary,
        spaces.Tuple,
        spaces.Dict,
        spaces.OneOf,
    )
}


def codec_to_json(codec: Codec) -> dict[str, Any]:
    """A codec, bound or not, as JSON values.

    Raises:
        UnknownName: a codec is not registered.
        ActlabError: a field holds something else than numbers, words, arrays, spaces and codecs.
    """
    names = {cls: name for name, cls in _STRUCTURE.items()}
    name = names[type(codec)] if type(codec) in names else CODES.name_of(type(codec))
    fields = {field.name: to_json(getattr(codec, field.name)) for field in dataclasses.fields(codec)}
    return {"code": name, "fields": fields}


def codec_from_json(data: Any) -> Codec:
    """Inverse of `codec_to_json`; equal to the codec that was saved, leaf by leaf.

    Raises:
        UnknownName: no code has the name in the data.
        ActlabError: the data is malformed, or its fields are not those of the codec.
    """
    name, values = _member(data, "code", str), _member(data, "fields", dict)
    cls = _STRUCTURE[name] if name in _STRUCTURE else CODES[name].load()
    expected = {field.name for field in dataclasses.fields(cls)}
    if expected != values.keys():
        raise ActlabError(
            f"The code {name!r} has the fields {', '.join(sorted(expected))}; "
            f"the data has {', '.join(sorted(values)) or 'none'}."
        )
    return cls(**{field: from_json(value) for field, value in values.items()})


# --- values: {"kind": content}, or the value itself --------------------------------------------------


@singledispatch
def to_json(value: Any) -> Any:
    """A field's value as JSON values."""
    raise ActlabError(f"A value of type {type(value).__name__} cannot be saved as JSON.")


@to_json.register(type(None))
@to_json.register(bool)
@to_json.register(int)
@to_json.register(str)
def _(value: Any) -> Any:
    return value


@to_json.register
def _(value: float) -> Any:
    return value if math.isfinite(value) else {"float": repr(value)}


@to_json.register
def _(value: tuple) -> Any:
    return {"tuple": [to_json(item) for item in value]}


@to_json.register
def _(value: Codec) -> Any:
    return {"codec": codec_to_json(value)}


@to_json.register
def _(value: Space) -> Any:
    return {"space": space_to_json(value)}


@to_json.register(jax.Array)
@to_json.register(np.ndarray)
def _(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.name not in _DTYPES:
        raise ActlabError(f"An array of dtype {array.dtype} cannot be saved as JSON.")
    numbers = [to_json(number) for number in array.ravel().tolist()]
    where = "numpy" if isinstance(value, np.ndarray) else "jax"
    return {"array": {"dtype": array.dtype.name, "shape": list(array.shape), "data": numbers, "library": where}}


def from_json(data: Any) -> Any:
    """Inverse of `to_json`."""
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if isinstance(data, Mapping) and len(data) == 1:
        kind, content = next(iter(data.items()))
        if kind in _READERS:
            return _READERS[kind](content)
    raise ActlabError(f"A saved value is a number, a word or one of {', '.join(_READERS)}; received {_short(data)}.")


def _read_float(content: Any) -> float:
    if content not in ("inf", "-inf", "nan"):
        raise ActlabError(f"A number that JSON lacks is inf, -inf or nan; received {_short(content)}.")
    return float(content)


def _read_tuple(content: Any) -> tuple:
    return tuple(map(from_json, _checked(content, list)))


def _read_array(content: Any) -> Any:
    dtype, shape = _member(content, "dtype", str), _member(content, "shape", list)
    numbers = [from_json(number) for number in _member(content, "data", list)]
    library = _member(content, "library", str)
    if dtype not in _DTYPES:
        raise ActlabError(f"The dtype of a saved array is one of {', '.join(_DTYPES)}; received {dtype!r}.")
    try:
        array = np.asarray(numbers, dtype).reshape(shape)
    except (TypeError, ValueError, OverflowError):
        raise ActlabError(
            f"An array of dtype {dtype} and shape {shape} cannot hold the numbers given for it."
        ) from None
    return array if library == "numpy" else jnp.asarray(array)


_READERS: dict[str, Callable[[Any], Any]] = {
    "float": _read_float,
    "tuple": _read_tuple,
    "array": _read_array,
    "space": lambda content: space_from_json(content),
    "codec": codec_from_json,
}


# --- spaces ------------------------------------------------------------------------------------------


@singledispatch
def space_to_json(space: Space) -> dict[str, Any]:
    """A space as JSON values: its kind and its fields."""
    raise SpaceError(f"{space!r} cannot be saved as JSON.")


@space_to_json.register(spaces.Box)
@space_to_json.register(spaces.Discrete)
@space_to_json.register(spaces.MultiDiscrete)
@space_to_json.register(spaces.MultiBinary)
@space_to_json.register(spaces.Tuple)
@space_to_json.register(spaces.OneOf)
def _(space: Any) -> dict[str, Any]:
    fields = {field.name: to_json(getattr(space, field.name)) for field in dataclasses.fields(space)}
    return {"kind": type(space).__name__, **fields}


@space_to_json.register
def _(space: spaces.Dict) -> dict[str, Any]:
    return {"kind": "Dict", "spaces": {name: to_json(part) for name, part in space.items}}


def space_from_json(data: Any) -> Space:
    """Inverse of `space_to_json`.

    Raises:
        UnknownName: there is no such kind of space.
        ActlabError: the data is malformed.
    """
    kind = _member(data, "kind", str)
    if kind not in _SPACES:
        raise UnknownName("kind of space", kind, _SPACES)
    if kind == "Dict":
        return spaces.Dict({name: from_json(part) for name, part in _member(data, "spaces", dict).items()})
    fields = {name: from_json(value) for name, value in data.items() if name != "kind"}
    try:
        if kind == "Box":  # its bounds are kept flat
            fields |= {
                name: np.reshape(fields[name], fields["shape"]) for name in ("low", "high") if np.ndim(fields[name])
            }
        return _SPACES[kind](**fields)
    except (KeyError, TypeError, ValueError):
        raise ActlabError(f"A {kind} cannot be made from {_short(data)}.") from None


def _member(data: Any, name: str, kind: type) -> Any:
    if not isinstance(data, Mapping) or name not in data:
        raise ActlabError(f"Saved data with the member {name!r} is expected; received {_short(data)}.")
    return _checked(data[name], kind)


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ActlabError(f"Saved data of type {kind.__name__} is expected; received {_short(value)}.")
    return value


def _short(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 60 else f"{text[:57]}..."
