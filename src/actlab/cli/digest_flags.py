"""The flags of `actlab digest`."""

import argparse
from collections.abc import Callable

from actlab.cli.values import day, whole_day


def add_digest(parser: argparse.ArgumentParser, choices: Callable[..., None]) -> None:
    """Add them.

    Args:
        choices: gives an argument its names, for completion.
    """
    actions = ("send", "preview", "status")
    parser.add_argument("action", choices=actions, metavar="send|preview|status", help="what to do")
    text = "the mail server and who writes ($ACTLAB_MAIL, else ~/.config/actlab/mail.toml)"
    parser.add_argument("--config", metavar="FILE", help=text)
    parser.add_argument("--date", type=whole_day, metavar="DAY", help="as if it were this day: 2026-03-02 (today)")
    parser.add_argument("--since", type=day, metavar="DATE", help="preview: systems from this date on, as if new")
    text = "preview: only this tag, or one below it; give it again for more"
    choices(parser.add_argument("--tag", action="append", metavar="TAG", help=text), "tag")
    parser.add_argument("--html", action="store_true", help="preview: the HTML part, not the text")
    parser.add_argument("--results", metavar="DIR", default="results", help="folder of the papers' results (results)")
    parser.epilog = EXAMPLES


NOTE = """

`send` writes down what is new since the last time (systems, results with another status, changed cards), and sends
each subscriber one mail of what fits their tags, daily or on Mondays; nothing to say is no mail. Let a timer run it
once a day. A run that is killed, or meets a server that is away, is finished by the next one: each subscriber gets
each issue once. While mails are left to send, the exit code is 1. `preview` prints a mail and sends nothing; `status`
counts subscribers and mails. People subscribe on the pages of `actlab web`."""

EXAMPLES = """\
examples:
  actlab digest preview --since 2025-11 --tag masks
  actlab digest send --config mail.toml
  actlab digest status --json

The file mail.toml:
  host = "smtp.example.org"
  port = 587
  security = "starttls"
  user = "news"
  password_env = "MAIL_PASSWORD"
  from = "actlab <news@example.org>"
  base = "http://127.0.0.1:8765"
"""
