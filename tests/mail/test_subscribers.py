"""Asking, confirming, choosing and leaving, and what a stranger can find out: nothing."""

import sqlite3
import stat
from datetime import timedelta

import pytest

from actlab.core.errors import ActlabError, UnknownName
from actlab.mail.store import Store
from actlab.mail.subscribers import CONFIRM, LIMITS, MANAGE, Choice, NoKey, Subscribers, TooMany
from tests.mail.conftest import NOW

HOUR = timedelta(hours=1)


def keep(subscribers, reader):
    """A key as a mail holds it."""
    key = subscribers.new_key()
    with subscribers.store.change() as base:
        subscribers.keep_key(base, reader.id, key, NOW)
    return key


def test_a_subscription_begins_when_it_is_confirmed(subscribers):
    asked, key = subscribers.ask("A@Example.org", Choice(("masks",), "daily"), client="c", now=NOW)
    assert (asked.state, asked.address) == ("pending", "A@example.org")
    assert subscribers.holder(key, CONFIRM, NOW)[1] == Choice(("masks",), "daily")
    assert subscribers.counts() == {"pending": 1, "confirmed": 0, "out": 0}  # looking at a link changes nothing
    confirmed = subscribers.confirm(key, NOW)
    assert (confirmed.state, confirmed.choice) == ("confirmed", Choice(("masks",), "daily"))
    with pytest.raises(NoKey):
        subscribers.confirm(key, NOW)


def test_keys_expire_and_are_for_one_purpose(subscribers, join):
    _, key = subscribers.ask("a@example.org", Choice(), client="c", now=NOW)
    for wrong in (key + "x", "", "key-99"):
        with pytest.raises(NoKey):
            subscribers.confirm(wrong, NOW)
    with pytest.raises(NoKey):
        subscribers.leave(key, NOW)
    with pytest.raises(NoKey):
        subscribers.confirm(key, NOW + 48 * HOUR)
    assert subscribers.confirm(key, NOW + 47 * HOUR).state == "confirmed"
    link = keep(subscribers, join("b@example.org"))
    with pytest.raises(NoKey):
        subscribers.confirm(link, NOW)
    with pytest.raises(NoKey):
        subscribers.leave(link, NOW + 400 * 24 * HOUR)
    assert subscribers.holder(link, MANAGE, NOW + 399 * 24 * HOUR)


def test_keys_are_random_and_kept_hashed(tmp_path):
    with Store(tmp_path / "other.sqlite") as store:
        made = Subscribers(store)
        keys = [made.ask(f"a{i}@example.org", Choice(), client="c", now=NOW)[1] for i in range(5)]
        assert len({*keys}) == 5
        assert all(len(key) >= 43 for key in keys)
    held = b"".join(path.read_bytes() for path in tmp_path.glob("other.sqlite*"))
    assert not any(key.encode() in held for key in keys)
    assert b"a0@example.org" in held


def test_the_file_is_its_owners_alone(subscribers):
    assert stat.S_IMODE(subscribers.store.path.stat().st_mode) == 0o600


def test_a_known_address_gets_the_same_as_an_unknown_one(subscribers, join):
    join("known@example.org")
    left = keep(subscribers, join("left@example.org"))
    subscribers.leave(left, NOW)
    answers = [
        subscribers.ask(f"{name}@example.org", Choice(), client="c", now=NOW) for name in ("known", "left", "new")
    ]
    assert all(key.startswith("key-") for _, key in answers)


def test_another_case_is_the_same_mailbox(subscribers, join):
    first = join("a@example.org")
    again, key = subscribers.ask("A@EXAMPLE.ORG", Choice(("masks",), "weekly"), client="c", now=NOW)
    assert again.id == first.id
    assert subscribers.confirm(key, NOW).choice == Choice(("masks",), "weekly")
    assert subscribers.counts()["confirmed"] == 1


def test_asking_again_changes_nothing_before_it_is_confirmed(subscribers, join):
    first = join("a@example.org", "masks", cadence="daily")
    subscribers.ask("a@example.org", Choice((), "weekly"), client="somebody else", now=NOW)
    assert subscribers._by_id(first.id) == first


def test_choosing_and_leaving(subscribers, join):
    key = keep(subscribers, join("a@example.org"))
    assert subscribers.choose(key, Choice(("chunks",), "weekly"), NOW).choice == Choice(("chunks",), "weekly")
    subscribers.leave(key, NOW)
    subscribers.leave(key, NOW)  # a second click says the same
    assert subscribers.counts() == {"pending": 0, "confirmed": 0, "out": 1}
    with pytest.raises(NoKey):
        subscribers.choose(key, Choice(), NOW)


def test_whoever_leaves_is_forgotten(subscribers, join):
    key = keep(subscribers, join("somebody@example.org"))
    _, again = subscribers.ask("somebody@example.org", Choice(), client="c", now=NOW)
    subscribers.leave(key, NOW)
    assert subscribers.holder(key, MANAGE, NOW)[0].address == ""  # the link of a mail still says so
    with pytest.raises(NoKey):
        subscribers.confirm(again, NOW)  # an earlier question is no way back
    subscribers.store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    held = b"".join(path.read_bytes() for path in subscribers.store.path.parent.glob("mail.sqlite*"))
    assert b"somebody" not in held
    back, _ = subscribers.ask("somebody@example.org", Choice(), client="c", now=NOW)
    assert back.state == "pending"


def test_choices_are_checked():
    with pytest.raises(UnknownName, match="did you mean"):
        Choice(("maskss",))
    with pytest.raises(ActlabError, match="daily or weekly"):
        Choice((), "hourly")
    assert Choice(("masks", "masks")).tags == ("masks",)


def test_one_address_is_written_to_only_so_often(subscribers):
    for i in range(LIMITS["address"]):
        assert subscribers.ask("a@example.org", Choice(), client=str(i), now=NOW)
    assert subscribers.ask("A@example.org", Choice(), client="x", now=NOW) is None
    assert subscribers.ask("b@example.org", Choice(), client="x", now=NOW)
    assert subscribers.ask("a@example.org", Choice(), client="x", now=NOW + HOUR)


def test_one_client_asks_only_so_often(subscribers):
    for i in range(LIMITS["client"]):
        subscribers.ask(f"a{i}@example.org", Choice(), client="c", now=NOW)
    with pytest.raises(TooMany):
        subscribers.ask("new@example.org", Choice(), client="c", now=NOW)
    assert subscribers.ask("new@example.org", Choice(), client="d", now=NOW)
    assert subscribers.ask("newer@example.org", Choice(), client="c", now=NOW + HOUR)


def test_all_together_ask_only_so_often(subscribers, monkeypatch):
    monkeypatch.setitem(LIMITS, "all", 5)
    for i in range(5):
        subscribers.ask(f"a{i}@example.org", Choice(), client=str(i), now=NOW)
    with pytest.raises(TooMany):
        subscribers.ask("new@example.org", Choice(), client="new", now=NOW)


def test_the_limits_outlive_the_process(subscribers):
    for i in range(LIMITS["address"]):
        subscribers.ask("a@example.org", Choice(), client=str(i), now=NOW)
    with Store(subscribers.store.path) as store:
        assert Subscribers(store).ask("a@example.org", Choice(), client="x", now=NOW) is None


def test_whoever_never_confirms_is_forgotten(subscribers):
    subscribers.ask("a@example.org", Choice(), client="c", now=NOW)
    subscribers.ask("b@example.org", Choice(), client="c", now=NOW + 49 * HOUR)
    assert subscribers.counts()["pending"] == 1


def test_a_file_that_is_none_of_ours(tmp_path):
    (tmp_path / "text").write_text("no database" * 100)
    with pytest.raises(ActlabError, match="cannot be used"):
        Store(tmp_path / "text")
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE things (x)")
    other.close()
    with pytest.raises(ActlabError, match="not written by this version"):
        Store(tmp_path / "other")
    with pytest.raises(ActlabError, match="cannot be opened"):
        Store(tmp_path / "text" / "below")
