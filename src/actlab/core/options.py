"""Choices written as text, `name:option=value,option=value`, and read against a dataclass's annotations.

Grammar (a chain is for codes; agents are a single call; blanks around words are ignored):

    chain  = call { ("+" | ">>") call }
    call   = name [ ":" option { "," option } ]
    name   = word | module ":" Word              a class of one's own module: it begins with a capital letter
    option = word "=" value
    value  = "none" | "true" | "false" | number | word | number "x" { number "x" } [ number ]

The plus sign of an exponent (`1e+3`) belongs to the number. `256x256` is a tuple, `256x` one of length 1.
Nothing is ever evaluated.
"""

import dataclasses
import difflib
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from actlab.core.errors import ActlabError, UnknownName
from actlab.core.registry import Registry

_NAME = re.compile(r"\s*([A-Za-z_][\w-]*)\s*")
_OWN = re.compile(r"\s*([A-Za-z_]\w*(?:\.\w+)*:[A-Z]\w*)\s*(?![\w\s=-])")
_VALUE = re.compile(r"\s*((?:[0-9.][eE]\+(?=[0-9])|[^,+>=:\s])+)\s*")
_JOIN = re.compile(r"\+|>>")
_INTEGER = re.compile(r"[+-]?[0-9]+(_[0-9]+)*")
_WORD = re.compile(r"[A-Za-z0-9_./-]+")


class OptionError(ActlabError):
    """Text that does not say a choice: where it goes wrong, and what was expected there."""

    exit_code = 2


class Call(NamedTuple):
    """A name with its options, and where they stand in the text (columns count from 1)."""

    name: str
    options: dict[str, str]
    column: int
    columns: dict[str, int]


def parse_chain(text: str) -> list[Call]:
    """The calls of a chain.

    Raises:
        OptionError: the text is no chain.
    """
    calls, at = [], 0
    while True:
        call, at = _call(text, at)
        calls.append(call)
        if at == len(text):
            return calls
        join = _JOIN.match(text, at)
        if join is None:
            raise _unexpected(text, at, "',', '+' or the end")
        at = join.end()


def parse_call(text: str) -> Call:
    """The single call that the text is.

    Raises:
        OptionError: the text is no call, or a chain of several.
    """
    call, at = _call(text, 0)
    if at != len(text):
        raise _unexpected(text, at, "',' or the end")
    return call


def _call(text: str, at: int) -> tuple[Call, int]:
    name, column, at = _read(_OWN if _OWN.match(text, at) else _NAME, text, at, "a name")
    if not text.startswith(":", at):
        return Call(name, {}, column, {}), at
    options, columns, at = _options(text, at + 1)
    return Call(name, options, column, columns), at


def _options(text: str, at: int) -> tuple[dict[str, str], dict[str, int], int]:
    options: dict[str, str] = {}
    columns: dict[str, int] = {}
    while True:
        option, where, at = _read(_NAME, text, at, "an option")
        option = option.replace("-", "_")
        if not text.startswith("=", at):
            raise _unexpected(text, at, f"'=' after the option {option!r}")
        if option in options:
            raise OptionError(f"The option {option!r} is given twice in {text!r}, again at column {where}.")
        options[option], _, at = _read(_VALUE, text, at + 1, f"a value for the option {option!r}")
        columns[option] = where
        if not text.startswith(",", at):
            return options, columns, at
        at += 1


def _read(pattern: re.Pattern, text: str, at: int, what: str) -> tuple[str, int, int]:
    found = pattern.match(text, at)
    if found is None:
        raise _unexpected(text, at, what)
    return found[1], found.start(1) + 1, found.end()


def _unexpected(text: str, at: int, what: str) -> OptionError:
    at += len(text[at:]) - len(text[at:].lstrip())
    received = f"{text[at]!r}" if at < len(text) else "its end"
    return OptionError(f"Expected {what} at column {at + 1} of {text!r}, received {received}.")


# --- options of a dataclass --------------------------------------------------------------------------


class Field(NamedTuple):
    """One option: what it is called, what may be written for it, what it is if nothing is."""

    name: str
    kind: Any
    default: Any
    """`dataclasses.MISSING` where it has to be given."""


def option_fields(cls: type) -> dict[str, Field]:
    """The fields of a dataclass that can be written as text, by name: numbers, flags, words, tuples of numbers."""
    hints, fields = get_type_hints(cls), {}
    for field in dataclasses.fields(cls):
        kind = hints[field.name]
        if field.init and _writable(kind):
            factory = field.default_factory
            default = factory() if callable(factory) else field.default
            fields[field.name] = Field(field.name, kind, default)
    return fields


def parse_options(text: str, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Values of the options in `text`, `option=value,option=value` (the part of a call behind the colon).

    Raises:
        OptionError: the text is malformed, an option is unknown, or a value is of the wrong type.
    """
    if not text.strip():
        return {}
    options, columns, at = _options(text, 0)
    if at != len(text):
        raise _unexpected(text, at, "',' or the end")
    return _values(fields, options, "", columns)


def construct(registry: Registry, call: Call) -> Any:
    """The registered thing that a call names, made with its options.

    Raises:
        UnknownName: nothing has that name; the message says where it stands, and suggests the nearest.
        OptionError: an option is unknown, missing or of the wrong type.
        ActlabError: the thing itself refuses a value.
    """
    try:
        cls = registry[call.name].load()
    except UnknownName as error:
        error.args = (f"At column {call.column}: {error}",)
        raise
    return cls(**convert(cls, call.options, name=call.name, columns=call.columns))


def options_text(thing: Any) -> str:
    """The options of a dataclass instance as they are written, in the order of its fields.

    Whole numbers are always written: bins, levels, lengths say what the thing is. Other options are
    written where they differ from their defaults.

    Raises:
        OptionError: a value cannot be written so that reading it gives it back.
    """
    written = {}
    for name, field in option_fields(type(thing)).items():
        value = getattr(thing, name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if whole or value != field.default:
            written[name] = value_text(value)
            if _convert(written[name], field.kind) != (True, value):
                raise OptionError(f"The value {value!r} of the option {name!r} cannot be written as text.")
    return ",".join(f"{name}={text}" for name, text in written.items())


def convert(
    cls: type, options: Mapping[str, str], *, name: str = "", columns: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Keyword arguments of the dataclass `cls`, from the text of its options.

    Args:
        cls: a dataclass whose annotations say what may be written.
        options: text by option.
        name: what a person calls `cls`, for messages.
        columns: where each option stands in the text it came from, for messages.

    Raises:
        OptionError: an option is unknown (the nearest is suggested), missing or of the wrong type.
    """
    fields = option_fields(cls)
    values = _values(fields, options, name or cls.__name__, columns or {})
    missing = [f.name for f in fields.values() if f.default is dataclasses.MISSING and f.name not in values]
    if missing:
        raise OptionError(f"{name or cls.__name__} needs the option {missing[0]!r}.")
    return values


def _values(
    fields: Mapping[str, Field], options: Mapping[str, str], name: str, columns: Mapping[str, int]
) -> dict[str, Any]:
    values = {}
    for option, text in options.items():
        where = f" (column {columns[option]})" if option in columns else ""
        owner = f"{name} has" if name else "There is"
        if option not in fields:
            raise OptionError(f"{owner} no option {option!r}{where}; {_nearest(option, fields)}")
        fits, value = _convert(text, fields[option].kind)
        if not fits:
            possessor = f" of {name}" if name else ""
            kind = describe(fields[option].kind)
            raise OptionError(f"The option {option!r}{possessor} should be {kind}, received {text!r}{where}.")
        values[option] = value
    return values


def _nearest(option: str, fields: Iterable[str]) -> str:
    known = sorted(fields)
    near = difflib.get_close_matches(option, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(known)}." if known else "it takes no options."


# --- one value ---------------------------------------------------------------------------------------


def _boolean(text: str) -> tuple[bool, Any]:
    return text in ("true", "false"), text == "true"


def _integer(text: str) -> tuple[bool, Any]:
    fits = _INTEGER.fullmatch(text) is not None
    return fits, int(text) if fits else None


def _number(text: str) -> tuple[bool, Any]:
    try:
        value = float(text)
    except ValueError:
        return False, None
    return math.isfinite(value), value


def _nothing(text: str) -> tuple[bool, Any]:
    return text == "none", None


def _word(text: str) -> tuple[bool, Any]:
    return _WORD.fullmatch(text) is not None, text


_SIMPLE: dict[Any, tuple[Callable[[str], tuple[bool, Any]], str]] = {
    type(None): (_nothing, "none"),
    bool: (_boolean, "true or false"),
    int: (_integer, "a whole number"),
    float: (_number, "a finite number"),
    str: (_word, "a word"),
}
"""What is tried for a type, and how it is called; alternatives are tried in this order, tuples before words."""


def _alternatives(kind: Any) -> list[Any]:
    members = list(get_args(kind)) if get_origin(kind) in (Union, types.UnionType) else [kind]
    simple = [each for each in _SIMPLE if each in members and each is not str]
    return simple + [each for each in members if each not in _SIMPLE] + [each for each in members if each is str]


def _writable(kind: Any) -> bool:
    def one(member: Any) -> bool:
        if get_origin(member) is Literal:
            return all(isinstance(choice, str) for choice in get_args(member))
        if get_origin(member) is tuple:
            return bool(get_args(member)) and all(part in (int, float, Ellipsis) for part in get_args(member))
        return member in _SIMPLE

    alternatives = _alternatives(kind)
    return all(map(one, alternatives)) and alternatives != [type(None)]


def _convert(text: str, kind: Any) -> tuple[bool, Any]:
    """Does the text fit the type, and as which value?"""
    for member in _alternatives(kind):
        if get_origin(member) is Literal:
            fits, value = text in get_args(member), text
        elif get_origin(member) is tuple:
            fits, value = _tuple(text, get_args(member))
        else:
            fits, value = _SIMPLE[member][0](text)
        if fits:
            return True, value
    return False, None


def _tuple(text: str, parts: tuple) -> tuple[bool, Any]:
    if "x" not in text:
        return False, None
    words = text.removesuffix("x").split("x") if text != "x" else []
    kinds = [parts[0]] * len(words) if parts[-1] is Ellipsis else list(parts)
    if len(kinds) != len(words):
        return False, None
    pairs = [_SIMPLE[kind][0](word) for kind, word in zip(kinds, words, strict=True)]
    return all(fits for fits, _ in pairs), tuple(value for _, value in pairs)


def describe(kind: Any) -> str:
    """A type in words, as messages and tables use it."""

    def one(member: Any) -> str:
        if get_origin(member) is Literal:
            return " or ".join(get_args(member))
        if get_origin(member) is tuple:
            return "numbers joined by x (as 64x64)"
        return _SIMPLE[member][1]

    return ", or ".join(map(one, _alternatives(kind)))


def value_text(value: Any) -> str:
    """How a value is written, so that reading it gives an equal one.

    Raises:
        OptionError: the value cannot be written (an array, a word with other characters).
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value).replace("e+", "e")
    if isinstance(value, tuple):
        return "x".join(map(value_text, value)) + ("x" if len(value) < 2 else "")
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    raise OptionError(f"The value {value!r} cannot be written as text.")
