"""Mails through a real server on this machine: what arrives, and what happens when something goes wrong."""

from datetime import timedelta
from email import message_from_bytes, policy
from email.headerregistry import Address

import pytest

from actlab.mail.digest import Page
from actlab.mail.send import MOST_REFUSALS, MOST_TRIES, message, post, send
from actlab.mail.subscribers import MANAGE
from tests.mail.conftest import NOW, entry, states

pytest.importorskip("aiosmtpd")
DAY = timedelta(days=1)
AFTER = [entry("a"), entry("b"), entry("c", tags=("chunks",))]


def test_everybody_gets_what_fits_in_both_forms(known, join, serve, settings):
    box, port = serve()
    join("all@example.org")
    join("chunks@example.org", "chunks")
    join("none@example.org", "learned-tokens")
    report = send(settings(port), known, NOW, AFTER)
    assert (report.news, report.sent, report.refused, report.remaining) == (2, 2, 0, 0)
    assert box.connections == 1
    found = dict(box.mails)
    assert set(found) == {"all@example.org", "chunks@example.org"}
    mail = found["all@example.org"]
    assert mail["Subject"] == "actlab: 2 new systems"
    assert mail["From"] == "actlab <news@example.org>"
    assert mail["Date"].datetime == NOW
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    for part in (plain, html):
        assert "/systems/b" in part.get_content()
        assert "/systems/c" in part.get_content()
    assert "/systems/b" not in found["chunks@example.org"].get_body(("plain",)).get_content()
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail["Message-ID"] != found["chunks@example.org"]["Message-ID"]


def test_how_to_leave_stands_in_the_head(known, join, serve, settings):
    box, port = serve()
    reader = join("a@example.org")
    send(settings(port), known, NOW, AFTER)
    ((_, mail),) = box.mails
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail["List-Unsubscribe"]
    assert link.startswith("<http://127.0.0.1:8765/unsubscribe?key=")
    key = link.strip("<>").partition("key=")[2]
    assert known.holder(key, MANAGE, NOW)[0].id == reader.id
    assert f"/subscription?key={key}" in mail.get_body(("plain",)).get_content()


def test_the_mail_on_the_line_is_plain_and_its_links_are_whole(settings):
    """Also with long names: a link that is folded or encoded is none."""
    name = "a-very-long-name-of-a-department." * 3 + "example.org"
    far = settings(25, base=f"https://{name}", sender=Address("Zeitung für alle, und mehr", addr_spec=f"news@{name}"))
    page = Page("News – für alle", "text é " * 300 + "\n.\n", "<p>é</p>" * 2000)
    content = message(far, f"reader@{name}", page, f"<id@{name}>", NOW, "k" * 43)
    lines = content.decode("ascii").split("\r\n")
    assert max(map(len, lines)) < 998
    assert "\n" not in "".join(lines)
    for line in (
        f"List-Unsubscribe: <https://{name}/unsubscribe?key={'k' * 43}>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        f"Message-ID: <id@{name}>",
        f"List-Id: actlab <news.{name}>",
        f"To: reader@{name}",
        "Auto-Submitted: auto-generated",
    ):
        assert line in lines
    read = message_from_bytes(content, policy=policy.default)
    assert read["From"].addresses[0].display_name == "Zeitung für alle, und mehr"
    assert read.get_body(("plain",)).get_content().splitlines() == page.text.splitlines()
    again = message(far, f"reader@{name}", page, f"<id@{name}>", NOW, "k" * 43)
    assert again == content


def test_lines_that_are_a_dot_arrive(serve, settings):
    box, port = serve()
    post(settings(port), "a@example.org", Page("x", "one\n.\n..two\n.three", "<p>x</p>"), NOW, "k")
    text = box.mails[0][1].get_body(("plain",)).get_content()
    assert text.splitlines() == ["one", ".", "..two", ".three"]


def test_every_issue_comes_once(known, join, serve, settings):
    box, port = serve()
    join("a@example.org")
    assert send(settings(port), known, NOW, AFTER).sent == 1
    assert send(settings(port), known, NOW, AFTER).sent == 0
    assert send(settings(port), known, NOW, [*AFTER, entry("d")]).sent == 0  # one mail a day
    assert send(settings(port), known, NOW + DAY, [*AFTER, entry("d")]).sent == 1
    assert send(settings(port), known, NOW + 2 * DAY, [*AFTER, entry("d")]).sent == 0  # nothing to say
    assert len(box.by_reader()["a@example.org"]) == len(box.mails) == 2


def test_weekly_readers_wait_for_monday(known, join, serve, settings):
    box, port = serve()
    join("a@example.org", cadence="weekly")
    assert send(settings(port), known, NOW + DAY, AFTER).sent == 0
    assert send(settings(port), known, NOW + 7 * DAY, [*AFTER, entry("d")]).sent == 1
    assert "3 new systems" in box.mails[0][1]["Subject"]


def test_whoever_left_or_never_confirmed_gets_nothing(known, join, serve, settings):
    from actlab.mail.subscribers import Choice

    box, port = serve()
    known.ask("pending@example.org", Choice((), "daily"), client="c", now=NOW)
    join("left@example.org")
    send(settings(port), known, NOW, AFTER)
    key = box.mails[0][1]["List-Unsubscribe"].strip("<>").partition("key=")[2]
    known.leave(key, NOW)
    assert send(settings(port), known, NOW + DAY, [*AFTER, entry("d")]).sent == 0


def test_a_mail_that_is_planned_for_somebody_who_leaves_is_dropped(known, join, serve, settings):
    box, port = serve()
    first, second = join("a@example.org"), join("b@example.org")

    def leave(address):
        with known.store.change() as base:
            base.execute("UPDATE subscribers SET state = 'out' WHERE id = ?", (second.id,))

    box.hooks["taken"] = leave
    report = send(settings(port), known, NOW, AFTER)
    assert (report.sent, report.remaining) == (1, 0)
    assert states(known) == [(first.address, "sent"), (second.address, "dropped")]


# --- refusals ----------------------------------------------------------------------------------------


def test_a_mailbox_that_is_refused_is_not_tried_for_ever(known, join, serve, settings):
    box, port = serve()
    join("bad@example.org")
    join("good@example.org")
    box.hooks["RCPT"] = lambda address: "550 5.1.1 no such mailbox" if address.startswith("bad") else None
    there = list(AFTER)
    for i in range(MOST_REFUSALS):
        report = send(settings(port), known, NOW + i * DAY, there)
        assert (report.sent, report.refused, report.remaining) == (1, 1, 0)
        assert send(settings(port), known, NOW + i * DAY, there).refused == 0
        there.append(entry(f"more-{i}"))
    assert known.counts() == {"pending": 0, "confirmed": 1, "out": 1}
    assert send(settings(port), known, NOW + 9 * DAY, there).refused == 0


def test_a_mail_that_the_server_does_not_like_is_refused_alone(known, join, serve, settings):
    box, port = serve()
    join("bad@example.org")
    join("good@example.org")
    box.hooks["end"] = lambda address: "554 5.6.0 not this one" if address.startswith("bad") else None
    report = send(settings(port), known, NOW, AFTER)
    assert (report.sent, report.refused, report.remaining) == (1, 1, 0)
    assert states(known) == [("bad@example.org", "refused"), ("good@example.org", "sent")]


@pytest.mark.parametrize("stage", ["RCPT", "end"])
@pytest.mark.parametrize("answer", ["450 4.2.1 come back later", "550 5.7.1 our rules say no"])
def test_what_may_pass_is_tried_again(known, join, serve, settings, stage, answer):
    box, port = serve()
    join("a@example.org")
    join("b@example.org")
    box.hooks[stage] = lambda address: answer if address.startswith("a") else None
    report = send(settings(port), known, NOW, AFTER)
    assert (report.sent, report.refused, report.remaining) == (1, 0, 1)
    assert answer.partition(" ")[2] in report.trouble[0]
    box.hooks.clear()
    report = send(settings(port), known, NOW + DAY, AFTER)
    assert (report.sent, report.again, report.remaining) == (1, 0, 0)
    assert sorted(address for address, _ in box.mails) == ["a@example.org", "b@example.org"]


def test_what_never_passes_is_given_up(known, join, serve, settings):
    box, port = serve()
    join("a@example.org")
    box.hooks["RCPT"] = lambda address: "450 later"
    for _ in range(MOST_TRIES - 1):
        assert send(settings(port), known, NOW, AFTER).remaining == 1
    report = send(settings(port), known, NOW, AFTER)
    assert (report.refused, report.remaining) == (1, 0)


def test_a_refused_sender_stops_the_run_and_blames_no_reader(known, join, serve, settings):
    box, port = serve()
    join("a@example.org")
    join("b@example.org")
    box.hooks["MAIL"] = lambda address: "550 who are you"
    report = send(settings(port), known, NOW, AFTER)
    assert (report.sent, report.refused, report.remaining, len(report.trouble)) == (0, 0, 2, 1)
    box.hooks.clear()
    assert send(settings(port), known, NOW, AFTER).sent == 2
