"""The README and the documentation: every block runs, and the pages build, strictly and offline.

The blocks of one page share a namespace and a folder, in order. A `python` block that begins with
`# file: name.py` is a file for the blocks below it. In an `sh` block, lines that start with
`actlab` run in this process; other commands must be listed in `ELSEWHERE`. A block with an HTML comment
`<!-- not run: reason -->` above it is skipped, and the skips are listed in `NOT_RUN`, so that none slips in. One with
`<!-- needs: module -->` above it is run where that optional module is installed.
"""

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

import actlab.tasks  # noqa: F401 (registers the built-in tasks, before a page's own registry is copied from it)
from actlab.cli import main
from actlab.core.registry import AGENTS, CODES, TASKS
from tests.project.blocks import Block, blocks_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES.remove(ROOT / "docs" / "design.md")  # the plan: it also shows what does not exist yet
ELSEWHERE = ("make", "pip", "git", "cd")
"""Commands in `sh` blocks that other tests, or the test run itself, stand for."""


@pytest.fixture(scope="module")
def as_a_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a reader's own session has: JAX's defaults and a compilation cache; compiled in haste, as in all tests."""
    settings = {
        "jax_numpy_dtype_promotion": "standard",
        "jax_numpy_rank_promotion": "allow",
        "jax_debug_nans": False,
        "jax_enable_compilation_cache": True,
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("cache")),
        "jax_persistent_cache_min_compile_time_secs": 0.3,
    }
    before = {setting: getattr(jax.config, setting) for setting in settings}
    for setting, value in settings.items():
        jax.config.update(setting, value)
    compilation_cache.reset_cache()
    yield
    for setting, value in before.items():
        jax.config.update(setting, value)
    compilation_cache.reset_cache()


TRAINS = (
    "coarse-to-fine",
    "data",
    "exporting",
    "hybrid-actions-and-masks",
    "moving-here",
    "suggest",
    "videos-and-sweeps",
    "your-own-agent",
    "your-own-constraint",
    "your-own-environment",
)
"""Pages that train for twenty seconds or more: run with the slow tests. The README and the first steps never are."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def page_case(page: Path) -> object:
    return pytest.param(page, id=name(page), marks=[pytest.mark.slow] if page.stem in TRAINS else [])


@pytest.mark.usefixtures("as_a_reader")
@pytest.mark.parametrize("page", [page_case(page) for page in PAGES])
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # a page may write a module and use it
    for registry in (AGENTS, CODES, TASKS):  # what a page registers is gone after it
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    namespace = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.reason or not all(map(importlib.util.find_spec, block.needs)):
            continue
        if block.language == "sh":
            run_sh(block)
        elif title := re.match(r"# file: (\w+)\.py\n", block.code):
            Path(f"{title[1]}.py").write_text(block.code)
            monkeypatch.delitem(sys.modules, title[1], raising=False)
        else:
            run_python(block, namespace)
    for path in Path().glob("*.py"):
        assert path.stem in sys.modules, f"{page}: {path} is written and never used"


def run_python(block: Block, namespace: dict) -> None:
    code = "\n" * (block.line - 1) + block.code  # so that a traceback shows the line of the page
    exec(compile(code, str(block.page), "exec"), namespace)


def run_sh(block: Block) -> None:
    lines = block.code.replace("\\\n", " ").splitlines()
    for offset, line in enumerate(lines):
        words = shlex.split(line, comments=True)
        if not words or words[0] in ELSEWHERE:
            continue
        assert words[0] == "actlab", f"{block.page}:{block.line + offset}: only `actlab` runs in documentation"
        code = main([*words[1:], "--quiet"])
        assert code == 0, f"{block.page}:{block.line + offset}: {line!r} ended with {code}"


def test_blocks_that_do_not_run_are_listed():
    assert {(name(b.page), b.reason) for page in PAGES for b in blocks_of(page) if b.reason} == NOT_RUN


NOT_RUN = {
    ("README.md", "the same commands run, with small budgets, in docs/first-steps.md"),
    ("CONTRIBUTING.md", "these are the checks themselves"),
    ("docs/first-steps.md", "the project's own tests run in what it installs"),
    ("docs/data.md", "needs d3rlpy, in an environment of its own"),
    ("docs/suites.md", "needs the optional suite"),
    ("docs/news.md", "it asks arXiv"),
    ("docs/web.md", "it answers until it is stopped"),
    ("docs/moving-here.md", "shown for comparison; Stable-Baselines3 is not needed here"),
}


def test_a_block_that_is_not_understood_is_noticed(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("```python title\nx = 1\n```\n")
    with pytest.raises(AssertionError, match="1 blocks begin, 0 are understood"):
        blocks_of(page)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built documentation."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_pages_build_strictly(site: Path):
    built = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    expected = {name(page).removeprefix("docs/").replace(".md", ".html") for page in PAGES if "docs" in page.parts}
    assert expected <= built


def test_the_pages_load_nothing_from_elsewhere(site: Path):
    loaded = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""")
    for page in site.rglob("*.html"):
        outside = [url for url in loaded.findall(page.read_text("utf-8")) if 'rel="canonical"' not in url]
        assert not outside, f"{page.name} loads {outside}"
