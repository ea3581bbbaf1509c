"""Search: which words find what, in which order; and the filters and commands around it."""

import json
from pathlib import Path

import pytest

from actlab.cli import main
from actlab.core.errors import UnknownName
from actlab.papers import registry
from actlab.papers.catalogue import Filter, entries, find
from actlab.papers.search import Document, build_index, is_one_slip, search, words_of

DOCUMENTS = [
    Document("grid", {"title": "Tokens for grids", "summary": "Nothing on chunks."}, authors=3, date="2023-01-01"),
    Document("chunk", {"title": "Chunks of actions", "summary": "Tokenised chunks."}, authors=5, date="2024-05-01"),
    Document("chunky", {"title": "Chunks of actions", "summary": "Tokenised chunks."}, authors=15, date="2025-05-01"),
    Document("cafe", {"title": "Café, naïve", "tags": "tree-search 4.2.4"}, authors=5, date="2022-05-01"),
]
INDEX = build_index(DOCUMENTS)


def names(query: str, limit: int | None = None) -> list[str]:
    return [hit.name for hit in search(INDEX, query, limit)]


def test_titles_count_more_than_summaries_and_new_more_than_old():
    assert names("chunks") == ["chunky", "chunk", "grid"]
    assert names("chunks", limit=1) == ["chunky"]


def test_all_words_have_to_be_there():
    assert names("chunks grids") == ["grid"]
    assert names("chunks nowhere") == []


def test_the_beginning_of_a_word_is_enough_and_the_whole_word_better():
    assert names("token") == ["grid", "chunky", "chunk"]
    assert names("tokens")[0] == "grid"
    assert names("chunk") == ["chunky", "chunk", "grid"]


@pytest.mark.parametrize("query", ["chnuks", "chuncs", "chunkss", "chnks", "CHUNKS!"])
def test_one_slip_is_forgiven(query: str):
    assert names(query)[:2] == ["chunky", "chunk"]


def test_two_slips_and_short_words_are_not():
    assert names("chnuqs") == []
    assert names("fro") == []


def test_accents_case_and_marks_do_not_matter():
    assert names("cafe NAIVE") == ["cafe"]
    assert names("Tree-Search") == ["cafe"]
    assert names("4.2.4") == ["cafe"]


def test_the_number_of_authors():
    assert names("5 authors") == ["chunk", "cafe"]
    assert names("authors:5 chunks") == ["chunk"]
    assert names("15 authors") == ["chunky"]
    assert names("1 author") == []


def test_nothing_finds_nothing():
    assert names("") == names(" !? ") == []


def test_stopwords_are_not_asked_for_unless_they_are_all():
    assert names("the chunks of grids") == ["grid"]
    assert names("of") == ["chunky", "chunk"]


def test_a_hit_names_the_words_to_mark():
    (hit,) = search(INDEX, "chnuks grids")
    assert hit.words == ("chunks", "grids")
    assert hit.score > 0


@pytest.mark.parametrize(
    ("first", "second", "near"),
    [
        ("codec", "codecs", True),
        ("codec", "coddec", True),
        ("codec", "codex", True),
        ("codec", "cdoec", True),
        ("codec", "ocdec", True),
        ("codec", "codce", True),
        ("codec", "codec", False),
        ("codec", "cdoce", False),
        ("codec", "decoc", False),
        ("codec", "cod", False),
        ("ab", "ba", True),
    ],
)
def test_slips(first: str, second: str, near: bool):
    assert is_one_slip(first, second) is near
    assert is_one_slip(second, first) is near


def test_words():
    assert words_of("Auto-Regressive_Q 3.5 Über") == ["auto", "regressive", "q", "3.5", "uber"]


# --- the catalogue -----------------------------------------------------------------------------------

NOWHERE = Path("nowhere")


@pytest.fixture(scope="module")
def all_entries():
    return entries(NOWHERE)


def found(all_entries, query: str) -> list[str]:
    return [entry.paper.card.slug for entry, _ in find(all_entries, query)]


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ("restless bandits", "sequoia"),
        ("decision mamba", "decision-mamba"),
        ("quantized tokenizers", "vq-vla"),
        ("2310.13227", "toolchain-star"),
        ("Oversonic", "nl-robot-planner"),
        ("minecarft", "openha"),
        ("hypernetwroks", "hypercrl"),
        ("17 authors", "entropy-mechanism"),
        ("integer-programming", "sequoia"),
        ("survey", "vla-anatomy"),
        ("arsq", "arsq"),
    ],
)
def test_a_paper_is_found_first(all_entries, query: str, slug: str):
    assert found(all_entries, query)[0] == slug


def test_a_tag_finds_all_that_carry_it(all_entries):
    carry = {e.paper.card.slug for e in all_entries if "latent-actions" in e.paper.card.tags}
    assert carry <= set(found(all_entries, "latent-actions"))
    assert len(carry) > 1
    assert set(found(all_entries, "4.2.3")) == {
        e.paper.card.slug for e in all_entries if "recovery" in e.paper.card.tags
    }


def test_the_number_of_authors_finds_all_with_so_many(all_entries):
    assert set(found(all_entries, "8 authors")) == {e.paper.card.slug for e in all_entries if e.paper.card.authors == 8}


def slugs(all_entries, **fields) -> set[str]:
    wanted = Filter(**fields)
    return {entry.paper.card.slug for entry in all_entries if wanted.keeps(entry)}


def test_filters(all_entries):
    every = {entry.name for entry in registry.PAPERS}
    assert slugs(all_entries) == every
    assert slugs(all_entries, statuses=["planned"]) == {e.name for e in registry.PAPERS if e.load().planned}
    assert slugs(all_entries, kinds=["constraint"]) == {"camel", "sequoia"}
    assert slugs(all_entries, tags=["restriction"]) == slugs(
        all_entries, tags=["masks", "intervals", "linear-constraints", "grammars-and-graphs"]
    )
    assert slugs(all_entries, tags=["4.3.2"]) == {"hypercrl", "skillmimic-v2"}
    assert slugs(all_entries, tags=["m3"]) == slugs(all_entries, tags=["action-head"]) != set()
    assert slugs(all_entries, until="2022") == {"hypercrl", "active-inference-shape-pose"}
    assert slugs(all_entries, since="2025-12") == {"dqc", "etp-r1", "vla-anatomy"}
    assert slugs(all_entries, since="2023-02-03", until="2023-02") == {"n-pg-igt"}
    assert slugs(all_entries, since="2024", kinds=["constraint"]) == {"camel", "sequoia"}
    with pytest.raises(UnknownName, match="did you mean 'masks'"):
        slugs(all_entries, tags=["mask"])


def test_the_newest_come_first(all_entries):
    dates = [entry.paper.card.date for entry in all_entries]
    assert dates == sorted(dates, reverse=True)


# --- the commands ------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["papers", *words, "--results", "nowhere"]) == 0
    return capsys.readouterr().out


def test_list_and_search(capsys: pytest.CaptureFixture[str]):
    text = run(capsys, "list", "--kind", "survey", "--status", "planned")
    assert [line.split()[0] for line in text.splitlines()] == ["paper", "vla-anatomy"]
    assert run(capsys, "list", "--since", "2030") == "No paper is like that.\n"
    text = run(capsys, "search", "restless", "bandts", "--tag", "restriction")
    assert [line.split()[0] for line in text.splitlines()] == ["paper", "sequoia"]
    assert run(capsys, "search", "zebra") == "No paper is found by 'zebra'.\n"
    (hit,) = json.loads(run(capsys, "search", "restless", "--json"))
    assert (hit["slug"], hit["status"], hit["words"]) == ("sequoia", "planned", ["restless"])
    assert {"score", "tags", "kinds", "authors", "claims"} <= hit.keys()
    assert len(json.loads(run(capsys, "--json"))) == len(list(registry.PAPERS))


def test_tags(capsys: pytest.CaptureFixture[str]):
    rows = {line.split()[0]: line for line in run(capsys, "tags").splitlines()}
    assert rows["real-time"].split()[1:] == ["3", "4.2.4", "Real", "time"]
    assert "representation" in rows
    data = {row["id"]: row for row in json.loads(run(capsys, "tags", "--json", "--kind", "survey"))}
    assert data["end-to-end"]["papers"] == 1
    assert data["restriction"]["papers"] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["search"], "Say what to look for: actlab papers search WORD..."),
        (["list", "--tag", "mask"], "There is no tag named 'mask'; did you mean 'masks'?"),
        (["list", "--since", "last week"], "expected a date (2025, 2025-03 or 2025-03-01)"),
        (["list", "--kind", "robot"], "invalid choice: 'robot'"),
        (["list", "--status", "great"], "invalid choice: 'great'"),
        (["import-table"], "Name one file: actlab papers import-table FILE.csv"),
        (["import-table", "nowhere.csv"], "nowhere.csv does not exist."),
        (["show"], "Name one paper: actlab papers show SLUG"),
    ],
)
def test_a_wrong_command_is_one_sentence(capsys: pytest.CaptureFixture[str], words: list[str], sentence: str):
    assert main(["papers", *words]) != 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
