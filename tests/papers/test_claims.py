"""What `actlab claims` notices, the page that is made from results, and the commands."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from actlab.cli import main
from actlab.core.registry import Registry
from actlab.papers import registry
from actlab.papers.catalogue import entries
from actlab.papers.check import check, differs
from actlab.papers.index import index, index_path
from actlab.papers.page import page, read_results, write_page
from actlab.papers.record import seal
from actlab.papers.reproduce import reproduce
from actlab.papers.sources import Library
from tests.papers import coin

ROOT = Path(__file__).parents[2]
LIBRARY = Library()


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Results and page of a paper, to be copied."""
    folder = tmp_path_factory.mktemp("computed")
    reproduce(coin.PAPER, "small", results=folder / "results", out=folder / "runs", quiet=True)
    (folder / "docs").mkdir()
    write_page(coin.PAPER, folder / "results", folder / "docs")
    index_path(folder / "docs").write_text(index(entries(folder / "results", [coin.PAPER])))
    shutil.rmtree(folder / "runs")
    return folder


@pytest.fixture
def folder(computed, tmp_path, monkeypatch):
    """A copy, as the current folder, with the paper registered."""
    shutil.copytree(computed, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "PAPERS", Registry("paper", {"coin": ("tests.papers.coin:PAPER", "")}))
    return tmp_path


def findings(paper=coin.PAPER):
    return [str(finding) for finding in check(paper, Path("results"), Path("docs"), LIBRARY)]


def edit(path, change, sealed=False):
    content = json.loads(Path(path).read_text())
    change(content)
    if sealed:
        content["digest"] = seal(content)
    Path(path).write_text(json.dumps(content))


RESULT = "results/coin/small.json"


def a_cell(shift=3.0):
    """The record of some cell of an arm."""
    for path in sorted(Path("results/coin/cells").iterdir()):
        if json.loads(path.read_text())["parameters"]["shift"] == shift:
            return path
    raise AssertionError


def test_all_is_well(folder):
    assert findings() == []


def test_a_result_edited_by_hand(folder):
    edit(RESULT, lambda result: result["claims"]["odd-beats-fair"].update(status="reproduced"))
    assert findings() == [f"error: {RESULT} was edited by hand: its content does not fit its digest."]


def test_a_status_that_its_seeds_do_not_have(folder):
    edit(RESULT, lambda result: result["claims"]["odd-beats-fair"].update(status="reproduced"), sealed=True)
    assert findings()[0] == (
        f"error: {RESULT}: the claim odd-beats-fair is 'not reproduced' by its seeds, and the file says 'reproduced'."
    )


def test_a_seed_that_its_record_does_not_have(folder):
    edit(RESULT, lambda result: result["arms"]["heavy"]["seeds"][2]["values"].update(value=2.5), sealed=True)
    found = findings()
    assert found[0] == f"error: {RESULT}: seed 2 of heavy has another value than its record."
    assert any("the claim heavy-beats-fair has another" in sentence for sentence in found)


def test_a_record_edited_or_lost(folder):
    path = a_cell()
    path.write_text(path.read_text().replace('"seconds"', '"minutes"'))
    found = findings()
    assert found[0].startswith(f"error: {path} was edited by hand")
    assert re.search(r"seed \d of heavy has no record cells/[0-9a-f]{20}\.json that can be read", found[1])
    path.unlink()
    assert len(findings()) == 1
    Path(RESULT).write_text("{")
    assert "could not be read as JSON" in findings()[0]


def test_a_page_that_says_something_else(folder):
    path = Path("docs/papers/coin.md")
    path.write_text(path.read_text().replace("not reproduced", "reproduced"))
    sentence = f"error: {path} does not say what card and results say; write it again: actlab papers page coin"
    assert findings() == [sentence]
    Path("docs/papers/coin-small-1.png").write_bytes(b"")
    assert "docs/papers/coin-small-1.png is not the figure results/coin/small-1.png" in findings()[1]
    path.unlink()
    assert "is not there" in findings()[0]
    shutil.rmtree("docs")
    assert findings() == []


def test_code_that_has_changed_since(folder):
    edit(a_cell(), lambda record: record["sources"].update({"tests.papers.coin": "0" * 12, "gone": "1"}), sealed=True)
    edit(
        a_cell(0.0),
        lambda record: record["inputs"]["mint"]["sources"].update({"tests.papers.coin": "0" * 12}),
        sealed=True,
    )
    assert findings() == [
        f"stale: {RESULT} is older than its code: gone, tests.papers.coin changed since, which 2 of its 18 cells use."
    ]


def test_a_study_that_has_changed_since(folder):
    other = coin.OTHER_SETTINGS
    found = [sentence for sentence in findings(other) if sentence.startswith("stale")]
    assert found == [
        f"stale: {RESULT} is the result of other settings than its study has now.",
        "stale: results/coin/cells holds 6 records of cells that no study asks for.",
    ]
    more = replace(coin.PAPER, claims=(*coin.CLAIMS, replace(coin.CLAIMS[1], name="new", direction="higher")))
    assert f"stale: {RESULT} does not know the claim new." in findings(more)


def test_numbers_agree_up_to_rounding():
    assert differs({"a": [1.0, {"b": 2.0}]}, {"a": [1.0 + 1e-12, {"b": 2.0}]}) == ""
    assert differs({"a": [1.0, {"b": 2.0}]}, {"a": [1.0, {"b": 2.1}]}) == "b"
    assert differs({"a": 1}, {"c": 1}) == "a"
    assert differs(None, 0.0, "x") == "x"


def test_the_page_says_what_was_found(folder):
    text = page(coin.PAPER, read_results(coin.PAPER, Path("results")), Path("results"))
    assert text == Path("docs/papers/coin.md").read_text()
    result = json.loads(Path(RESULT).read_text())
    rows = {line.split("|")[1].strip(" *"): line for line in text.splitlines() if line.startswith("|")}
    assert "| reproduced " in rows["heavy-beats-fair"]
    assert "1.62 times (table 1)" in rows["heavy-beats-fair"]
    assert result["claims"]["heavy-beats-fair"]["figure"] in rows["heavy-beats-fair"]
    assert "| not yet run " in rows["gold-beats-fair"]
    assert "6 of 6 (share 1.00 [0.61, 1.00])" in rows["heads-up"]
    assert coin.PAPER.budget in text
    assert f"`{result['command']}`" in text
    assert "![coin-small-1.png: every seed](coin-small-1.png)" in text
    assert "```" not in text, "the blocks of pages are run by the tests of the documentation"


def test_the_page_of_a_paper_that_was_never_run():
    text = page(coin.PAPER, {}, Path("nowhere"))
    assert text.count("| not yet run ") == len(coin.CLAIMS)
    assert "## Scale" not in text


def test_the_commands(folder, capsys):
    assert main(["papers"]) == 0
    assert "coin   reproduced  2020-02-29  Heavy coins fall on their faces" in capsys.readouterr().out
    assert main(["papers", "show", "coin"]) == 0
    text = capsys.readouterr().out
    assert "heavy-beats-fair (primary): reproduced\n    A heavy coin scores more than a fair one." in text
    assert "the paper: 1.62 times (table 1)" in text
    assert main(["papers", "coin", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [claim["status"] for claim in shown["claims"]][:2] == ["reproduced", "not reproduced"]
    assert main(["claims"]) == 0
    assert "coin   heads-up          reproduced" in capsys.readouterr().out
    assert main(["papers", "page"]) == 0
    assert capsys.readouterr().out == "wrote docs/papers/coin.md\nwrote docs/papers/index.md\n"
    for words in (["papers", "show"], ["papers", "show", "coin", "coin"], ["papers", "nothing"]):
        assert main(words) != 0
        assert capsys.readouterr().err.count("\n") == 1


def test_the_exit_codes_of_claims(folder, capsys):
    edit(a_cell(), lambda record: record["sources"].update(gone="1"), sealed=True)
    assert main(["claims", "coin"]) == 0
    assert "stale: results/coin/small.json is older than its code: gone" in capsys.readouterr().out
    assert main(["claims", "coin", "--strict"]) == 1
    assert capsys.readouterr().err == "actlab: 1 thing is wrong; see above.\n"
    Path(RESULT).write_text(Path(RESULT).read_text().replace('"planned": 6', '"planned": 7'))
    assert main(["claims", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["findings"][0]["kind"] == "error"


def test_reproduce_from_the_command_line(folder, capsys):
    words = ["reproduce", "tests.papers.coin:PAPER", "--scale", "smoke", "--quiet", "--out", "runs"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "heavy-beats-fair  direction only" in text
    assert "only 2 of the 5 seeds that a result needs" in text
    assert "say nothing about the claims" in text
    smoke = json.loads(Path("runs/smoke/coin/smoke.json").read_text())
    assert smoke["command"] == "actlab reproduce tests.papers.coin:PAPER --scale smoke --quiet --out runs"
    assert main(["papers", "show", "coin", "--json"]) == 0
    assert {c["scale"] for c in json.loads(capsys.readouterr().out)["claims"]} == {"", "small"}
    assert main(["reproduce", "tests.papers.coin:LOST", "--results", "lost", "--out", "runs", "--quiet"]) == 1
    captured = capsys.readouterr()
    assert "failed: heavy, seed 0: the coin is lost" in captured.out
    assert captured.err == "actlab: Failed cells: 6; the sentences are above.\n"
    for words, sentence in (
        (["reproduce", "coyn"], "did you mean 'coin'?"),
        (["reproduce", "nowhere:PAPER"], "nowhere:PAPER cannot be imported"),
        (["reproduce", "tests.papers.coin:CARD"], "should be a Paper; received Card"),
        (["reproduce", "coin", "--scale", "huge"], "invalid choice: 'huge'"),
    ):
        assert main(words) != 0
        assert sentence in capsys.readouterr().err


# --- what is built in --------------------------------------------------------------------------------


@pytest.mark.parametrize("paper", [entry.load() for entry in registry.PAPERS], ids=lambda paper: paper.card.slug)
def test_what_is_committed_about_a_paper_agrees(paper):
    assert [str(f) for f in check(paper, ROOT / "results", ROOT / "docs", LIBRARY) if f.kind == "error"] == []
    assert page(paper, read_results(paper, ROOT / "results"), ROOT / "results") == (
        ROOT / "docs" / "papers" / f"{paper.card.slug}.md"
    ).read_text("utf-8"), "run `make table`"


def test_every_page_is_of_a_paper():
    pages = {path.stem for path in (ROOT / "docs" / "papers").glob("*.md")}
    assert pages == {"index", *(entry.name for entry in registry.PAPERS)}
    assert all(entry.load().card.slug == entry.name for entry in registry.PAPERS)


def test_a_list_that_says_something_else(folder, capsys):
    path = Path("docs/papers/index.md")
    assert main(["claims"]) == 0
    path.write_text(path.read_text().replace("| reproduced |", "| planned |"))
    capsys.readouterr()
    assert main(["claims"]) == 1
    assert f"error: {path} does not say what cards and results say" in capsys.readouterr().out
    assert main(["claims", "coin"]) == 0, "only where all papers are looked at"
    path.unlink()
    assert main(["claims"]) == 1
    assert main(["papers", "page"]) == 0
    assert main(["claims"]) == 0
