"""Mail addresses: which ones we write to, and when two of them are the same."""

import re

from actlab.core.errors import ActlabError

LONGEST = 254
"""Letters of the longest address that mail servers take (RFC 5321)."""
LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def checked(text: str) -> str:
    """The address as it is written to: without spaces around it, its domain in small ASCII letters.

    Quoted names, comments and numbers in place of a domain are legal in mail, and refused here: nobody has them, and
    they are what injections are made of.

    Raises:
        ActlabError: it is no address; the sentence does not repeat it.
    """
    text = text.strip()
    local, at, domain = text.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        domain = ""
    labels = domain.split(".")
    if (
        not at
        or len(text) > LONGEST
        or len(local) > 64
        or not LOCAL.fullmatch(local)
        or len(labels) < 2
        or not all(map(LABEL.fullmatch, labels))
        or labels[-1].isdigit()
        or len(local) + len(domain) + 1 > LONGEST
    ):
        raise ActlabError("That is no mail address; one looks like name@example.org.")
    return f"{local}@{domain}"


def same(address: str) -> str:
    """What two addresses have in common that reach one mailbox almost everywhere: letters large or small."""
    return checked(address).lower()
