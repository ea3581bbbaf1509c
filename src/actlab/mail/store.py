"""The file behind the mail: subscribers, news, and what was sent, in one SQLite database that only its owner reads.

Every change is on the disk before the call that made it returns (`synchronous = FULL`): what `send` promises after a
crash rests on that.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError

VERSION = 1
"""Of the tables."""

TABLES = """
CREATE TABLE subscribers (
    id TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    same TEXT NOT NULL UNIQUE,
    tags TEXT NOT NULL,
    cadence TEXT NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    since TEXT NOT NULL,
    seen INTEGER NOT NULL,
    last TEXT NOT NULL,
    refusals INTEGER NOT NULL
);
CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    subscriber TEXT NOT NULL,
    purpose TEXT NOT NULL,
    tags TEXT NOT NULL,
    cadence TEXT NOT NULL,
    expires REAL NOT NULL
);
CREATE TABLE requests (who TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX requests_by_who ON requests (who, at);
CREATE TABLE known (slug TEXT PRIMARY KEY, card TEXT NOT NULL, status TEXT NOT NULL);
CREATE TABLE news (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    slug TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE TABLE deliveries (
    issue TEXT NOT NULL,
    subscriber TEXT NOT NULL,
    news TEXT NOT NULL,
    message TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (issue, subscriber)
);
CREATE INDEX deliveries_by_state ON deliveries (state);
"""


class Store:
    """The database, opened. Safe to use from several threads; several processes may have it open.

    Raises:
        ActlabError: it cannot be opened, or is no database of ours.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._lock = threading.RLock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # addresses are nobody else's business
            self._base = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise ActlabError(f"{self.path} cannot be opened: {_reason(error)}.") from None
        try:
            self._base.row_factory = sqlite3.Row
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.execute("PRAGMA secure_delete = ON")  # what is forgotten does not stay in a free page
            with self.change() as base:
                version = base.execute("PRAGMA user_version").fetchone()[0]
                if not version and not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in filter(str.strip, TABLES.split(";")):
                        base.execute(statement)
                    base.execute(f"PRAGMA user_version = {VERSION}")
                elif version != VERSION:
                    raise ActlabError(f"{self.path} was not written by this version of actlab.")
        except sqlite3.Error as error:
            self.close()
            raise ActlabError(f"{self.path} cannot be used: {_reason(error)}.") from None
        except ActlabError:
            self.close()
            raise

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """All statements inside, or none of them.

        Raises:
            ActlabError: the disk refuses, or another process holds the file for too long.
        """
        with self._lock:
            try:
                self._base.execute("BEGIN IMMEDIATE")
                try:
                    yield self._base
                except BaseException:
                    self._base.execute("ROLLBACK")
                    raise
                self._base.execute("COMMIT")
            except sqlite3.Error as error:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise ActlabError(f"{self.path} cannot be used: {_reason(error)}.") from None

    def rows(self, question: str, *values: Any) -> list[sqlite3.Row]:
        """The answer to a question.

        Raises:
            ActlabError: it cannot be read.
        """
        with self._lock:
            try:
                return self._base.execute(question, values).fetchall()
            except sqlite3.Error as error:
                raise ActlabError(f"{self.path} cannot be read: {_reason(error)}.") from None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._base.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).rstrip(".")
