"""The table of requests that mean harm, and of what becomes of them.

python -m tests.web.hostile          # prints the table of docs/web.md
"""

import http.client
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.web.conftest import SCRIPT, write_run

GOOD = 1_000
"""Run folders that nothing is wrong with."""
FORM = "application/x-www-form-urlencoded"
RUN = "/runs/{good-0}"


@dataclass(frozen=True)
class Case:
    """One request, and its answer."""

    what: str
    path: str = "/"
    """`{name}` stands for the id of the run of that name."""
    status: int = 200
    shows: str = ""
    """What the page shows, of those that are answered in full."""
    form: Mapping[str, str] | None = None
    """What is sent; None for GET."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Beside what a browser would send from a page of ours."""
    token: str = "own"
    """"own", "another session's" or "none"."""


TRAIN = {"agent": "random", "task": "CartPole-v1"}
CASES = (
    Case("a path out of the folder", "/static/../app.py", 404),
    Case("the same, encoded", "/static/%2e%2e/app.py", 404),
    Case("the same, encoded twice", "/static/%252e%252e%252fapp.py", 404),
    Case("an absolute path", "/static//etc/passwd", 404),
    Case("a path out of a system's figures", "/systems/arsq/figures/..%2f..%2f..%2f..%2fetc%2fpasswd", 404),
    Case("a path instead of a run's id", "/runs/..%2f..%2fetc%2fpasswd", 404),
    Case("a zero byte in a path", "/static/%00", 404),
    Case("a path as a run to compare", "/compare?run=../../../etc/passwd", 404),
    Case("a foreign host", headers={"Host": "evil.example"}, status=421),
    Case("a foreign host that begins like ours", headers={"Host": "127.0.0.1.evil.example"}, status=421),
    Case("through a proxy", headers={"X-Forwarded-For": "10.0.0.1"}, status=421),
    Case("a form of another site", "/runs/train", 403, form=TRAIN, headers={"Origin": "http://evil.example"}),
    Case("a form without an origin", "/runs/train", 403, form=TRAIN, headers={"Origin": ""}),
    Case("a picture for another site", RUN, 403, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
    Case("a form without a token", "/runs/train", 403, form=TRAIN, token="none"),
    Case("a form with another session's token", "/runs/train", 403, form=TRAIN, token="another session's"),
    Case("to stop a run by a link", RUN + "/stop", 405),
    Case("a form of 10 MB", "/runs/train", 413, form={**TRAIN, "code": "x" * 10_000_000}),
    Case("a form of 1,000 fields", "/runs/train", 400, form={**TRAIN, **{f"x{i}": "" for i in range(1_000)}}),
    Case("a form in JSON", "/runs/train", 415, form=TRAIN, headers={"Content-Type": "application/json"}),
    Case("code of one's own as a task", "/runs/train", 400, form={**TRAIN, "task": "os:system"}),
    Case("an option of the command line as an agent", "/runs/train", 400, form={**TRAIN, "agent": "--out=/tmp/x"}),
    Case("a script as a run's name, task, agent and code", "/runs?q=script", shows="one row, as text"),
    Case("a script as a run to look at", "/runs/{script}", shows="its page, as text"),
    Case("a script to search for", f"/?{urlencode({'q': SCRIPT})}", shows="it, as text"),
    Case("a script as a tag", f"/?{urlencode({'tag': SCRIPT})}", 404),
    Case("a script as a code in the lab", f"/lab?{urlencode({'code': SCRIPT})}", shows="it, as text"),
    Case("broken run folders among 1,000 good ones", "/runs?state=broken", shows="both, as broken"),
    Case("the page of a broken run folder", "/runs/{broken}", shows="why it cannot be read"),
    Case("a link to a file elsewhere in a run folder", "/runs/{linked}", shows="why it cannot be read"),
)


def prepare(root: Path) -> None:
    """1,000 good run folders and three that are not."""
    for number in range(GOOD):
        write_run(root / f"good-{number}", rows=1, seed=number)
    write_run(root / "broken")
    (root / "broken" / "run.json").write_text("{")
    write_run(root / "linked")
    (root / "linked" / "run.json").unlink()
    (root / "linked" / "run.json").symlink_to("/etc/passwd")
    write_run(root / "script", task=SCRIPT, agent=SCRIPT, code=SCRIPT)
    (root / "script").rename(root / SCRIPT.replace("/", "∕"))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def sentence(self) -> str:
        """What a refusal says."""
        found = re.search(r'role="alert">(.*?)</p>', self.text, re.DOTALL)
        return unescape(found[1] if found else self.text).strip()


class Client:
    """Sends what browsers never would: paths as they are, and headers of all kinds."""

    def __init__(self, address: str):
        self.origin, self._host = address, urlsplit(address).netloc
        self.ids: dict[str, str] = {}
        for words in ("good-0", "broken", "linked", "script"):
            rows = re.findall(r'href="/runs/([0-9a-f]{16})"[^>]*>([^<]*)<', self.ask(f"/runs?q={words}").text)
            self.ids |= {("script" if "script" in name else name): id for id, name in rows}
        self.cookie, self.token = self._session()
        _, self.stolen = self._session()

    def _session(self) -> tuple[str, str]:
        page = self.ask("/runs")
        token = re.search(r'name="token" value="([0-9a-f]{64})"', page.text)
        assert token is not None
        return page.headers["set-cookie"].partition(";")[0], token[1]

    def ask(self, path: str, headers: Mapping[str, str] | None = None, body: str | None = None) -> Answer:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        try:
            connection.putrequest("GET" if body is None else "POST", path, skip_host=True)
            given = {"Host": self._host, **(headers or {})}
            if body is not None:
                given["Content-Length"] = str(len(body))
            for name, value in given.items():
                connection.putheader(name, value)
            with suppress(ConnectionError):  # it was refused before all of it was sent
                connection.endheaders(body.encode() if body else None)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read().decode())
        finally:
            connection.close()

    def send(self, case: Case) -> Answer:
        headers = {"Cookie": self.cookie}
        if case.form is None:
            return self.ask(re.sub(r"{([\w-]+)}", lambda name: self.ids[name[1]], case.path), headers | case.headers)
        tokens = {"own": {"token": self.token}, "another session's": {"token": self.stolen}, "none": {}}
        headers |= {"Origin": self.origin, "Content-Type": FORM}
        return self.ask(case.path, headers | case.headers, urlencode({**case.form, **tokens[case.token]}))


@contextmanager
def prepared(root: Path) -> Iterator[Client]:
    """A server over the folders, and who writes to it."""
    from tests.web.test_server import serving

    prepare(root)
    with serving(root) as (_, address):
        yield Client(address)


def row(case: Case, answer: Answer) -> str:
    """The case's line of the table."""
    said = f"shows {case.shows}" if case.shows else answer.sentence.partition("; known: ")[0]
    return f"| {case.what} | {answer.status} | {said.replace('<', '&lt;')} |"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name, prepared(Path(name)) as client:
        print("| request | status | answer |\n|---|---|---|")
        for case in CASES:
            print(row(case, client.send(case)))


if __name__ == "__main__":
    main()
