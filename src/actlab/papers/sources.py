"""Which code a cell's value depends on, found without running it, and a digest of that code.

From the functions and classes that a cell names (its function; its agent, codes and task; every other
`module:name` among its parameters) the names that they use are followed through the imports, definition by
definition, within the packages that they come from. So an edit changes the digest of exactly those cells whose
code uses what was edited. Comments, docstrings and layout do not count; neither do annotations under
`TYPE_CHECKING`, the tables that registries are filled with, nor other people's packages (their versions are
recorded).

What runs at the top of a module without being named, such as `@f.register` or a statement of its own, counts as
soon as the module is imported on the way. Not seen: what is only named in text, which is why names in a cell's
parameters are looked up in the registries (and the suites of tasks).
"""

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from actlab.core.errors import ActlabError
from actlab.core.registry import AGENTS, CODES, TASKS
from actlab.core.studies import Cell

TARGET = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*")
DIGITS = 12
"""Hex digits of a module's digest."""

TOP = "(top)"
"""In place of a name: only what runs when the module is imported."""

Reference = tuple[str, str]
"""A module's name, and a name in it; "" is all of it."""


@dataclass
class Source:
    """One module, taken apart."""

    name: str
    package: bool
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    """Name -> the statements that bind it."""
    loose: list[ast.stmt] = field(default_factory=list)
    """Statements that run when it is imported, and that nothing refers to by a name."""
    imports: dict[str, Reference] = field(default_factory=dict)
    """Name in it -> what it stands for."""
    loose_imports: list[Reference] = field(default_factory=list)
    """What is imported with it, and so runs."""
    texts: dict[int, str] = field(default_factory=dict)

    def canonical(self, statement: ast.stmt) -> str:
        """`canonical`, remembered."""
        if id(statement) not in self.texts:
            self.texts[id(statement)] = canonical(statement)
        return self.texts[id(statement)]


# --- modules -----------------------------------------------------------------------------------------


def _roots(top: str) -> tuple[str, ...]:
    """Folders of a top-level package, or its file."""
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        found = None
    if found is None:
        return ()
    if found.submodule_search_locations is not None:
        return tuple(found.submodule_search_locations)
    return (found.origin,) if found.origin and found.origin.endswith(".py") else ()


def _file(module: str) -> Path | None:
    top, *rest = module.split(".")
    for root in _roots(top):
        if root.endswith(".py"):
            return None if rest else Path(root)
        base = Path(root, *rest)
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file() and (rest or path.name == "__init__.py"):
                return path
    return None


def _read(path: Path, name: str) -> Source:
    source = Source(name, path.name == "__init__.py")
    _take_apart(source, ast.parse(path.read_text("utf-8")).body)
    return source


def _take_apart(source: Source, body: Iterable[ast.stmt]) -> None:
    for statement in body:
        bound = _bound(statement)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            source.imports.update(_imported(statement, source))
            source.loose_imports += _executed(statement, source)
        elif _is_text(statement) or _fills_a_registry(statement):
            continue
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            _take_apart(source, statement.orelse)
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            parts = [statement.body, getattr(statement, "orelse", []), getattr(statement, "finalbody", [])]
            parts += [handler.body for handler in getattr(statement, "handlers", [])]
            for part in parts:
                _take_apart(source, part)
        elif bound and not _registers(statement):
            for name in bound:
                source.definitions.setdefault(name, []).append(statement)
        else:
            source.loose.append(statement)


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a statement gives a meaning to."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    if isinstance(statement, ast.For):
        return []
    return [node.id for target in targets if target is not None for node in ast.walk(target) if _stores(node)]


def _stores(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _registers(statement: ast.stmt) -> bool:
    """Is it a function that another one dispatches to?"""
    decorators = getattr(statement, "decorator_list", [])
    return any(isinstance(node, ast.Attribute) and node.attr == "register" for d in decorators for node in ast.walk(d))


def _fills_a_registry(statement: ast.stmt) -> bool:
    """Is it `AGENTS = Registry(...)`, `TASKS.add(...)`, or a loop of these? Then it only gives names to things."""
    if isinstance(statement, ast.For):
        return all(map(_fills_a_registry, statement.body))
    call = getattr(statement, "value", None)
    if not isinstance(call, ast.Call):
        return False
    if isinstance(statement, ast.Expr):
        named = call.func
        return isinstance(named, ast.Attribute) and named.attr == "add" and ast.unparse(named.value).isupper()
    return isinstance(call.func, ast.Name) and call.func.id == "Registry"


def _imported(statement: ast.Import | ast.ImportFrom, source: Source) -> dict[str, Reference]:
    if isinstance(statement, ast.Import):
        whole = {alias.asname: (alias.name, "") for alias in statement.names if alias.asname}
        return whole | {
            top: (top, "") for alias in statement.names if not alias.asname for top in [alias.name.split(".")[0]]
        }
    module = statement.module or ""
    if statement.level:
        parents = source.name.split(".")
        parents = parents[: len(parents) - statement.level + source.package]
        module = ".".join([*parents, module]).rstrip(".")
    return {alias.asname or alias.name: (module, alias.name) for alias in statement.names}


def _executed(statement: ast.Import | ast.ImportFrom, source: Source) -> list[Reference]:
    """The modules that an import runs, as far as it says."""
    if isinstance(statement, ast.Import):
        return [(alias.name, "") for alias in statement.names]
    return list(_imported(statement, source).values())


# --- references --------------------------------------------------------------------------------------


class Library:
    """The sources as they are now; each file is read once. Make a new one after an edit."""

    def __init__(self):
        self._sources: dict[str, Source | None] = {}
        self._used: dict[Reference, list[Reference]] = {}
        self._digests: dict[tuple[Reference, ...], dict[str, str]] = {}
        self._tops: set[str] = set()

    def sources(self, cell: Cell) -> dict[str, str]:
        """Module -> digest of those parts of it that the value of this cell (not of its inputs) depends on.

        Raises:
            ActlabError: the cell's function cannot be found.
        """
        start = tuple(sorted(_named(cell)))
        if start not in self._digests:
            self._tops |= {module.split(".")[0] for module, _ in start}
            for module, name in start:
                found = self._source(module)
                if found is None or not (name in found.definitions or name in found.imports or name == ""):
                    raise ActlabError(f"There is no {module}:{name} in the sources to take a digest of.")
            self._digests[start] = self._digest(self._follow(start))
        return dict(self._digests[start])

    def _digest(self, reached: Mapping[str, set[str]]) -> dict[str, str]:
        digests = {}
        for module in sorted(reached):
            source = self._sources[module]
            assert source is not None
            statements = [*source.loose, *(s for name in sorted(reached[module]) for s in source.definitions[name])]
            if statements:
                text = "\n".join(map(source.canonical, statements))
                digests[module] = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
        return digests

    def _source(self, module: str) -> Source | None:
        if module.split(".")[0] not in self._tops:
            return None
        if module not in self._sources:
            path = _file(module)
            self._sources[module] = None if path is None else _read(path, module)
        return self._sources[module]

    def _follow(self, start: Iterable[Reference]) -> dict[str, set[str]]:
        """Module -> the names in it that are reached; one without names may still have loose statements."""
        reached: dict[str, set[str]] = {}
        waiting = list(start)
        while waiting:
            module, name = waiting.pop()
            source = self._source(module)
            if source is None:
                continue
            if module not in reached:
                reached[module] = set()
                waiting += self._uses(source, "")
            if name and name not in source.definitions:
                if self._source(f"{module}.{name}"):
                    waiting.append((f"{module}.{name}", ""))
                elif name in source.imports:
                    waiting.append(self._resolved(source.imports[name]))
                continue
            every = () if source.package else source.definitions
            for each in set((name,) if name else every) - reached[module]:
                reached[module].add(each)
                waiting += self._uses(source, each)
        return reached

    def _uses(self, source: Source, name: str) -> list[Reference]:
        """What a definition refers to; for no name, what happens on import."""
        place = source.name, name
        if place not in self._used:
            statements = source.definitions[name] if name else source.loose
            found = {reference for statement in statements for reference in self._named_in(statement, source)}
            if not name:
                found |= {(self._module(*reference), TOP) for reference in source.loose_imports}
            self._used[place] = sorted(found)
        return self._used[place]

    def _module(self, module: str, name: str) -> str:
        below = f"{module}.{name}"
        return below if name and self._source(below) else module

    def _resolved(self, reference: Reference) -> Reference:
        module, name = reference
        return (f"{module}.{name}", "") if name and self._source(f"{module}.{name}") else reference

    def _named_in(self, statement: ast.stmt, source: Source) -> Iterator[Reference]:
        """What the names in a statement stand for."""
        local = dict(source.imports)
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                local |= _imported(node, source)
                yield from ((self._module(*reference), TOP) for reference in _executed(node, source))
        chained: set[int] = set()
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and id(node) not in chained:
                chain, base = [], node
                while isinstance(base, ast.Attribute):
                    chain.append(base.attr)
                    chained.add(id(base))
                    base = base.value
                if isinstance(base, ast.Name) and base.id in local:
                    chained.add(id(base))
                    yield self._attribute(local[base.id], chain[::-1])
            elif isinstance(node, ast.Name) and id(node) not in chained:
                if node.id in local:
                    yield self._resolved(local[node.id])
                elif node.id in source.definitions:
                    yield source.name, node.id

    def _attribute(self, reference: Reference, chain: list[str]) -> Reference:
        """What `a.b.c` stands for, where `a` is imported: the first part that is not a module."""
        module, name = reference
        for part in [name, *chain] if name else chain:
            if not self._source(f"{module}.{part}"):
                return module, part
            module = f"{module}.{part}"
        return module, ""


# --- digests -----------------------------------------------------------------------------------------


def canonical(node: Any) -> str:
    """A statement as text without layout, comments and docstrings; the same for all versions of Python we run on."""
    if isinstance(node, ast.AST):
        parts = []
        for name, value in ast.iter_fields(node):
            if name in ("ctx", "kind", "type_comment") or value is None or value == []:
                continue
            if name == "body" and isinstance(value, list):
                value = [statement for statement in value if not _is_text(statement)]
            parts.append(f"{name}={canonical(value)}")
        return f"{type(node).__name__}({','.join(parts)})"
    return f"[{','.join(map(canonical, node))}]" if isinstance(node, list) else repr(node)


def _named(cell: Cell) -> set[Reference]:
    """The functions and classes that a cell names."""
    module, _, name = cell.function.partition(":")
    found = {(module, name)}
    if "task" in cell.parameters:
        import_module("actlab.tasks.catalogue")  # it registers the tasks
    for text in _texts(cell.parameters):
        suite, _, identity = text.partition("/")
        if identity and suite.isidentifier() and _file(place := f"actlab.tasks.suites.{suite}"):
            found.add((place, ""))
        if TARGET.fullmatch(text) and _file(text.split(":")[0]):
            found.add(tuple(text.split(":")))
        for call in re.split(r"\+|>>", text):
            name = call.strip().split(":")[0]
            found |= {each for registry in (AGENTS, CODES, TASKS) for each in _registered(registry, name)}
            found |= _registered(TASKS, f"actlab/{name}")
    return found


def _registered(registry: Any, name: str) -> set[Reference]:
    if name not in registry:
        return set()
    target = registry[name].target
    if isinstance(target, str):
        module, _, attribute = target.partition(":")
        return {(module, attribute)}
    named = target if hasattr(target, "__qualname__") else type(target)
    top = named.__qualname__.split(".")[0]
    return {(named.__module__, "" if top == "<lambda>" else top)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
