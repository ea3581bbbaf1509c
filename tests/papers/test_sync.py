"""Asking arXiv, with a server of our own in its place: what is filed, what is not, and what is said."""

import datetime
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from actlab.cli import main
from actlab.core.errors import ActlabError
from actlab.papers import sync as module
from actlab.papers.sync import Busy, fetch_page, first_day, read_page, sync
from actlab.papers.unreviewed import Unreviewed, file_of, folder_of, kept, read_unreviewed, write_unreviewed

ENTRY = """<entry><id>http://arxiv.org/abs/{id}</id><published>{date}T17:59:59Z</published>
<updated>2026-02-01T00:00:00Z</updated><title>{title}</title><summary>An abstract that stays theirs.</summary>
{authors}</entry>"""


def entry(id: str, date: str = "2026-01-05", title: str = "Masks &amp;\n  more", authors: int = 2) -> str:
    people = "<author><name>Somebody</name></author>" * authors
    return ENTRY.format(id=id, date=date, title=title, authors=people)


def feed(*entries: str, head: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<title>arXiv</title>{''.join(entries)}</feed>"
    ).encode()


class Server:
    """Gives the answers of a list, in turn: bytes, a status, or an event that is waited for in the middle."""

    def __init__(self, *answers):
        self.answers, self.asked, self.agents = list(answers), [], []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append({name: value[0] for name, value in parse_qs(urlsplit(self.path).query).items()})
                server.agents.append(self.headers["User-Agent"])
                answer = server.answers.pop(0)
                if isinstance(answer, int):
                    return self.send_error(answer)
                self.send_response(200)
                self.send_header("Content-Length", "1000" if isinstance(answer, threading.Event) else str(len(answer)))
                self.end_headers()
                if isinstance(answer, threading.Event):
                    self.wfile.write(b"<feed")
                    answer.wait(30)
                else:
                    self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}/api/query"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_new_papers_are_filed_without_their_abstracts(tmp_path):
    slept = []
    with Server(feed(entry("2601.00002v3", "2026-01-06"), entry("2601.00001", authors=1))) as server:
        found = sync(tmp_path, "2026", query="masks", api=server.address, sleep=slept.append)
    assert found.new == [
        Unreviewed("2601.00002", "Masks & more", "2026-01-06", 2),
        Unreviewed("2601.00001", "Masks & more", "2026-01-05", 1),
    ]
    assert (found.known, slept) == (0, [])
    assert read_unreviewed(tmp_path) == (found.new, [])
    assert "abstract" not in file_of(tmp_path, "2601.00002").read_text()
    (asked,) = server.asked
    assert asked == {
        "search_query": "masks",
        "start": "0",
        "max_results": str(module.SIZE),
        "sortBy": "submittedDate",
        "sortOrder": "descending",
    }
    assert server.agents[0].startswith("actlab/")


def test_nothing_is_filed_twice_and_nothing_overwritten(tmp_path):
    page = feed(entry("2601.00002"), entry("2601.00001v2"), entry("2511.19859"), entry("cs/0601001"))
    with Server(page, page) as server:
        first = sync(tmp_path, "2026", api=server.address)
        assert [paper.arxiv for paper in first.new] == ["2601.00002", "2601.00001", "cs/0601001"]
        assert first.known == 1  # a card that is built in: vita
        path = file_of(tmp_path, "2601.00001")
        path.write_text(path.read_text().replace('"reviewed": false', '"reviewed": true').replace("Masks", "Mine"))
        held = path.read_text()
        again = sync(tmp_path, "2026", api=server.address)
    assert (again.new, again.known) == ([], 4)
    assert path.read_text() == held
    assert [paper.arxiv for paper in read_unreviewed(tmp_path)[0]] == ["cs/0601001", "2601.00002"]


def test_pages_are_turned_slowly_until_the_first_old_paper(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SIZE", 2)
    slept = []
    pages = [
        feed(entry("2601.00004"), entry("2601.00003")),
        feed(entry("2601.00002"), entry("2512.00001", "2025-12-31")),
    ]
    with Server(*pages) as server:
        found = sync(tmp_path, "2026-01", api=server.address, sleep=slept.append)
    assert len(found.new) == 3
    assert slept == [module.PAUSE]
    assert [asked["start"] for asked in server.asked] == ["0", "2"]


def test_a_run_ends_somewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SIZE", 1)
    monkeypatch.setattr(module, "MOST", 3)
    found = sync(tmp_path, "2026", fetch=lambda _: feed(entry("2601.00001")), sleep=lambda _: None)
    assert (len(found.new), found.known) == (1, 2)


def test_a_busy_server_is_asked_again_after_a_while(tmp_path):
    slept = []
    with Server(503, 429, feed(entry("2601.00001"))) as server:
        assert len(sync(tmp_path, "2026", api=server.address, sleep=slept.append).new) == 1
    assert slept == [module.PAUSE] * 2
    with Server(503, 503, 503) as server, pytest.raises(Busy, match="busy"):
        sync(tmp_path, "2026", api=server.address, sleep=slept.append)


def test_what_was_filed_stays_when_the_next_page_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SIZE", 1)
    with Server(feed(entry("2601.00001")), 500) as server, pytest.raises(ActlabError, match="error \\(500\\)"):
        sync(tmp_path, "2026", api=server.address, sleep=lambda _: None)
    assert len(read_unreviewed(tmp_path)[0]) == 1


BOMB = '<!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE feed [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no XML"),
        (b"<feed", "is no XML"),
        (b"\xff\xfe\x00", "is no XML"),
        (b"<html><body>Sorry</body></html>", "is no Atom feed"),
        (feed(entry("2601.00001"))[:-20], "is no XML"),
        (feed(entry("2601.00001", title="&b;"), head=BOMB), "document type"),
        (feed(entry("2601.00001", title="&a;"), head=OUTSIDE), "document type"),
        (feed(head='<!DOCTYPE feed SYSTEM "http://127.0.0.1/x">'), "document type"),
        (b'<?xml version="1.0" encoding="nothing"?><feed/>', "is no XML"),
        (feed(entry("no-id")), "is none"),
        (feed(entry("2601.00001", date="2026-02-31")), "is none"),
        (feed(entry("2601.00001", title="")), "is none"),
        (feed(entry("../../etc/passwd")), "is none"),
        (
            feed("<entry><id>http://arxiv.org/api/errors#x</id><summary>bad\n query</summary></entry>"),
            "does not understand the query: bad query",
        ),
    ],
)
def test_an_answer_that_is_none_is_one_sentence(content, sentence):
    with pytest.raises(ActlabError, match=sentence) as error:
        read_page(content)
    assert "\n" not in str(error.value)


def test_an_empty_answer_is_one():
    assert read_page(feed()) == []


def test_a_slow_server_is_left():
    go_on = threading.Event()
    with Server(go_on) as server:
        with pytest.raises(ActlabError, match="takes too long"):
            fetch_page(server.address, timeout=0.2)
        go_on.set()


def test_an_answer_that_breaks_off_is_said():
    go_on = threading.Event()
    go_on.set()
    with Server(go_on) as server:
        assert fetch_or_sentence(server.address)


def fetch_or_sentence(address: str) -> bool:
    """A short answer either raises, or is found out as no XML."""
    try:
        content = fetch_page(address)
    except ActlabError:
        return True
    with pytest.raises(ActlabError, match="no XML"):
        read_page(content)
    return True


def test_an_answer_that_is_too_large_is_not_kept(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 1000)
    with Server(b"x" * 2000) as server, pytest.raises(ActlabError, match="larger than"):
        fetch_page(server.address)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "nothing", "http://"])
def test_only_the_web_is_asked(address):
    with pytest.raises(ActlabError, match="is an http address"):
        fetch_page(address)


def test_from_when_on_to_ask():
    today = datetime.date(2026, 3, 2)
    assert first_day(today, []) == "2026-01-31"
    papers = [Unreviewed("2601.00001", "x", date, 1) for date in ("2026-01-05", "2025-12-01", "2026-09-09")]
    assert first_day(today, papers) == "2025-12-29"


# --- files and the command line ------------------------------------------------------------------------


def test_files_that_are_none_are_named(tmp_path):
    write_unreviewed(tmp_path, Unreviewed("2601.00001", "x", "2026-01-05", 1))
    good = json.loads(file_of(tmp_path, "2601.00001").read_text())
    for i, wrong in enumerate([{**good, "title": 5}, {**good, "more": 1}, {**good, "format": "x"}, [], {}]):
        (tmp_path / f"wrong-{i}.json").write_text(json.dumps(wrong))
    (tmp_path / "broken.json").write_text("{")
    found, wrong = read_unreviewed(tmp_path)
    assert len(found) == 1
    assert len(wrong) == 6
    assert read_unreviewed(tmp_path / "nowhere") == ([], [])


def test_the_folder_is_named_or_usual(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ACTLAB_PAPERS", "")
    assert folder_of() == tmp_path / ".local" / "share" / "actlab" / "papers"
    monkeypatch.setenv("ACTLAB_PAPERS", "there")
    assert str(folder_of()) == "there"
    assert str(folder_of("here")) == "here"


def test_dates_narrow():
    papers = [Unreviewed("2601.00001", "x", date, 1) for date in ("2026-01-05", "2026-02-05")]
    assert kept(papers, "", "2026-01") == papers[:1]
    assert kept(papers, "2026-02", "") == papers[1:]


def test_the_commands(tmp_path, capsys):
    words = ["--folder", str(tmp_path)]
    with Server(feed(entry("2601.00002"), entry("2601.00001"))) as server:
        assert main(["papers", "sync", "--since", "2026", "--api", server.address, *words]) == 0
    assert "2 new since 2026, 0 known already" in capsys.readouterr().out
    assert main(["papers", "list", "--unreviewed", "--json", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [paper["arxiv"] for paper in told] == ["2601.00002", "2601.00001"]
    assert main(["papers", "list", "--unreviewed", *words]) == 0
    assert capsys.readouterr().out.count("unreviewed") == 2
    assert main(["papers", "list"]) == 0
    assert "2601" not in capsys.readouterr().out


def test_without_a_network_it_is_one_sentence(tmp_path, capsys):
    with Server() as server:
        address = server.address
    assert main(["papers", "sync", "--api", address, "--folder", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("actlab: 127.0.0.1 cannot be reached: Connection refused.")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_it_imports_no_jax(tmp_path):
    code = (
        "import sys; from actlab.cli import main; main(['papers', 'list', '--unreviewed', '--folder', sys.argv[1]]); "
    )
    code += "print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")
