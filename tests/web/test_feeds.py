"""The three feeds: well formed, whole, with ids that stay, and what a card says never becomes markup."""

import json
import re
import uuid
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("starlette")
from actlab.papers.registry import PAPERS
from actlab.web import feeds
from tests.web.conftest import ORIGIN

ATOM = "{http://www.w3.org/2005/Atom}"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NUMBER = min(len(list(PAPERS)), feeds.MOST)
HARM = 'A <b>bold</b> & "quoted" ]]> claim\x0b\x00 of café 🤖'
SHOWN = 'A <b>bold</b> & "quoted" ]]> claim of café 🤖'


@pytest.fixture
def harmful() -> feeds.Feed:
    """A feed whose one entry is full of signs."""
    one = feeds.Told("urn:uuid:1", "http://x/systems/a?b=1&c=2", HARM, HARM, (HARM,), datetime(2026, 1, 5, tzinfo=UTC))
    return feeds.Feed("http://x", [one])


def test_atom_is_whole(client):
    answer = client.get("/feed.atom")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    root = ElementTree.fromstring(answer.content)
    assert root.tag == f"{ATOM}feed"
    for name in ("id", "title", "updated"):
        assert len(root.findall(f"{ATOM}{name}")) == 1
    assert root.findtext(f"{ATOM}author/{ATOM}name")
    links = {link.get("rel"): link.get("href") for link in root.findall(f"{ATOM}link")}
    assert links == {"self": f"{ORIGIN}/feed.atom", "alternate": f"{ORIGIN}/"}
    entries = root.findall(f"{ATOM}entry")
    assert len(entries) == NUMBER
    for entry in entries:
        for name in ("id", "title", "updated", "published", "summary"):
            assert len(entry.findall(f"{ATOM}{name}")) == 1
            assert entry.findtext(f"{ATOM}{name}")
        uuid.UUID(entry.findtext(f"{ATOM}id"))
        assert RFC3339.fullmatch(entry.findtext(f"{ATOM}updated"))
        assert entry.find(f"{ATOM}link").get("href").startswith(f"{ORIGIN}/systems/")
    assert root.findtext(f"{ATOM}updated") == max(entry.findtext(f"{ATOM}updated") for entry in entries)


def test_rss_is_whole(client):
    answer = client.get("/feed.rss")
    assert answer.headers["content-type"] == "application/rss+xml; charset=utf-8"
    root = ElementTree.fromstring(answer.content)
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    (channel,) = root
    for name in ("title", "link", "description"):
        assert channel.findtext(name)
    assert channel.find(f"{ATOM}link").get("href") == f"{ORIGIN}/feed.rss"
    assert parsedate_to_datetime(channel.findtext("lastBuildDate")).tzinfo is not None
    items = channel.findall("item")
    assert len(items) == NUMBER
    for item in items:
        assert item.find("guid").get("isPermaLink") == "false"
        assert parsedate_to_datetime(item.findtext("pubDate")).utcoffset().total_seconds() == 0
        assert item.findtext("title")
        assert item.findtext("link").startswith(f"{ORIGIN}/systems/")


def test_json_is_whole(client):
    answer = client.get("/feed.json")
    assert answer.headers["content-type"] == "application/feed+json"
    feed = answer.json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert (feed["home_page_url"], feed["feed_url"]) == (f"{ORIGIN}/", f"{ORIGIN}/feed.json")
    assert len(feed["items"]) == NUMBER
    for item in feed["items"]:
        assert set(item) == {"id", "url", "title", "content_text", "date_published", "tags"}
        assert RFC3339.fullmatch(item["date_published"])
        assert all(isinstance(tag, str) for tag in item["tags"])


def test_all_three_tell_the_same_newest_first(client):
    atom = ElementTree.fromstring(client.get("/feed.atom").content).findall(f"{ATOM}entry")
    rss = ElementTree.fromstring(client.get("/feed.rss").content).findall("channel/item")
    told = client.get("/feed.json").json()["items"]
    ids = [entry.findtext(f"{ATOM}id") for entry in atom]
    assert ids == [item.findtext("guid") for item in rss] == [item["id"] for item in told]
    assert len(set(ids)) == NUMBER
    dates = [item["date_published"] for item in told]
    assert dates == sorted(dates, reverse=True)


def test_ids_stay():
    """Whoever changes them sends every reader everything again."""
    shown = feeds.all_papers(Path("nowhere"))
    assert feeds.told(shown["vita"], "http://x").id == feeds.told(shown["vita"], "http://y").id
    assert feeds.told(shown["vita"], "http://x").id == "urn:uuid:499f0406-9aa8-5617-a4cb-cc4bc8bf36a8"


def test_signs_stay_signs(harmful):
    atom = ElementTree.fromstring(feeds.atom(harmful).body).find(f"{ATOM}entry")
    assert atom.findtext(f"{ATOM}title") == atom.findtext(f"{ATOM}summary") == SHOWN
    assert atom.find(f"{ATOM}category").get("term") == SHOWN
    assert atom.find(f"{ATOM}link").get("href") == "http://x/systems/a?b=1&c=2"
    item = ElementTree.fromstring(feeds.rss(harmful).body).find("channel/item")
    assert item.findtext("title") == SHOWN
    assert item.findtext("description") == SHOWN.replace("&", "&amp;").replace("<", "&lt;")
    (told,) = json.loads(feeds.json_feed(harmful).body)["items"]
    assert told["title"] == HARM


def test_an_empty_feed_is_one():
    for make in (feeds.atom, feeds.rss):
        ElementTree.fromstring(make(feeds.Feed("http://x", [])).body)
    assert json.loads(feeds.json_feed(feeds.Feed("http://x", [])).body)["items"] == []


def test_the_feed_page_names_its_feeds(client):
    found = re.findall(r'<link rel="alternate" type="([^"]+)" title="[^"]+" href="([^"]+)">', client.get("/").text)
    assert found == [
        ("application/atom+xml", "/feed.atom"),
        ("application/rss+xml", "/feed.rss"),
        ("application/feed+json", "/feed.json"),
    ]
    for kind, address in found:
        assert client.get(address).headers["content-type"].startswith(kind)


@pytest.mark.parametrize("path", ["/feed.atom", "/feed.rss"])
def test_another_reader_understands_them(client, path):
    feedparser = pytest.importorskip("feedparser")
    found = feedparser.parse(client.get(path).content)
    assert not found.bozo
    assert len(found.entries) == NUMBER
    assert all(entry.id and entry.title and entry.published_parsed for entry in found.entries)


def test_what_nobody_has_read_is_marked_and_in_no_feed(client, tmp_path):
    from actlab.papers.unreviewed import Unreviewed, write_unreviewed

    assert "unreviewed" not in client.get("/").text
    write_unreviewed(tmp_path / "papers", Unreviewed("2601.00001", "A <b>new</b> one", "2026-01-05", 2))
    page = client.get("/").text
    assert "A &lt;b&gt;new&lt;/b&gt; one" in page
    assert '<span class="badge">unreviewed</span> 2026-01-05 · 2 authors · arXiv 2601.00001' in page
    assert "2601.00001" not in client.get("/?q=new").text
    assert "2601.00001" not in client.get("/?tag=masks").text
    assert "2601.00001" not in client.get("/feed.json").text
