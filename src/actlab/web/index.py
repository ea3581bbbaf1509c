"""An index over run folders: a SQLite file that is rebuilt from the folders at any time. The folders are the truth.

A folder whose own time has not changed since it was read, and which is finished, is not read again: files are put
into run folders by renaming, which changes the folder's time. One that nothing works in is not read again before one
of its files changes. What is under way is read each time.
"""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError
from actlab.core.process import living
from actlab.web.folders import Facts, examine

VERSION = 2
"""Of the tables; a file with another one is made anew."""
DEPTH = 5
"""How deep below the root folders are looked for."""
FRESH = 100_000_000
"""Nanoseconds in which a change of a folder may leave its time as it was (the clock of a file system is coarse)."""

MOVING, BY_FOLDER, BY_FILES = range(3)
"""What tells whether a folder has changed: nothing but to read it, its own time, or those of its files."""

AT_REST = ("stopped", "failed", "broken")
"""States that only a change of its files ends, where it is a run."""

SORTS = ("changed", "task", "agent", "code", "seed", "state", "steps", "score", "name")
FILTERS = ("state", "task", "agent", "code", "kind")
_FACTS = [field.name for field in fields(Facts)]


@dataclass(frozen=True)
class Row:
    """One folder of the index."""

    id: str
    """16 hexadecimal digits: of the folder's place below the root, so that they stay."""
    name: str
    """The place, for people; may not be what the file system calls it."""
    facts: Facts
    rate: float | None
    """Steps a second since the index first saw its process at work; None where it has not seen any yet."""

    @property
    def progress(self) -> float:
        """The share of the budget that is trained."""
        return min(self.facts.steps / self.facts.budget, 1.0) if self.facts.budget > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until the budget is trained, at this rate."""
        active = self.facts.state == "running" and self.rate
        return (self.facts.budget - self.facts.steps) / self.rate if active and self.rate else None


@dataclass(frozen=True)
class Query:
    """Which rows, in which order."""

    words: str = ""
    """All of them have to be in a row's name, task, agent, code or question."""
    where: Mapping[str, str] | None = None
    """Column of `FILTERS` -> its value."""
    sort: str = "changed"
    descending: bool = True
    page: int = 1
    size: int = 50


@dataclass(frozen=True)
class Page:
    """Some rows of those that a query found."""

    rows: list[Row]
    total: int
    number: int
    """From 1; the last one where the query asked for one behind it."""
    pages: int


class RunIndex:
    """The index of the folders below one root. Safe to use from several threads."""

    def __init__(self, root: str | Path, database: str | Path | None = None):
        """
        Args:
            database: the file; by default `.web/index.sqlite` below the root.

        Raises:
            ActlabError: the root is no folder, or the file cannot be written.
        """
        self.root = Path(root).resolve()
        self._lock = threading.RLock()  # of the connection
        self._reading = threading.Lock()  # of the folders
        self._looked = -1.0
        self.database = Path(database) if database is not None else self.root / ".web" / "index.sqlite"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.database.parent.mkdir(parents=True, exist_ok=True)
            self._base = self._open()
        except (OSError, sqlite3.Error) as error:
            raise ActlabError(f"The index {self.database} cannot be written: {error}.") from None

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.DatabaseError:  # damaged, or another's: it can be made again
            for suffix in ("", "-wal", "-shm"):
                self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        base = sqlite3.connect(self.database, check_same_thread=False, isolation_level=None, timeout=30.0)
        base.row_factory = sqlite3.Row
        try:
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = OFF")  # what is lost is read again
            if base.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                base.execute("DROP TABLE IF EXISTS folders")
                columns = ", ".join(_FACTS)
                base.execute(
                    f"CREATE TABLE folders (place BLOB PRIMARY KEY, id TEXT UNIQUE, name TEXT, {columns}, "
                    "stamp INTEGER, settled INTEGER, first_steps INTEGER, first_time REAL, rate REAL) WITHOUT ROWID"
                )
                for column in ("changed", "state", "task", "agent"):
                    base.execute(f"CREATE INDEX folders_{column} ON folders (kind, {column})")
                base.execute(f"PRAGMA user_version = {VERSION}")
            base.execute("SELECT place, id, name, stamp FROM folders LIMIT 1").fetchall()
        except sqlite3.Error:
            base.close()
            raise
        return base

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()

    # --- reading the folders -------------------------------------------------------------------------

    def refresh(self, least: float = 0.0) -> int:
        """Read what has changed below the root; returns how many folders were read.

        Args:
            least: do nothing if the last refresh ended less than so many seconds ago.
        """
        with self._reading:
            if self._looked >= 0 and time.monotonic() - self._looked < least:
                return 0
            with self._lock:
                question = "SELECT place, kind, stamp, settled, holder, first_steps, first_time, rate FROM folders"
                known = {row["place"]: row for row in self._base.execute(question)}
            seen, changed = set(), []
            for place, stamp, facts in self._places(b"", known, DEPTH):
                held = known.get(place)
                seen.add(place)
                if held is not None and held["settled"] == BY_FOLDER and held["stamp"] == stamp:
                    continue
                if held is not None and held["settled"] == BY_FILES and held["stamp"] == self._stamp(place)[0]:
                    continue
                row = self._read(place, facts, held)
                if row is None:
                    seen.remove(place)
                else:
                    changed.append(row)
            gone = [(place,) for place in known if place not in seen]
            self._store(changed, gone)
            self._looked = time.monotonic()
            return len(changed)

    def rebuild(self) -> int:
        """Forget everything and read all folders; returns how many there are."""
        with self._lock:
            self._base.execute("DELETE FROM folders")
        return self.refresh()

    def look(self, folder: Path) -> Row | None:
        """Read one folder again, right now."""
        place = os.fsencode(os.path.relpath(folder, self.root))
        with self._lock:
            held = self._base.execute("SELECT * FROM folders WHERE place = ?", (place,)).fetchone()
            row = self._read(place, None, held)
            self._store(*(([row], []) if row is not None else ([], [(place,)])))
            return self.get(_id(place)) if row is not None else None

    def _read(self, place: bytes, facts: Facts | None, held: sqlite3.Row | None) -> tuple[Any, ...] | None:
        """A row of the table; None where the folder is nothing of ours.

        Args:
            facts: what it is, where that was read just now.
        """
        facts = facts or self._examine(place)
        try:
            stamp, settled = os.stat(os.path.join(os.fsencode(self.root), place)).st_mtime_ns, MOVING
        except OSError:
            return None
        if facts is None:
            return None
        if facts.state == "finished" and time.time_ns() - stamp > FRESH:
            settled = BY_FOLDER
        elif facts.kind == "run" and facts.state in AT_REST:
            by_files, newest = self._stamp(place)
            if time.time_ns() - newest > FRESH:  # nothing has changed while it was read
                stamp, settled = by_files, BY_FILES
        name = place.decode("utf-8", "replace")
        return (place, _id(place), name, *asdict(facts).values(), stamp, settled, *_speed(facts, held))

    def _stamp(self, place: bytes) -> tuple[int, int]:
        """A number that changes when one of a folder's files does, and when the last one did."""
        times = []
        try:
            with os.scandir(os.path.join(os.fsencode(self.root), place)) as entries:
                for entry in entries:
                    held = entry.stat(follow_symlinks=False)
                    times.append((entry.name, held.st_ctime_ns, held.st_size))
        except OSError:
            return 0, time.time_ns()
        digest = hashlib.sha256(repr(sorted(times)).encode()).digest()
        return int.from_bytes(digest[:7], "big"), max((one[1] for one in times), default=0)

    def _places(
        self, within: bytes, known: Mapping[bytes, sqlite3.Row], depth: int
    ) -> Iterator[tuple[bytes, int, Facts | None]]:
        """Folders of ours: their place below the root, when they changed, and if they are new what they are."""
        root = os.fsencode(self.root)
        try:
            with os.scandir(os.path.join(root, within)) as entries:
                folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return
        for entry in folders:
            if entry.name.startswith(b"."):
                continue
            place = os.path.join(within, entry.name)
            held = known.get(place)
            try:
                stamp = entry.stat(follow_symlinks=False).st_mtime_ns
            except OSError:
                continue
            facts = None if held is not None else self._examine(place)
            if held is None and facts is None:
                if depth > 1:
                    yield from self._places(place, known, depth - 1)
                continue
            yield place, stamp, facts
            kind = facts.kind if facts is not None else held["kind"] if held is not None else ""
            if kind in ("study", "suggestion") and depth > 1:
                yield from self._places(place, known, depth - 1)

    def _examine(self, place: bytes) -> Facts | None:
        folder = os.path.join(os.fsencode(self.root), place)
        try:
            names = {os.fsdecode(name) for name in os.listdir(folder)}
        except OSError:
            return None
        return examine(Path(os.fsdecode(folder)), names)

    def _store(self, rows: list[tuple[Any, ...]], gone: list[tuple[bytes]]) -> None:
        if not rows and not gone:
            return
        marks = ", ".join("?" * (3 + len(_FACTS) + 5))
        with self._lock:
            self._base.execute("BEGIN")
            self._base.executemany(f"INSERT OR REPLACE INTO folders VALUES ({marks})", rows)
            self._base.executemany("DELETE FROM folders WHERE place = ?", gone)
            self._base.execute("COMMIT")

    # --- questions -----------------------------------------------------------------------------------

    def find(self, query: Query) -> Page:
        """The rows that a query asks for.

        Raises:
            ActlabError: there is no such column.
        """
        parts, values = ["kind != 'part'"], []
        for column, value in (query.where or {}).items():
            if column not in FILTERS:
                raise ActlabError(f"Rows are filtered by {', '.join(FILTERS)}; received {column!r}.")
            parts.append(f"{column} = ?")
            values.append(value)
        if query.sort not in SORTS:
            raise ActlabError(f"Rows are sorted by {', '.join(SORTS)}; received {query.sort!r}.")
        for word in query.words.split()[:10]:
            parts.append("(name || ' ' || task || ' ' || agent || ' ' || code || ' ' || question) LIKE ? ESCAPE '\\'")
            escaped = word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
            values.append(f"%{escaped}%")
        where, order = " AND ".join(parts), "DESC" if query.descending else "ASC"
        size = min(max(query.size, 1), 500)
        with self._lock:
            places = self._base.execute(
                f"SELECT place FROM folders WHERE {where} ORDER BY {query.sort} IS NULL, {query.sort} {order}, id",
                values,
            ).fetchall()
            pages = max(-(-len(places) // size), 1)
            number = min(max(query.page, 1), pages)
            shown = [row[0] for row in places[(number - 1) * size : number * size]]
            marks = ", ".join("?" * len(shown))
            found = {
                row["place"]: _row(row)
                for row in self._base.execute(f"SELECT * FROM folders WHERE place IN ({marks})", shown)
            }
        return Page([found[place] for place in shown], len(places), number, pages)

    def get(self, id: str) -> Row | None:
        """The row with that id."""
        with self._lock:
            found = self._base.execute("SELECT * FROM folders WHERE id = ?", (id,)).fetchone()
        return None if found is None else _row(found)

    def folder(self, id: str) -> Path | None:
        """The folder of the row with that id; always one below the root, and never a link out of it."""
        with self._lock:
            found = self._base.execute("SELECT place FROM folders WHERE id = ?", (id,)).fetchone()
        if found is None:
            return None
        folder = self.root / os.fsdecode(found["place"])
        inside = folder.resolve().is_relative_to(self.root) and folder.is_dir()
        return folder if inside else None

    def counts(self) -> dict[str, int]:
        """State -> how many runs and studies are in it."""
        question = "SELECT state, count(*) FROM folders WHERE kind != 'part' GROUP BY state"
        with self._lock:
            return dict(map(tuple, self._base.execute(question).fetchall()))

    def values(self, column: str) -> list[str]:
        """The distinct values of a column of `FILTERS`."""
        if column not in FILTERS:
            raise ActlabError(f"Rows are filtered by {', '.join(FILTERS)}; received {column!r}.")
        question = f"SELECT DISTINCT {column} FROM folders WHERE kind != 'part' AND {column} != '' ORDER BY 1"
        with self._lock:
            return [row[0] for row in self._base.execute(question)]


def _id(place: bytes) -> str:
    return hashlib.sha256(place).hexdigest()[:16]


def _row(row: sqlite3.Row) -> Row:
    facts = Facts(**{name: row[name] for name in _FACTS})
    return Row(row["id"], row["name"], facts, row["rate"] if living(facts.holder) else None)


def _speed(facts: Facts, held: sqlite3.Row | None) -> tuple[int | None, float | None, float | None]:
    """Where its process was first seen, and steps a second since then, by the times of its files."""
    if facts.state != "running":
        return None, None, None
    if held is None or held["holder"] != facts.holder or held["first_time"] is None:
        return facts.steps, facts.changed, None
    steps, seconds = facts.steps - held["first_steps"], facts.changed - held["first_time"]
    return held["first_steps"], held["first_time"], steps / seconds if steps > 0 and seconds > 0 else held["rate"]
