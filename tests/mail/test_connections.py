"""Servers that are away, slow, rude or encrypted."""

import socket
import ssl
import subprocess
import threading
import time
from datetime import timedelta

import pytest

from actlab.core.errors import ActlabError
from actlab.mail.digest import render_confirmation
from actlab.mail.send import MOST_DOUBTS, post, send
from actlab.mail.smtp import NoServer
from tests.mail.conftest import NOW, entry, states

pytest.importorskip("aiosmtpd")
DAY = timedelta(days=1)
AFTER = [entry("a"), entry("b"), entry("c", tags=("chunks",))]


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
