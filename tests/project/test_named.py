"""What the pages name exists: commands, flags, options, targets of make, files, modules; in the recipes symbols, too.

Only what stands in `code` is looked at, and every flag anywhere. A word in capitals stands for something: `NAME`,
`SLUG`, `RUN`.
"""

import ast
import builtins
import keyword
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from actlab.cli.catalogue import table
from actlab.cli.parser import build
from actlab.core.errors import ActlabError
from actlab.core.options import parse_chain

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "CONTRIBUTING.md"
PAGES = [ROOT / "README.md", RECIPES, *sorted((ROOT / "docs").rglob("*.md"))]
PAGES.remove(ROOT / "docs" / "design.md")  # the plan: it also names what does not exist yet
PAGES.remove(ROOT / "docs" / "when-something-is-wrong.md")  # it is about names that do not exist, and has its own test

ELSEWHERE = {"--no-deps"}
"""Flags of other people's commands."""

WORDS = {"chromium", "libegl1", "libgl1", "mesa", "dri", "mkdocs", "pip", "pytest", "python", "sh", "uv", "venv"}
"""Words of the recipes that are no symbols of ours."""

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
CODE = re.compile(r"`([^`\n]+)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")
FOLDERS = tuple(f"{name}/" for name in ("src", "tests", "docs", "benchmarks", "results"))


def told(page: Path) -> list[str]:
    """What a page says in `code`, and the lines of its shell blocks."""
    text = page.read_text("utf-8")
    lines = [
        line.partition("#")[0].strip()
        for language, block in FENCE.findall(text)
        if language in ("sh", "text")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [*CODE.findall(FENCE.sub("", text)), *filter(None, lines)]


# --- what there is -----------------------------------------------------------------------------------


@cache
def flags() -> dict[str, frozenset[str]]:
    """Command -> its flags; those of `train` with the options of every agent."""
    (commands,) = [action.choices for action in build(completion=True)._actions if isinstance(action.choices, dict)]
    return {name: frozenset(parser._option_string_actions) for name, parser in commands.items()}


@cache
def targets() -> frozenset[str]:
    """What `make` makes."""
    return frozenset(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


@cache
def symbols() -> frozenset[str]:
    """Every name that our sources and tests give to something, and every word in the names of our files."""
    found = {"actlab", *keyword.kwlist, *dir(builtins)}
    for path in [path for room in ("src", "tests") for path in (ROOT / room).rglob("*.py")]:
        found |= {*path.relative_to(ROOT).with_suffix("").parts, *path.stem.split("_")}
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
    return frozenset(found)


def reachable(dotted: str) -> bool:
    """Is `actlab.core.sets.Mask` there?"""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        try:
            for name in parts[length:]:
                found = getattr(found, name)
        except AttributeError:
            return False
        return True
    return False


# --- what is wrong with a piece of code in a page ------------------------------------------------------


def wrong(text: str) -> str | None:
    """The sentence that says what does not exist, or None."""
    first, *rest = text.split() or [""]
    if first == "actlab":
        return wrong_command(rest)
    if first == "make":
        return next((f"make {each}" for each in rest if each.islower() and each not in targets()), None)
    if first.startswith(FOLDERS) or re.match(r"actlab/[\w/]+\.py$|[\w-]+\.(md|yml|toml)$", first):
        return wrong_path(first)
    if found := re.match(r"(?:al|actlab)\.[\w.]+", text):
        return None if reachable(re.sub(r"^al\.", "actlab.", found[0]).rstrip(".")) else found[0]
    return wrong_choice(text)


def wrong_command(words: list[str]) -> str | None:
    name = next((word for word in words if word.islower() and not word.startswith("-")), None)
    if name is not None and name not in flags():
        return f"actlab {name}"
    known = flags()[name] if name else frozenset.union(*flags().values())
    unknown = [flag for word in words for flag in FLAG.findall(word) if flag not in known | {"--help", "--version"}]
    return f"actlab {name} {unknown[0]}" if unknown else next(filter(None, map(wrong_choice, words)), None)


def wrong_path(place: str) -> str | None:
    if place.startswith("results/") and place.endswith("/"):
        return None  # what a command makes
    pattern = re.sub(r"NAME|SLUG|SCALE", "*", place.rstrip("/"))
    return None if any(ROOT.glob(f"src/{pattern}" if pattern.startswith("actlab/") else pattern)) else place


def wrong_choice(text: str) -> str | None:
    """`ppo:epochs=4` and `normalise+bins:bins=7`: where the name is known, so must be the options."""
    try:
        calls = parse_chain(text)
    except ActlabError:
        return None
    for call in calls:
        items = [table(kind)[call.name] for kind in ("agent", "code") if call.name in table(kind)]
        for option in call.options if items else ():
            if option not in {known.name for item in items for known in item.options}:
                return f"{call.name}:{option}"
    return None


# --- the tests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_exists(page: Path):
    assert [sentence for text in told(page) if (sentence := wrong(text))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_flag_is_one_of_ours(page: Path):
    known = frozenset.union(*flags().values()) | ELSEWHERE
    assert set(FLAG.findall(page.read_text("utf-8"))) - known == set()


def test_every_command_is_on_the_page_of_the_command_line():
    text = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    assert {name for name in flags() if f"`actlab {name}" not in text} == set()


def test_the_symbols_of_the_recipes_exist():
    words = {
        word
        for text in told(RECIPES)
        for word in re.findall(r"[A-Za-z_]\w+", re.sub(r"<!--.*?-->|/path/to\S*|-m\b", " ", text))
        if not re.search(r"NAME|SLUG|^ID$", word)
    }
    assert {"AGENTS", "hyperparameters", "experience", "TASKS", "Paper"} <= words
    files = {"CHANGELOG", "bin", "md", "py", "yml"}
    assert words - symbols() - targets() - set(flags()) - files - WORDS - {"PYTHON", "scale"} == set()


def test_every_recipe_links_a_page_that_is_run():
    recipes = re.findall(r"^## (Add an? .+?)\n(.*?)(?=^## )", RECIPES.read_text("utf-8"), re.M | re.S)
    assert [title for title, _ in recipes] == [
        f"Add {thing}" for thing in ("an agent", "a codec", "a constraint", "a task", "a paper")
    ]
    for title, text in recipes:
        linked = [ROOT / place for place in re.findall(r"\]\((docs/your-own-[a-z]+\.md)\)", text)]
        assert linked, f"{title} links no page"
        assert all("```python\n" in page.read_text("utf-8") for page in linked)


@pytest.mark.parametrize(
    "text",
    [
        "make tabel",
        "actlab trian ppo",
        "actlab train ppo --stpes 5",
        "actlab compare ppo --learning-rate 1e-3",
        "actlab sweep ppo:epocs=4 --vary width=1,2",
        "ppo:epocs=4",
        "normalise+bins:bin=7",
        "tests/actions/test_nothing.py",
        "src/actlab/agnets/NAME.py",
        "actlab/tasks/nothing.py",
        "actlab.core.nothing",
        "actlab.core.sets.Musk",
        "al.trian(agent)",
    ],
)
def test_what_does_not_exist_is_noticed(text: str):
    assert wrong(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "make test PYTHON=/path/to/python",
        "actlab train AGENT --task ID --from RUN",
        "actlab train ppo --learning-rate 1e-3",
        "src/actlab/agents/NAME.py",
        "actlab.core.sets",
        "al.constraints.Dependent(rule)",
        "actlab/Maze-v0",
    ],
)
def test_what_exists_passes(text: str):
    assert wrong(text) is None
