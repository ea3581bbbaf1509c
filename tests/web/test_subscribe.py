"""Subscribing through the pages, with a real mail server: what is sent, and what a stranger learns."""

import re
from datetime import timedelta

import pytest

pytest.importorskip("starlette")
pytest.importorskip("aiosmtpd")
from starlette.testclient import TestClient

from actlab.mail.subscribers import LIMITS
from actlab.web.app import make_app
from actlab.web.desk import Desk
from tests.mail.conftest import NOW, serve  # noqa: F401 (a fixture)
from tests.web.conftest import ORIGIN
from tests.web.test_pages import Reader

CLICK = "List-Unsubscribe=One-Click"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def box_and_config(serve, tmp_path):  # noqa: F811
    box, port = serve()
    config = tmp_path / "mail.toml"
    config.write_text(
        f'host = "127.0.0.1"\nport = {port}\nsecurity = "none"\nfrom = "news@example.org"\ntimeout = 20\n'
        'base = "https://news.example.org"\ndatabase = "mail.sqlite"\n'
    )
    return box, config


@pytest.fixture
def box(box_and_config):
    return box_and_config[0]


@pytest.fixture
def client(root, tmp_path, box_and_config, monkeypatch):
    monkeypatch.setattr(Desk, "now", lambda desk: NOW)
    with TestClient(make_app(root, tmp_path / "results", box_and_config[1]), base_url=ORIGIN) as opened:
        yield opened


def post(client, path, origin=ORIGIN, **form):
    token = re.search(r'name="token" value="([0-9a-f]{64})"', client.get("/subscribe").text)[1]
    return client.post(path, data={"token": token, **form}, headers={"origin": origin})


def key_of(mail) -> str:
    return re.search(r"key=([\w-]+)", mail.get_body(("plain",)).get_content())[1]


@pytest.fixture
def link(client, box):
    """The key of a subscribed reader's own links."""
    post(client, "/subscribe", address="a@example.org", cadence="daily", tag=["masks"])
    post(client, "/confirm", key=key_of(box.mails[-1][1]))
    subscribers = client.app._app.state.desk.subscribers(client.app._app.state.desk.settings())
    key = subscribers.new_key()
    with subscribers.store.change() as base:
        id = base.execute("SELECT id FROM subscribers").fetchone()[0]
        subscribers.keep_key(base, id, key, NOW)
    return key


def states(client):
    desk = client.app._app.state.desk
    return desk.subscribers(desk.settings()).counts()


# --- asking and confirming ---------------------------------------------------------------------------


def test_a_subscription_from_form_to_confirmation(client, box):
    answer = post(client, "/subscribe", address="A@example.org", cadence="daily", tag=["masks", "chunks"])
    assert answer.status_code == 200
    assert "a mail is on its way" in answer.text
    assert "example.org" not in answer.text
    ((address, mail),) = box.mails
    assert address == "A@example.org"
    assert mail["List-Unsubscribe"] is None
    assert "daily news about" in mail.get_body(("plain",)).get_content()
    key = key_of(mail)
    assert f"https://news.example.org/confirm?key={key}" in mail.get_body(("html",)).get_content()
    for _ in range(2):  # programs that follow links confirm nothing
        page = client.get("/confirm", params={"key": key})
        assert page.status_code == 200
        assert "Yes, send me news" in page.text
    assert states(client) == {"pending": 1, "confirmed": 0, "out": 0}
    assert "daily news about" in post(client, "/confirm", key=key).text
    assert states(client) == {"pending": 0, "confirmed": 1, "out": 0}
    assert client.get("/confirm", params={"key": key}).status_code == 404
    assert post(client, "/confirm", key=key).status_code == 404


def test_the_answer_does_not_tell_who_is_known(client, box, link):
    known = post(client, "/subscribe", address="a@example.org")
    new = post(client, "/subscribe", address="b@example.org")
    box.hooks["RCPT"] = lambda address: "550 no such mailbox"
    nobody = post(client, "/subscribe", address="c@example.org")
    assert known.status_code == new.status_code == nobody.status_code == 200
    assert known.text == new.text == nobody.text
    first, second = (mail.get_body(("plain",)).get_content() for _, mail in box.mails[-2:])
    assert re.sub("key=.*", "", first) == re.sub("key=.*", "", second)


def test_an_address_that_was_written_to_often_gets_no_more_and_nobody_learns_it(client, box):
    answers = [post(client, "/subscribe", address="a@example.org").text for _ in range(LIMITS["address"] + 1)]
    assert len(set(answers)) == 1
    assert len(box.mails) == LIMITS["address"]


def test_too_many_requests_are_turned_away(client, box, monkeypatch):
    monkeypatch.setitem(LIMITS, "client", 2)
    for i in range(2):
        assert post(client, "/subscribe", address=f"a{i}@example.org").status_code == 200
    assert post(client, "/subscribe", address="b@example.org").status_code == 429
    monkeypatch.setattr(Desk, "now", lambda desk: NOW + timedelta(hours=1))
    assert post(client, "/subscribe", address="b@example.org").status_code == 200


def test_a_wrong_form_keeps_what_was_chosen(client, box):
    answer = post(client, "/subscribe", address='"><script>', cadence="daily", tag=["masks"])
    assert answer.status_code == 400
    assert "That is no mail address" in answer.text
    assert "<script>" not in answer.text
    assert re.search(r'value="masks" checked', answer.text)
    assert post(client, "/subscribe", address="a@example.org", tag="none-such").status_code == 404
    assert post(client, "/subscribe", address="a@example.org", cadence="hourly").status_code == 400
    injected = post(client, "/subscribe", address="a@example.org\r\nBcc: b@example.org")
    assert injected.status_code == 400
    assert box.mails == []


def test_a_mail_server_that_is_away_is_said(client, box, capsys):
    box.hooks["MAIL"] = lambda address: "451 not now"
    answer = post(client, "/subscribe", address="a@example.org")
    assert answer.status_code == 503
    assert "No mail can be sent at the moment" in answer.text
    assert "451 not now" in capsys.readouterr().err


def test_a_tag_may_be_chosen_by_a_link(client):
    assert re.search(r'value="masks" checked', client.get("/subscribe?tag=masks&tag=none-such").text)


# --- choosing and leaving ----------------------------------------------------------------------------


def test_a_choice_is_changed(client, link):
    page = client.get("/subscription", params={"key": link})
    assert re.search(r'value="masks" checked', page.text)
    assert re.search(r'value="daily" checked', page.text)
    assert "weekly news about" in post(client, "/subscription", key=link, do="choose", cadence="weekly").text
    assert not re.search(r'value="masks" checked', client.get("/subscription", params={"key": link}).text)


def test_leaving_takes_a_button(client, link):
    client.get("/subscription", params={"key": link})
    assert client.get("/unsubscribe", params={"key": link}).url.path == "/subscription"
    assert states(client)["confirmed"] == 1
    assert "You have left" in post(client, "/subscription", key=link, do="leave").text
    assert states(client) == {"pending": 0, "confirmed": 0, "out": 1}
    assert "Subscribe again" in client.get("/subscription", params={"key": link}).text
    assert post(client, "/subscription", key=link, do="choose").status_code == 404


@pytest.mark.parametrize("path", ["/confirm", "/subscription"])
def test_a_key_that_is_none_is_one_sentence(client, path):
    for key in ("", "x", "é" * 5000, "\x00"):
        answer = client.get(path, params={"key": key})
        assert answer.status_code == 404
        assert "This link has been used, or is too old." in answer.text


# --- one click: the exception to what a form needs -----------------------------------------------------


MULTIPART = (
    b'--b0undary\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b0undary--\r\n',
    {"content-type": "multipart/form-data; boundary=b0undary"},
)


@pytest.mark.parametrize(("body", "headers"), [(CLICK.encode(), FORM), MULTIPART])
@pytest.mark.parametrize("base", [ORIGIN, "https://news.example.org"])
def test_one_click_needs_the_key_and_nothing_else(client, link, body, headers, base):
    stranger = TestClient(client.app, base_url=base)  # no cookie, no token, no Origin
    answer = stranger.post(f"/unsubscribe?key={link}", content=body, headers=headers)
    assert (answer.status_code, answer.text) == (200, "No more news will be sent.\n")
    assert states(client)["out"] == 1
    assert stranger.post(f"/unsubscribe?key={link}", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", FORM),
        (b"List-Unsubscribe=Two-Clicks", FORM),
        (CLICK.encode() + b"&more=1", FORM),
        (CLICK.encode(), {"content-type": "text/plain"}),
        (CLICK.encode(), {}),
        (MULTIPART[0].replace(b"One", b"Two"), MULTIPART[1]),
        (MULTIPART[0], {"content-type": "multipart/form-data"}),
        (b"", MULTIPART[1]),
    ],
)
def test_anything_else_is_no_click(client, link, body, headers):
    answer = client.post(f"/unsubscribe?key={link}", content=body, headers=headers)
    assert answer.status_code == 400
    assert states(client)["confirmed"] == 1


def test_a_large_click_is_not_read(client, link):
    body = CLICK.encode() + b" " * 5000
    assert client.post(f"/unsubscribe?key={link}", content=body, headers=FORM).status_code == 413


@pytest.mark.parametrize("key", ["", "x"])
def test_a_click_without_its_key_does_nothing(client, link, key):
    answer = client.post(f"/unsubscribe?key={key}", content=CLICK, headers=FORM)
    assert answer.status_code == 404
    assert states(client)["confirmed"] == 1


@pytest.mark.parametrize("path", ["/subscribe", "/confirm", "/subscription", "/runs/train", "/unsubscribe/"])
def test_no_other_form_does_without_its_token(client, link, path):
    for headers in (FORM, {**FORM, "origin": ORIGIN}):
        answer = client.post(f"{path}?key={link}", content=CLICK, headers=headers)
        assert answer.status_code == 403


# --- the public name ---------------------------------------------------------------------------------


@pytest.fixture
def public(client):
    return TestClient(client.app, base_url="https://news.example.org")


def test_others_read_the_catalogue_and_subscribe(client, public, box):
    for path in ("/", "/map", "/systems/arsq", "/feed.atom", "/feed.json", "/static/style.css", "/subscribe"):
        assert public.get(path).status_code == 200
    assert "https://news.example.org/systems/" in public.get("/feed.rss").text
    assert "Run at scale" in client.get("/systems/arsq").text
    assert "Run at scale" not in public.get("/systems/arsq").text
    assert 'href="/runs"' not in public.get("/").text
    answer = post(public, "/subscribe", "https://news.example.org", address="a@example.org")
    assert answer.status_code == 200
    assert len(box.mails) == 1
    assert post(public, "/subscribe", ORIGIN, address="a@example.org").status_code == 403


def test_the_cookie_stays_on_the_encrypted_line(client, public):
    assert public.get("/").headers["set-cookie"].endswith("; Secure")
    assert "Secure" not in TestClient(client.app, base_url=ORIGIN).get("/").headers["set-cookie"]


# --- pages -------------------------------------------------------------------------------------------


def test_without_settings_the_page_says_how(root, tmp_path, monkeypatch):
    monkeypatch.setenv("ACTLAB_MAIL", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    with TestClient(make_app(root, tmp_path), base_url=ORIGIN) as bare:
        for path in ("/subscribe", "/confirm?key=x", "/subscription?key=x"):
            page = bare.get(path)
            assert page.status_code == 200
            assert ".config/actlab/mail.toml" in page.text
            assert "starttls" in page.text
            assert "<form" not in page.text
        assert bare.post("/unsubscribe?key=x", content=CLICK, headers=FORM).status_code == 404
        place = tmp_path / ".config" / "actlab" / "mail.toml"
        place.parent.mkdir(parents=True)
        place.write_text('host = "x"\n')
        assert "from is missing" in bare.get("/subscribe").text


def test_the_pages_are_readable_by_all(client, link):
    for path in ("/subscribe", f"/subscription?key={link}", "/confirm?key=x"):
        page = Reader(client.get(path).text)
        assert page.handlers == page.scripts == []
        assert page.styles == 0
        assert len(page.ids) == len(set(page.ids))
        assert page.headings[0] == 1
        assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:]))
        assert all(held["id"] in page.labels for held in page.inputs)
    assert '<a href="/subscribe">Subscribe</a>' in client.get("/").text
    assert 'href="/subscribe" aria-current="page"' in client.get("/subscribe").text


def test_keys_are_written_to_no_log(client, capsys, monkeypatch):
    def fails(*_):
        raise RuntimeError("no")

    monkeypatch.setattr("actlab.mail.subscribers.Subscribers.holder", fails)
    with TestClient(client.app, base_url=ORIGIN, raise_server_exceptions=False) as quiet:
        assert quiet.get("/confirm?key=secret-key").status_code == 500
    assert "secret-key" not in capsys.readouterr().err
