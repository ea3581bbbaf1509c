"""The reference is whole: every public name stands on one page of `docs/reference`, with a docstring.

Sources are read, not imported, so that optional packages do not matter.
"""

import ast
import re
from collections import Counter
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

import actlab
from actlab.core.registry import AGENTS, CODES
from actlab.papers.registry import PAPERS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
SOURCES = ROOT / "src"

INNER = {
    "the command line; its reference is `actlab --help`": "__main__ cli*",
    "names of files, folders and processes": "core.files core.process",
    "the web app; its pages are what it offers": "web web.*",
    "news by mail; `actlab digest` and the pages of the web app are what it offers": "mail mail.*",
    "one agent each, or parts that they share": "agents.*",
    "parts that codecs are made of": (
        "actions.bins actions.checks actions.digits actions.flatten actions.grid actions.landing actions.measure "
        "actions.monotone actions.primitives actions.product actions.repeat actions.rows actions.save"
    ),
    "one task each, or what adapts and checks them": "tasks.*",
    "one format each": "data.formats.*",
    "parts of heads": "nets.heads.*",
    "how the loop is driven, in the graph and on the host": (
        "training.collect training.compilation training.fit training.graph* training.host* training.patience "
        "training.plain training.play training.progress training.segments training.recorded"
    ),
    "where the cells of a study run": (
        "training.candidates training.cluster training.halving training.ray_cluster training.study"
    ),
    "what commands of the project write": "training.compatibility training.probing",
    "how local data sets are made": "training.datasets",
    "what is behind `al.video` and `al.export`": (
        "training.cameras training.video training.export training.linear training.onnx_*"
    ),
    "how pages and pictures are drawn": (
        "reports.compare reports.film reports.html reports.panel reports.parallel reports.pictures reports.style "
        "reports.suggest_page reports.summary"
    ),
    "one paper each": " ".join(entry.target.partition(":")[0].removeprefix("actlab.") for entry in PAPERS),
}
"""Why names need no page -> their modules. What a package names in its `__all__` needs one, wherever it lies."""

EXCEPTIONS = {
    "actlab.papers.sources.Source": "what `Library` keeps of a module",
    "actlab.papers.search.is_one_slip": "how `search` reads what is mistyped",
    "actlab.papers.sources.canonical": "how `Library` compares sources",
    "actlab.training.sweep.agent_word": "how a sweep writes the command that confirms it",
}
"""Names of all other modules that stand on no page, and why."""

DIRECTIVE = re.compile(r"^::: ([\w.]+)\n(?: +options:\n +members: \[([^\]]*)\]\n)?", re.M)


# --- sources -----------------------------------------------------------------------------------------


@cache
def modules() -> dict[str, ast.Module]:
    """Every module, by its name."""
    found = {}
    for path in sorted((SOURCES / "actlab").rglob("*.py")):
        parts = path.relative_to(SOURCES).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text("utf-8"))
    return found


def reasons(module: str) -> list[str]:
    """Why the names of a module need no page."""
    inside = module.removeprefix("actlab.")
    return [
        reason for reason, patterns in INNER.items() if any(fnmatch(inside, pattern) for pattern in patterns.split())
    ]


def definitions(module: str) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    """The public classes and functions that stand in a module."""
    body = modules()[module].body
    kinds = (ast.ClassDef, ast.FunctionDef)
    return {node.name: node for node in body if isinstance(node, kinds) and not node.name.startswith("_")}


def exported(module: str) -> list[str] | None:
    """What `__all__` says."""
    for node in modules()[module].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


def origin(module: str, name: str) -> str | None:
    """Where a class or function that a module names is defined; None for anything else, and for other packages'."""
    if module not in modules():
        return None
    if name in definitions(module):
        return f"{module}.{name}"
    for node in ast.walk(modules()[module]):
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if (alias.asname or alias.name) == name:
                return origin(node.module or "", alias.name)
    return None


@cache
def public() -> frozenset[str]:
    """All classes and functions that should be on a page."""
    names: set[str | None] = set()
    for module in modules():
        listed = exported(module)
        if listed is not None and module != "actlab":
            names |= {origin(module, name) for name in listed}
        elif not reasons(module):
            names |= {f"{module}.{name}" for name in definitions(module)}
    return frozenset(name for name in names if name is not None)


# --- pages -------------------------------------------------------------------------------------------


@cache
def shown() -> dict[str, list[str]]:
    """Page -> the classes and functions that it shows."""
    pages = {}
    for page in sorted(REFERENCE.glob("*.md")):
        text = page.read_text("utf-8")
        found = list(DIRECTIVE.finditer(text))
        assert len(found) == text.count("\n:::"), f"{page}: a directive is not understood"
        pages[page.name] = [name for match in found for name in names_of(*match.groups())]
    return pages


def names_of(target: str, members: str | None) -> list[str]:
    """The names that one directive shows."""
    if target not in modules():
        return [target]
    names = definitions(target) if members is None else [name.strip() for name in members.split(",")]
    return [f"{target}.{name}" for name in names]


def test_every_public_name_is_on_a_page():
    on_a_page = {name for names in shown().values() for name in names}
    assert len(public()) > 200
    assert public() - on_a_page == set(EXCEPTIONS), "put it on a page of docs/reference"


def test_what_a_page_shows_exists_and_says_what_it_is():
    for page, names in shown().items():
        for name in names:
            module, _, bare = name.rpartition(".")
            found = definitions(module).get(bare) if module in modules() else None
            assert found is not None, f"{page} shows {name}, which does not exist"
            assert ast.get_docstring(found), f"{page} shows {name}, which has no docstring"


def test_nothing_is_shown_twice():
    count = Counter(name for names in shown().values() for name in names)
    assert [name for name, times in count.items() if times > 1] == []


def test_every_reason_has_its_modules_and_no_module_has_two():
    for reason, patterns in INNER.items():
        for pattern in patterns.split():
            assert any(fnmatch(name.removeprefix("actlab."), pattern) for name in modules()), f"{pattern}: {reason}"
    assert {name: reasons(name) for name in modules() if len(reasons(name)) > 1} == {}


def test_every_registered_agent_and_code_is_on_its_page():
    for page, registry in (("agents.md", AGENTS), ("codes.md", CODES)):
        named = [entry.target for entry in registry if isinstance(entry.target, str)]  # others are a test's own
        targets = {target.replace(":", ".") for target in named if target.startswith("actlab.")}
        assert targets - set(shown()[page]) == set()


def test_the_python_page_names_everything_of_the_interface():
    text = (REFERENCE / "python.md").read_text("utf-8")
    assert {name for name in actlab.__all__ if f"`al.{name}`" not in text} == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_every_page_is_in_the_menu(page: Path):
    assert f": {page.relative_to(ROOT / 'docs')}\n" in (ROOT / "mkdocs.yml").read_text("utf-8")
