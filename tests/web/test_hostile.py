"""Requests that mean harm, through the whole application: each is answered as docs/web.md says, and none does any."""

import re
from pathlib import Path

import pytest

pytest.importorskip("starlette")
from actlab.web.safety import HEADERS
from tests.web.conftest import SCRIPT
from tests.web.hostile import CASES, GOOD, SECRET, Ask, attacked, row

PAGE = Path(__file__).parents[2] / "docs" / "web.md"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the runs, the results and the database of a server that is attacked; and the attacker."""
    folder = tmp_path_factory.mktemp("attacked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actlab.web.place.WAIT", None)
        patch.setenv("ACTLAB_PAPERS", str(folder / "papers"))
        patch.setattr("subprocess.Popen", lambda *words, **settings: pytest.fail(f"{words} was started"))
        with attacked(folder) as attacker:
            attacker.ask(Ask("/confirm?key=x"))  # opens the database
            yield folder, attacker


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what.replace(" ", "-"))
def test_it_is_answered_as_the_page_says_and_does_no_harm(case, place):
    folder, attacker = place
    before = sorted(folder.iterdir()), sorted(path.name for path in (folder / "runs").iterdir())
    answers = [attacker.ask(ask) for ask in case.asks]
    for ask, answer in zip(case.asks, answers, strict=True):
        assert answer.status == case.status, ask.shown
        assert SECRET not in answer.text
        assert "import " not in answer.text
        assert SCRIPT not in answer.text
        assert "<script>" not in answer.text
        policy = answer.headers["content-security-policy"]
        if "image/svg" in answer.headers["content-type"]:  # a picture may have its own styles, and runs nothing
            assert "script-src" not in policy
            assert "default-src 'none'" in policy
        else:
            assert policy == HEADERS["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (sorted(folder.iterdir()), sorted(path.name for path in (folder / "runs").iterdir())) == before
    shown = [case.outcome or answer.sentence for answer in answers]
    assert row(case, shown) in PAGE.read_text("utf-8").splitlines()


def test_the_page_tells_of_no_others():
    table = PAGE.read_text("utf-8").partition("| what comes |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (.+?) \| `", table, re.M) == [case.what for case in CASES]


def test_names_that_hold_script_are_shown(place):
    _, attacker = place
    listed = attacker.ask(Ask("/runs?q=script"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in listed.text
    for path in ("/runs/SCRIPTED", "/compare?run=SCRIPTED"):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in attacker.ask(Ask(path)).text


def test_a_broken_folder_is_listed_with_its_reason_beside_all_others(place):
    _, attacker = place
    listed = attacker.ask(Ask("/runs?state=broken")).text
    assert "run.json could not be read: it is no JSON." in listed
    assert listed.count("data-run=") == 1
    assert f"{GOOD + 1:,} finished" in listed
