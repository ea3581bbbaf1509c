"""Every page of the app in every form, for tests and for eyes.

python -m tests.web.screens FOLDER           # pictures of all pages, light and dark, wide and narrow
python -m tests.web.screens --docs           # the pictures of docs/web.md, of runs that are trained for them
"""

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from tests.web import browsing
from tests.web.conftest import SCRIPT, write_run

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "docs" / "figures"
RESULTS = f"--results={ROOT / 'results'}"
ADDRESS = "reader@example.org"

FORMS = [{"color_scheme": scheme, "viewport": {"width": width, "height": 900}} for scheme, width in product(
    ("light", "dark"), (1280, 390)
)]  # fmt: skip
"""Light and dark, a desk's screen and a telephone's."""


def learned(folder: Path, seed: int, best: float, **changes: Any) -> Path:
    """A run folder whose metrics look as if something had been learned."""
    write_run(folder, seed=seed, steps=20_000, **changes)
    lines = []
    for row in range(1, 101):
        share = best * (1 - math.exp(-row / 30)) + 8 * math.sin(row * (seed + 2))
        values = {"steps": 200 * row, "train/return": share, "train/episodes": 2.0 * row, "learn/loss": 5 / row}
        if row % 20 == 0:
            values = {"steps": 200 * row, "evaluation/return": share, "evaluation/length": share}
        lines.append(json.dumps(values) + "\n")
    (folder / "metrics.jsonl").write_text("".join(lines))
    return folder


def fill(root: Path) -> None:
    """Runs of every kind below a root: what is long, broken, failed, half done and hostile among them."""
    for seed in range(5):
        learned(root / f"cartpole-ppo-s{seed}", seed, 480)
        learned(root / f"cartpole-dqn-s{seed}", seed, 300, agent="dqn", options={"width": 64})
    learned(root / "a-study-of-many-things" / "cells" / ("a-name-that-is-rather-long-" * 3), 7, 100)
    write_run(root / "half", finished=False)
    (write_run(root / "broken") / "run.json").write_text("{")
    failed = write_run(root / "failed", finished=False, task="Pendulum-v1", agent="sac", code="normalise+bins:bins=11")
    (failed / "log.txt").write_text("training\nactlab: The environment 'Pendulum-v1' failed at step 10: no more.\n")
    write_run(root / SCRIPT.replace("/", "∕"), task=SCRIPT, agent=SCRIPT, code=SCRIPT)


def mail_settings(folder: Path, port: int, base: str) -> Path:
    """A file of settings for mail that goes to a port of this machine."""
    path = folder / "mail.toml"
    path.write_text(
        f'host = "127.0.0.1"\nport = {port}\nsecurity = "none"\nfrom = "news@example.org"\ntimeout = 20\n'
        f'base = "{base}"\ndatabase = "mail.sqlite"\n'
    )
    path.chmod(0o600)
    return path


def reader_keys(config: Path) -> tuple[str, str]:
    """Keys that confirm and that manage, of two readers."""
    from actlab.mail.settings import read_settings
    from actlab.mail.store import Store
    from actlab.mail.subscribers import Choice, Subscribers

    settings, now, keys = read_settings(config), datetime.now(UTC), []
    assert settings is not None
    with Store(settings.database) as store:
        subscribers = Subscribers(store)
        for address in (f"first.{ADDRESS}", ADDRESS):
            asked = subscribers.ask(address, Choice(("masks",), "daily"), client="", now=now)
            assert asked is not None
            keys.append(asked[1])
        subscribers.confirm(keys[1], now)
        manage = subscribers.new_key()
        with store.change() as base:
            id = base.execute("SELECT id FROM subscribers WHERE state = 'confirmed'").fetchone()[0]
            subscribers.keep_key(base, id, manage, now)
    return keys[0], manage


def paths(root: Path, ids: dict[str, str], keys: tuple[str, str]) -> dict[str, str]:
    """Name -> address of every page.

    Args:
        ids: of the runs by their names.
    """
    first, study = ids["cartpole-ppo-s0"], [ids[name] for name in sorted(ids) if name.startswith("cartpole-")]
    return {
        "feed": "/",
        "feed-search": "/?q=transfomer",
        "feed-nothing": "/?q=zzzzzz",
        "system-built": "/systems/arsq",
        "system-planned": "/systems/metra",
        "runs": "/runs",
        "run": f"/runs/{first}",
        "run-half": f"/runs/{ids['half']}",
        "run-broken": f"/runs/{ids['broken']}",
        "run-failed": f"/runs/{ids['failed']}",
        "compare-empty": "/compare",
        "compare": "/compare?" + "&".join(f"run={id}" for id in study),
        "lab": "/lab?task=Pendulum-v1&code=normalise%2Bbins:bins=5&x0=0.7",
        "lab-platform": "/lab?task=actlab/Platform-v0&code=identity",
        "lab-wrong": "/lab?task=Pendulum-v1&code=nonsense",
        "map": "/map",
        "subscribe": "/subscribe?tag=masks",
        "confirm": f"/confirm?key={keys[0]}",
        "manage": f"/subscription?key={keys[1]}",
        "key-wrong": "/confirm?key=x",
        "none": "/none",
        "wrong": "/?sort=size",
    }


def ids_of(page: Any, address: str) -> dict[str, str]:
    """The ids of the runs that the list shows, by their names."""
    page.goto(f"{address}/runs")
    links = page.locator("[data-run] td.name a").all()
    return {link.inner_text(): (link.get_attribute("href") or "").rpartition("/")[2] for link in links}


def settle(page: Any) -> None:
    """Wait until a page is whole: fonts, pictures, and the curves where there are some."""
    page.wait_for_load_state("load")
    if page.locator("[data-chart]").count():
        page.locator("[data-latest] tr").first.wait_for()
    for picture in page.locator("main img").all():  # those further down wait until they are needed
        picture.evaluate("image => { image.loading = 'eager'; return image.decode(); }")
    page.evaluate("document.fonts.ready")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pictures(folder: Path) -> Iterator[Path]:
    """Pictures of all pages in all forms."""
    from tests.web.test_server import serving

    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "runs"
        fill(root)
        config = mail_settings(Path(name), 1, "http://127.0.0.1:8765")
        keys = reader_keys(config)
        with serving(root, RESULTS, mail=config) as (_, address), browsing.chromium() as browser:
            for form in FORMS:
                context = browser.new_context(**form)
                page = context.new_page()
                for title, path in paths(root, ids_of(page, address), keys).items():
                    page.goto(address + path)
                    settle(page)
                    file = folder / f"{title}-{form['color_scheme']}-{form['viewport']['width']}.png"
                    page.screenshot(path=file, full_page=True)
                    yield file
                context.close()


def documented(folder: Path) -> Iterator[Path]:
    """The pictures of the documentation: the feed, and the page of a run that was trained."""
    from tests.web.test_server import serving

    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "runs"
        words = ["train", "ppo", "--task=CartPole-v1", "--steps=100000", f"--out={root / 'cartpole-ppo'}", "--quiet"]
        subprocess.run([sys.executable, "-m", "actlab", *words], check=True)
        with serving(root, RESULTS) as (_, address), browsing.chromium() as browser:
            context = browser.new_context(color_scheme="light", viewport={"width": 1000, "height": 780})
            page = context.new_page()
            (run,) = ids_of(page, address).values()
            for title, path in (("web-feed", "/"), ("web-run", f"/runs/{run}")):
                page.goto(address + path)
                settle(page)
                page.screenshot(path=folder / f"{title}.png")
                yield folder / f"{title}.png"


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FIGURES, help="where to (docs/figures)")
    parser.add_argument("--docs", action="store_true", help="the documentation's pictures only")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in (documented if options.docs else pictures)(options.folder):
        print(re.sub(f"^{re.escape(str(ROOT))}/", "", str(path)), path.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
