"""Codes and agents as text."""

import pytest

from actlab.actions import Bins, Chunk, CoarseToFine, Normalise
from actlab.actions.parse import code_text, parse_agent, parse_code
from actlab.actions.rows import Rows
from actlab.core.errors import SpaceError, UnknownName
from actlab.core.options import OptionError
from actlab.core.spaces import Box, Dict, Discrete


@pytest.mark.parametrize(
    ("text", "codec", "canonical"),
    [
        ("bins", Bins(), "bins:bins=7"),
        ("bins:bins=3", Bins(bins=3), "bins:bins=3"),
        (
            "normalise+coarse-to-fine:levels=2,bins=7",
            Normalise() >> CoarseToFine(levels=2, bins=7),
            "normalise+coarse-to-fine:levels=2,bins=7",
        ),
        (
            "normalise >> bins:bins=3 >> chunk",
            Normalise() >> Bins(3) >> Chunk(4),
            "normalise+bins:bins=3+chunk:length=4",
        ),
        (
            "normalise:low=-1x0.5,high=2",
            Normalise(low=(-1.0, 0.5), high=2.0),
            "normalise:low=-1.0x0.5,high=2.0",
        ),
        ("normalise:statistics=range", Normalise(statistics="range"), "normalise:statistics=range"),
    ],
)
def test_text_and_codec(text, codec, canonical):
    assert parse_code(text) == codec
    assert code_text(codec) == canonical
    assert parse_code(canonical) == codec


def test_chains_have_one_text_however_they_are_bracketed():
    codec = Normalise() >> (Bins(3) >> Chunk(2))
    assert code_text(codec) == code_text((Normalise() >> Bins(3)) >> Chunk(2))


def test_a_bound_codec_keeps_its_text():
    space = Dict({"arm": Box(0.0, 1.0, (2,)), "tool": Discrete(3)})
    assert code_text(parse_code("normalise+bins:bins=3").fit(space)) == "normalise+bins:bins=3"


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("normalise+binz", UnknownName, "column 11: There is no code named 'binz'; did you mean 'bins'?"),
        ("zzz", UnknownName, "known: bins"),
        ("bins:bin=3", OptionError, "bins has no option 'bin' (column 6); did you mean 'bins'?"),
        (
            "bins:bins=many",
            OptionError,
            "The option 'bins' of bins should be a whole number, received 'many' (column 6).",
        ),
        ("flatten:bins=3", OptionError, "it takes no options"),
        ("normalise:statistics=median", OptionError, "bounds or range or deviation"),
        ("normalise:lower=1", OptionError, "no option 'lower'"),
        ("", OptionError, "a name at column 1"),
        ("bins:bins=1", SpaceError, "between 2 and"),
        ("__import__('os').system('true')", OptionError, "column 11"),
    ],
)
def test_wrong_text_is_one_sentence(text, kind, words):
    with pytest.raises(kind) as caught:
        parse_code(text)
    assert words in str(caught.value)


def test_agents():
    agent = parse_agent("ppo:learning_rate=1e-3")
    assert agent.learning_rate == 1e-3
    with pytest.raises(OptionError, match="learning_rate"):
        parse_agent("ppo:learning_rat=1")
    with pytest.raises(UnknownName, match="ppo"):
        parse_agent("pppo")


def test_what_is_not_registered_has_no_text():
    with pytest.raises(UnknownName, match="Rows"):
        code_text(Rows(Bins(), 2))
