"""One connection to a mail server, and the moment at which a mail becomes the server's.

A server takes a mail over when it answers the line with the single dot that ends it. So the text is sent first, then
the caller is asked to note that the dot comes, then the dot is sent: whoever is killed before the note has sent
nothing, whoever hears the answer has sent the mail, and only between the two is it unknown.
"""

import re
import smtplib
import socket
from collections.abc import Callable
from contextlib import suppress

from actlab.core.errors import ActlabError
from actlab.mail.settings import Settings


class NoServer(ActlabError):
    """The server cannot be reached, does not let us in, or takes nothing from us: nothing can be sent now."""


class Lost(NoServer):
    """The server went away in the middle of a mail; another connection may do."""


class NotTaken(Exception):
    """The server does not take one mail."""

    def __init__(self, permanent: bool, answer: str):
        super().__init__(answer)
        self.permanent, self.answer = permanent, answer


class Connection:
    """A connection that is opened with the first mail, and used for all that follow."""

    def __init__(self, settings: Settings):
        self._settings, self._server = settings, None

    def send(self, recipient: str, content: bytes, before_the_end: Callable[[], None] = lambda: None) -> None:
        """Give the server a mail.

        Args:
            content: the mail, with CRLF, in ASCII.
            before_the_end: called when all but the end has been sent.

        Raises:
            NotTaken: the server refuses this mail, and may take others.
            Lost: the connection broke; whether the server took the mail is unknown if `before_the_end` was called.
            NoServer: there is no server now.
        """
        server = self._server or self._open()
        try:
            self._expect(server.mail(self._settings.sender.addr_spec), 250, everybody=True)
            self._expect(server.rcpt(recipient), 250, 251)
            self._expect(server.docmd("DATA"), 354)
            server.send(_dotted(content))
            before_the_end()
            assert server.sock is not None
            server.sock.settimeout(self._settings.final_timeout)
            server.send(b".\r\n")
            self._expect(server.getreply(), 250)
            server.sock.settimeout(self._settings.timeout)
        except NotTaken:
            self._reset()
            raise
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise Lost(f"The mail server {self._settings.host} went away: {_reason(error)}.") from None
        except BaseException:
            self._drop()  # without a farewell, which would become a line of the mail that is under way
            raise

    def close(self) -> None:
        """Say goodbye, if the server still listens."""
        if self._server is not None:
            with suppress(OSError, smtplib.SMTPException):
                if self._server.sock is not None:
                    self._server.sock.settimeout(min(self._settings.timeout, 5.0))
                self._server.quit()
        self._drop()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _open(self) -> smtplib.SMTP:
        """
        Raises:
            NoServer: it did not work.
        """
        settings = self._settings
        ours = {"timeout": settings.timeout, "local_hostname": settings.sender.domain}  # not this machine's name
        context = settings.context() if settings.security != "none" else None
        server: smtplib.SMTP | None = None
        try:
            if settings.security == "tls":
                server = smtplib.SMTP_SSL(settings.host, settings.port, context=context, **ours)
            else:
                server = smtplib.SMTP(settings.host, settings.port, **ours)
                if context is not None:
                    server.starttls(context=context)
            if settings.user:
                server.login(settings.user, settings.password)
            server.ehlo_or_helo_if_needed()
            if server.sock is not None:  # the end of a mail must not wait for the receipt of its text
                server.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except smtplib.SMTPAuthenticationError as error:
            reason = f"it refuses the user or the password ({error.smtp_code})"
        except smtplib.SMTPNotSupportedError as error:
            reason = "it offers no STARTTLS" if "STARTTLS" in str(error) else "it offers no login"
        except (OSError, smtplib.SMTPException) as error:
            reason = _reason(error)
        else:
            self._server = server
            return server
        if server is not None:
            server.close()
        raise NoServer(f"The mail server {settings.host}:{settings.port} cannot be used: {reason}.")

    def _expect(self, reply: tuple[int, bytes], *good: int, everybody: bool = False) -> None:
        """
        Args:
            everybody: a refusal is about the sender, and so about all mails.
        """
        code, text = reply
        if code in good:
            return
        answer = f"{code} {_plain(text)}"
        if code == -1:
            raise smtplib.SMTPServerDisconnected("it closed the connection")
        if code == 421:
            raise smtplib.SMTPResponseException(code, text)
        if everybody or code in (530, 535, 538):  # 53x: it wants a login
            self.close()
            raise NoServer(f"The mail server {self._settings.host} takes no mail from us: {answer}.")
        permanent = code >= 500 and not re.match(rb"5\.7\.", text)  # 5.7: its rules, which are seldom the mailbox's
        raise NotTaken(permanent, answer)

    def _reset(self) -> None:
        """Ready for the next mail; a server that cannot even do that is left."""
        try:
            if self._server is not None and self._server.rset()[0] != 250:
                self.close()
        except (OSError, smtplib.SMTPException):
            self._drop()


def _dotted(content: bytes) -> bytes:
    """Lines that begin with a dot get another one, and the last line ends."""
    content = re.sub(rb"(?m)^\.", b"..", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _plain(text: bytes) -> str:
    """What a server says, fit to be shown: one line, printable, not too long."""
    return re.sub(r"[^ -~]+", " ", text.decode("ascii", "replace")).strip()[:200].rstrip(".")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return "it takes too long to answer"
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error if isinstance(error.smtp_error, bytes) else str(error.smtp_error).encode()
        return f"{error.smtp_code} {_plain(text)}"
    return _plain(str(getattr(error, "strerror", None) or error).encode()) or type(error).__name__
