"""A person's way through the pages, in a real browser. Whatever a page complains of fails the test."""

import os
import re
import signal
import subprocess
import sys

import pytest

from tests.mail.conftest import serve  # noqa: F401 (a fixture)
from tests.web import browsing
from tests.web.browsing import PATIENCE, tab
from tests.web.screens import ADDRESS, RESULTS, learned, mail_settings
from tests.web.test_server import serving

pytestmark = pytest.mark.slow

LONG = {"Agent": "random", "Task": "gymnasium/CartPole-v1", "Steps": "20000000"}
"""A run that takes long."""


@pytest.fixture(scope="module")
def browser():
    if why := browsing.missing():
        (pytest.fail if browsing.required() else pytest.skip)(why)
    with browsing.chromium() as opened:
        yield opened


@pytest.fixture
def page(browser):
    with tab(browser) as opened:
        yield opened


@pytest.fixture
def ended(root):
    """Ends what a page started, whatever the test did."""
    yield
    for lock in root.glob("*/.lock"):
        number = lock.read_text().partition(" ")[0]
        if number.isdigit():
            os.killpg(int(number), signal.SIGKILL)


def expect(*words):
    from playwright.sync_api import expect

    return expect(*words)


def see_state(page, *states) -> None:
    badge = page.locator('[data-part="state"] .badge').first
    expect(badge).to_have_text(re.compile("|".join(states)), timeout=PATIENCE)


def see_progress(page) -> None:
    """The steps change while one looks."""
    steps = page.locator('[data-part="steps"]').first
    shown = steps.inner_text()
    expect(steps).not_to_have_text(shown, timeout=PATIENCE)


def start_a_run(page, address: str) -> str:
    """Fill in the form; the address of the run, which is at work."""
    page.goto(f"{address}/runs")
    page.get_by_text("Start a run").click()
    for label, value in LONG.items():
        page.get_by_label(label, exact=True).first.fill(value)
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile("/runs/[0-9a-f]{16}$"))
    see_state(page, "running")
    return page.url


def test_whatever_a_page_complains_of_is_heard(browser, root):
    with serving(root, RESULTS) as (_, address):

        def visit(path: str, event: str, script: str) -> None:
            with tab(browser) as page, page.context.expect_event(event):
                page.goto(address + path)
                page.evaluate(script)

        foreign = "document.body.append(Object.assign(new Image(), { src: 'http://127.0.0.1:1/x' }))"
        with pytest.raises(AssertionError, match="Content Security Policy"):
            visit("/", "console", foreign)
        with pytest.raises(AssertionError, match="gone wrong"):
            visit("/", "weberror", "setTimeout(() => { throw new Error('gone wrong'); })")
        with pytest.raises(AssertionError, match="404"):
            visit("/none", "console", "")


# --- finding -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "first", "found_by"),
    [
        ("suboptimal data", "/systems/arsq", ""),  # words
        ("grammars graphs", "", "grammars"),  # a tag
        ("9 authors", "/systems/etp-r1", "9 authors"),
        ("transfomer", "/systems/mo-dt", "transformer"),  # a slip
        ("quantis", "", ""),  # a beginning
    ],
)
def test_the_search_finds_as_one_types(page, root, words, first, found_by):
    with serving(root, RESULTS) as (_, address):
        page.goto(address)
        everything = page.locator(".card").count()
        page.locator("#q").press_sequentially(words)
        expect(page.locator(".count")).to_contain_text(f"for “{words}”")
        assert 0 < page.locator(".card").count() < everything
        assert page.locator("#q").evaluate("field => field === document.activeElement")
        page.reload()  # the address is that of the search
        assert page.locator("#q").input_value() == words
        if first:
            assert page.locator("[data-step]").first.get_attribute("href") == first
        if found_by:
            expect(page.locator(".card").first).to_contain_text(found_by, ignore_case=True)


def test_a_tag_leads_to_its_systems_and_back(page, root):
    with serving(root, RESULTS) as (_, address):
        page.goto(f"{address}/systems/arsq")
        page.locator(".tags a", has_text="Discretisation").click()
        expect(page.locator("#tag")).to_have_value("discretisation")
        titles = page.locator("[data-step]").all_inner_texts()
        assert 0 < len(titles) < 35
        page.locator("#tag").select_option("")
        expect(page.locator(".count")).to_have_text("35 of 35 systems.")
        page.go_back()
        assert page.url.endswith("/systems/arsq")


# --- runs --------------------------------------------------------------------------------------------


def test_a_run_from_its_start_to_its_comparison(page, root, ended):
    learned(root / "before", 1, 20, agent="random", task="gymnasium/CartPole-v1", options={})
    with serving(root) as (_, address):
        run = start_a_run(page, address)
        expect(page.locator("[data-latest] tr").first).to_be_visible(timeout=PATIENCE)
        assert page.locator("[data-chart] canvas").count() == 1
        see_progress(page)

        other = page.context.new_page()  # two tabs
        other.goto(f"{address}/runs")
        see_state(other, "running")
        see_progress(other)
        page.get_by_role("button", name="Stop").click()
        see_state(other, "stopped")  # what is done in one is seen in the other
        other.close()

        see_state(page, "stopped")
        assert (next(root.glob("gymnasium-*")) / "checkpoint.safetensors").exists()
        expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=PATIENCE)
        page.get_by_role("button", name="Resume").click()
        see_state(page, "running")
        see_progress(page)
        page.get_by_role("button", name="Stop").click()
        see_state(page, "stopped")

        page.goto(f"{address}/runs")
        for box in page.get_by_role("checkbox").all():
            box.check()
        page.get_by_role("button", name="Compare what is picked").click()
        page.wait_for_url(re.compile(r"/compare\?run="))
        assert run.rpartition("/")[2] in page.url
        drawing = page.locator("img.drawing").first
        expect(drawing).to_be_visible()
        assert drawing.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        with page.expect_download() as download:
            page.get_by_role("link", name="every seed (CSV)").click()
        heading, *seeds = download.value.path().read_text().splitlines()
        assert heading.startswith("task,arm,")
        assert len(seeds) == 1  # of the run that has ended; the other one has no last return


def test_a_run_goes_on_when_its_server_is_killed(browser, root, ended):
    with tab(browser, away=True) as page:
        with serving(root) as (server, address):
            run = start_a_run(page, address)
            server.send_signal(signal.SIGKILL)
            server.wait()
        lock = next(root.glob("gymnasium-*")) / ".lock"
        number = int(lock.read_text().partition(" ")[0])
        os.kill(number, 0)  # it is there

        with serving(root, port=int(address.rpartition(":")[2])):
            shown = page.locator('[data-part="steps"]').inner_text()
            expect(page.locator('[data-part="steps"]')).not_to_have_text(
                shown, timeout=PATIENCE
            )  # the open page goes on
            page.goto(run)
            see_state(page, "running")
            see_progress(page)
            page.get_by_role("button", name="Stop").click()
            see_state(page, "stopped")
        assert (lock.parent / "checkpoint.safetensors").exists()


# --- the laboratory ----------------------------------------------------------------------------------


def test_a_slider_of_the_action_lab_shows_the_code_at_once(page, root):
    with serving(root) as (_, address):
        page.goto(f"{address}/lab?task=Pendulum-v1&code=normalise%2Bbins:bins=5&x0=0")
        shown = page.locator("#shown dd").nth(1)
        expect(shown).to_contain_text("2")
        page.locator("#x0").fill("1.9")
        expect(shown).to_contain_text("4", timeout=PATIENCE)
        assert "x0=1.9" in page.url
        page.locator("#code").fill("nonsense")
        expect(page.get_by_role("alert")).to_contain_text("nonsense", timeout=PATIENCE)
        page.locator("#code").fill("normalise+bins:bins=3")
        expect(page.get_by_role("alert")).to_have_count(0, timeout=PATIENCE)
        page.get_by_label("Task").select_option("CartPole-v1")
        expect(page.get_by_label("outcome")).to_be_visible(timeout=PATIENCE)


# --- news by mail ------------------------------------------------------------------------------------


def test_subscribing_and_leaving_with_real_mail(page, root, tmp_path, serve):  # noqa: F811
    box, port = serve()
    config = mail_settings(tmp_path, port, "http://127.0.0.1:8765")

    def link(name: str, address: str) -> str:
        """That link of the newest mail, on the server that answers here."""
        text = box.mails[-1][1].get_body(("plain",)).get_content()
        return address + re.search(rf"http://127\.0\.0\.1:8765(/{name}\?key=[\w-]+)", text)[1]

    def digest(*words: str) -> None:
        command = [sys.executable, "-m", "actlab", "digest", "send", f"--config={config}", RESULTS, *words]
        subprocess.run(command, check=True, capture_output=True)

    with serving(root, RESULTS, mail=config) as (_, address):
        page.goto(address)
        page.get_by_role("link", name="Subscribe").click()
        page.get_by_label("Your mail address").fill(ADDRESS)
        page.get_by_label("daily").check()
        page.get_by_text("Restriction", exact=True).click()
        page.get_by_label("Grammars and graphs").check()
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")
        assert [reader for reader, _ in box.mails] == [ADDRESS]

        digest()  # the catalogue as it is now; nothing is sent to an address that is not confirmed
        assert len(box.mails) == 1
        page.goto(link("confirm", address))
        expect(page.locator("main")).to_contain_text("daily news about Grammars and graphs")
        page.get_by_role("button", name="Yes, send me news").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You are subscribed")

        from actlab.mail.store import Store

        with Store(tmp_path / "mail.sqlite") as store, store.change() as base:
            base.execute("DELETE FROM known WHERE slug = 'etp-r1'")  # as if it were new
        digest()
        assert len(box.mails) == 2
        assert box.mails[-1][1]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        page.goto(link("subscription", address))
        assert page.get_by_label("Grammars and graphs").is_checked()
        page.get_by_label("weekly").check()
        page.get_by_role("button", name="Keep this choice").click()
        expect(page.locator("main")).to_contain_text("You will get weekly news about Grammars and graphs.")

        page.goto(link("subscription", address))
        page.get_by_role("button", name="Unsubscribe").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You have left")
        with Store(tmp_path / "mail.sqlite") as store, store.change() as base:
            base.execute("DELETE FROM known WHERE slug = 'etp-r1'")
        digest()
        assert len(box.mails) == 2


# --- without a mouse ---------------------------------------------------------------------------------


def focus(page, name: str) -> None:
    """Press Tab until something of that name has the focus, which can be seen."""
    for _ in range(200):
        page.keyboard.press("Tab")
        said = page.evaluate(
            """() => { const at = document.activeElement;
            const label = at.labels?.[0]?.textContent ?? at.getAttribute('aria-label') ?? at.textContent;
            return [label.trim(), getComputedStyle(at).outlineStyle, at.matches(':focus-visible')]; }"""
        )
        if said[0].startswith(name):
            assert said[1:] == ["solid", True], said
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def test_with_the_keyboard_alone_from_the_search_to_a_system(page, root):
    with serving(root, RESULTS) as (_, address):
        page.goto(address)
        page.keyboard.press("/")
        page.keyboard.type("transfomer")
        expect(page.locator(".count")).to_contain_text("for “transfomer”")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        first = page.locator("[data-step]").first
        assert first.evaluate("link => link === document.activeElement")
        page.keyboard.press("j")
        page.keyboard.press("k")
        assert first.evaluate("link => link === document.activeElement")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/systems/"))
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_with_the_keyboard_alone_a_run_is_started_and_stopped(page, root, ended):
    with serving(root) as (_, address):
        page.goto(f"{address}/runs")
        focus(page, "Start a run")
        page.keyboard.press("Enter")
        for label, value in LONG.items():
            focus(page, label)
            page.keyboard.press("Control+a")
            page.keyboard.type(value)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/runs/[0-9a-f]{16}$"))
        see_state(page, "running")
        page.reload()  # the curves have come, and with them the page once more
        focus(page, "Stop")
        page.keyboard.press("Enter")
        see_state(page, "stopped")
        expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=PATIENCE)
