"""Where the pages about mail find its settings and its readers."""

import threading
from datetime import UTC, datetime
from pathlib import Path

from actlab.core.errors import ActlabError
from actlab.mail.settings import Settings, read_settings
from actlab.mail.store import Store
from actlab.mail.subscribers import Subscribers


class Desk:
    """The settings as they are now, and one open database."""

    def __init__(self, config: Path | None = None):
        """
        Args:
            config: the file of settings; None for where they usually are.
        """
        self._config, self._lock = config, threading.Lock()
        self._store: Store | None = None

    def settings(self) -> Settings | None:
        """Read again each time, so that a file that is written while the server runs counts.

        Raises:
            ActlabError: the file is wrong.
        """
        return read_settings(self._config)

    def public(self) -> str:
        """The address under which others than this machine are answered; "" for none."""
        try:
            settings = self.settings()
        except ActlabError:  # the pages about mail say why
            return ""
        return settings.base if settings is not None else ""

    def subscribers(self, settings: Settings) -> Subscribers:
        """The readers.

        Raises:
            ActlabError: the database cannot be opened.
        """
        with self._lock:
            if self._store is None or self._store.path != settings.database:
                if self._store is not None:
                    self._store.close()
                self._store = Store(settings.database)
            return Subscribers(self._store)

    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC)

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
