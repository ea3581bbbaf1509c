"""Mails through a real server on this machine: what arrives, and what happens when something goes wrong."""

import socket
import ssl
import subprocess
import threading
import time
from datetime import timedelta
from email import message_from_bytes, policy
from email.headerregistry import Address

import pytest

from actlab.core.errors import ActlabError
from actlab.mail.digest import Page, collect, render_confirmation
from actlab.mail.send import MOST_DOUBTS, MOST_REFUSALS, MOST_TRIES, message, post, send
from actlab.mail.smtp import NoServer
from actlab.mail.subscribers import MANAGE
from tests.mail.conftest import NOW, entry

pytest.importorskip("aiosmtpd")
DAY = timedelta(days=1)
BEFORE, AFTER = [entry("a")], [entry("a"), entry("b"), entry("c", tags=("chunks",))]


@pytest.fixture
def known(subscribers):
    """Only the system "a" is known."""
    collect(subscribers.store, BEFORE, NOW.date())
    return subscribers


def states(subscribers):
    rows = subscribers.store.rows(
        "SELECT address, deliveries.state FROM deliveries JOIN subscribers ON id = subscriber ORDER BY address, issue"
    )
    return [tuple(row) for row in rows]


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


# --- connections -------------------------------------------------------------------------------------


def test_no_server_is_one_sentence(known, join, settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        join("a@example.org")
        report = send(settings(taken.getsockname()[1]), known, NOW, AFTER)
    assert report.remaining == 1
    assert report.trouble == [f"The mail server 127.0.0.1:{taken_port(report)} cannot be used: Connection refused."]


def taken_port(report):
    return report.trouble[0].partition("127.0.0.1:")[2].partition(" ")[0]


@pytest.mark.parametrize("where", ["before the text", "in the text"])
def test_a_connection_that_drops_costs_nothing(known, join, serve, settings, where):
    box, port = serve()
    join("a@example.org")
    join("b@example.org")
    box.drop = where
    report = send(settings(port), known, NOW, AFTER)
    assert (report.sent, report.remaining, box.mails) == (0, 2, [])
    assert "went away" in report.trouble[0]
    if where == "before the text":
        assert states(known) == [("a@example.org", "planned"), ("b@example.org", "planned")]
    box.drop = ""
    report = send(settings(port), known, NOW, AFTER)
    assert (report.sent, report.remaining) == (2, 0)
    assert sorted(address for address, _ in box.mails) == ["a@example.org", "b@example.org"]


class Rude(threading.Thread):
    """A server that reads a mail to its end, and then says nothing or hangs up."""

    def __init__(self, silent: bool):
        super().__init__(daemon=True)
        self.silent, self.mails, self.done = silent, 0, threading.Event()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]

    def run(self):
        while True:
            try:
                line, _ = self.listening.accept()
            except OSError:
                return
            with line, line.makefile("rb") as lines:
                line.sendall(b"220 hello\r\n")
                for said in lines:
                    word = said[:4].upper()
                    if word == b"DATA":
                        line.sendall(b"354 go on\r\n")
                        while lines.readline() not in (b".\r\n", b""):
                            pass
                        self.mails += 1
                        if self.silent:
                            self.done.wait(30)
                        break
                    line.sendall(b"250 fine\r\n")


@pytest.mark.parametrize("silent", [True, False])
def test_a_mail_in_doubt_is_sent_again_under_its_name_and_not_for_ever(known, join, settings, silent):
    join("a@example.org")
    server = Rude(silent)
    server.start()
    impatient = settings(server.port, timeout=5.0, final_timeout=0.2 if silent else 5.0)
    for _ in range(MOST_DOUBTS - 1):
        report = send(impatient, known, NOW, AFTER)
        assert (report.sent, report.remaining) == (0, 1)
        assert states(known) == [("a@example.org", "sending")]
        assert ("takes too long" in report.trouble[0]) == silent
        if silent:
            server.done.set()
            server.done = threading.Event()
    report = send(impatient, known, NOW, AFTER)
    assert (report.refused, report.remaining) == (1, 0)
    assert server.mails == MOST_DOUBTS
    server.done.set()
    server.listening.shutdown(socket.SHUT_RDWR)
    server.listening.close()
    server.join(10)


def test_a_slow_server_is_left(known, join, settings):
    join("a@example.org")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        report = send(settings(silent.getsockname()[1], timeout=0.2), known, NOW, AFTER)
        assert time.monotonic() - begin < 60
    assert "takes too long to answer" in report.trouble[0]
    assert report.remaining == 1


def test_two_runs_at_once_are_refused(known, join, serve, settings):
    box, port = serve()
    join("a@example.org")
    said = []

    def second(address):
        with pytest.raises(ActlabError, match="Another process") as error:
            send(settings(port), known, NOW, AFTER)
        said.append(error)

    box.hooks["RCPT"] = second
    assert send(settings(port), known, NOW, AFTER).sent == 1
    assert len(said) == 1


def test_one_mail_is_posted_at_once(serve, settings):
    box, port = serve()
    post(settings(port), "a@example.org", render_confirmation("http://x", "k", "weekly"), NOW, "k")
    ((address, mail),) = box.mails
    assert address == "a@example.org"
    assert mail["List-Unsubscribe"] is None
    assert mail.get_body(("html",)) is not None
    box.hooks["RCPT"] = lambda address: "550 no such mailbox"
    post(settings(port), "b@example.org", render_confirmation("http://x", "k", "weekly"), NOW, "l")  # says nothing


# --- encryption and login ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of this machine, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    names = [str(folder / name) for name in ("key.pem", "certificate.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", names[0], "-out", names[1], "-days", "3650", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl makes no certificate here")
    return names


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    return context


def guarded(serve, certificate):
    from aiosmtpd.smtp import AuthResult

    def right(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"news", b"swordfish"), handled=False)

    return serve(tls_context=tls(certificate), require_starttls=True, auth_required=True, authenticator=right)


def test_starttls_and_a_login(known, join, serve, settings, certificate):
    box, port = guarded(serve, certificate)
    join("a@example.org")
    secure = {"security": "starttls", "certificates": certificate[1], "user": "news"}
    wrong = send(settings(port, password="other-word", **secure), known, NOW, AFTER)
    assert wrong.remaining == 1
    assert "refuses the user or the password" in wrong.trouble[0]
    assert "other-word" not in wrong.trouble[0]
    assert send(settings(port, password="swordfish", **secure), known, NOW, AFTER).sent == 1
    assert len(box.mails) == 1


def test_encryption_from_the_first_word_on(known, join, serve, settings, certificate):
    box, port = serve(ssl_context=tls(certificate))
    join("a@example.org")
    assert send(settings(port, security="tls", certificates=certificate[1]), known, NOW, AFTER).sent == 1
    assert send(settings(port, security="tls"), known, NOW + DAY, [*AFTER, entry("d")]).remaining == 1
    assert len(box.mails) == 1


def test_a_server_that_cannot_prove_who_it_is_gets_nothing(known, join, serve, settings, certificate):
    box, port = guarded(serve, certificate)
    join("a@example.org")
    report = send(settings(port, security="starttls", user="news", password="swordfish"), known, NOW, AFTER)
    assert report.remaining == 1
    assert "certificate verify failed" in report.trouble[0]
    assert box.mails == []


def test_encryption_that_is_not_offered_is_not_done_without(known, join, serve, settings):
    box, port = serve()
    join("a@example.org")
    report = send(settings(port, security="starttls"), known, NOW, AFTER)
    assert "offers no STARTTLS" in report.trouble[0]
    assert box.mails == []


def test_a_login_that_is_asked_for_is_one_sentence(serve, settings, certificate):
    _, port = guarded(serve, certificate)
    bare = settings(port, security="starttls", certificates=certificate[1])
    with pytest.raises(NoServer, match="530"):
        post(bare, "a@example.org", render_confirmation("http://x", "k", "weekly"), NOW, "k")
