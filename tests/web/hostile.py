"""The table of requests that mean harm: what is sent, and what is answered.

python -m tests.web.hostile          # prints the table of docs/web.md
"""

import asyncio
import html
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from tests.web.conftest import ORIGIN, SCRIPT, write_run
from tests.web.screens import mail_settings

PUBLIC = "news.example.org"
GOOD = 1_000
"""Run folders beside the hostile ones."""
SECRET = "what nobody is to read"
"""Of a file beside the folder of runs."""
FORM = "application/x-www-form-urlencoded"
SESSION = "0123456789abcdef" * 2
TEN_MEGABYTES = 10_000_000


@dataclass(frozen=True)
class Ask:
    """A request: what a page of ours would send from this machine, but for what is told here."""

    path: str
    method: str = "GET"
    headers: dict[str, str | None] = field(default_factory=dict)
    """None: without it."""
    form: dict[str, str] = field(default_factory=dict)
    """Of a POST; it has the session's own token unless it says another."""
    body: bytes | None = None
    """In place of the form."""
    pieces: int = 1
    """The body comes so many times, one after the other, without a length."""

    @property
    def shown(self) -> str:
        """For people, shortened."""
        words = [f"{self.method} {self.path if len(self.path) < 80 else self.path[:60] + '…'}"]
        for name, value in self.headers.items():
            words.append(f"no {name}" if value is None else f"{name}: {value or '(empty)'}")
        words += [f"{name}={value[:12] or '(empty)'}" for name, value in self.form.items()]
        size = self.pieces * len(self.body or b"")
        if size > 100:
            words.append(f"{size:,} bytes" + ", no length" * (self.pieces > 1))
        elif self.body is not None:
            words.append(self.body.decode("latin-1").replace("\r\n", "⏎"))
        return "; ".join(words)


@dataclass(frozen=True)
class Case:
    """Requests of one kind, which get the same answer."""

    what: str
    asks: tuple[Ask, ...]
    status: int
    outcome: str = ""
    """What is shown, where the answer is no refusal."""


def posts(path: str, **changes: Any) -> Ask:
    return Ask(path, "POST", **changes)


def gets(*paths: str) -> tuple[Ask, ...]:
    return tuple(Ask(path) for path in paths)


def heads(name: str, *values: str | None, **changes: Any) -> tuple[Ask, ...]:
    return tuple(Ask("/runs", headers={name: value}, **changes) for value in values)


START = "/runs/train"
FOREIGN = ("http://evil.example", "null", "", "https://127.0.0.1:8765", "http://127.0.0.1:8766", None)
ESCAPED = quote(SCRIPT, safe="")
CASES = (
    Case(
        "a path that climbs",
        gets("/runs/../../secret.txt", "/static/../app.py", "/systems/arsq/figures/../../secret.txt", "//etc/passwd"),
        404,
    ),
    Case(
        "one that climbs in code",
        gets(
            "/runs/..%2f..%2fsecret.txt",
            "/static/..%2fapp.py",
            "/static/%2e%2e/app.py",
            "/static/vendor/%2e%2e%2f%2e%2e%2fapp.py",
            "/static/%2fetc%2fpasswd",
            "/static/..%5capp.py",
            "/systems/..%2fsecret.txt",
            "/compare/figures/..%2fsecret.txt",
        ),
        404,
    ),
    Case(
        "one that is coded twice",
        gets(
            "/runs/%252e%252e%252fsecret.txt",
            "/static/%252e%252e%252fapp.py",
            "/static/..%252fapp.py",
            "/systems/%252e%252e%252fsecret.txt",
        ),
        404,
    ),
    Case("a figure that climbs", gets("/systems/arsq/figures/..%2fsmoke.json", "/systems/none/figures/x.png"), 404),
    Case("letters that end names in C", gets("/runs/%00", "/static/app.js%00.css", "/systems/arsq%00"), 404),
    Case("an id that climbs", gets("/compare?run=../../secret.txt", "/compare?study=%2e%2e%2fsecret.txt"), 404),
    Case("a run that there is not", gets("/runs/0000000000000000", "/runs/0000000000000000/events"), 404),
    Case(
        "a foreign name for this machine",
        heads("Host", "evil.example", "127.0.0.1.evil.example", "127.0.0.1:80@evil.example", "0.0.0.0", "[::]", ""),
        421,
    ),
    Case("no name", heads("Host", None), 421),
    Case(
        "through a proxy under this machine's name",
        (*heads("Forwarded", "for=x"), *heads("Via", "x"), *heads("X-Forwarded-For", "x")),
        421,
    ),
    Case(
        "under the public name, all but the catalogue and subscribing",
        (
            *(Ask(path, headers={"Host": PUBLIC}) for path in ("/runs", "/compare", "/lab", "/runs/states")),
            posts(START, headers={"Host": PUBLIC, "Origin": f"https://{PUBLIC}"}),
        ),
        404,
    ),
    Case(
        "a form of another site",
        (
            *(posts(START, headers={"Origin": origin}) for origin in FOREIGN),
            *(posts(START, headers={"Sec-Fetch-Site": site}) for site in ("cross-site", "same-site")),
            posts("/subscribe", headers={"Host": PUBLIC}),
        ),
        403,
    ),
    Case(
        "another site's page that loads ours",
        tuple(
            Ask("/runs", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode})
            for mode in ("no-cors", "cors", "websocket")
        ),
        403,
    ),
    Case(
        "a form without its session's token",
        (
            *(posts(START, form={"token": token}) for token in ("", "0" * 64, "é")),
            posts(START, headers={"Cookie": None}),
            posts("/systems/arsq/reproduce", form={"token": ""}),
            posts("/subscribe", form={"token": ""}),
        ),
        403,
    ),
    Case(
        "a form of 10 MB",
        (
            posts(START, body=b"x=" + b"y" * (TEN_MEGABYTES - 2)),
            posts(START, body=b"y" * 100_000, pieces=100),
            posts("/unsubscribe", body=b"y" * 100_000, pieces=100),
        ),
        413,
    ),
    Case("a form of 101 fields", (posts(START, body=urlencode({f"field{i}": "" for i in range(101)}).encode()),), 400),
    Case("a form that is none", tuple(posts(START, body=body) for body in (b"\xff=1", b"token", b"&&&")), 400),
    Case(
        "what is no form",
        tuple(
            posts(START, headers={"Content-Type": kind}, body=b"{}")
            for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", None)
        ),
        415,
    ),
    Case("other methods", tuple(Ask("/", method) for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")), 405),
    Case("a change without a form", gets("/systems/arsq/reproduce"), 405),
    Case("leaving for another reader", (posts("/unsubscribe?key=x", body=b"List-Unsubscribe=One-Click"),), 404),
    Case("a task that imports a module", (posts(START, form={"agent": "ppo", "task": "os:system"}),), 400),
    Case("an agent that is a flag", (posts(START, form={"agent": "--out=/", "task": "CartPole-v1"}),), 400),
    Case(
        "script in a run's name, task, agent and code, and in the search",
        gets(
            "/runs",
            "/compare",
            "/runs/SCRIPTED",
            "/compare?run=SCRIPTED",
            "/compare/figures/1-curves.svg?run=SCRIPTED",
            f"/runs?q={ESCAPED}",
            f"/runs?task={ESCAPED}",
            f"/?q={ESCAPED}",
            f"/lab?code={ESCAPED}",
        ),
        200,
        "It is shown as text.",
    ),
    Case("script for a tag", gets(f"/?tag={ESCAPED}"), 404),
    Case("script for a system", gets(f"/systems/{quote('<script>')}"), 404),
    Case("script for an order", gets(f"/?sort={ESCAPED}", f"/runs?sort={ESCAPED}"), 400),
    Case(
        f"a broken run folder among {GOOD:,} good ones",
        gets("/runs?state=broken"),
        200,
        "It is listed with the reason, and the others stay.",
    ),
)


def row(case: Case, sentences: Iterable[str]) -> str:
    """The case's line of the table, with the sentences that were shown."""
    asks = "<br>".join(f"`{ask.shown}`".replace("|", "\\|") for ask in case.asks)
    known = re.compile("; known: .*")  # grows with every system
    said = (
        " ".join(dict.fromkeys(known.sub(".", sentence) for sentence in sentences))
        .replace("|", "\\|")
        .replace("<", "&lt;")
    )
    return f"| {case.what} | {asks} | {case.status} | {said} |"


def fill(root: Path) -> None:
    """Many good runs, one that is broken, one with a script in every place that holds a name; and a secret beside."""
    (root.parent / "secret.txt").write_text(SECRET)
    (root.parent / "results").mkdir()
    write_run(root / SCRIPT.replace("/", "∕"), task=SCRIPT, agent=SCRIPT, code=SCRIPT)
    (write_run(root / "broken") / "run.json").write_text("{")
    for number in range(GOOD):
        write_run(root / f"good-{number}", seed=number, rows=5)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def sentence(self) -> str:
        """Why something was refused, from a line or from a page."""
        said = re.search(r'role="alert">(.*?)</p>', self.text, re.DOTALL)
        return html.unescape(said[1]) if said else self.text.strip()


class Attacker:
    """Sends requests to an application as they are: no client of ours makes them better."""

    def __init__(self, app: Any, names: dict[str, str]):
        """
        Args:
            names: what stands in paths for what is only known later.
        """
        self._app, self._names = app, names

    def ask(self, ask: Ask) -> Answer:
        """One request and its answer."""
        path = ask.path
        for name, value in self._names.items():
            path = path.replace(name, value)
        path, _, query = path.partition("?")
        body, headers = b"", {"Host": ORIGIN.partition("://")[2], "Cookie": f"actlab={SESSION}"}
        if ask.method == "POST":
            fields = {"token": self._app.token(SESSION), **ask.form}
            body = urlencode(fields).encode() if ask.body is None else ask.body
            headers |= {"Origin": ORIGIN, "Content-Type": FORM}
            if ask.pieces == 1:
                headers["Content-Length"] = str(len(body))
        given = [(name, value) for name, value in {**headers, **ask.headers}.items() if value is not None]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": ask.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in given],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8765),
        }
        return asyncio.run(self._send(scope, [body] * ask.pieces))

    async def _send(self, scope: dict[str, Any], pieces: list[bytes]) -> Answer:
        left, sent = list(pieces), []

        async def receive() -> dict[str, Any]:
            piece = left.pop() if left else b""
            return {"type": "http.request", "body": piece, "more_body": bool(left)}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        text = b"".join(message.get("body", b"") for message in sent[1:]).decode("utf-8", "replace")
        return Answer(sent[0]["status"], headers, text)


@contextmanager
def attacked(folder: Path) -> Iterator[Attacker]:
    """The application over the folders of `fill`, and mail settings with a public name."""
    from starlette.testclient import TestClient

    from actlab.web.app import make_app
    from actlab.web.index import Query, RunIndex

    root = folder / "runs"
    fill(root)
    app = make_app(root, folder / "results", mail_settings(folder, 1, f"https://{PUBLIC}"))
    index = RunIndex(root)
    found = index.find(Query(words="script", size=1)).rows[0]
    index.close()
    with TestClient(app):  # closes it
        yield Attacker(app, {"SCRIPTED": found.id})


def main() -> None:
    """Print the table."""
    print("| what comes | requests | answer | what is said |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, attacked(Path(name)) as attacker:
        for case in CASES:
            answers = [attacker.ask(ask) for ask in case.asks]
            assert {answer.status for answer in answers} == {case.status}, (case.what, answers)
            print(row(case, [case.outcome or answer.sentence for answer in answers]))


if __name__ == "__main__":
    main()
