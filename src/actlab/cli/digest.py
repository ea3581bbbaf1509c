"""`actlab digest`. Everything but the standard library is imported inside the functions."""

import argparse
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from actlab.cli.commands import columns, show
from actlab.core.errors import ActlabError


def digest(options: argparse.Namespace) -> None:
    """`actlab digest send|preview|status`"""
    {"send": _send, "preview": _preview, "status": _status}[options.action](options)


def _settings(options: argparse.Namespace) -> Any:
    from actlab.mail.settings import read_settings, settings_path

    settings = read_settings(options.config)
    if settings is None:
        raise ActlabError(
            f"Nothing says where mail is sent from: write {settings_path()} as `actlab digest --help` shows."
        )
    return settings


def _now(options: argparse.Namespace) -> datetime:
    now = datetime.now(UTC)
    return datetime.combine(date.fromisoformat(options.date), time(12), UTC) if options.date else now


def _send(options: argparse.Namespace) -> None:
    """
    Raises:
        ActlabError: the results are gone; or some mails are still to be sent (said last, so that the exit code tells).
    """
    from actlab.mail.digest import catalogue, known
    from actlab.mail.send import send
    from actlab.mail.store import Store
    from actlab.mail.subscribers import Subscribers
    from actlab.papers.card import PENDING, PLANNED

    settings, now, results = _settings(options), _now(options), Path(options.results)
    with Store(settings.database) as store:
        if not results.is_dir() and any(found.status not in (PLANNED, PENDING) for found in known(store).values()):
            # else every claim that was judged would be told to be open again, to everybody
            raise ActlabError(f"There is no folder {results}, and there were results: name it with --results.")
        report = send(settings, Subscribers(store), now, catalogue(results))
    names = {"news": "new items", "sent": "mails sent", "again": "of these, perhaps for the second time"}
    names |= {"refused": "refused", "remaining": "still to be sent"}
    rows = [(text, str(getattr(report, name))) for name, text in names.items() if name != "again" or report.again]
    show(options, vars(report), "\n".join([columns(rows), *report.trouble]))
    sys.stdout.flush()
    if report.remaining:
        mails = "1 mail is" if report.remaining == 1 else f"{report.remaining} mails are"
        raise ActlabError(f"{mails} still to be sent; the same command tries again.")


def _preview(options: argparse.Namespace) -> None:
    from actlab.mail import digest as made
    from actlab.mail.settings import read_settings
    from actlab.mail.subscribers import Choice

    tags = Choice(tuple(options.tag or ())).tags
    settings, now = read_settings(options.config), _now(options)
    there = made.catalogue(Path(options.results))
    if options.since:
        items = made.since(there, options.since)
    else:
        items = _unsent(settings, there)
    items = made.chosen(items, tags)
    data = [vars(item) for item in items]
    if not items:
        return show(options, data, "There is nothing to say, so no mail would be sent.")
    base = settings.base if settings is not None else "http://127.0.0.1:8765"
    page = made.render(items, now.date(), base, "")
    text = page.html if options.html else f"Subject: {page.subject}\n\n{page.text}"
    show(options, data, text.rstrip("\n"))


def _unsent(settings: Any, there: Any) -> list[Any]:
    """What has changed since the last `send`."""
    from actlab.mail.digest import differences, known
    from actlab.mail.store import Store

    if settings is None or not settings.database.exists():
        return []
    with Store(settings.database) as store:
        before = known(store)
    return differences(before, there) if before else []


def _status(options: argparse.Namespace) -> None:
    from actlab.mail.send import STATES
    from actlab.mail.store import Store
    from actlab.mail.subscribers import Subscribers

    settings = _settings(options)
    with Store(settings.database) as store:
        subscribers = Subscribers(store).counts()
        found = store.rows("SELECT state, count(*), max(issue) FROM deliveries GROUP BY state")
        notes = store.rows(
            "SELECT note, count(*) FROM deliveries WHERE note != '' AND state != 'sent' GROUP BY note ORDER BY 2 DESC"
        )
    mails = dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in found}
    issue = max((row[2] for row in found), default="")
    data = {
        "database": str(settings.database),
        "subscribers": subscribers,
        "mails": mails,
        "last_issue": issue,
        "answers": {row[0]: row[1] for row in notes},
    }
    rows = [("database", str(settings.database)), ("last issue", issue or "none yet")]
    rows += [(f"subscribers, {state}", str(number)) for state, number in subscribers.items()]
    rows += [(f"mails, {state}", str(number)) for state, number in mails.items()]
    lines = [columns(rows), *(f"the mail server said {number} times: {note}" for note, number in notes)]
    show(options, data, "\n".join(lines))
