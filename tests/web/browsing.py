"""A real browser over a real server: Chromium, driven by Playwright, where both are installed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--no-sandbox",  # root in a container has none
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 120_000
"""Milliseconds for a process to begin or end."""

SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const moved = entry.sources.map((source) => source.node?.outerHTML?.slice(0, 80) ?? source.node?.nodeName);
    if (!entry.hadRecentInput) window.shifts.push([entry.value, moved]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
"""Remembers what moved on a page by itself, in its variable `shifts`."""


def missing() -> str:
    """Why there is no browser here; "" if there is one."""
    try:
        import axe_playwright_python  # noqa: F401
        import playwright.sync_api  # noqa: F401
    except ImportError as error:
        return f"needs {error.name}"
    return "" if CHROMIUM else "needs Chromium"


def required() -> bool:
    """Is a browser to be there? In continuous integration its absence is a failure, and elsewhere a reason to skip."""
    return os.environ.get("CI") == "true"


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def tab(browser: Any, away: bool = False, faults: bool = False, **settings: Any) -> Iterator[Any]:
    """A page of a context of its own. None of the context's pages may complain: in their console (where a breach of
    the content policy is said, too), by an exception, or by a request that found nothing.

    Args:
        away: the server ends while a page is open, so connections may be lost.
        faults: pages are asked for that there are not.
    """
    context = browser.new_context(**settings)
    context.add_init_script(SHIFTS)
    said: list[str] = []

    def console(message: Any) -> None:
        lost = away and "net::ERR_" in message.text
        refused = faults and "the server responded with a status of 4" in message.text
        if message.type in ("error", "warning") and not lost and not refused:
            said.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    context.on("console", console)
    context.on("weberror", lambda error: said.append(f"exception: {error.error}"))
    try:
        yield context.new_page()
        if said:
            raise AssertionError("; ".join(said))
    finally:
        context.close()
