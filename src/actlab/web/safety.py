"""What every request passes and every answer carries: so that no page has to think of it.

Only this machine is meant to reach the app, and only its own pages are meant to change anything:

- the Host header names a loopback address: a foreign name that resolves to this machine is turned away
- another site's page may link here, and neither embeds nor fetches anything
- only GET, HEAD and POST; a POST comes from a page of ours (Origin), is a small form, and holds the token of the
  browser's session, so that no other site's page can send one
- under the public name that the mail settings give, if any, a proxy may let others read the catalogue and subscribe;
  all else is answered to this machine alone
- the one POST without a page of ours is what mail programs send for their own button to leave (RFC 8058): it comes
  from anywhere, holds nothing but that wish, and whose it is says the key in its address, which only the mail has
- answers allow nothing but our own scripts, styles and pictures, no inline code and no frames
"""

import hmac
import os
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from email import message_from_bytes
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from actlab.core.errors import ActlabError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

COOKIE = "actlab"
TOKEN = "token"
"""The field of a form that holds the session's token."""
LARGEST_FORM = 1 << 16
"""Bytes of the largest form."""
MOST_FIELDS = 100

ONE_CLICK = "/unsubscribe"
"""Where a POST needs no page of ours: its address holds a key."""
LARGEST_CLICK = 1 << 12
"""Bytes of the largest such POST."""
PUBLIC = re.compile(r"/|/map|/systems/[^/]+(/figures/[^/]+)?|/feed\.(atom|rss|json)|/static/.*")
"""What is read under the public name."""
PUBLIC_FORMS = ("/subscribe", "/confirm", "/subscription", ONE_CLICK)
"""What is read and sent there."""

FORWARDED = frozenset(("forwarded", "via", "x-forwarded-for", "x-forwarded-host"))
"""What proxies add: such a request is not this machine's, whatever name the proxy asks under."""
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
SESSION = re.compile(r"[0-9a-f]{32}")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""On every answer that does not set them itself."""


class Refused(Exception):
    """A request that is turned away: its status and a sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def secret_of(folder: Path) -> bytes:
    """The key of this place's tokens: kept, so that open pages still work after a restart, and readable by its owner.

    Raises:
        ActlabError: it cannot be written.
    """
    path = folder / "secret"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            held = path.read_bytes()
        except FileNotFoundError:
            held = b""
        if len(held) != 32:
            held = secrets.token_bytes(32)
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(held)
    except OSError as error:
        raise ActlabError(f"{path} cannot be written: {error.strerror}.") from None
    return held


class Guard:
    """An ASGI application around another one.

    `scope["token"]` tells the application the token of the session, `scope["form"]` the fields of a form, and
    `scope["public"]` whether it is asked under the public name.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], secret: bytes, public: str = ""):
        """
        Args:
            public: the address, such as https://news.example.org, under which a proxy lets others ask.
        """
        self._app, self._secret, self._public = app, secret, public.lower()

    def token(self, session: str) -> str:
        """What a form of that session has to hold."""
        return hmac.new(self._secret, session.encode(), "sha256").hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers = _headers(scope)
        session = _session(headers)
        fresh = session is None
        session = session or secrets.token_hex(16)
        scope["token"], scope["public"] = self.token(session), False
        cookie = f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict" if fresh else ""

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in given]
                if cookie:
                    secure = "; Secure" * (scope["public"] and self._public.startswith("https:"))
                    more.append((b"set-cookie", f"{cookie}{secure}".encode()))
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            origin = self._origin(headers, scope)
            if scope["method"] == "POST" and scope["path"] == ONE_CLICK:
                await _one_click(headers, receive)
            elif scope["method"] == "POST":
                _same_origin(headers, origin)
                scope["form"] = await self._form(headers, receive, session)
            elif scope["method"] not in ("GET", "HEAD"):
                raise Refused(405, "Only GET, HEAD and POST are answered.")
            elif _one(headers, "sec-fetch-site") == "cross-site" and _one(headers, "sec-fetch-mode") != "navigate":
                raise Refused(403, "Another site's page may link to this app, and load nothing from it.")
        except Refused as refusal:
            return await _say(sending, refusal)
        await self._app(scope, _nothing_more if scope["method"] == "POST" else receive, sending)

    def _origin(self, headers: Mapping[str, list[str]], scope: Scope) -> str:
        """What pages of ours have for an origin under the name that is asked."""
        host = _one(headers, "host").lower()
        if HOST.fullmatch(host) and not FORWARDED & set(headers):
            return f"http://{host}"
        if self._public and host == self._public.partition("://")[2]:
            scope["public"] = True
            path, reads = scope["path"], scope["method"] != "POST"
            if path in PUBLIC_FORMS or (reads and PUBLIC.fullmatch(path)):
                return self._public
            raise Refused(404, "There is no such page.")
        raise Refused(421, "This app answers under 127.0.0.1 and localhost alone.")

    async def _form(self, headers: Mapping[str, list[str]], receive: Receive, session: str) -> dict[str, list[str]]:
        if _one(headers, "content-type").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise Refused(415, "A form is sent as application/x-www-form-urlencoded.")
        declared = _one(headers, "content-length")
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > LARGEST_FORM:
            raise Refused(413, f"A form holds at most {LARGEST_FORM:,} bytes.")
        body = await _body(receive, LARGEST_FORM)
        try:
            fields = parse_qs(
                body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=MOST_FIELDS
            )
        except ValueError:
            raise Refused(400, "The form could not be read.") from None
        given = fields.pop(TOKEN, [""])
        if not hmac.compare_digest(given[0].encode(), self.token(session).encode()):
            raise Refused(403, "The page that this came from is too old, or is none of ours: load it again.")
        return fields


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _one(headers: Mapping[str, list[str]], name: str) -> str:
    """The header's value; "" where it is missing or given twice."""
    values = headers.get(name, [])
    return values[0] if len(values) == 1 else ""


def _same_origin(headers: Mapping[str, list[str]], origin: str) -> None:
    site = headers.get("sec-fetch-site", ["same-origin"])
    if _one(headers, "origin").lower() != origin or site != ["same-origin"]:
        raise Refused(403, "Only pages of this app may change anything here.")


async def _body(receive: Receive, most: int) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The form did not arrive as a whole.")
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > most:
            raise Refused(413, f"A form holds at most {most:,} bytes.")
    return body


async def _one_click(headers: Mapping[str, list[str]], receive: Receive) -> None:
    """Is it what RFC 8058 says, `List-Unsubscribe=One-Click` as a form of either kind, and nothing else?"""
    body, kind = await _body(receive, LARGEST_CLICK), _one(headers, "content-type")
    wish = b"List-Unsubscribe=One-Click"
    if kind.partition(";")[0].strip().lower() == "multipart/form-data":
        parts = message_from_bytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body).get_payload()
        fields = [
            (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
            for part in (parts if isinstance(parts, list) else [])
            if isinstance(part, Message)
        ]
        right = fields == [("List-Unsubscribe", b"One-Click")]
    else:
        right = kind.partition(";")[0].strip() == "application/x-www-form-urlencoded" and body.strip() == wish
    if not right:
        raise Refused(400, "Only List-Unsubscribe=One-Click is taken here; to leave in a browser, open the link.")


def _session(headers: Mapping[str, list[str]]) -> str | None:
    try:
        jar = SimpleCookie("; ".join(headers.get("cookie", [])))
    except CookieError:
        return None
    value = jar[COOKIE].value if COOKIE in jar else ""
    return value if SESSION.fullmatch(value) else None


async def _nothing_more() -> MutableMapping[str, Any]:
    """What an application receives whose form was read already."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def _say(send: Send, refusal: Refused) -> None:
    body = (refusal.sentence + "\n").encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
