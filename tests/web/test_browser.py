"""A person's way through the pages, in a real browser."""

import re
import signal
import subprocess
import sys

import pytest

from tests.web.browsing import MARKS, PATIENCE, expect, expect_state, tab_to
from tests.web.test_server import serving

pytestmark = MARKS
BUSY = "20000000"
"""Steps of a run that goes on until it is stopped."""


def start(page, agent: str = "random") -> None:
    """Fill the form for a run, and send it."""
    page.get_by_text("Start a run").click()
    page.get_by_label("Agent", exact=True).first.fill(agent)
    page.get_by_label("Task", exact=True).first.fill("gymnasium/CartPole-v1")
    page.get_by_label("Steps").first.fill(BUSY)
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile("/runs/[0-9a-f]{16}$"))


def test_a_run_from_its_start_to_its_comparison(page, root, make_run, ended):
    make_run("before", seed=1, agent="random", task="gymnasium/CartPole-v1", options={})
    with serving(root) as (_, address):
        page.goto(f"{address}/runs")
        start(page)
        expect_state(page, "running")
        expect(page.locator("[data-latest] tr").first).to_be_visible(timeout=PATIENCE)
        assert page.locator("[data-chart] canvas").count() == 1
        steps = page.locator('[data-part="steps"]').inner_text()
        expect(page.locator('[data-part="steps"]')).not_to_have_text(steps, timeout=PATIENCE)

        page.get_by_role("button", name="Stop").click()
        expect_state(page, "stopped")
        assert (next(root.glob("gymnasium-*")) / "checkpoint.safetensors").exists()
        page.get_by_role("button", name="Resume").click(timeout=PATIENCE)
        expect_state(page, "running")
        page.get_by_role("button", name="Stop").click()
        expect_state(page, "stopped")

        page.goto(f"{address}/runs")
        for box in page.get_by_role("checkbox").all():
            box.check()
        page.get_by_role("button", name="Compare what is picked").click()
        page.wait_for_url(re.compile(r"/compare\?run="))
        picture = page.locator("img.drawing").first
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").first.click()
        assert download.value.path().read_text().count("\n") > 1


def test_two_tabs_show_the_same_run(page, root, ended):
    with serving(root) as (_, address):
        page.goto(f"{address}/runs")
        start(page)
        expect_state(page, "running")
        other = page.context.new_page()
        other.goto(f"{address}/runs")
        expect_state(other, "running")
        steps = other.locator('[data-part="steps"]').inner_text()
        expect(other.locator('[data-part="steps"]')).not_to_have_text(steps, timeout=PATIENCE)
        other.locator("[data-step]").first.click()
        other.get_by_role("button", name="Stop").click()
        expect_state(other, "stopped")
        expect_state(page, "stopped")  # by itself
        expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=PATIENCE)


def test_a_server_killed_in_the_middle_costs_a_run_nothing(page, root, ended):
    with serving(root) as (process, address):
        page.goto(f"{address}/runs")
        start(page)
        expect_state(page, "running")
        run = page.url[len(address) :]
        expect(page.locator("[data-latest] tr").first).to_be_visible(timeout=PATIENCE)
        port = address.rpartition(":")[2]
        process.send_signal(signal.SIGKILL)
        process.wait()
        number = process.pid
    with serving(root, f"--port={port}") as (process, again):
        assert (process.pid, again) != (number, "")
        steps = page.locator('[data-part="steps"]').inner_text()
        # the page that was open all the time goes on by itself
        expect(page.locator('[data-part="steps"]')).not_to_have_text(steps, timeout=PATIENCE)
        page.goto(again + run)
        expect_state(page, "running")
        page.get_by_role("button", name="Stop").click()
        expect_state(page, "stopped")
        folder = next(root.glob("gymnasium-*"))
        assert (folder / "checkpoint.safetensors").exists()
        assert "Traceback" not in (folder / "log.txt").read_text()


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("unseen bins", "Auto-Regressive Soft Q-Network"),
        ("transfomer", "Transformer"),
        ("5 authors", "."),
        ("coarse to fine", "."),
    ],
    ids=["words", "a slip", "number of authors", "with spaces"],
)
def test_the_search_finds_as_one_types(page, root, words, first):
    with serving(root) as (_, address):
        page.goto(address)
        page.keyboard.press("/")
        page.keyboard.type(words)
        expect(page.locator(".count")).to_contain_text(f"for “{words}”")
        assert page.locator("#q").evaluate("field => field === document.activeElement")
        assert 0 < page.locator(".card").count() < 35
        if "authors" in words:
            facts = " ".join(page.locator(".card .facts").all_inner_texts())
            assert set(re.findall(r"\d+ authors?", facts)) == {words}
        else:
            assert re.search(first, page.locator(".card h3").first.inner_text())
        page.reload()  # the address holds the question
        expect(page.locator(".count")).to_contain_text(f"for “{words}”")


def test_systems_of_a_tag_in_two_ways(page, root):
    with serving(root) as (_, address):
        page.goto(address)
        page.get_by_label("Tag", exact=True).select_option("value-based")
        expect(page.locator(".count")).not_to_contain_text("35 of 35")
        chosen = page.locator(".card h3").all_text_contents()
        assert 0 < len(chosen) < 35
        page.goto(f"{address}/systems/arsq")
        page.locator('.tags a[href="/?tag=value-based"]').click()
        page.wait_for_url(re.compile(r"/\?tag=value-based$"))
        assert page.locator(".card h3").all_text_contents() == chosen


def test_a_system_is_read_and_a_run_stopped_with_the_keyboard_alone(page, root, ended):
    with serving(root) as (_, address):
        page.goto(address)
        page.keyboard.press("/")
        expect(page.locator("#q")).to_be_focused()
        page.keyboard.type("transfomer")
        expect(page.locator("#q")).to_have_value("transfomer")
        expect(page.locator(".count")).to_contain_text("for “transfomer”")
        page.keyboard.press("Escape")
        assert page.locator("#q").input_value() == "transfomer"
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        first = page.locator("[data-step]").first
        assert first.evaluate("link => link === document.activeElement")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/systems/"))
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"

        page.goto(f"{address}/runs")
        tab_to(page, page.get_by_text("Start a run"))
        page.keyboard.press("Enter")
        for name, value in (("Agent", "random"), ("Task", "gymnasium/CartPole-v1"), ("Steps", BUSY)):
            tab_to(page, page.get_by_label(name, exact=True).first)
            page.keyboard.press("Control+A")
            page.keyboard.type(value)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/runs/[0-9a-f]{16}$"))
        expect_state(page, "running")
        expect(page.locator("[data-latest] tr").first).to_be_visible(timeout=PATIENCE)
        tab_to(page, page.get_by_role("button", name="Stop"))
        page.keyboard.press("Enter")
        expect_state(page, "stopped")


def test_the_action_lab_shows_the_code_at_once(page, root):
    with serving(root) as (_, address):
        page.goto(f"{address}/lab?task=Pendulum-v1&code=normalise%2Bbins:bins=5&x0=0")
        shown = page.locator("#shown dd").nth(1)
        expect(shown).to_contain_text("2")
        page.locator("#x0").fill("1.9")
        expect(shown).to_contain_text("4", timeout=PATIENCE)
        assert "x0=1.9" in page.url
        page.locator("#x0").focus()
        for _ in range(3):
            page.keyboard.press("PageDown")
        expect(shown).not_to_contain_text("4", timeout=PATIENCE)
        page.locator("#code").fill("nonsense")
        expect(page.get_by_role("alert")).to_contain_text("nonsense", timeout=PATIENCE)
        page.get_by_label("Task").select_option("actlab/Platform-v0")
        page.wait_for_url(re.compile("task=actlab"))
        expect(page.locator("#task")).to_have_value("actlab/Platform-v0")


def test_a_subscription_from_the_form_to_its_end(page, root, serve, tmp_path, monkeypatch):
    """Every step is a person's, or what their mail program shows."""
    pytest.importorskip("aiosmtpd")
    from actlab.mail.store import Store

    box, smtp = serve()
    config = tmp_path / "mail.toml"
    monkeypatch.setenv("ACTLAB_MAIL", str(config))

    def links(kind: str) -> list[str]:
        _, mail = box.mails[-1]
        return re.findall(rf'href="([^"]*/{kind}\?key=[\w-]+)"', mail.get_body(("html",)).get_content())

    def send_digest() -> None:
        words = [sys.executable, "-m", "actlab", "digest", "send", "--results", str(tmp_path)]
        subprocess.run(words, check=True, capture_output=True)

    with serving(root) as (_, address):
        page.goto(f"{address}/subscribe")
        expect(page.get_by_text("No mail can be sent from here yet")).to_be_visible()
        config.write_text(
            f'host = "127.0.0.1"\nport = {smtp}\nsecurity = "none"\nfrom = "news@example.org"\n'
            f'base = "{address}"\ndatabase = "mail.sqlite"\n'
        )
        page.reload()
        page.get_by_label("Your mail address").fill("reader@example.org")
        page.get_by_label("daily").check()
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")
        assert len(box.mails) == 1

        (confirm,) = links("confirm")
        page.goto(confirm)
        page.get_by_role("button", name="Yes, send me news").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You are subscribed")

        send_digest()  # the first one learns what there is
        with Store(tmp_path / "mail.sqlite") as store, store.change() as base:
            base.execute("DELETE FROM known WHERE slug = 'vita'")
        send_digest()
        assert [address for address, _ in box.mails] == ["reader@example.org"] * 2
        page.goto(links("subscription")[0])
        page.get_by_label("weekly").check()
        page.get_by_role("button", name="Keep this choice").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your choice is kept")
        page.goto(links("subscription")[0])
        expect(page.get_by_label("weekly")).to_be_checked()
        page.get_by_role("button", name="Unsubscribe").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You have left")
        with Store(tmp_path / "mail.sqlite") as store:
            assert store.rows("SELECT address FROM subscribers WHERE state = 'confirmed'") == []
            assert b"reader@example.org" not in (tmp_path / "mail.sqlite").read_bytes()
