"""Every page, light and dark, on a desk and on a phone: what axe says, what sticks out, and what moves."""

import re
from datetime import UTC, datetime

import pytest

from tests.web.browsing import MARKS
from tests.web.conftest import SCRIPT
from tests.web.test_server import serving

pytestmark = MARKS
MAIL = (
    'host = "127.0.0.1"\nport = 1\nsecurity = "none"\nfrom = "news@example.org"\n'
    'base = "http://127.0.0.1:8765"\ndatabase = "mail.sqlite"\n'
)
SETTLED = """async () => {
  await Promise.all([...document.images].filter((image) => image.loading !== "lazy").map((image) => image.decode()));
  await document.fonts.ready;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""
SHIFTED = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture
def pages(root, make_run, tmp_path, monkeypatch):
    """Addresses below the server's, one of each kind; runs by their names."""
    monkeypatch.setenv("ACTLAB_MAIL", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    make_run("run")
    make_run("half", finished=False)
    make_run("other", seed=1, agent="dqn", options={"width": 64})
    (make_run("broken") / "run.json").write_text("{")
    make_run(SCRIPT.replace("/", "∕") + "a_long_name_without_any_space" * 5, task=SCRIPT, agent=SCRIPT)
    still = ["/", "/?q=transfomer", "/?q=nothing-is-like-this", "/systems/arsq", "/systems/metra", "/runs", "/compare"]
    return [*still, "/lab", "/lab?task=actlab/Platform-v0", "/lab?code=nonsense", "/map", "/subscribe", "/none"]


def keys(database) -> tuple[str, str]:
    """Of a reader who has asked for news, and of one who gets it."""
    from actlab.mail.store import Store
    from actlab.mail.subscribers import Choice, Subscribers

    now = datetime.now(UTC)
    with Store(database) as store:
        subscribers = Subscribers(store)
        first, second = (
            subscribers.ask(address, Choice((), "daily"), client=address, now=now)
            for address in ("a@example.org", "b@example.org")
        )
        subscribers.confirm(second[1], now)
        key = subscribers.new_key()
        with store.change() as base:
            id = base.execute("SELECT id FROM subscribers WHERE address = 'b@example.org'").fetchone()[0]
            subscribers.keep_key(base, id, key, now)
    return first[1], key


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_the_screen_and_break_no_rule_of_accessibility(browser, pages, root, tmp_path, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
    context.add_init_script(SHIFTED)
    page = context.new_page()
    found, wide, moved = [], [], []

    def look(path: str) -> None:
        page.evaluate(SETTLED)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
        if (shift := page.evaluate("window.shifted")) > 0.02:
            moved.append((path, shift))
        violations = axe.run(page).response["violations"]
        found.extend((path, rule["id"], rule["impact"], rule["nodes"][0]["html"]) for rule in violations)

    with serving(root) as (_, address):
        page.goto(f"{address}/runs")
        runs = dict(zip(page.locator("[data-step]").all_inner_texts(), page.locator("[data-run]").all(), strict=True))
        ids = {name: row.get_attribute("data-run") for name, row in runs.items()}
        both = f"/compare?run={ids['run']}&run={ids['other']}"
        for path in [*pages, *(f"/runs/{id}" for id in ids.values()), both]:
            page.goto(address + path)
            look(path)
        (tmp_path / ".config" / "actlab").mkdir(parents=True)
        (tmp_path / ".config" / "actlab" / "mail.toml").write_text(MAIL)
        page.goto(f"{address}/subscribe")
        assert page.get_by_label("Your mail address").is_visible()
        look("/subscribe, with mail")
        for title in page.locator("summary").all():
            title.click()
        look("/subscribe, open")
        asked, kept = keys(tmp_path / ".config" / "actlab" / "mail.sqlite")
        for path in ("/confirm?key=wrong", f"/confirm?key={asked}", f"/subscription?key={kept}"):
            page.goto(address + path)
            look(path)
        page.get_by_role("button", name="Keep this choice").click()
        look("/subscription, kept")
        page.goto(f"{address}/runs")
        for title in page.locator("summary").all():
            title.click()
        look("/runs, open")
    context.close()
    assert (found, wide, moved) == ([], [], [])


def test_nothing_moves_for_those_who_want_it_still(browser, root):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    with serving(root) as (_, address):
        for path in ("/", "/runs", "/lab", "/map"):
            page.goto(address + path)
            times = page.evaluate(
                "[...document.querySelectorAll('*')].map(getComputedStyle)"
                ".flatMap((style) => [style.transitionDuration, style.animationDuration])"
            )
            assert {time for text in times for time in re.split(", ?", text)} == {"0s"}, path
            assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    context.close()
