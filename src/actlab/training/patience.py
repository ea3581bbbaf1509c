"""How long a simulator on the host may take for one step or reset, and what ends the wait.

Once a second a thread looks at which call of a simulator is under way (`tasks.waiting`). It counts looks at the same
call, not the time that has passed: so a process that was stopped (Ctrl-Z, a machine asleep) is not held against the
simulator. When patience is over:

1. The thread sends a signal to the thread that waits. Its handler raises there: out of a sleep, a socket, a pipe, a
   lock, or a loop in Python. What it raises is no `Exception`, so that an environment which tries again and again does
   not swallow it. It becomes one sentence where the watch began.
2. Native code that does not return to Python is left by the end of the process, a few looks later, with the same
   sentence and exit code 1.

Both leave the files as the last checkpoint left them. What cannot be left at all is native code that does not return
and holds Python's global lock: then no thread can look. Nothing here reaches a learner: as long as simulators return,
results do not depend on the clock.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

from actlab.core.errors import ActlabError
from actlab.tasks.waiting import WATCHED, Abandoned, Watched, waits_for

P = ParamSpec("P")
R = TypeVar("R")
PATIENCE = 600.0
"""Seconds that a simulator may take for one step or reset where nothing else is said."""
LOOK = 1.0
"""Most seconds between two looks."""
SIGNALS = 10
"""Looks, each with a signal, between the end of patience and the end of the process."""
SIGNAL = signal.SIGURG
"""Ignored by whoever has no handler for it, and hardly used: it does no harm where it comes too late."""


def sentence(call: waits_for, seconds: float) -> str:
    """What is said of a call that does not return."""
    return (
        f"The {call.kind} {call.name!r} hangs {call.where}: it has not returned for {seconds:g} s. What was saved "
        "stays; mend it, or allow it longer with --patience SECONDS, and the same command goes on."
    )


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Inside, a simulator that does not return for `seconds` ends in one sentence.

    Only the main thread can be interrupted; in other threads there is no watch.

    Raises:
        ActlabError: a simulator hangs, or `seconds` is no number above 0 (infinity waits for ever).
    """
    if not seconds > 0:
        raise ActlabError(f"Patience is a number of seconds above 0; received {seconds!r}.")
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watched, over = Watched(), threading.Event()
    overdue: list[waits_for] = []

    def leave(number: int, frame: Any) -> None:
        if overdue and watched.call is overdue[-1]:  # else it has just returned
            raise Abandoned
        if callable(before):
            before(number, frame)

    before = signal.signal(SIGNAL, leave)
    token = WATCHED.set(watched)
    thread = threading.Thread(target=_look, args=(watched, over, overdue, seconds), name="patience", daemon=True)
    thread.start()
    try:
        yield
    except Abandoned:
        raise ActlabError(sentence(overdue[-1], seconds)) from None
    finally:
        over.set()
        thread.join()
        WATCHED.reset(token)
        signal.signal(SIGNAL, before)


def patient(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator of a function with an argument `patience`: it runs inside of `patience(...)` of that many seconds."""

    @wraps(function)
    def watched(*arguments: P.args, **options: P.kwargs) -> R:
        bound = signature(function).bind(*arguments, **options)
        bound.apply_defaults()
        with patience(bound.arguments["patience"]):
            return function(*arguments, **options)

    return watched


def _look(watched: Watched, over: threading.Event, overdue: list[waits_for], seconds: float) -> None:
    """Count looks at the same call; end it, then the process."""
    pause = min(LOOK, seconds / 4)
    call, looks = None, 0
    while not over.wait(pause):
        if watched.call is None or watched.call is not call:
            call, looks = watched.call, 0
            continue
        looks += 1
        if looks * pause < seconds:
            continue
        if not overdue or overdue[-1] is not call:
            overdue.append(call)
        if looks * pause >= seconds + SIGNALS * pause:
            os.write(sys.stderr.fileno(), f"actlab: {sentence(call, seconds)}\n".encode())
            os._exit(1)
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, SIGNAL)
