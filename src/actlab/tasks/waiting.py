"""Which simulator a thread is waiting for, so that another thread can tell when one does not return.

Every call of a simulator on the host stands in a `with waits_for(...)`. Without a watch (`training.patience`)
nobody reads what is noted there; noting it costs well under a microsecond.
"""

from contextvars import ContextVar


class Abandoned(BaseException):
    """Raised out of a call that is no longer waited for. No `Exception`: who tries again must not catch it."""


class Watched:
    """What one thread waits for now: the innermost call of a simulator, or None."""

    __slots__ = ("call",)

    def __init__(self) -> None:
        self.call: waits_for | None = None


WATCHED: ContextVar[Watched] = ContextVar("WATCHED", default=Watched())  # noqa: B039 (read by nobody)
"""The watch over the thread that is running."""


class waits_for:
    """A context manager around one call of a simulator. An instance is one call: what it is told apart by."""

    __slots__ = ("_before", "_watched", "kind", "name", "where")

    def __init__(self, kind: str, name: str, where: str):
        """
        Args:
            kind: what is called, such as "environment".
            name: its name.
            where: such as "at step 10".
        """
        self.kind, self.name, self.where = kind, name, where

    def __enter__(self) -> "waits_for":
        self._watched = WATCHED.get()
        self._before = self._watched.call
        self._watched.call = self
        return self

    def __exit__(self, *error: object) -> None:
        self._watched.call = self._before
