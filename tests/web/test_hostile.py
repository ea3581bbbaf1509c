"""Requests that mean harm, to a real server over 1,000 runs: refused in one sentence, or shown as harmless text."""

from pathlib import Path

import pytest

pytest.importorskip("starlette")
from actlab.web.safety import HEADERS
from tests.web.conftest import SCRIPT
from tests.web.hostile import CASES, GOOD, Case, prepared, row

PAGE = Path(__file__).parents[2] / "docs" / "web.md"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def client(root):
    with prepared(root) as opened:
        yield opened


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what.replace(" ", "-"))
def test_a_request_that_means_harm(case: Case, client, root):
    before = sorted(path.name for path in root.iterdir())
    answer = client.send(case)
    assert answer.status == case.status, answer.text
    assert sorted(path.name for path in root.iterdir()) == before
    assert {name: answer.headers[name] for name in HEADERS if name != "cache-control"}.items() <= HEADERS.items()
    for secret in (SCRIPT, "root:", "Traceback", str(Path(__file__).parents[2])):
        assert secret not in answer.text
    if case.status == 200:
        assert case.shows
        if "as text" in case.shows:
            assert "&lt;script&gt;alert(1)&lt;" in answer.text
        if case.shows.startswith("one row"):
            assert answer.text.count("data-run=") == 1
        if "cannot be read" in case.shows:
            assert '<span class="badge broken">broken</span>' in answer.text
    else:
        assert answer.sentence
        assert "\n" not in answer.sentence
    assert row(case, answer) in PAGE.read_text()


def test_good_runs_are_listed_beside_the_broken_ones(client):
    text = client.ask("/runs").text
    assert f"of {GOOD + 3:,} under" in text
    assert "2 broken</a>" in text
