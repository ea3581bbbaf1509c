"""Issues of the digest on their way: every subscriber gets each once, whenever the process is killed.

Each mail is a row, (issue, subscriber), and its state is on the disk before the next thing happens:

| state | what is known |
|---|---|
| planned | the server has not taken it; also after a refusal that may pass |
| sending | all but the end was sent, and the end was about to be: the server may have taken it |
| sent | the server has said that it took it |
| refused | the server will not take it, has not for `MOST_TRIES` runs, or has not said so for `MOST_DOUBTS` |
| dropped | its reader left before it was sent |

A row that is `sending` when a run begins was under way when another one was killed or lost the server: for that one
mail nobody can tell. It is sent again, under the same Message-ID, for a lost mail stays lost, while a mailbox that
sees the same Message-ID twice can show it once. All other rows are never sent twice.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from actlab.core.errors import ActlabError
from actlab.mail.digest import Page, chosen, collect, is_due, read_items, render
from actlab.mail.settings import Settings
from actlab.mail.smtp import Connection, Lost, NoServer, NotTaken
from actlab.mail.store import Store
from actlab.mail.subscribers import Subscriber, Subscribers, forget, subscriber_of
from actlab.papers.catalogue import Entry

STATES = ("planned", "sending", "sent", "refused", "dropped")
MOST_TRIES = 10
"""Runs in which a mail may be turned away for the time being, before it counts as refused."""
MOST_REFUSALS = 3
"""Issues in a row that a mailbox refuses, before its subscription ends."""
MOST_DOUBTS = 3
"""Runs in which the server may go away without saying whether it took a mail, before it is not sent again."""
MOST_LOST = 3
"""Connections that may be lost in one run."""

POLICY = SMTP.clone(cte_type="7bit")
"""Plain ASCII on the line, whatever servers lie between."""
WHOLE = POLICY.clone(max_line_length=990)
"""For the head: a link that is folded would be encoded, and then no mail program could follow it."""


@dataclass
class Report:
    """What a run did."""

    news: int = 0
    """Items that were new."""
    sent: int = 0
    again: int = 0
    """Of these, mails of which it was unknown whether the server had taken them before."""
    refused: int = 0
    remaining: int = 0
    """Mails that are still to be sent."""
    trouble: list[str] = field(default_factory=list)
    """Why, each as a sentence."""


def send(settings: Settings, subscribers: Subscribers, now: datetime, catalogue: Sequence[Entry]) -> Report:
    """Send everybody what is due, and what is left of earlier runs.

    Raises:
        ActlabError: another run is under way, or the database cannot be used.
    """
    store = subscribers.store
    with _alone(store):
        report = Report(news=len(collect(store, catalogue, now.date())))
        plan(store, now.date(), settings.sender.domain)
        _deliver(settings, subscribers, now, report)
        report.remaining = waiting(store)
    return report


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Only one process sends; the lock of one that is killed is gone with it."""
    path = store.path.with_name(store.path.name + ".lock")
    try:
        file = open(path, "a")  # noqa: SIM115
    except OSError as error:
        raise ActlabError(f"{path} cannot be written: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ActlabError(f"Another process is sending from {store.path}.") from None
        yield


def plan(store: Store, today: date, domain: str) -> int:
    """Write down who gets today's issue and what is in it; how many they are."""
    issue, planned = today.isoformat(), 0
    with store.change() as base:
        newest = base.execute("SELECT coalesce(max(id), 0) FROM news").fetchone()[0]
        rows = base.execute("SELECT * FROM subscribers WHERE state = 'confirmed' AND seen < ?", (newest,)).fetchall()
        for row in rows:
            reader = subscriber_of(row)
            last = date.fromisoformat(row["last"]) if row["last"] else None
            if not is_due(reader.choice.cadence, today, date.fromisoformat(row["since"]), last):
                continue
            found = base.execute("SELECT id, content FROM news WHERE id > ? ORDER BY id", (row["seen"],)).fetchall()
            base.execute("UPDATE subscribers SET seen = ? WHERE id = ?", (newest, reader.id))
            if not chosen(read_items(one["content"] for one in found), reader.choice.tags):
                continue  # nothing to say, and so nothing is said
            wanted = json.dumps({"news": [one["id"] for one in found], "tags": reader.choice.tags})
            message = f"<{hashlib.sha256(f'{issue} {reader.id}'.encode()).hexdigest()[:40]}@{domain}>"
            base.execute(
                "INSERT INTO deliveries VALUES (?, ?, ?, ?, 'planned', 0, '')", (issue, reader.id, wanted, message)
            )
            base.execute("UPDATE subscribers SET last = ? WHERE id = ?", (issue, reader.id))
            planned += 1
    return planned


def waiting(store: Store) -> int:
    """How many mails are still to be sent."""
    return store.rows("SELECT count(*) FROM deliveries WHERE state IN ('planned', 'sending')")[0][0]


def _deliver(settings: Settings, subscribers: Subscribers, now: datetime, report: Report) -> None:
    store = subscribers.store
    rows = store.rows(
        "SELECT deliveries.rowid AS row, deliveries.news, deliveries.issue, deliveries.message, deliveries.tries, "
        "deliveries.state AS stands, subscribers.* FROM deliveries "
        "JOIN subscribers ON subscribers.id = deliveries.subscriber "
        "WHERE deliveries.state IN ('planned', 'sending') ORDER BY deliveries.tries, deliveries.rowid"
    )
    lost = 0
    with Connection(settings) as connection:
        for row in rows:
            reader = subscriber_of(store.rows("SELECT * FROM subscribers WHERE id = ?", row["id"])[0])
            if reader.state != "confirmed":
                _mark(store, row["row"], "dropped")
                continue
            try:
                _send_one(connection, settings, subscribers, now, row, reader)
            except NotTaken as answer:
                gave_up = answer.permanent or row["tries"] + 1 >= MOST_TRIES
                report.refused += gave_up
                _refused(store, row, gave_up, answer.answer)
                if not gave_up:
                    report.trouble.append(f"The mail server does not take a mail now: {answer.answer}.")
            except Lost as error:
                report.trouble.append(str(error))
                report.refused += _lost(store, row, str(error))
                lost += 1
                if lost >= MOST_LOST:
                    break
            except NoServer as error:
                report.trouble.append(str(error))
                break
            else:
                report.sent += 1
                report.again += row["stands"] == "sending"


def _send_one(
    connection: Connection, settings: Settings, subscribers: Subscribers, now: datetime, row: Any, reader: Subscriber
) -> None:
    store, wanted = subscribers.store, json.loads(row["news"])
    marks = ",".join("?" * len(wanted["news"]))
    found = store.rows(f"SELECT content FROM news WHERE id IN ({marks}) ORDER BY id", *wanted["news"])
    items = chosen(read_items(one["content"] for one in found), wanted["tags"])
    key = subscribers.new_key()
    page = render(items, date.fromisoformat(row["issue"]), settings.base, key)
    content = message(settings, reader.address, page, row["message"], now, key)

    def begin() -> None:
        with store.change() as base:
            subscribers.keep_key(base, reader.id, key, now)
            base.execute("UPDATE deliveries SET state = 'sending', note = '' WHERE rowid = ?", (row["row"],))

    connection.send(reader.address, content, begin)
    with store.change() as base:
        base.execute("UPDATE deliveries SET state = 'sent' WHERE rowid = ?", (row["row"],))
        base.execute("UPDATE subscribers SET refusals = 0 WHERE id = ?", (reader.id,))


def _mark(store: Store, row: int, state: str) -> None:
    with store.change() as base:
        base.execute("UPDATE deliveries SET state = ? WHERE rowid = ?", (state, row))


def _refused(store: Store, row: Any, gave_up: bool, answer: str) -> None:
    """The server has said no to a mail. What was in doubt before stays so, if it is to be tried again."""
    with store.change() as base:
        base.execute(
            "UPDATE deliveries SET state = ?, tries = tries + 1, note = ? WHERE rowid = ?",
            ("refused" if gave_up else row["stands"], answer, row["row"]),
        )
        if gave_up:
            base.execute("UPDATE subscribers SET refusals = refusals + 1 WHERE id = ?", (row["id"],))
            if (
                base.execute("SELECT refusals FROM subscribers WHERE id = ?", (row["id"],)).fetchone()[0]
                >= MOST_REFUSALS
            ):
                forget(base, row["id"])


def _lost(store: Store, row: Any, why: str) -> bool:
    """The server went away in the middle of a mail. Is it given up?"""
    with store.change() as base:
        base.execute("UPDATE deliveries SET tries = tries + 1, note = ? WHERE rowid = ?", (why, row["row"]))
        return bool(
            base.execute(
                "UPDATE deliveries SET state = 'refused' WHERE rowid = ? "
                "AND tries >= CASE state WHEN 'sending' THEN ? ELSE ? END",
                (row["row"], MOST_DOUBTS, MOST_TRIES),
            ).rowcount
        )


# --- messages ----------------------------------------------------------------------------------------


def message(settings: Settings, recipient: str, page: Page, name: str, now: datetime, key: str = "") -> bytes:
    """A mail as it goes over the line: text and HTML, and how to leave with one click (RFC 8058).

    Args:
        name: its Message-ID.
        key: of the reader's links; "" for a mail that is not of the digest.
    """
    mail = EmailMessage(policy=POLICY)
    mail["From"] = settings.sender
    mail["To"] = Address(addr_spec=recipient)
    mail["Subject"] = page.subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = name
    mail["Auto-Submitted"] = "auto-generated"
    if key:
        mail["List-Id"] = f"actlab <news.{settings.sender.domain}>"
        mail["List-Unsubscribe"] = f"<{settings.base}/unsubscribe?key={key}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(page.text)
    mail.add_alternative(page.html, subtype="html")
    mail.set_boundary(hashlib.sha256(f"boundary {name}".encode()).hexdigest()[:40])
    return mail.as_bytes(policy=WHOLE)


def post(settings: Settings, recipient: str, page: Page, now: datetime, name: str) -> None:
    """Send one mail now, such as the question whether somebody wants any.

    Args:
        name: what its Message-ID is made of; never the same for two mails.

    Raises:
        NoServer: there is none now, or it takes no mail. That it does not know one mailbox is not told.
    """
    message_id = f"<{hashlib.sha256(f'post {name}'.encode()).hexdigest()[:40]}@{settings.sender.domain}>"
    content = message(settings, recipient, page, message_id, now)
    with Connection(settings) as connection:
        try:
            connection.send(recipient, content)
        except NotTaken:
            return
