"""The cards that are built in, and what a card, a reported claim and a planned paper refuse."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from actlab.cli import main
from actlab.core.errors import ActlabError
from actlab.papers import registry
from actlab.papers.card import PENDING, PLANNED, Card, Paper, Reported
from actlab.papers.catalogue import entries, faults, sentences
from actlab.papers.check import check, check_index
from actlab.papers.index import index
from actlab.papers.page import page
from actlab.papers.reproduce import reproduce
from actlab.papers.sources import Library
from tests.papers import coin

ROOT = Path(__file__).parents[2]
ALL = {entry.name: entry.load() for entry in registry.PAPERS}
UNBUILT = sorted(slug for slug, paper in ALL.items() if paper.planned)

CARD = Card("one", "One", "2024", 1, "", "", "It is. It was. It will be.", "an agent")
SAID = Reported("better", "It is better.", "somewhere", "twice", "table 1", primary=True)


# --- all of them -------------------------------------------------------------------------------------


def test_there_are_thirty_five():
    assert len(ALL) == 35


@pytest.mark.parametrize("slug", sorted(ALL))
def test_a_card_follows_the_rules(slug: str):
    assert faults(ALL[slug], ALL) == []
    assert ALL[slug].card.slug == slug
    assert registry.PAPERS[slug].target == f"actlab.papers.{slug.replace('-', '_')}:PAPER"
    assert ALL[slug].card.arxiv


def test_every_symbol_imports():
    symbols = [symbol for paper in ALL.values() for symbol in paper.card.symbols]
    assert symbols
    for symbol in symbols:
        module, _, name = symbol.partition(":")
        assert callable(getattr(import_module(module), name)), symbol


def test_what_is_built_has_symbols():
    assert set(ALL) - set(UNBUILT) == {slug for slug, paper in ALL.items() if paper.card.symbols}


@pytest.mark.parametrize("slug", UNBUILT)
def test_the_page_of_a_planned_one_says_so(slug: str):
    text = page(ALL[slug], {}, Path("nowhere"))
    assert "**Status:** planned." in text
    assert text.count("| not yet run ") == len(ALL[slug].claims)
    assert "reproduce" not in text
    assert "actlab train" not in text


def test_a_planned_one_is_never_run(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    slug = UNBUILT[0]
    for scale in ("smoke", "small", "paper"):
        with pytest.raises(ActlabError, match=f"{slug} is planned: nothing of it can be run yet"):
            reproduce(slug, scale, results=tmp_path, out=tmp_path, quiet=True)
    assert main(["reproduce", slug, "--results", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"actlab: {slug} is planned")
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert main(["papers", "show", slug]) == 0
    text = capsys.readouterr().out
    assert "status" in text
    assert "It is planned: there is this card, and nothing that could be run." in text
    assert "actlab reproduce" not in text
    assert main(["papers", "show", slug, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["status"] == PLANNED
    assert {claim["status"] for claim in shown["claims"]} == {PENDING}


def test_the_list_in_the_documentation_is_up_to_date():
    assert check_index(ROOT / "results", ROOT / "docs") == [], "run `make table`"


def test_the_navigation_lists_every_page():
    lines = (ROOT / "mkdocs.yml").read_text("utf-8").splitlines()
    listed = [line.split("papers/")[1].removesuffix(".md") for line in lines if "papers/" in line]
    assert listed[0] == "index"
    assert sorted(listed[1:]) == sorted(ALL)


# --- rules -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"slug": "Big_One"}, "small letters, digits and dashes; received 'Big_One'"),
        ({"date": "yesterday"}, "The date of one is a year or year-month-day; received 'yesterday'"),
        ({"date": "2024-02-30"}, "received '2024-02-30'"),
        ({"arxiv": "arXiv:2502.00288"}, "The arXiv id of one looks like 2502.00288"),
        ({"authors": -1}, "one cannot have fewer than 0 authors"),
        ({"kinds": ("robot",)}, "one is one of codec, constraint, agent,"),
        ({"symbols": ("actlab.agents.arsq",)}, "A symbol of one is written module:attribute"),
        ({"tags": "masks"}, "The tags of one are several, as a tuple; received 'masks'"),
        ({"related": ("one",)}, "one is not related to itself"),
    ],
)
def test_a_field_of_a_card_that_is_wrong_is_told(fields: dict, sentence: str):
    with pytest.raises(ActlabError, match=sentence):
        replace(CARD, **fields)


def test_old_arxiv_ids_are_ids():
    assert replace(CARD, arxiv="cs/0112017").arxiv == "cs/0112017"


@pytest.mark.parametrize("field", ["text", "task", "published", "source"])
def test_a_reported_claim_leaves_nothing_empty(field: str):
    with pytest.raises(ActlabError, match=f"'better' needs its {field}"):
        replace(SAID, **{field: " "})


def test_a_reported_claim_has_a_name():
    with pytest.raises(ActlabError, match="small letters, digits and dashes; received 'Better!'"):
        replace(SAID, name="Better!")


def test_a_planned_paper_has_nothing_that_is_built():
    assert Paper(CARD, (SAID,)).planned
    for card, claim in (
        (replace(CARD, symbols=("actlab.agents.arsq:ARSQ",)), SAID),
        (replace(CARD, switches=("`x=1` is the release.",)), SAID),
        (CARD, coin.CLAIMS[0]),
    ):
        with pytest.raises(ActlabError, match="one has no study, so it is planned"):
            Paper(card, (claim,))


def test_faults_of_a_card():
    wrong = replace(CARD, tags=("search", "nowhere", "nowhere"), related=("two",), summary="Short.")
    unsourced = replace(coin.PAPER, card=wrong, claims=(replace(coin.CLAIMS[0], source=""),))
    assert faults(unsourced, ["one"]) == [
        "one has the tag 'nowhere', which the taxonomy does not know.",
        "one has the tag 'nowhere', which the taxonomy does not know.",
        "one has the tag 'search', which has parts: name one of them.",
        "one is related to 'two', which is no paper.",
        "one has one of its tags twice.",
        "one has no kinds.",
        "The summary of one should have 3 to 6 sentences; it has 1.",
        "one has no claim with the paper's figure and where it stands.",
    ]


def test_sentences():
    assert sentences("It has 1.5 million e.g. steps. Does it? (Yes.) It does!") == [
        "It has 1.5 million e.g. steps.",
        "Does it?",
        "(Yes.) It does!",
    ]


# --- papers of which a part is reported --------------------------------------------------------------


def test_a_reported_claim_beside_tested_ones(tmp_path: Path):
    said = replace(SAID, primary=False)
    paper = replace(coin.PAPER, claims=(*coin.CLAIMS, said))
    done = reproduce(paper, "smoke", results=tmp_path / "results", out=tmp_path / "runs", quiet=True)
    assert set(done.result["claims"]) == {claim.name for claim in coin.CLAIMS}
    text = page(paper, {"small": {**done.result, "scale": "small"}}, tmp_path / "results")
    (row,) = (line for line in text.splitlines() if line.startswith("| better "))
    assert "not yet run" in row
    assert "twice (table 1)" in row
    assert "*not yet run*: the paper reports it, and nothing here tests it." in text
    with pytest.raises(ActlabError, match="There is no claim named 'better'"):
        reproduce(paper, "smoke", claim="better", results=tmp_path, out=tmp_path, quiet=True)


def test_results_of_a_planned_paper_are_an_error(tmp_path: Path):
    paper = Paper(CARD, (SAID,))
    assert check(paper, tmp_path, tmp_path, Library()) == []
    (tmp_path / "one").mkdir()
    (found,) = check(paper, tmp_path, tmp_path, Library())
    assert str(found) == f"error: {tmp_path / 'one'} is there, and one is planned: nothing of it can be run."
    (tmp_path / "papers").mkdir()
    assert "one.md is not there; write it" in str(check(paper, tmp_path, tmp_path, Library())[1])


def test_the_list_names_what_nobody_covers(tmp_path: Path):
    tagged = Paper(replace(CARD, title="A* and `more`", tags=("tree-search",), kinds=("planner",)), (SAID,))
    text = index(entries(tmp_path, [tagged]))
    assert "| [one](one.md) | 2024 | planner | planned | A\\* and `more` |" in " ".join(text.split())
    assert "- **Tree search** (`tree-search`). Best first, or by random play. [one](one.md)." in text
    assert "- **Shooting** (`shooting`). Candidate sequences, tried in a model. *Not covered.*" in text
    assert "0 can be run, and 1 are planned" in text
    assert "- **2024**: 80, among them OpenVLA, Octo, pi0," in text
