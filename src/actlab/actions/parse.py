"""Codes and agents as text: `normalise+coarse-to-fine:levels=2,bins=7`. The grammar is in `core.options`."""

from collections.abc import Callable
from functools import reduce, singledispatch
from operator import rshift
from typing import Any

from actlab.actions.identity import Identity
from actlab.actions.product import Product
from actlab.core.codec import Chain, Codec
from actlab.core.errors import ActlabError, SpaceError, UnknownName
from actlab.core.options import construct, options_text, parse_call, parse_chain
from actlab.core.registry import AGENTS, CODES
from actlab.core.spaces import Space


def parse_code(text: str, *, own: bool = False) -> Codec:
    """The codec, not yet bound, that `text` says: names of codes, joined by `+` (or `>>`).

    The first name is nearest to the environment, as in `a >> b`.

    Args:
        own: is `module:Class` imported, a codec of a person's own? Registered names alone count where the text may
            come from somebody else.

    Raises:
        ActlabError: what `module:Class` names cannot be imported, or is no codec.
        OptionError: the text is malformed, or an option is unknown or of the wrong type.
        UnknownName: no code has such a name.
        SpaceError: a value is out of its range.
    """
    calls = parse_chain(text)
    for call in calls:
        if ":" in call.name and not own:
            raise UnknownName("code", call.name, [entry.name for entry in CODES])
    return reduce(rshift, [construct(CODES, call) for call in calls])


def fitting_codes(space: Space) -> list[str]:
    """Names of the codes that act on `space` as they are, without options and recordings."""

    def fits(make: Callable[[], Codec]) -> bool:
        try:
            make().fit(space)
        except (ActlabError, TypeError):  # TypeError: an option has no default
            return False
        return True

    return [entry.name for entry in CODES if fits(entry.load())]


def parse_agent(text: str) -> Any:
    """The agent that `text` says: `ppo`, `ppo:learning_rate=1e-3`.

    Raises:
        OptionError: the text is malformed, or an option is unknown or of the wrong type.
        UnknownName: no agent has such a name.
    """
    return construct(AGENTS, parse_call(text))


@singledispatch
def code_text(codec: Codec) -> str:
    """The text that `parse_code` reads as this codec (without what `fit` added): one text for one treatment.

    Raises:
        UnknownName: a codec is not registered.
        SpaceError: parts of a product are treated differently, which text cannot say.
    """
    options = options_text(codec)
    return CODES.name_of(type(codec)) + (f":{options}" if options else "")


@code_text.register
def _(codec: Chain) -> str:
    return f"{code_text(codec.outer)}+{code_text(codec.inner)}"


@code_text.register
def _(codec: Product) -> str:
    texts = {code_text(part) for part in codec.parts if not _leaves_all(part)}
    if len(texts) > 1:
        raise SpaceError(f"One text says one treatment of all parts; received {' and '.join(sorted(texts))}.")
    return texts.pop() if texts else code_text(Identity())


@singledispatch
def _leaves_all(codec: Codec) -> bool:
    """Does the codec leave every action as it is?"""
    return False


@_leaves_all.register
def _(codec: Identity) -> bool:
    return True


@_leaves_all.register
def _(codec: Product) -> bool:
    return all(map(_leaves_all, codec.parts))
