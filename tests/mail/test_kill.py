"""`actlab digest send`, killed at any moment: everybody gets each issue, and a mailbox shows it once.

The server kills the process that sends to it, at a moment that the test chooses: so the moments are exact, and the
program has no hook for it.
"""

import json
import os
import random
import subprocess
import sys
import threading

import pytest

from actlab.mail.digest import catalogue, collect
from tests.mail.conftest import NOW, Killer

pytest.importorskip("aiosmtpd")

READERS = 5


@pytest.fixture
def ready(tmp_path, subscribers, join, serve):
    """A server, and a command line whose first run has news of one system for five readers."""
    box, port = serve()
    collect(subscribers.store, catalogue(tmp_path / "results"), NOW.date())
    with subscribers.store.change() as base:
        base.execute("DELETE FROM known WHERE slug = 'vita'")
    for i in range(READERS):
        join(f"reader-{i}@example.org")
    config = tmp_path / "mail.toml"
    config.write_text(
        f'host = "127.0.0.1"\nport = {port}\nsecurity = "none"\nfrom = "news@example.org"\n'
        'base = "http://127.0.0.1:8765"\ndatabase = "mail.sqlite"\n'
    )
    words = ["digest", "send", "--config", str(config), "--results", str(tmp_path / "results"), "--json"]
    return box, [sys.executable, "-m", "actlab", *words, "--date", NOW.date().isoformat()]


def run(command: list[str], killer: Killer | None = None, delay: float | None = None) -> subprocess.CompletedProcess:
    """Run a command to its end.

    Args:
        delay: seconds after which it is killed, whatever it does.
    """
    # it waits for its first word, so that the killer knows it before the server sees it
    begin = "import sys; sys.stdin.readline(); from actlab.cli import main; sys.exit(main(sys.argv[1:]))"
    words = [command[0], "-c", begin, *command[3:]]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=os.environ) as process:
        timers = []
        if killer is not None:
            killer.process = process
            if delay is not None:
                timers = [threading.Timer(delay, killer, ("",))]
        for timer in timers:
            timer.start()
        said, complained = process.communicate("go\n", timeout=120)
        for timer in timers:
            timer.join()
    return subprocess.CompletedProcess(words, process.returncode, said, complained)


def check(box, kills: int) -> None:
    found = box.by_reader()
    assert {address: len(ids) for address, ids in found.items()} == {
        f"reader-{i}@example.org": 1 for i in range(READERS)
    }
    assert len({ids[0] for ids in found.values()}) == READERS
    assert len(box.mails) <= READERS + kills  # a kill puts one mail in doubt, and no more


@pytest.mark.parametrize("stage", ["MAIL", "DATA", "taken"])
def test_a_kill_loses_nothing_and_repeats_at_most_the_mail_in_doubt(ready, stage):
    box, command = ready
    killer = Killer(box, stage, 2)
    killed = run(command, killer)
    assert (killed.returncode, killer.fired) == (-9, True)
    done = run(command)
    assert done.returncode == 0, done.stderr
    doubt = stage == "taken"
    assert json.loads(done.stdout)["again"] == doubt
    check(box, kills=doubt)  # before the end of a mail nothing is in doubt: not one mail came twice
    assert json.loads(run(command).stdout)["sent"] == 0


def test_mails_that_are_left_are_said_with_the_exit_code(ready, tmp_path):
    box, command = ready
    box.hooks["RCPT"] = lambda address: "450 later" if address.startswith("reader-0") else None
    done = run(command)
    assert done.returncode == 1
    assert done.stderr == "actlab: 1 mail is still to be sent; the same command tries again.\n"
    assert json.loads(done.stdout)["remaining"] == 1
    status = run([*command[:3], "digest", "status", "--config", str(tmp_path / "mail.toml"), "--json"])
    told = json.loads(status.stdout)
    assert told["subscribers"] == {"pending": 0, "confirmed": READERS, "out": 0}
    assert (told["mails"]["sent"], told["mails"]["planned"], told["answers"]) == (READERS - 1, 1, {"450 later": 1})
    assert "reader-" not in status.stdout


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_kills_at_random_moments(ready, seed):
    """Several kills in a row, until a run comes through."""
    box, command = ready
    chance, kills = random.Random(seed), 0
    for _ in range(chance.randint(1, 3)):
        killer = Killer(box, chance.choice(["MAIL", "RCPT", "DATA", "end", "taken"]), chance.randrange(READERS))
        kills += run(command, killer).returncode == -9
    box.hooks = {}
    assert run(command).returncode == 0
    check(box, kills)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_kills_at_any_time(ready, seed):
    """By the clock, while mails are on their way: also between two writes to the disk. No moment is meant."""
    box, command = ready
    killer, timers = Killer(box, "", 0), []
    delay = random.Random(1000 + seed).uniform(0, 0.06)

    def begin(word):
        if not timers:
            timers.append(threading.Timer(delay, killer, ("",)))
            timers[0].start()

    box.hooks = {"MAIL": begin}
    killed = run(command, killer)
    timers[0].join()
    box.hooks = {}
    assert killed.returncode in (-9, 0)
    assert run(command).returncode == 0
    check(box, kills=killed.returncode == -9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_kills_while_it_reads_and_plans(ready, seed):
    """By the clock from the first word on: while the catalogue is read, news are written and an issue is planned."""
    box, command = ready
    delay = random.Random(2000 + seed).uniform(0, 0.6)
    killer = Killer(box, "", 0)
    box.hooks = {}  # the server kills nobody here
    killed = run(command, killer, delay)
    assert killed.returncode in (-9, 0)
    assert run(command).returncode == 0
    check(box, kills=killed.returncode == -9)


def test_a_configuration_that_is_missing_is_one_sentence(ready, tmp_path):
    _, command = ready
    (tmp_path / "mail.toml").unlink()
    done = run(command)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "There is no mail configuration" in done.stderr
