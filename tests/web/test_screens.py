"""Every page, light and dark, wide and narrow: readable with any means, nothing cut off, and nothing that moves."""

import pytest

from tests.web import browsing
from tests.web.browsing import tab
from tests.web.screens import FORMS, RESULTS, fill, ids_of, mail_settings, paths, reader_keys, settle
from tests.web.test_server import serving

pytestmark = pytest.mark.slow

STILL = 0.01
"""The largest shift of a page's layout by itself that is called none; 0.1 is called good."""
FAULTS = {"key-wrong": 404, "none": 404, "wrong": 400}
"""Pages that say that something is wrong."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A browser, the address of a server over runs of every kind, and its pages."""
    if why := browsing.missing():
        (pytest.fail if browsing.required() else pytest.skip)(why)
    folder = tmp_path_factory.mktemp("screens")
    root = folder / "runs"
    fill(root)
    config = mail_settings(folder, 1, "http://127.0.0.1:8765")
    keys = reader_keys(config)
    with serving(root, RESULTS, mail=config) as (_, address), browsing.chromium() as browser:
        with tab(browser) as page:
            pages = paths(root, ids_of(page, address), keys)
        yield browser, address, pages


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form['color_scheme']}-{form['viewport']['width']}")
def test_pages_fit_stay_and_break_no_rule_of_accessibility(place, form):
    from axe_playwright_python.sync_playwright import Axe

    browser, address, pages = place
    axe, wrong = Axe(), []
    with tab(browser, faults=True, **form) as page:
        for name, path in pages.items():
            answer = page.goto(address + path)
            assert answer.status == FAULTS.get(name, 200), name
            settle(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            wrong += [(name, "moved", value, what) for value, what in page.evaluate("shifts") if value > STILL]
            for rule in axe.run(page).response["violations"]:
                wrong.append((name, rule["impact"], rule["id"], rule["nodes"][0]["html"]))
    assert wrong == []


def test_nothing_moves_for_who_wants_no_motion(place):
    browser, address, pages = place
    moving = """() => [...document.querySelectorAll('*')].filter((one) => {
      const style = getComputedStyle(one);
      return [style.transitionDuration, style.animationDuration].some((text) => /[1-9]/.test(text));
    }).map((one) => one.outerHTML.slice(0, 80)).concat(document.getAnimations().map(String))"""
    found = {}
    for motion in ("reduce", "no-preference"):
        with tab(browser, faults=True, reduced_motion=motion) as page:
            for name, path in pages.items():
                page.goto(address + path)
                found.setdefault(motion, []).extend((name, what) for what in page.evaluate(moving))
    assert found["reduce"] == []
    assert found["no-preference"]  # the question finds what moves
