"""The taxonomy: what is built in, what a hand may change, and what a schema refuses."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from actlab.core.errors import UnknownName
from actlab.papers import registry
from actlab.papers.taxonomy import SCHEMAS, BadRecord, load, taxonomy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the files."""
    for name in SCHEMAS:
        (tmp_path / f"{name}.json").write_text(files("actlab.papers.taxonomy").joinpath(f"{name}.json").read_text())
    return tmp_path


def edit(folder: Path, file: str, place: int, **fields) -> None:
    path = folder / f"{file}.json"
    content = json.loads(path.read_text())
    content[place].update(fields)
    path.write_text(json.dumps(content))


def test_the_survey_is_all_there():
    order = taxonomy()
    assert [record.code for record in order.modules] == ["M1", "M2", "M3", "M4", "M5"]
    assert [record.code for record in order.milestones] == ["E2E", "HIER"]
    parts = {
        top.code: [c.code for c in order.challenges if c.above == top.id] for top in order.challenges if not top.above
    }
    assert {code: len(found) for code, found in parts.items()} == {"C1": 3, "C2": 4, "C3": 4, "C4": 2, "C5": 2}
    assert parts["C2"] == ["4.2.1", "4.2.2", "4.2.3", "4.2.4"]
    assert [record.id for record in order.actions if not record.above] == [
        "representation",
        "restriction",
        "abstraction",
        "search",
        "learning",
    ]
    assert [period.last for period in order.periods] == [2023, 2024, 2026]


def test_every_axis_is_used():
    used = {tag for entry in registry.PAPERS for tag in entry.load().card.tags}
    for record in taxonomy().actions:
        assert not taxonomy().under(record.id).isdisjoint(used), record.id


def test_words_and_codes_find_records():
    order = taxonomy()
    assert order.find("4.2.4") is order.find("real-time")
    assert order.find("M3").id == order.find("m3").id == "action-head"
    assert order.lineage("real-time") == ("real-time", "execution")
    assert order.lineage("execution") == ("execution",)
    assert order.under("execution") == {"execution", "complex-instructions", "decomposition", "recovery", "real-time"}
    with pytest.raises(UnknownName, match="There is no tag named 'real-tim'; did you mean 'real-time'"):
        order.find("real-tim")


def test_an_edit_by_hand_changes_what_is_loaded(folder: Path):
    assert load(folder) == taxonomy()
    edit(folder, "challenges", 1, name="Touch", text="Another text.")
    path = folder / "actions.json"
    more = {"id": "gestures", "name": "Gestures", "text": "Hands.", "above": "representation"}
    path.write_text(json.dumps([*json.loads(path.read_text()), more]))
    changed = load(folder)
    assert changed.tags["meaning-and-contact"].name == "Touch"
    assert "gestures" in changed.under("representation")


@pytest.mark.parametrize(
    ("name", "fields", "sentence"),
    [
        ("modules", {"section": 2.1}, "modules.json, record 1: 'section' should be text; received a number."),
        ("modules", {"parts": "image"}, "modules.json, record 1: 'parts' should be a list; received text."),
        ("modules", {"parts": ["image", 3]}, "'parts' should be text; received a whole number."),
        ("milestones", {"text": " "}, "milestones.json, record 1: 'text' is empty."),
        ("periods", {"models": True}, "'models' should be a whole number; received true or false."),
        ("challenges", {"colour": "red"}, "record 1: 'colour' is no field of it; the fields are id, code, name,"),
        ("challenges", {"above": "nowhere"}, "'grounding' of the taxonomy lies below 'nowhere', which is no top"),
        ("challenges", {"id": "C 1"}, "an id has small letters, digits and dashes; received 'C 1'."),
        ("actions", {"id": "learning"}, "The taxonomy has 'learning' twice."),
        ("challenges", {"code": "M1"}, "The taxonomy has 'M1' twice."),
    ],
)
def test_a_record_that_does_not_fit_is_told(folder: Path, name: str, fields: dict, sentence: str):
    edit(folder, name, 0, **fields)
    with pytest.raises(BadRecord) as caught:
        load(folder)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "periods.json of the taxonomy could not be read:"),
        ("{}", "periods.json of the taxonomy should be a list of records; received an object."),
        ('["x"]', "periods.json, record 1: expected an object; received text."),
        ("[{}]", "periods.json, record 1: 'examples' is missing."),
    ],
)
def test_a_file_that_is_no_list_of_records_is_told(folder: Path, text: str, sentence: str):
    (folder / "periods.json").write_text(text)
    with pytest.raises(BadRecord) as caught:
        load(folder)
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there_is_told(folder: Path):
    (folder / "modules.json").unlink()
    with pytest.raises(BadRecord, match=r"modules\.json of the taxonomy could not be read"):
        load(folder)
