"""What every request passes before a page sees it; `test_hostile` has the table of those that mean harm."""

import stat
from urllib.parse import urlencode

import pytest

pytest.importorskip("starlette")
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from actlab.core.errors import ActlabError
from actlab.web.safety import COOKIE, HEADERS, LARGEST_FORM, Guard, secret_of

ORIGIN = "http://127.0.0.1:8765"
SECRET = bytes(32)


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"token": request.scope["token"], "form": request.scope.get("form")})


@pytest.fixture
def client() -> TestClient:
    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    return TestClient(Guard(app, SECRET), base_url=ORIGIN)


@pytest.fixture
def token(client) -> str:
    return client.get("/").json()["token"]


def post(client, data, **headers):
    return client.post("/", data=data, headers={"origin": ORIGIN, **headers})


def test_a_form_of_our_own_page_arrives(client, token):
    answer = post(client, {"token": token, "task": "CartPole-v1", "code": ["a", "b"]})
    assert answer.status_code == 200
    assert answer.json()["form"] == {"task": ["CartPole-v1"], "code": ["a", "b"]}


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "LOCALHOST:8000", "[::1]:8765"])
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/", headers={"host": host}).status_code == 200


def test_another_sites_page_may_link_here_and_load_nothing(client):
    site = {"sec-fetch-site": "cross-site"}
    assert client.get("/", headers={**site, "sec-fetch-mode": "navigate"}).status_code == 200
    for mode in ("no-cors", "cors", "websocket"):
        assert client.get("/", headers={**site, "sec-fetch-mode": mode}).status_code == 403


def test_a_form_needs_the_token_of_its_session(client, token):
    for wrong in ({"token": ""}, {"token": token[:-1]}, {"token": "é"}, {"task": "x"}):
        assert post(client, wrong).status_code == 403
    other = TestClient(client.app, base_url=ORIGIN)
    stolen = other.get("/").json()["token"]
    assert stolen != token
    assert post(client, {"token": stolen}).status_code == 403
    assert post(client, {"token": token}).status_code == 200


def test_a_restarted_server_still_knows_the_token(client, token):
    again = TestClient(Guard(client.app._app, SECRET), base_url=ORIGIN, cookies=dict(client.cookies))
    assert post(again, {"token": token}).status_code == 200
    stranger = TestClient(Guard(client.app._app, bytes(31) + b"1"), base_url=ORIGIN, cookies=dict(client.cookies))
    assert post(stranger, {"token": token}).status_code == 403


def test_the_largest_form_is_read(client, token):
    form = {"token": token, "x": ""}
    form["x"] = "y" * (LARGEST_FORM - len(urlencode(form)))
    assert post(client, form).status_code == 200
    form["x"] += "y"
    assert post(client, form).status_code == 413


def test_every_answer_carries_the_headers(client, token):
    refused = client.get("/", headers={"host": "evil.example"})
    for answer in (client.get("/"), client.get("/none"), refused, post(client, {})):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "default-src 'none'" in policy


def test_the_cookie_is_for_this_app_alone(client):
    cookie = client.get("/").headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "set-cookie" not in client.get("/").headers
    forged = TestClient(client.app, base_url=ORIGIN, cookies={COOKIE: "x; Path=/evil"})
    assert "set-cookie" in forged.get("/").headers


def test_a_socket_is_closed(client):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
        pass


def test_the_secret_is_kept_and_is_its_owners_alone(tmp_path):
    first = secret_of(tmp_path / "new")
    assert len(first) == 32
    assert secret_of(tmp_path / "new") == first
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    (tmp_path / "new" / "secret").write_bytes(b"short")
    assert secret_of(tmp_path / "new") not in (first, b"short")
    (tmp_path / "file").write_text("")
    with pytest.raises(ActlabError, match="cannot be written"):
        secret_of(tmp_path / "file")
