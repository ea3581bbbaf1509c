"""Names: what is registered, and agents of a person's own module."""

import pytest

from actlab.actions.parse import code_text, parse_agent, parse_code
from actlab.actions.save import codec_from_json, codec_to_json
from actlab.core.contracts import hyperparameters
from actlab.core.errors import ActlabError, UnknownName
from actlab.core.options import parse_call
from actlab.core.registry import AGENTS, CODES, Registry, find
from actlab.core.spaces import Box

MODULE = "registry_own_agent"
AGENT = """
import equinox as eqx

from actlab.actions.identity import Identity
from actlab.agents.simple import Random
from actlab.core.contracts import hyperparameters

@hyperparameters
class Own(Random):
    width: int = 3

class Halved(Identity):
    share: float = eqx.field(static=True, default=0.5)

    def fit(self, native, episodes=None):
        return Halved(native=native, share=self.share)

number = 3
"""


@hyperparameters
class Here:
    """No agent: it only has a field."""

    width: int = 3


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module in the current folder."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{MODULE}.py").write_text(AGENT)
    (tmp_path / f"{MODULE}_broken.py").write_text("1 / 0")
    return find(f"{MODULE}:Own")


def test_an_agent_of_ones_own_has_a_name_that_finds_it(own):
    name = AGENTS.name_of(own)
    assert name == f"{MODULE}:Own"
    assert AGENTS[name].load() is own
    assert parse_agent(f"{name}:width=7") == own(width=7)
    assert name not in {entry.name for entry in AGENTS}


def test_a_name_of_this_process_gives_way_to_one_that_others_find(own, monkeypatch):
    monkeypatch.setattr(AGENTS, "_entries", dict(AGENTS._entries))
    AGENTS.add("mine", own)
    assert AGENTS["mine"].load() is own
    assert AGENTS.name_of(own) == f"{MODULE}:Own"
    monkeypatch.setattr(own, "__module__", "__main__")
    assert AGENTS.name_of(own) == "mine"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere_at_all:Own", "nowhere_at_all:Own cannot be imported: No module named 'nowhere_at_all'"),
        (f"{MODULE}.py:Own", f"names a file; name its module: {MODULE}:Own."),
        (f"{MODULE}_broken:Own", f"{MODULE}_broken:Own cannot be imported: ZeroDivisionError: division by zero."),
        ("actlab.agents.ppo:PPO", "There is no agent named 'actlab.agents.ppo:PPO'"),
        (f"{MODULE}:Other", f"The module '{MODULE}' has nothing named 'Other'"),
        (f"{MODULE}:number", "should be the class of an agent; received 3"),
        ("tests.core.test_registry:Here", "should be the class of an agent; received <class"),
        ("subprocess:Popen", "should be the class of an agent; received <class 'subprocess.Popen'>"),
        ("os:system", "should be the class of an agent; received <built-in"),
    ],
)
def test_what_is_no_agent_is_never_made(own, name, sentence):
    """A name may come from the `run.json` of somebody else."""
    with pytest.raises(ActlabError, match=sentence):
        AGENTS[name]


def test_what_no_other_process_could_import_is_refused(own, monkeypatch):
    monkeypatch.setattr(own, "__module__", "__main__")
    with pytest.raises(ActlabError, match=r"put it at the top of a module, or .* actlab.core.registry.AGENTS.add"):
        AGENTS.name_of(own)
    with pytest.raises(UnknownName, match="There is no agent named 'Here'"):
        AGENTS.name_of(Here)


def test_a_codec_of_ones_own_has_a_name_that_finds_it(own):
    codec = find(f"{MODULE}:Halved")
    assert CODES.name_of(codec) == f"{MODULE}:Halved"
    assert CODES[f"{MODULE}:Halved"].load() is codec
    read = parse_code(f"normalise+{MODULE}:Halved:share=0.25", own=True)
    assert code_text(read) == f"normalise+{MODULE}:Halved:share=0.25"
    bound = codec(share=0.25).fit(Box(-1.0, 1.0, (2,)))
    assert codec_from_json(codec_to_json(bound)) == bound


def test_a_codec_of_somebody_else_is_not_imported(own):
    with pytest.raises(UnknownName, match=f"There is no code named '{MODULE}:Halved'"):
        parse_code(f"{MODULE}:Halved")
    with pytest.raises(ActlabError, match="should be the class of a code; received <class"):
        parse_code(f"{MODULE}:Own", own=True)


def test_other_kinds_are_registered_or_unknown(own):
    with pytest.raises(UnknownName, match="There is no"):
        Registry("thing")[f"{MODULE}:Own"]


@pytest.mark.parametrize("text", ["cem:CEM", " my.agents.cem:CEM ", "cem:CEM:width=3,Rate=2"])
def test_a_class_of_a_module_is_one_name(text):
    call = parse_call(text)
    assert call.name == text.strip().removesuffix(":width=3,Rate=2")
    assert call.options == ({"width": "3", "Rate": "2"} if "=" in text else {})


def test_a_capital_option_is_no_class():
    assert parse_call("ppo:Alpha=3") == ("ppo", {"Alpha": "3"}, 1, {"Alpha": 5})
    assert parse_call("ppo:Alpha-x = 3").options == {"Alpha_x": "3"}
