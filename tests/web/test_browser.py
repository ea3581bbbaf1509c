"""A person's way through the pages, in a real browser: Chromium, driven by Playwright, where both are installed."""

import os
import re
import shutil
import signal

import pytest

from tests.web.test_server import serving

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PATIENCE = 120_000
"""Milliseconds for a process to begin or end."""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def page(browser):
    """A page, which must not have complained in its console at the end, but of a server that was away."""
    context = browser.new_context()
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    context.close()
    assert [text for text in said if "net::ERR_" not in text] == []


@pytest.fixture
def ended(root):
    """Ends what a page started, whatever the test did."""
    yield
    for lock in root.glob("*/.lock"):
        number = lock.read_text().partition(" ")[0]
        if number.isdigit():
            os.killpg(int(number), signal.SIGKILL)


def state(page, *states) -> None:
    playwright.expect(page.locator('[data-part="state"] .badge').first).to_have_text(
        re.compile("|".join(states)), timeout=PATIENCE
    )


def test_a_run_from_its_start_to_its_comparison(page, root, make_run, ended):
    make_run("before", seed=1, agent="random", task="gymnasium/CartPole-v1", options={})
    with serving(root) as (_, address):
        page.goto(f"{address}/runs")
        page.get_by_text("Start a run").click()
        page.get_by_label("Agent", exact=True).first.fill("random")
        page.get_by_label("Task", exact=True).first.fill("gymnasium/CartPole-v1")
        page.get_by_label("Steps").first.fill("20000000")
        page.get_by_role("button", name="Start the run").click()
        page.wait_for_url(re.compile("/runs/[0-9a-f]{16}$"))
        run = page.url
        state(page, "running")
        playwright.expect(page.locator("[data-latest] tr").first).to_be_visible(timeout=PATIENCE)
        assert page.locator("[data-chart] canvas").count() == 1
        steps = page.locator('[data-part="steps"]').inner_text()
        playwright.expect(page.locator('[data-part="steps"]')).not_to_have_text(steps, timeout=PATIENCE)

        other = page.context.new_page()  # two tabs
        other.goto(f"{address}/runs")
        state(other, "running")
        other.close()

    with serving(root) as (_, address):  # the server has ended and another one has begun
        run = address + run[run.index("/runs/") :]
        page.goto(run)
        state(page, "running")
        page.get_by_role("button", name="Stop").click()
        state(page, "stopped")
        assert (next(root.glob("gymnasium-*")) / "checkpoint.safetensors").exists()
        playwright.expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=PATIENCE)
        page.get_by_role("button", name="Resume").click()
        state(page, "running")
        page.get_by_role("button", name="Stop").click()
        state(page, "stopped")

        page.goto(f"{address}/runs")
        for box in page.get_by_role("checkbox").all():
            box.check()
        page.get_by_role("button", name="Compare what is picked").click()
        page.wait_for_url(re.compile(r"/compare\?run="))
        playwright.expect(page.locator("img.drawing").first).to_be_visible()
        assert (
            page.locator("img.drawing").first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        )


def test_the_search_finds_as_one_types_with_the_keyboard_alone(page, root):
    with serving(root) as (_, address):
        page.goto(address)
        page.keyboard.press("/")
        page.keyboard.type("transfomer")
        playwright.expect(page.locator(".count")).to_contain_text("for “transfomer”")
        assert page.locator("#q").evaluate("field => field === document.activeElement")
        assert 0 < page.locator(".card").count() < 35
        assert page.url.endswith("q=transfomer") or "q=transfomer&" in page.url
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        first = page.locator("[data-step]").first
        assert first.evaluate("link => link === document.activeElement")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/systems/"))
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_a_slider_of_the_action_lab_shows_the_code_at_once(page, root):
    with serving(root) as (_, address):
        page.goto(f"{address}/lab?task=Pendulum-v1&code=normalise%2Bbins:bins=5&x0=0")
        shown = page.locator("#shown dd").nth(1)
        playwright.expect(shown).to_contain_text("2")
        page.locator("#x0").fill("1.9")
        playwright.expect(shown).to_contain_text("4", timeout=PATIENCE)
        assert "x0=1.9" in page.url
        page.locator("#code").fill("nonsense")
        playwright.expect(page.get_by_role("alert")).to_contain_text("nonsense", timeout=PATIENCE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_the_screen_and_break_no_rule_of_accessibility(browser, root, make_run, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    make_run("run")
    make_run("half", finished=False)
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    page = context.new_page()
    with serving(root) as (_, address):
        page.goto(f"{address}/runs")
        runs = [row.get_attribute("data-run") for row in page.locator("[data-run]").all()]
        for path in ("/", "/systems/arsq", "/runs", f"/runs/{runs[0]}", f"/compare?run={runs[0]}", "/lab", "/map"):
            page.goto(address + path)
            page.wait_for_timeout(500)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            found = axe.run(page).response["violations"]
            assert [(path, rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    context.close()
