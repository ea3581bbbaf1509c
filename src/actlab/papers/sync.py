"""Ask arXiv what is new about action spaces, and file it as unreviewed.

The API answers with an Atom feed, newest first. It asks for at most one request in three seconds and for a name:
both are kept to. Of a paper only what identifies it is stored; abstracts are not ours to copy.
"""

import datetime
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree
from xml.parsers import expat

from actlab.core.errors import ActlabError
from actlab.papers.registry import PAPERS
from actlab.papers.unreviewed import Unreviewed, file_of, write_unreviewed

API = "http://export.arxiv.org/api/query"
QUERY = '(abs:"action space" OR abs:"action representation") AND (cat:cs.LG OR cat:cs.RO OR cat:cs.AI)'
"""What is asked for unless one says otherwise."""
PAUSE = 3.0
"""Seconds between two requests, as the API asks for."""
TRIES = 3
"""Times that a request is made which is turned away because the server is busy."""
SIZE, MOST = 100, 1000
"""Papers of an answer, and of a run."""
LARGEST = 1 << 23
"""Bytes of the largest answer that is read."""
DAYS = 30
"""How far back the first run looks."""
LATE = 7
"""Days that may pass between a paper's date and its appearance."""

ATOM = "{http://www.w3.org/2005/Atom}"
ID = re.compile(r"https?://arxiv\.org/abs/(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?")

Fetch = Callable[[str], bytes]


class Busy(ActlabError):
    """The server has no time now."""


@dataclass(frozen=True)
class Synced:
    """What a run found."""

    new: list[Unreviewed]
    """Filed now, newest first."""
    known: int
    """Papers that were there already, as a card that is built in or in the folder."""


def sync(
    folder: Path,
    since: str,
    *,
    query: str = QUERY,
    api: str = API,
    fetch: Fetch | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Synced:
    """File all papers that a query finds from a date on. What was filed before something goes wrong stays.

    Args:
        folder: of the unreviewed papers.
        since: the first date that counts: a year, a month or a day.
        api: where to ask.
        fetch: address -> what lies there.
        sleep: waits.

    Raises:
        ActlabError: there is no network, or the answer is none.
    """
    fetch = fetch or fetch_page
    cards = {entry.load().card.arxiv for entry in PAPERS}
    new, known = [], 0
    for start in range(0, MOST, SIZE):
        if start:
            sleep(PAUSE)
        asked = {"search_query": query, "start": start, "max_results": SIZE}
        order = {"sortBy": "submittedDate", "sortOrder": "descending"}
        page = read_page(_patiently(fetch, f"{api}?{urlencode(asked | order)}", sleep))
        fresh = [paper for paper in page if paper.date >= since]
        for paper in fresh:
            if paper.arxiv in cards or file_of(folder, paper.arxiv).exists():
                known += 1
            elif write_unreviewed(folder, paper):
                new.append(paper)
        if len(fresh) < SIZE:
            break
    return Synced(new, known)


def first_day(today: datetime.date, papers: Sequence[Unreviewed]) -> str:
    """From when on to ask: some days before the newest paper that is known, or a month back."""
    known = [paper.date for paper in papers if len(paper.date) > 4 and paper.date <= today.isoformat()]
    if not known:
        return (today - datetime.timedelta(DAYS)).isoformat()
    return (datetime.date.fromisoformat(max(known)) - datetime.timedelta(LATE)).isoformat()


def _patiently(fetch: Fetch, address: str, sleep: Callable[[float], None]) -> bytes:
    for turn in range(TRIES):
        if turn:
            sleep(PAUSE)
        try:
            return fetch(address)
        except Busy:
            if turn == TRIES - 1:
                raise
    raise AssertionError


def fetch_page(address: str, timeout: float = 30.0) -> bytes:
    """What lies at an address.

    Args:
        timeout: seconds for each part of the answer, and four times that for all of it.

    Raises:
        Busy: the server says so.
        ActlabError: there is no network, or no such page, or it is too large or too slow.
    """
    parts = urlsplit(address)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise ActlabError(f"The API is an http address; received {address.partition('?')[0]!r}.")
    request = urllib.request.Request(address, headers={"User-Agent": f"actlab/{_version()} (papers sync)"})
    end = time.monotonic() + 4 * timeout
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            content = b""
            while piece := answer.read1(1 << 16):
                content += piece
                if len(content) > LARGEST:
                    raise ActlabError(f"The answer of {host} is larger than {LARGEST >> 20} MiB.")
                if time.monotonic() > end:
                    raise TimeoutError
            return content
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (429, 503):
            raise Busy(f"{host} is busy ({error.code}); try again in some minutes.") from None
        raise ActlabError(f"{host} answers with an error ({error.code}).") from None
    except TimeoutError:
        raise ActlabError(f"{host} takes too long to answer; try again later.") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise ActlabError(f"{host} takes too long to answer; try again later.") from None
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise ActlabError(f"{host} cannot be reached: {reason}. Is there a network?") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ActlabError(f"{host} broke off its answer ({type(error).__name__}).") from None


def read_page(content: bytes) -> list[Unreviewed]:
    """The papers of an answer.

    Raises:
        ActlabError: it is no Atom feed, declares a document type, or holds the API's own error.
    """
    root = _root(content)
    if root.tag != f"{ATOM}feed":
        raise ActlabError("arXiv's answer is no Atom feed.")
    found = []
    for entry in root.findall(f"{ATOM}entry"):
        id = (entry.findtext(f"{ATOM}id") or "").strip()
        if "/api/errors" in id:
            said = " ".join((entry.findtext(f"{ATOM}summary") or "").split())
            raise ActlabError(f"arXiv does not understand the query: {_plain(said)[:200]}.")
        match = ID.fullmatch(id)
        title = _plain(" ".join((entry.findtext(f"{ATOM}title") or "").split()))[:500]
        date = (entry.findtext(f"{ATOM}published") or "").strip()[:10]
        try:
            found.append(Unreviewed(match[1] if match else "", title, date, len(entry.findall(f"{ATOM}author"))))
        except ActlabError:
            raise ActlabError(f"arXiv's answer holds a paper that is none: {_plain(id)[:100]!r}.") from None
    return found


def _root(content: bytes) -> ElementTree.Element:
    """The document, if it is one and declares no type: so it has no entities that could grow or reach out."""

    def refuse(*_: object) -> None:
        raise ActlabError("arXiv's answer declares a document type, which no feed does; it was not read.")

    first = expat.ParserCreate()
    first.StartDoctypeDeclHandler = refuse
    first.EntityDeclHandler = refuse
    try:
        first.Parse(content, True)
        return ElementTree.fromstring(content)
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise ActlabError(f"arXiv's answer is no XML: {error}.") from None


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())


def _version() -> str:
    from actlab import __version__

    return __version__
