"""A real browser for the tests: Chromium, driven by Playwright, where both are installed."""

import os
import re
import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MARKS = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="needs Chromium")]
"""What a module of such tests is marked with."""

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PATIENCE = 120_000
"""Milliseconds for a process to begin or end."""

expect = playwright.expect
expect.set_options(timeout=60_000)  # a busy machine is not a broken page


def expect_state(page, *states: str) -> None:
    """Wait until the first run that the page shows is in one of the states."""
    badge = page.locator('[data-part="state"] .badge').first
    expect(badge).to_have_text(re.compile("|".join(states)), timeout=PATIENCE)


def tab_to(page, what, most: int = 200) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(most):
        if what.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{what} is not reached with Tab")
