"""The survey's table: a small one, made by hand, with every defect that the real one has."""

import json
from pathlib import Path

import pytest

from actlab.cli import main
from actlab.core.errors import ActlabError
from actlab.papers.survey_table import COLUMNS, SurveyTable, read_survey_table

HEADER = ",".join(COLUMNS)
ONE, TWO, THREE = (
    "From Complex Instructions to Robust and Real-Time Execution",
    "Generalization and Adaptation for Continuous Learning",
    "Security Interpretability and Reliable Interaction",
)
FAST, OPEN, ONLINE, SAFE = (
    "Real-Time Execution and Computing Efficiency",
    "Open-World Generalization",
    "Online Interaction and Reinforcement Learning",
    "Reliability and Safety Assurance",
)
PLAIN = f"Good,2025,https://a.org/1,https://a.org/2,{ONE},{FAST},Is quick,BC,Set A;Set B,LIBERO"


def table(folder: Path, *rows: str, header: str = HEADER) -> SurveyTable:
    path = folder / "table.csv"
    path.write_bytes("\n".join([header, *rows]).encode("utf-8"))
    return read_survey_table(path)


def test_a_row_without_defects(tmp_path: Path):
    found = table(tmp_path, PLAIN)
    (model,) = found.models
    assert vars(model) == {
        "name": "Good",
        "year": 2025,
        "date": "",
        "paper": "https://a.org/1",
        "website": "https://a.org/2",
        "challenges": ("execution",),
        "sub_challenges": ("real-time",),
        "approach": "Is quick",
        "training": ("BC",),
        "data_sets": ("Set A", "Set B"),
        "evaluations": ("LIBERO",),
    }
    assert (found.repairs, found.left_out) == ((), ())
    assert found.counts["real-time"] == 1
    assert sum(found.counts.values()) == 1


def test_a_byte_order_mark_spaces_and_windows_line_ends(tmp_path: Path):
    spaced = ", ".join(f" {cell}  " for cell in PLAIN.split(","))
    path = tmp_path / "table.csv"
    path.write_bytes(f"\ufeff{HEADER}\r\n{spaced}\r\n\r\n".encode())
    assert read_survey_table(path).models == table(tmp_path, PLAIN).models


@pytest.mark.parametrize("url", ['"""https://a.org/1"', '"https://a.org/1', "“https://a.org/1”", '"https://a.org/1"'])
def test_stray_quotes(tmp_path: Path, url: str):
    found = table(tmp_path, PLAIN.replace("https://a.org/1", url), PLAIN)
    assert found.models[0] == found.models[1]


def test_a_comma_inside_of_quotes_is_a_comma(tmp_path: Path):
    (model,) = table(tmp_path, PLAIN.replace("Is quick", '"Is quick, and small"')).models
    assert model.approach == "Is quick, and small"


def test_a_misspelt_name_and_another_case(tmp_path: Path):
    row = PLAIN.replace(FAST, ONLINE.replace("Interaction", "Interatction")).replace(ONE, TWO.upper())
    (model,) = table(tmp_path, row.replace(",BC,", ",predictive modeling and RL,")).models
    assert (model.challenges, model.sub_challenges) == (("adaptation",), ("online-learning",))
    assert model.training == ("Predictive Modeling", "RL")


def test_several_values_in_a_cell(tmp_path: Path):
    row = PLAIN.replace(ONE, f"{ONE};{TWO} ; {THREE}").replace(FAST, f"{FAST}; {OPEN};{SAFE};{FAST}")
    (model,) = table(tmp_path, row.replace("Set A;Set B", "Set A; ;Set B;Set A;")).models
    assert model.challenges == ("execution", "adaptation", "trust")
    assert model.sub_challenges == ("real-time", "open-world", "safety")
    assert model.data_sets == ("Set A", "Set B")


def test_the_challenge_above_is_known_though_the_cell_is_empty(tmp_path: Path):
    (model,) = table(tmp_path, PLAIN.replace(ONE, "")).models
    assert model.challenges == ("execution",)


@pytest.mark.parametrize(
    ("year", "date"),
    [("2025-11-3", "2025-11-03"), ("2025–11–03", "2025-11-03"), ("2025/11/03", "2025-11-03"), ("2025", "")],
)
def test_years_and_days(tmp_path: Path, year: str, date: str):
    (model,) = table(tmp_path, PLAIN.replace("2025", year, 1)).models
    assert (model.year, model.date) == (2025, date)


@pytest.mark.parametrize("nothing", ["-", "None", "null", "", " "])
def test_words_for_nothing(tmp_path: Path, nothing: str):
    row = PLAIN.replace("https://a.org/2", nothing).replace("Set A;Set B", nothing).replace(",BC,", f",{nothing},")
    (model,) = table(tmp_path, row).models
    assert (model.website, model.data_sets, model.training) == ("", (), ())


def test_stars_beside_a_name(tmp_path: Path):
    assert table(tmp_path, PLAIN.replace("Good", "⭐Good ")).models[0].name == "Good"


@pytest.mark.parametrize(
    "row",
    [
        PLAIN.replace("Is quick", "Is quick, and small"),
        PLAIN.replace("Good", "Good, better"),
        PLAIN.replace("https://a.org/2,", ""),
        PLAIN.replace("https://a.org/2,", "https://a.org/2,,"),
        PLAIN.replace("https://a.org/1,", "https://a.org/1，"),
        PLAIN.replace("https://a.org/1,https://a.org/2,", "https://a.org/1，https://a.org/2"),
        PLAIN.replace(f"{ONE},", ""),
        PLAIN.replace(",LIBERO", ""),
        PLAIN.replace(",BC,", ",,BC,").replace(",LIBERO", ""),
    ],
    ids=["solution", "name", "no-site", "extra", "wide", "glued", "no-challenge", "short", "late"],
)
def test_shifted_columns_are_found(tmp_path: Path, row: str):
    found = table(tmp_path, row, PLAIN)
    assert found.left_out == ()
    model, good = found.models
    assert model.name in ("Good", "Good, better")
    assert (model.year, model.paper) == (good.year, good.paper)
    assert model.website in ("https://a.org/2", "")
    assert (model.challenges, model.sub_challenges) == (good.challenges, good.sub_challenges)
    assert model.training == good.training
    assert model.data_sets == good.data_sets
    assert model.approach.startswith("Is quick")
    if "，" not in row or "2From" in row:
        assert len(found.repairs) == 1
        assert found.repairs[0].startswith("row 2 (Good")


def test_what_cannot_be_mended_is_left_out_with_a_sentence(tmp_path: Path):
    found = table(
        tmp_path,
        PLAIN,
        "Odd,2025",
        PLAIN.replace("2025", "soon", 1),
        PLAIN.replace(FAST, "Levitation"),
        PLAIN.replace(",BC,", ",Magic,"),
        PLAIN.replace("Good", "", 1),
    )
    assert [model.name for model in found.models] == ["Good"]
    assert found.left_out == (
        "row 3 (Odd): expected 10 columns; received 2, and none names a sub-challenge.",
        "row 4 (Good): expected a year; received 'soon'.",
        "row 5 (Good): no sub-challenge is called 'Levitation'.",
        "row 6 (Good): a kind of training is one of BC, Predictive Modeling, RL; received 'Magic'.",
        "row 7 (): it has no name.",
    )


def test_a_file_that_is_no_such_table(tmp_path: Path):
    with pytest.raises(ActlabError, match="should begin with the columns Abbr, Year"):
        table(tmp_path, PLAIN, header="a,b")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ActlabError, match="could not be read as UTF-8 text"):
        read_survey_table(tmp_path / "bytes.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ActlabError, match="should begin with the columns"):
        read_survey_table(tmp_path / "empty.csv")
    with pytest.raises(ActlabError, match=r"gone\.csv does not exist"):
        read_survey_table(tmp_path / "gone.csv")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table(tmp_path, PLAIN, PLAIN.replace("https://a.org/2,", ""), "Odd,2025")
    words = ["papers", "import-table", str(tmp_path / "table.csv"), "--out", str(tmp_path / "table.json")]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert text.startswith("rows: 2, different names: 1\n")
    assert "mended: row 3 (Good): its columns were shifted." in text
    assert "left out: row 4 (Odd)" in text
    written = json.loads((tmp_path / "table.json").read_text("utf-8"))
    assert written["counts"]["real-time"] == 2
    assert main([*words[:3], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == written
