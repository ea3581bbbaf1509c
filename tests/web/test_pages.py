"""Pages through the whole application, in this process: what they show, and that nothing on them can do harm."""

import json
import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("starlette")
from actlab.papers.registry import PAPERS
from actlab.web import place, running
from tests.web.conftest import ORIGIN, id_of


class Reader(HTMLParser):
    """What a page holds that matters for its safety and for people with other means to read it."""

    def __init__(self, text: str):
        super().__init__()
        self.scripts, self.loaded, self.styles, self.handlers = [], [], 0, []
        self.labels, self.inputs, self.ids, self.headings, self.landmarks = set(), [], [], [], []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        held = dict(attributes)
        self.handlers += [name for name in held if name.startswith("on") or name == "style"]
        if "id" in held:
            self.ids.append(held["id"])
        if tag == "script":
            self._script = True
            self.scripts.append(held.get("src"))
        if tag in ("script", "img", "link", "iframe"):
            self.loaded.append(held.get("src") or held.get("href"))
        if tag == "img":
            assert "alt" in held
            assert "width" in held
        if tag == "style":
            self.styles += 1
        if tag == "label":
            self.labels.add(held.get("for"))
        if tag in ("input", "select", "textarea") and held.get("type") != "hidden":
            self.inputs.append(held)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in ("main", "header", "footer", "nav"):
            self.landmarks.append(tag)

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = False

    def handle_data(self, data):
        assert not (self._script and data.strip()), "a script lies in the page"


PAGES = ["/", "/?q=action", "/systems/arsq", "/systems/metra", "/runs", "/compare", "/lab", "/map", "/none"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_safe_light_and_readable_by_all(client, path):
    answer = client.get(path)
    assert answer.status_code == (404 if path == "/none" else 200)
    page = Reader(answer.text)
    assert None not in page.scripts
    assert page.handlers == []
    assert page.styles == 0
    assert all(address.startswith("/") and not address.startswith("//") for address in page.loaded)
    assert len(page.ids) == len(set(page.ids))
    assert {"main", "header", "footer", "nav"} <= set(page.landmarks)
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:]))
    for held in page.inputs:
        assert held.get("id") in page.labels or "aria-label" in held or held.get("type") == "checkbox"
    files = {address.partition("?")[0] for address in page.loaded if address.startswith("/static/")}
    assert len(answer.content) + sum(len(client.get(file).content) for file in files) < 300_000


def test_a_changing_request_without_its_token_changes_nothing(client, root):
    before = sorted(path.name for path in root.iterdir())
    id = id_of(client, "half")
    for path in ("/runs/train", "/runs/compare", f"/runs/{id}/stop", f"/runs/{id}/resume", "/systems/arsq/reproduce"):
        form = {"agent": "ppo", "task": "CartPole-v1"}
        assert client.post(path, data=form, headers={"origin": ORIGIN}).status_code == 403
        assert client.get(path).status_code in (404, 405)
    assert sorted(path.name for path in root.iterdir()) == before


def post(client, path, **form):
    token = re.search(r'name="token" value="([0-9a-f]{64})"', client.get("/runs").text)[1]
    return client.post(path, data={"token": token, **form}, headers={"origin": ORIGIN}, follow_redirects=False)


def test_what_cannot_be_started_is_said(client, root):
    before = sorted(path.name for path in root.iterdir())
    for form in (
        {"agent": "ppoo", "task": "CartPole-v1"},
        {"agent": "ppo", "task": "module:Id-v0"},
        {"agent": "ppo", "task": "CartPole-v1", "steps": "many"},
        {"agent": "", "task": ""},
    ):
        answer = post(client, "/runs/train", **form)
        assert answer.status_code in (400, 404)
        assert 'role="alert"' in answer.text
    assert post(client, "/systems/metra/reproduce").status_code == 400
    assert post(client, f"/runs/{id_of(client, 'good-0')}/resume").status_code == 400
    assert post(client, f"/runs/{id_of(client, 'half')}/stop").status_code == 400
    assert sorted(path.name for path in root.iterdir()) == before


def test_a_run_is_started_and_stopped_from_its_page(client, root, monkeypatch):
    started = {}

    def start(asked):
        started["asked"] = asked
        return type("Row", (), {"id": "0123456789abcdef"})

    monkeypatch.setattr("actlab.web.processes.Processes.start", lambda self, asked: start(asked))
    answer = post(client, "/runs/train", agent="ppo:epochs=2", task="CartPole-v1", steps="5,000", seed="7")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs/0123456789abcdef"
    asked = started["asked"]
    assert (asked.agent, asked.task, asked.code, asked.steps, asked.seed) == (
        "ppo:epochs=2",
        "CartPole-v1",
        "identity",
        5000,
        7,
    )
    post(client, "/runs/compare", agents="sac  ppo", task="Pendulum-v1", codes="normalise bins:bins=3", seeds="2")
    assert (started["asked"].agents, started["asked"].codes) == (("sac", "ppo"), ("normalise", "bins:bins=3"))


# --- the feed ----------------------------------------------------------------------------------------


def slugs(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r'<h3><a href="/systems/([^"]+)"', text)))


def test_the_feed_shows_every_system_by_day(client):
    text = client.get("/").text
    found = slugs(text)
    assert sorted(found) == sorted(entry.name for entry in PAPERS)
    days = re.findall(r'class="day"[^>]*>(\S+) <small>', text)
    assert days == sorted(days, reverse=True)
    assert f"{len(found)} of {len(found)} systems" in text


@pytest.mark.parametrize("words", ["arsq", "coarse", "skill", "digit", "transfomer"])
def test_the_search_finds_and_ranks(client, words, tmp_path):
    from actlab.papers.catalogue import find
    from actlab.web.catalogue import all_papers

    shown = all_papers(tmp_path)
    expected = [entry.paper.card.slug for entry, _ in find([one.entry for one in shown.values()], words)]
    assert expected
    assert slugs(client.get("/", params={"q": words}).text) == expected


def test_the_feed_is_filtered_and_sorted(client):
    everything = slugs(client.get("/").text)
    planned = slugs(client.get("/", params={"status": "planned"}).text)
    assert set(planned) < set(everything)
    assert "arsq" not in planned
    assert 0 < len(slugs(client.get("/", params={"tag": "skills"}).text)) < len(everything)
    for sort in ("activity", "status"):
        assert sorted(slugs(client.get("/", params={"sort": sort}).text)) == sorted(everything)
    assert client.get("/", params={"sort": "size"}).status_code == 400
    assert client.get("/", params={"tag": "none-such"}).status_code == 404
    assert "Nothing is like that" in client.get("/", params={"q": "zzzzzz"}).text


def test_words_of_code_in_a_card_are_shown_as_such(client):
    text = client.get("/systems/arsq").text
    assert "the agents <code>arsq</code> and" in text
    assert "`" not in text
    assert place._prose("a ` b <i>") == "a ` b <i>"
    assert str(place._prose("`<i>` & b")) == "<code>&lt;i&gt;</code> &amp; b"


def test_only_what_is_built_can_be_run(client):
    assert "Run at scale smoke" in client.get("/systems/arsq").text
    planned = client.get("/systems/metra").text
    assert "<button" not in planned
    assert "Planned: it has a card" in planned
    assert client.get("/systems/metraa").status_code == 404


def test_the_map_names_every_system_under_its_words(client):
    text = client.get("/map").text
    for entry in PAPERS:
        assert f'href="/systems/{entry.name}"' in text


# --- runs --------------------------------------------------------------------------------------------


def test_the_list_says_what_the_folders_say(client):
    text = client.get("/runs").text
    assert "1 broken" in text
    assert "run.json could not be read: it is no JSON." in text
    assert "1,000 of 1,000" in text
    assert client.get("/runs", params={"state": "stopped"}).text.count("data-run=") == 1
    assert client.get("/runs", params={"q": "dqn"}).text.count("data-run=") == 2
    assert client.get("/runs", params={"sort": "rowid"}).status_code == 400
    assert client.get("/runs", params={"page": "9" * 30}).status_code == 200
    id = id_of(client, "half")
    assert client.get("/runs/states", params={"id": [id, "nothing"]}).json()[id]["state"] == "stopped"


def test_a_run_has_a_page_whatever_its_state(client):
    for name in ("good-0", "half", "broken"):
        assert client.get(f"/runs/{id_of(client, name)}").status_code == 200
    assert "Resume" in client.get(f"/runs/{id_of(client, 'half')}").text
    assert "<button" not in client.get(f"/runs/{id_of(client, 'good-0')}").text


def events_of(text: str) -> list[tuple[str, object]]:
    found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", text)
    return [(name, json.loads(data)) for name, data in found]


def test_curves_arrive_as_events_and_go_on_where_they_were(client, root):
    id = id_of(client, "good-0")
    answer = client.get(f"/runs/{id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    (first, rows), (second, state), (last, _) = events_of(answer.text)
    assert (first, second, last) == ("rows", "state", "end")
    assert [row["steps"] for row in rows] == [100 * i for i in range(1, 11)]
    assert state["state"] == "finished"
    place = re.search(r"id: (\d+)", answer.text)[1]
    with open(root / "good-0" / "metrics.jsonl", "a") as file:
        file.write('{"steps": 1100, "train/return": 5.0, "learn/loss": NaN, "x": "y"}\nbroken\n{"steps": 12')
    again = events_of(client.get(f"/runs/{id}/events", headers={"last-event-id": place}).text)
    assert again[0] == ("rows", [{"steps": 1100, "train/return": 5.0, "learn/loss": None, "x": None}])
    shorter = events_of(client.get(f"/runs/{id}/events", headers={"last-event-id": "999999"}).text)
    assert [name for name, _ in shorter[:2]] == ["again", "rows"]
    assert len(shorter[1][1]) == 11


def test_long_metrics_arrive_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "PIECE", 64)
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(f'{{"steps": {i}}}\n' for i in range(20)))
    steps, begin = [], 0
    while True:
        rows, begin, shorter = running.read_piece(path, begin)
        assert not shorter
        if not rows:
            break
        steps += [row["steps"] for row in rows]
    assert steps == list(range(20))
