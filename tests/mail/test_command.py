"""`actlab digest` on the command line, without a server."""

import json
import subprocess
import sys

import pytest

from actlab.cli import main
from actlab.mail.digest import catalogue, collect
from actlab.mail.store import Store
from tests.mail.conftest import NOW

CONFIG = (
    'host = "localhost"\nport = 1\nsecurity = "none"\nfrom = "news@example.org"\nbase = "http://127.0.0.1:8765"\n'
    'database = "mail.sqlite"\n'
)


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ACTLAB_MAIL", "")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "news.toml"
    path.write_text(CONFIG)
    return ["--config", str(path)]


def test_a_preview_needs_no_settings(capsys):
    assert main(["digest", "preview", "--since", "2025-11", "--tag", "restriction", "--date", "2026-03-02"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Subject: actlab: ")
    assert "News from actlab, 2026-03-02" in shown
    assert "key=" not in shown
    assert main(["digest", "preview", "--since", "2025-11", "--html"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")
    assert main(["digest", "preview", "--since", "2025-12-11", "--json"]) == 0
    assert {"dqc", "vla-anatomy"} <= {item["slug"] for item in json.loads(capsys.readouterr().out)}
    assert main(["digest", "preview"]) == 0
    assert "There is nothing to say" in capsys.readouterr().out


def test_a_preview_shows_what_would_be_sent_and_changes_nothing(config, capsys, tmp_path):
    assert main(["digest", "send", *config]) == 0
    with Store(tmp_path / "mail.sqlite") as store, store.change() as base:
        base.execute("DELETE FROM known WHERE slug = 'vita'")
    capsys.readouterr()
    for _ in range(2):
        assert main(["digest", "preview", "--json", *config]) == 0
        assert [item["slug"] for item in json.loads(capsys.readouterr().out)] == ["vita"]


def test_nobody_to_write_to_needs_no_server(config, capsys):
    assert main(["digest", "send", "--json", *config]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "news": 0,
        "sent": 0,
        "again": 0,
        "refused": 0,
        "remaining": 0,
        "trouble": [],
    }
    assert main(["digest", "status", *config]) == 0
    assert "subscribers, confirmed  0" in capsys.readouterr().out


def test_results_that_are_gone_are_no_news(config, capsys, tmp_path):
    with Store(tmp_path / "mail.sqlite") as store:
        collect(store, catalogue(tmp_path / "results"), NOW.date())
        with store.change() as base:
            base.execute("UPDATE known SET status = 'reproduced' WHERE slug = 'arsq'")
    assert main(["digest", "send", *config]) == 1
    assert "name it with --results" in capsys.readouterr().err
    (tmp_path / "results").mkdir()
    assert main(["digest", "send", *config]) == 0


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["send"], 1, "Nothing says where mail is sent from"),
        (["status"], 1, "Nothing says where mail is sent from"),
        (["send", "--config", "none.toml"], 1, "There is no mail configuration none.toml."),
        (["preview", "--tag", "restrictio", "--since", "2025"], 2, "did you mean 'restriction'?"),
        (["preview", "--date", "2026-02-30"], 2, "expected a day"),
        (["snd"], 2, "invalid choice"),
        ([], 2, "Missing: send|preview|status"),
    ],
)
def test_what_is_wrong_is_one_sentence(words, code, sentence, capsys):
    assert main(["digest", *words]) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_help_imports_nothing_that_it_does_not_need():
    code = "import sys; from actlab.cli import main; main(['digest', '--help']); "
    code += "print({'jax', 'starlette', 'smtplib', 'sqlite3', 'jinja2', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
    assert "smtp.example.org" in done.stdout
