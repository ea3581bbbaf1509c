"""Errors that a person reads: one sentence that says what was wrong, where, and what would be right."""

import difflib
from collections.abc import Iterable
from typing import ClassVar


class ActlabError(Exception):
    """Base of every error that the command line shows as one sentence, without a traceback."""

    exit_code: ClassVar[int] = 1
    """What a command that ended in this error exits with."""


class UnknownName(ActlabError):
    """A name that is not registered; the message suggests the nearest one that is."""

    exit_code = 2

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}."
        super().__init__(f"There is no {kind} named {name!r}; {hint}")


class SpaceError(ActlabError):
    """A value, space or code that does not fit where it is used."""


class MissingExtra(ActlabError):
    """An optional dependency is not installed; the message is the command that installs it."""

    def __init__(self, what: str, extra: str, then: str = ""):
        """
        Args:
            what: needs it.
            extra: of actlab.
            then: a second command, where the extra alone cannot install it.
        """
        second = f" and then {then}" if then else ""
        super().__init__(f"{what} needs an optional package: pip install 'actlab[{extra}]'{second}.")
