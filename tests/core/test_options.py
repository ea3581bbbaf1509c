"""Text to choices and back: the grammar, types from annotations, sentences with positions."""

import dataclasses
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actlab.core.errors import UnknownName
from actlab.core.options import (
    Call,
    OptionError,
    construct,
    convert,
    option_fields,
    options_text,
    parse_call,
    parse_chain,
    parse_options,
    value_text,
)
from actlab.core.registry import Registry


@dataclasses.dataclass(frozen=True)
class Agent:
    required: int
    learning_rate: float = 3e-4
    layers: tuple[int, ...] = (64, 64)
    window: tuple[float, float] | None = None
    recurrent: bool = False
    kind: Literal["plain", "double"] = "plain"
    name: str | None = None
    scale: float | tuple[float, ...] | None = None
    networks: Any = None  # no option: it cannot be written
    made: int = dataclasses.field(default=0, init=False)


REGISTRY = Registry("agent")
REGISTRY.add("agent", Agent)


def test_a_call_has_a_name_and_options_with_their_columns():
    call = parse_call(" ppo : learning-rate = 1e-3 , epochs=4 ")
    assert call == Call("ppo", {"learning_rate": "1e-3", "epochs": "4"}, 2, {"learning_rate": 8, "epochs": 31})
    assert parse_call("ppo") == Call("ppo", {}, 1, {})


@pytest.mark.parametrize("join", ["+", ">>", " + ", " >> "])
def test_chains(join):
    calls = parse_chain(f"normalise:low=-1e+2{join}coarse-to-fine:levels=2,bins=7")
    assert [(call.name, call.options) for call in calls] == [
        ("normalise", {"low": "-1e+2"}),
        ("coarse-to-fine", {"levels": "2", "bins": "7"}),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a name at column 1 of '', received its end"),
        ("   ", "a name at column 4"),
        ("bins+", "a name at column 6"),
        ("+bins", "a name at column 1 of '+bins', received '+'"),
        ("bins:", "an option at column 6"),
        ("bins:bins", "'=' after the option 'bins' at column 10"),
        ("bins:bins=", "a value for the option 'bins' at column 11"),
        ("bins:bins=3,", "an option at column 13"),
        ("bins:bins=3 4", "column 13"),
        ("bins:bins=3:4", "received ':'"),
        ("bins bins", "column 6"),
        ("bins>bins", "received '>'"),
        ("bins:a=1,a=2", "given twice"),
        ("__import__('os')", "column 11"),
    ],
)
def test_malformed_text_is_a_sentence_with_a_column(text, words):
    with pytest.raises(OptionError) as caught:
        parse_chain(text)
    assert words in str(caught.value)
    assert str(caught.value).count(". ") == 0


def test_a_single_call_is_no_chain():
    with pytest.raises(OptionError, match="column 4"):
        parse_call("ppo+sac")


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("required", "-12", -12),
        ("required", "1_000", 1000),
        ("learning_rate", "1e-3", 1e-3),
        ("learning_rate", "2", 2.0),
        ("layers", "64x32x8", (64, 32, 8)),
        ("layers", "64x", (64,)),
        ("layers", "x", ()),
        ("window", "-1x2.5", (-1.0, 2.5)),
        ("window", "none", None),
        ("recurrent", "true", True),
        ("recurrent", "false", False),
        ("kind", "double", "double"),
        ("name", "walker-2.d", "walker-2.d"),
        ("scale", "2", 2.0),
        ("scale", "1x2", (1.0, 2.0)),
    ],
)
def test_values_are_read_by_their_annotation(option, text, value):
    found = convert(Agent, {"required": "1", option: text})[option]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("required", "1.5", "a whole number, received '1.5'"),
        ("learning_rate", "fast", "a finite number"),
        ("learning_rate", "nan", "a finite number"),
        ("learning_rate", "inf", "a finite number"),
        ("layers", "64", "numbers joined by x"),
        ("layers", "64x3.5", "numbers joined by x"),
        ("window", "1x2x3", "none, or numbers"),
        ("recurrent", "yes", "true or false"),
        ("recurrent", "1", "true or false"),
        ("kind", "triple", "plain or double"),
        ("learning_rat", "1", "did you mean 'learning_rate'?"),
        ("networks", "1", "no option 'networks'"),
        ("made", "1", "no option 'made'"),
        ("q", "1", "known: kind"),
    ],
)
def test_wrong_options_are_a_sentence_with_a_column(option, text, words):
    call = parse_call(f"agent:required=1,{option}={text}" if option != "required" else f"agent:{option}={text}")
    with pytest.raises(OptionError) as caught:
        construct(REGISTRY, call)
    assert words in str(caught.value)
    assert f"(column {call.columns[option]})" in str(caught.value)
    assert "agent" in str(caught.value)


def test_a_missing_option_is_named():
    with pytest.raises(OptionError, match="agent needs the option 'required'"):
        construct(REGISTRY, parse_call("agent"))


def test_an_unknown_name_is_a_sentence_with_a_column():
    with pytest.raises(UnknownName, match=r"column 2: There is no agent named 'agnet'; did you mean 'agent'"):
        construct(REGISTRY, parse_call(" agnet"))


def test_options_alone():
    fields = option_fields(Agent)
    assert parse_options("required=3,layers=8x8", fields) == {"required": 3, "layers": (8, 8)}
    assert parse_options("  ", fields) == {}
    for text, words in (("required=3:", "column 11"), ("requird=3", r"did you mean 'required'\?"), ("a", "column 2")):
        with pytest.raises(OptionError, match=words):
            parse_options(text, fields)


def test_fields_that_can_be_written():
    fields = option_fields(Agent)
    assert list(fields) == ["required", "learning_rate", "layers", "window", "recurrent", "kind", "name", "scale"]
    assert fields["required"].default is dataclasses.MISSING
    assert fields["layers"].default == (64, 64)


def test_text_holds_whole_numbers_and_what_differs_from_its_default():
    assert options_text(Agent(3)) == "required=3"
    assert (
        options_text(Agent(3, 1e20, (8,), recurrent=True)) == "required=3,learning_rate=1e20,layers=8x,recurrent=true"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "two words", "a+b", "", object(), b"x"])
def test_values_that_cannot_be_written(value):
    with pytest.raises(OptionError, match="cannot be written"):
        value_text(value)


def test_a_word_that_would_be_read_as_nothing_cannot_be_written():
    with pytest.raises(OptionError, match="cannot be written"):
        options_text(Agent(1, name="none"))


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.builds(
        Agent,
        st.integers(),
        FINITE,
        st.lists(st.integers(), max_size=3).map(tuple),
        st.none() | st.tuples(FINITE, FINITE),
        st.booleans(),
        st.sampled_from(["plain", "double"]),
        st.none() | st.sampled_from(["walker", "a/b-c.d_e"]),
        st.none() | FINITE | st.lists(FINITE, max_size=2).map(tuple),
    )
)
def test_what_is_written_is_read_again(agent):
    assert construct(REGISTRY, parse_call(f"agent:{options_text(agent)}")) == agent


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(alphabet="ab:,=+>x1.e- ", max_size=14))
def test_any_text_is_read_or_refused_in_one_sentence(text):
    try:
        calls = parse_chain(text)
    except OptionError as error:
        message = str(error)
    else:
        message = "column"
        assert all(call.name == text[call.column - 1 : call.column - 1 + len(call.name)] for call in calls)
    assert "column" in message
