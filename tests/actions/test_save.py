"""Codecs as JSON: exact, and nothing but registered codecs is made from it."""

import copy
import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.actions import Bins, Normalise
from actlab.actions.parse import parse_code
from actlab.actions.rows import Rows
from actlab.actions.save import codec_from_json, codec_to_json, from_json, space_from_json, space_to_json, to_json
from actlab.core.codec import Episode
from actlab.core.errors import ActlabError, UnknownName
from actlab.core.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, OneOf, Tuple

SPACES = [
    Box(-1.0, 0.1, (2, 3)),
    Box([[-np.inf, 0.0]], [[np.inf, 1.0]]),
    Box(0, 255, (2,), "uint8"),
    Discrete(3),
    MultiDiscrete((2, 3)),
    MultiBinary(4),
    Tuple([Discrete(2), OneOf([Box(0.0, 1.0, ()), Discrete(3)])]),
    Dict({"kind": Discrete(2), "a": Tuple([])}),
]


def through_text(data):
    return json.loads(json.dumps(data, allow_nan=False))


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_spaces(space):
    assert space_from_json(through_text(space_to_json(space))) == space


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "float16", "uint8"])
@pytest.mark.parametrize("library", [np, jnp])
def test_arrays_keep_every_bit(dtype, library):
    array = library.asarray(np.array([[0.1, 1 / 3], [1e-3, 7.0]]).astype(dtype))
    again = from_json(through_text(to_json(array)))
    assert type(again) is type(array)
    assert again.dtype == array.dtype
    assert np.array_equal(np.asarray(again), np.asarray(array))


def test_numbers_that_json_lacks():
    array = np.array([np.inf, -np.inf, np.nan, 1e-45, -0.0], np.float32)
    assert np.asarray(from_json(through_text(to_json(array)))).tobytes() == array.tobytes()
    assert from_json(through_text(to_json(float("-inf")))) == -np.inf


def test_values_of_options():
    for value in (None, True, 3, 0.1, "bounds", (1, (2.5, None))):
        assert from_json(through_text(to_json(value))) == value


def test_a_codec_with_measured_statistics():
    episode = Episode(np.random.default_rng(0).uniform(-1, 1, (7, 2)).astype(np.float32))
    codec = parse_code("normalise:statistics=deviation+coarse-to-fine+chunk:length=3").fit(
        Box(-1.0, 1.0, (2,)), [episode]
    )
    again = codec_from_json(through_text(codec_to_json(codec)))
    assert bool(eqx.tree_equal(again, codec))
    assert again.code == codec.code
    native = episode.native[:4]
    assert bool(eqx.tree_equal(again.encode(native), codec.encode(native)))


def test_a_codec_that_is_not_bound():
    codec = Normalise(low=(0.0, 1.0), high=2.0) >> Bins(5)
    assert codec_from_json(through_text(codec_to_json(codec))) == codec


SAVED = codec_to_json(Normalise().fit(Box(0.0, 1.0, (2,))))


def changed(*path, to):
    data = copy.deepcopy(SAVED)
    place = data
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return data


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (changed("code", to="normalize"), UnknownName, "did you mean 'normalise'"),
        (changed("code", to="os:system"), ActlabError, "should be the class of a code"),
        (changed("code", to="actlab.actions.affine:Normalise"), UnknownName, "no code named"),
        (changed("code", to=3), ActlabError, "type str"),
        (changed("fields", "extra", to=1), ActlabError, "has the fields"),
        (changed("fields", to=[]), ActlabError, "type dict"),
        (changed("fields", "native", to={"space": {"kind": "Sphere"}}), UnknownName, "kind of space"),
        (changed("fields", "native", to={"space": {"kind": "Box"}}), ActlabError, "cannot be made"),
        (changed("fields", "native", to={"space": {"kind": "Discrete", "m": 3}}), ActlabError, "cannot be made"),
        (changed("fields", "native", to={"pickle": "gASV"}), ActlabError, "saved value"),
        (changed("fields", "lower", "array", "dtype", to="object"), ActlabError, "dtype"),
        (changed("fields", "lower", "array", "shape", to=[5]), ActlabError, "cannot hold"),
        (changed("fields", "lower", "array", "data", to=["a", "b"]), ActlabError, "cannot hold"),
        (changed("fields", "lower", to={"float": "1e999"}), ActlabError, "inf, -inf or nan"),
        ({}, ActlabError, "'code'"),
        ([], ActlabError, "'code'"),
        (None, ActlabError, "'code'"),
    ],
)
def test_foreign_or_broken_data_is_one_sentence(data, kind, words):
    with pytest.raises(kind) as caught:
        codec_from_json(data)
    assert words in str(caught.value)


def test_what_cannot_be_saved():
    with pytest.raises(UnknownName):
        codec_to_json(Rows(Bins(), 2))
    for value in (object(), {1, 2}, np.array(["a"])):
        with pytest.raises(ActlabError, match="cannot be saved"):
            to_json(value)
