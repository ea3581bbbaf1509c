"""A mail server of our own on this machine, and a database with readers, at a time that stands still."""

import itertools
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""A Monday."""


def paper(slug: str, date: str = "2026-01-05", tags: tuple[str, ...] = ("masks",), summary: str = "It helps."):
    """A planned system."""
    from actlab.papers.card import Card, Paper, Reported

    card = Card(slug, f"About <{slug}>", date, 3, "", "", summary, "an agent", tags, kinds=("agent",))
    return Paper(card, (Reported("first", "It is better.", "a task", "5", "table 1", primary=True),))


def entry(slug: str, status: str = "planned", **changes: Any):
    """A system as the catalogue lists it."""
    from actlab.papers.catalogue import Entry, Standing

    made = paper(slug, **changes)
    if status != "planned":
        import dataclasses

        made = dataclasses.replace(made, study=lambda scale: None)
    return Entry(made, {"first": Standing(status, figure="0.5 [0.4, 0.6]")})


class Mailbox:
    """What the server was given, and what it says to it. Hooks are called in the server's thread.

    Each hook, by stage, is asked before the server answers; where it returns a text, that is the answer. Stages:
    "MAIL" and "RCPT" (with the address), "DATA" (before the text), "taken" (with the mail, after it was stored).
    """

    def __init__(self):
        self.mails: list[tuple[str, EmailMessage]] = []
        self.hooks: dict[str, Callable[[str], str | None]] = {}
        self.connections = 0
        self.drop = ""
        """Hang up "before the text" or "in the text"."""

    def ask(self, stage: str, word: str = "") -> str | None:
        return self.hooks.get(stage, lambda _: None)(word)

    async def handle_MAIL(self, server, session, envelope, address, options):
        if (said := self.ask("MAIL", address)) is not None:
            return said
        envelope.mail_from = address
        return "250 fine"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if (said := self.ask("RCPT", address)) is not None:
            return said
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        if (said := self.ask("end", envelope.rcpt_tos[0])) is not None:
            return said
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append((envelope.rcpt_tos[0], mail))
        return self.ask("taken", envelope.rcpt_tos[0]) or "250 taken"

    def by_reader(self) -> dict[str, list[str]]:
        """Address -> the Message-IDs that lie in its mailbox; a mailbox shows an id once."""
        found: dict[str, dict[str, None]] = {}
        for address, mail in self.mails:
            found.setdefault(address, {})[mail["Message-ID"]] = None
        return {address: list(ids) for address, ids in found.items()}


class Killer:
    """Kills a process at one moment of a mail's way, once."""

    def __init__(self, box: Mailbox, stage: str, which: int):
        """
        Args:
            which: the number of mails that reach that stage first.
        """
        self.process: subprocess.Popen | None = None
        self.left, self.fired = which, False
        box.hooks = {stage: self}

    def __call__(self, word: str) -> None:
        if self.fired:
            return
        if self.left:
            self.left -= 1
            return
        self.fired = True
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)  # nothing, if it has ended already


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Mailbox, int]]]:
    """Starts servers on free ports of loopback: (**settings of aiosmtpd) -> its mailbox and its port."""
    pytest.importorskip("aiosmtpd")
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP

    class Server(SMTP):
        async def smtp_DATA(self, arg):
            self.event_handler.ask("DATA")
            if self.event_handler.drop:
                if self.event_handler.drop == "in the text":
                    await self.push("354 go on")
                self.transport.abort()
                return
            await super().smtp_DATA(arg)

        def connection_made(self, transport):
            self.event_handler.connections += 1
            super().connection_made(transport)

    class Loopback(Controller):
        def __init__(self, box: Mailbox, **settings: Any):
            self.socket = socket.socket()
            self.socket.bind(("127.0.0.1", 0))
            super().__init__(box, hostname="127.0.0.1", port=self.socket.getsockname()[1], **settings)

        def _create_server(self):
            return self.loop.create_server(self._factory_invoker, sock=self.socket, ssl=self.ssl_context)

        def factory(self):
            return Server(self.handler, **self.SMTP_kwargs)

    running = []

    def start(**settings: Any) -> tuple[Mailbox, int]:
        box = Mailbox()
        controller = Loopback(box, **settings)
        controller.start()
        box.connections = 0  # the controller tries the port itself
        running.append(controller)
        return box, controller.port

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def settings(tmp_path: Path):
    """Settings for a port: (port, **changes)."""
    from email.headerregistry import Address

    from actlab.mail.settings import Settings

    def make(port: int, **changes: Any) -> Settings:
        values = {
            "host": "127.0.0.1",
            "port": port,
            "security": "none",
            "sender": Address("actlab", addr_spec="news@example.org"),
            "base": "http://127.0.0.1:8765",
            "database": tmp_path / "mail.sqlite",
            "timeout": 20.0,
        }
        return Settings(**{**values, **changes})

    return make


@pytest.fixture
def subscribers(tmp_path: Path):
    """An empty database, whose keys are key-0, key-1 and so on."""
    from actlab.mail.store import Store
    from actlab.mail.subscribers import Subscribers

    numbers = itertools.count()
    with Store(tmp_path / "mail.sqlite") as store:
        yield Subscribers(store, lambda: f"key-{next(numbers)}")


@pytest.fixture
def join(subscribers):
    """Subscribes an address: (address, *tags, cadence=...)."""
    from actlab.mail.subscribers import Choice

    clients = itertools.count()

    def add(address: str, *tags: str, cadence: str = "daily", now: datetime = NOW):
        asked = subscribers.ask(address, Choice(tags, cadence), client=str(next(clients)), now=now)
        return subscribers.confirm(asked[1], now)

    return add


@pytest.fixture
def known(subscribers):
    """Only the system "a" is known."""
    from actlab.mail.digest import collect

    collect(subscribers.store, [entry("a")], NOW.date())
    return subscribers


def states(subscribers) -> list[tuple[str, str]]:
    """Who should get a mail, and how it stands."""
    rows = subscribers.store.rows(
        "SELECT address, deliveries.state FROM deliveries JOIN subscribers ON id = subscriber ORDER BY address, issue"
    )
    return [tuple(row) for row in rows]


def day(text: str) -> date:
    return date.fromisoformat(text)
