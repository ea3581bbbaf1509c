"""Where mail is sent from: a TOML file of one's own, and the password from there or from the environment."""

import os
import re
import ssl
import tomllib
from dataclasses import dataclass, field, fields
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from actlab.core.errors import ActlabError, UnknownName
from actlab.mail.addresses import checked

ENVIRONMENT = "ACTLAB_MAIL"
"""The variable that names the file."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")

EXAMPLE = """\
host = "smtp.example.org"
port = 587
security = "starttls"        # or "tls"; "none" is for a server on this machine
user = "news"
password_env = "MAIL_PASSWORD"
from = "actlab <news@example.org>"
base = "http://127.0.0.1:8765"
"""
"""A file that says all that is needed."""


@dataclass(frozen=True)
class Settings:
    """One SMTP server, and who writes.

    Raises:
        ActlabError: a value cannot be used.
    """

    host: str
    sender: Address
    base: str
    """Address of the web app, where links of mails lead; without a slash at its end."""
    port: int = 587
    security: str = "starttls"
    """"starttls", "tls" or "none"."""
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 60.0
    """Seconds that the server may take for an answer."""
    final_timeout: float = 600.0
    """Seconds that it may take to accept a whole mail: whoever gives up sooner risks sending it twice."""
    certificates: str = ""
    """File of the authorities that signed the server's certificate; "" for those of the system."""
    database: Path = Path("mail.sqlite")
    """Subscribers, and what was sent to them."""

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", self.host):
            raise ActlabError(f"The host of the mail server is a name or a number; received {self.host!r}.")
        if not 1 <= self.port <= 65535:
            raise ActlabError(f"The port of the mail server is 1 to 65535; received {self.port}.")
        if self.security not in ("starttls", "tls", "none"):
            raise ActlabError(f'The security of the mail server is "starttls", "tls" or "none"; not {self.security!r}.')
        if self.user and not self.password:
            raise ActlabError("The mail server's user has no password: set password_env, or password, in the file.")
        if self.user and self.security == "none" and self.host not in LOOPBACK:
            raise ActlabError('A password is not sent unencrypted: set security to "starttls" or "tls".')
        if not (0 < self.timeout <= 3600 and 0 < self.final_timeout <= 3600):
            raise ActlabError("The timeouts of the mail server are seconds, up to 3600.")
        parts = urlsplit(self.base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.fragment:
            raise ActlabError(f"The base is the web app's address, such as http://127.0.0.1:8765; not {self.base!r}.")

    def context(self) -> ssl.SSLContext:
        """How the server proves who it is.

        Raises:
            ActlabError: the file of certificates cannot be read.
        """
        try:
            return ssl.create_default_context(cafile=self.certificates or None)
        except (OSError, ssl.SSLError):
            raise ActlabError(f"The certificates {self.certificates} could not be read.") from None


def settings_path(path: str | Path | None = None) -> Path:
    """The file: the one given, else `$ACTLAB_MAIL`, else `~/.config/actlab/mail.toml`."""
    return Path(path or os.environ.get(ENVIRONMENT) or Path.home() / ".config" / "actlab" / "mail.toml")


def read_settings(path: str | Path | None = None) -> Settings | None:
    """What the file says; None where there is no file and none was asked for by name.

    Raises:
        ActlabError: it is missing although it was named, is no TOML, others can read its password, or a value is wrong.
    """
    place = settings_path(path)
    try:
        content = tomllib.loads(place.read_text("utf-8"))
        mode = place.stat().st_mode
    except FileNotFoundError:
        if path is None and not os.environ.get(ENVIRONMENT):
            return None
        raise ActlabError(f"There is no mail configuration {place}.") from None
    except OSError as error:
        raise ActlabError(f"{place} could not be read: {error.strerror}.") from None
    except ValueError:  # tomllib repeats what it read, and that may be the password
        raise ActlabError(f"{place} is no TOML file.") from None
    if "password" in content and mode & 0o077:
        raise ActlabError(f"{place} holds a password that others can read: chmod 600 {place}, or use password_env.")
    try:
        return _settings(content, place)
    except UnknownName:
        raise
    except ActlabError as error:
        raise ActlabError(f"{place}: {error}") from None


_KEYS = {"from", "password_env"} | {item.name for item in fields(Settings)} - {"sender"}
_KINDS: dict[str, Any] = {"port": int, "timeout": int | float, "final_timeout": int | float}


def _settings(content: dict[str, Any], place: Path) -> Settings:
    for name, value in content.items():
        if name not in _KEYS:
            raise UnknownName("mail setting", name, _KEYS)
        kind = _KINDS.get(name, str)
        if isinstance(value, bool) or not isinstance(value, kind):
            words = "text" if kind is str else "a number"
            raise ActlabError(f"{name} should be {words}.")  # without the value: it may be a password
    for name in ("host", "from", "base"):
        if not content.get(name):
            raise ActlabError(f"{name} is missing.")
    variable = content.pop("password_env", "")
    if variable and "password" in content:
        raise ActlabError("password and password_env are one too many.")
    if variable:
        if not os.environ.get(variable):
            raise ActlabError(f"The environment has no {variable}, which should hold the password.")
        content["password"] = os.environ[variable]
    if content.get("certificates"):
        content["certificates"] = str(place.parent / content["certificates"])
    default = Path.home() / ".local" / "share" / "actlab" / "mail.sqlite"
    database = place.parent / Path(content.pop("database", "") or default).expanduser()
    sender = _sender(content.pop("from"))
    return Settings(**{**content, "base": content["base"].rstrip("/"), "sender": sender, "database": database})


def _sender(text: str) -> Address:
    name, address = parseaddr(text)
    if not text.isprintable() or not address:
        raise ActlabError('from is written "Name <news@example.org>".')
    return Address(name, addr_spec=checked(address))
