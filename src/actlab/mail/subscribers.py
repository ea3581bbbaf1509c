"""Who gets mail: asking, confirming, choosing and leaving, each by a link that only the mailbox's owner has.

What the web form answers never depends on whether an address is known: `ask` gives a key to mail for every address,
and a page that has no valid key says the same to everybody. Keys are random, kept as their SHA-256 alone, and expire.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actlab.core.errors import ActlabError
from actlab.mail.addresses import checked, same
from actlab.mail.store import Store

CADENCES = {"daily": "a mail on every day that has news", "weekly": "one mail a week, on Mondays"}

HOUR = 3600.0
CONFIRM, MANAGE = "confirm", "manage"
LIFETIMES = {CONFIRM: 48 * HOUR, MANAGE: 400 * 24 * HOUR}
"""Seconds for which a key is good: mails are kept, and their link to leave should work for long."""

LIMITS = {"address": 3, "client": 30, "all": 300}
"""Requests of the form in an hour: to write to one address, by one client, and by all."""


class TooMany(ActlabError):
    """The form was sent too often."""


class NoKey(ActlabError):
    """The key of a link is unknown, used or too old: which of these is not told."""

    def __init__(self):
        super().__init__("This link has been used, or is too old. Ask for a new one with the form.")


@dataclass(frozen=True)
class Choice:
    """What somebody wants to read of.

    Raises:
        ActlabError: there is no such cadence.
        UnknownName: a tag is not in the taxonomy.
    """

    tags: tuple[str, ...] = ()
    """Of the taxonomy, each with all below it; none is everything."""
    cadence: str = "weekly"

    def __post_init__(self):
        from actlab.papers.taxonomy import taxonomy

        if self.cadence not in CADENCES:
            raise ActlabError(f"Mails come {' or '.join(CADENCES)}; received {self.cadence[:20]!r}.")
        object.__setattr__(self, "tags", tuple(dict.fromkeys(taxonomy().find(tag).id for tag in self.tags)))


@dataclass(frozen=True)
class Subscriber:
    """One mailbox."""

    id: str
    address: str
    """"" of one that is out."""
    choice: Choice
    state: str
    """"pending" (never confirmed), "confirmed" or "out"."""


class Subscribers:
    """Those in a database."""

    def __init__(self, store: Store, token: Callable[[], str] = lambda: secrets.token_urlsafe(32)):
        """
        Args:
            token: gives a random word that nobody can guess.
        """
        self.store, self._token = store, token

    def ask(self, address: str, choice: Choice, *, client: str, now: datetime) -> tuple[Subscriber, str] | None:
        """Somebody wants mail at an address: what to write to it, whether it is known or not.

        Args:
            client: where the request came from.

        Returns:
            The mailbox and a key for the link; None where it has been written to often enough in this hour, which
            nobody else should learn.

        Raises:
            ActlabError: it is no address.
            TooMany: the client, or all together, asked too often.
        """
        address, at = checked(address), now.timestamp()
        with self.store.change() as base:
            _tidy(base, at)
            mailbox = _fingerprint("address " + same(address))
            counts = {
                "client": _count(base, client_word := _fingerprint("client " + client)),
                "all": _count(base, "all"),
                "address": _count(base, mailbox),
            }
            if counts["client"] >= LIMITS["client"] or counts["all"] >= LIMITS["all"]:
                raise TooMany("There were too many requests; try again in an hour.")
            base.executemany("INSERT INTO requests VALUES (?, ?)", [(who, at) for who in (client_word, "all")])
            if counts["address"] >= LIMITS["address"]:
                return None
            base.execute("INSERT INTO requests VALUES (?, ?)", (mailbox, at))
            row = base.execute("SELECT * FROM subscribers WHERE same = ?", (same(address),)).fetchone()
            if row is None:
                base.execute(
                    "INSERT INTO subscribers VALUES (?, ?, ?, '[]', 'weekly', 'pending', ?, '', 0, '', 0)",
                    (_fingerprint(self._token())[:32], address, same(address), at),
                )
                row = base.execute("SELECT * FROM subscribers WHERE same = ?", (same(address),)).fetchone()
            _keep(base, row["id"], key := self._token(), CONFIRM, choice, at)
            return subscriber_of(row), key

    def holder(self, key: str, purpose: str, now: datetime) -> tuple[Subscriber, Choice]:
        """Whose key it is, and the choice that lies with it.

        Raises:
            NoKey: it is none.
        """
        rows = self.store.rows(
            "SELECT subscribers.*, tokens.tags AS wanted, tokens.cadence AS pace FROM tokens "
            "JOIN subscribers ON subscribers.id = tokens.subscriber "
            "WHERE hash = ? AND purpose = ? AND expires > ?",
            _fingerprint(key),
            purpose,
            now.timestamp(),
        )
        if not rows:
            raise NoKey
        return subscriber_of(rows[0]), Choice(_tags(rows[0]["wanted"]), rows[0]["pace"])

    def confirm(self, key: str, now: datetime) -> Subscriber:
        """The owner of the mailbox has said yes; the key is used up. News from now on are sent.

        Raises:
            NoKey: the key is none.
        """
        with self.store.change() as base:
            found, choice = self.holder(key, CONFIRM, now)
            seen = base.execute("SELECT coalesce(max(id), 0) FROM news").fetchone()[0]
            base.execute("DELETE FROM tokens WHERE hash = ?", (_fingerprint(key),))
            if found.state != "confirmed":
                base.execute(
                    "UPDATE subscribers SET state = 'confirmed', since = ?, seen = ?, refusals = 0 WHERE id = ?",
                    (now.date().isoformat(), seen, found.id),
                )
            _choose(base, found.id, choice)
        return self._by_id(found.id)

    def choose(self, key: str, choice: Choice, now: datetime) -> Subscriber:
        """Other tags, or another cadence.

        Raises:
            NoKey: the key is none, or its owner has left.
        """
        with self.store.change() as base:
            found, _ = self.holder(key, MANAGE, now)
            if found.state != "confirmed":
                raise NoKey
            _choose(base, found.id, choice)
        return self._by_id(found.id)

    def leave(self, key: str, now: datetime) -> None:
        """No more mail, and the address is forgotten. Leaving twice is leaving once.

        Raises:
            NoKey: the key is none.
        """
        with self.store.change() as base:
            found, _ = self.holder(key, MANAGE, now)
            forget(base, found.id)

    def new_key(self) -> str:
        """A key for the links of one mail, good from when it is kept."""
        return self._token()

    def keep_key(self, base: Any, subscriber: str, key: str, now: datetime) -> None:
        """Let a key be good, within a change that is under way."""
        _keep(base, subscriber, key, MANAGE, Choice(), now.timestamp())

    def counts(self) -> dict[str, int]:
        """How many there are in each state."""
        found: dict[str, int] = dict.fromkeys(("pending", "confirmed", "out"), 0)
        found |= {row[0]: row[1] for row in self.store.rows("SELECT state, count(*) FROM subscribers GROUP BY state")}
        return found

    def _by_id(self, id: str) -> Subscriber:
        return subscriber_of(self.store.rows("SELECT * FROM subscribers WHERE id = ?", id)[0])


def subscriber_of(row: Any) -> Subscriber:
    """The subscriber that a row of the table tells of."""
    return Subscriber(row["id"], row["address"], Choice(_tags(row["tags"]), row["cadence"]), row["state"])


def forget(base: Any, id: str) -> None:
    """Let somebody out: only that there was a subscription stays, for the links of mails that they have kept."""
    base.execute("UPDATE subscribers SET state = 'out', address = '', same = id WHERE id = ?", (id,))
    base.execute("DELETE FROM tokens WHERE subscriber = ? AND purpose = ?", (id, CONFIRM))


def _tags(text: str) -> tuple[str, ...]:
    """Those that the taxonomy still has: one that was taken out of it must not stop the mail."""
    from actlab.papers.taxonomy import taxonomy

    return tuple(tag for tag in json.loads(text) if tag in taxonomy().tags)


def _keep(base: Any, subscriber: str, key: str, purpose: str, choice: Choice, at: float) -> None:
    row = (_fingerprint(key), subscriber, purpose, json.dumps(choice.tags), choice.cadence, at + LIFETIMES[purpose])
    base.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?)", row)


def _choose(base: Any, id: str, choice: Choice) -> None:
    base.execute(
        "UPDATE subscribers SET tags = ?, cadence = ? WHERE id = ?", (json.dumps(choice.tags), choice.cadence, id)
    )


def _count(base: Any, who: str) -> int:
    return base.execute("SELECT count(*) FROM requests WHERE who = ?", (who,)).fetchone()[0]


def _tidy(base: Any, at: float) -> None:
    """Forget what is too old to matter, and whoever never confirmed."""
    base.execute("DELETE FROM requests WHERE at <= ? OR at > ?", (at - HOUR, at + HOUR))
    base.execute("DELETE FROM tokens WHERE expires <= ?", (at,))
    base.execute(
        "DELETE FROM subscribers WHERE state = 'pending' AND created <= ? "
        "AND id NOT IN (SELECT subscriber FROM tokens)",
        (at - LIFETIMES[CONFIRM],),
    )


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
