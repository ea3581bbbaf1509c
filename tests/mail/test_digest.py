"""What is news, for whom and when, and that nothing of a card becomes markup."""

from datetime import date, timedelta

import pytest

from actlab.mail.digest import (
    catalogue,
    chosen,
    collect,
    differences,
    is_due,
    known,
    known_of,
    read_items,
    render,
    render_confirmation,
    since,
    subject,
)
from tests.mail.conftest import day, entry, paper

TODAY = day("2026-03-02")


def kinds(items):
    return [(item.kind, item.slug) for item in items]


def test_what_is_there_at_first_is_no_news(subscribers):
    store = subscribers.store
    assert collect(store, [entry("a"), entry("b")], TODAY) == []
    assert set(known(store)) == {"a", "b"}
    assert collect(store, [entry("a"), entry("b")], TODAY) == []


def test_new_systems_results_and_cards_are_news_once(subscribers):
    store = subscribers.store
    collect(store, [entry("a"), entry("b"), entry("c")], TODAY)
    later = [entry("a"), entry("b", "reproduced"), entry("c", summary="Other words."), entry("d")]
    assert kinds(collect(store, later, TODAY)) == [("status", "b"), ("changed", "c"), ("new", "d")]
    assert collect(store, later, TODAY) == []


def test_comments_are_no_news():
    import dataclasses

    one = entry("a")
    card = dataclasses.replace(one.paper.card, comments=5)
    many = dataclasses.replace(one, paper=dataclasses.replace(one.paper, card=card))
    assert differences({"a": known_of(one)}, [many]) == []


def contents(store):
    return [row["content"] for row in store.rows("SELECT content FROM news ORDER BY id")]


def test_what_happens_to_a_system_between_two_mails_is_told_once(subscribers):
    store = subscribers.store
    collect(store, [entry("a"), entry("b", "not yet run")], TODAY)
    collect(store, [entry("a"), entry("b", "direction only"), entry("c", "not yet run")], TODAY)
    collect(store, [entry("a"), entry("b", "reproduced"), entry("c", "reproduced")], TODAY)
    new, status = read_items(contents(store))
    assert (new.kind, new.slug, new.status, new.before) == ("new", "c", "reproduced", "")
    assert (status.kind, status.slug, status.before, status.status) == ("status", "b", "not yet run", "reproduced")
    collect(store, [entry("a"), entry("b", "not yet run"), entry("c", "reproduced")], TODAY)
    assert kinds(read_items(contents(store))) == [("new", "c")]  # back where it was


def test_tags_choose_with_all_below_them():
    items = since([entry("a", tags=("masks",)), entry("b", tags=("chunks",)), entry("c", tags=())], "2026")
    assert [item.slug for item in chosen(items, ())] == ["a", "b", "c"]
    assert [item.slug for item in chosen(items, ("masks",))] == ["a"]
    assert [item.slug for item in chosen(items, ("restriction",))] == ["a"]
    assert [item.slug for item in since([entry("a"), entry("b", date="2025-12-31")], "2026")] == ["a"]


@pytest.mark.parametrize(
    ("cadence", "today", "last", "due"),
    [
        ("daily", "2026-03-02", None, True),
        ("daily", "2026-03-02", "2026-03-01", True),
        ("daily", "2026-03-02", "2026-03-02", False),
        ("daily", "2026-03-02", "2026-03-05", False),  # the clock was set back
        ("weekly", "2026-03-02", None, True),  # a Monday
        ("weekly", "2026-03-02", "2026-03-01", True),
        ("weekly", "2026-03-02", "2026-03-02", False),
        ("weekly", "2026-03-03", "2026-03-02", False),
        ("weekly", "2026-03-08", "2026-03-02", False),
        ("weekly", "2026-03-10", "2026-03-02", True),  # no mail on the Monday between
        ("weekly", "2026-03-03", None, False),
    ],
)
def test_when_somebody_gets_a_mail(cadence, today, last, due):
    assert is_due(cadence, day(today), date(2026, 2, 28), last and day(last)) is due


def test_a_week_without_mail_is_enough_even_before_the_first():
    began = day("2026-03-03")
    got = [i for i in range(1, 8) if is_due("weekly", began + timedelta(i), began, None)]
    assert got == [6, 7]  # the Monday, and a week after it began


def test_both_parts_tell_everything_and_escape_it():
    items = since([entry("a", summary="A <script>alert(1)</script> & more.")], "2026")
    page = render(items, TODAY, "http://127.0.0.1:8765", "the-key")
    assert page.subject == "actlab: 1 new system"
    for part in (page.text, page.html):
        assert "http://127.0.0.1:8765/systems/a" in part
        assert "http://127.0.0.1:8765/subscription?key=the-key" in part
    assert "<script" not in page.html
    assert "About &lt;a&gt;" in page.html
    assert "A &lt;script&gt;alert(1)&lt;/script&gt; &amp; more." in page.html
    assert "About <a> (2026-01-05)" in page.text
    assert "<script>alert(1)</script> & more." in page.text
    assert "http" not in page.html.replace("http://127.0.0.1:8765/", "")  # loads nothing from elsewhere
    assert "key=" not in render(items, TODAY, "http://x", "").html


def test_a_status_is_told_with_the_one_before():
    items = differences({"a": known_of(entry("a", "not yet run"))}, [entry("a", "reproduced")])
    page = render(items, TODAY, "http://x", "k")
    assert subject(items) == "actlab: 1 new result"
    assert "was: not yet run; now: reproduced; ours: 0.5 [0.4, 0.6]" in page.text
    assert "was <em>not yet run</em>, now <strong>reproduced</strong>" in page.html


def test_the_question_says_what_was_asked():
    page = render_confirmation("http://x", "key", "weekly, about masks")
    assert "http://x/confirm?key=key" in page.text
    assert "http://x/confirm?key=key" in page.html
    assert "weekly, about masks" in page.text


def test_the_built_in_catalogue_is_read(tmp_path):
    from actlab.papers.registry import PAPERS

    there = catalogue(tmp_path)
    assert len(there) == len(list(PAPERS))
    dates = [one.paper.card.date for one in there]
    assert dates == sorted(dates, reverse=True)


def test_a_result_that_was_edited_stops_no_mail(tmp_path):
    from actlab.papers.result import result_path

    path = result_path(tmp_path, "arsq", "small")
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    slugs = {one.paper.card.slug for one in catalogue(tmp_path)}
    assert "arsq" not in slugs
    assert "vita" in slugs
    assert [one.paper.card.slug for one in catalogue(tmp_path, [paper("a")])] == ["a"]
