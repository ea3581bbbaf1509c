"""The papers that are built in, by slug. A paper's file is imported when it is looked up."""

import sys
from importlib import import_module
from pathlib import Path

from actlab.core.errors import ActlabError
from actlab.core.registry import Registry
from actlab.papers.card import Paper

PAPERS = Registry(
    "paper",
    {
        "arsq": ("actlab.papers.arsq:PAPER", "soft Q-learning digit after digit, from suboptimal data"),
    },
)


def find_paper(name: str) -> Paper:
    """The paper of that slug, or the one that `module:name` says.

    The module may lie in the current folder, which stays importable: worker processes need the cells in it, too.

    Raises:
        UnknownName: no paper has that slug; the message suggests the nearest.
        ActlabError: there is no such module, or what it names is no paper.
    """
    if ":" not in name:
        return PAPERS[name].load()
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # after all installed packages
    try:
        found = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise ActlabError(f"{name} cannot be imported: {error}.") from None
    if not isinstance(found, Paper):
        raise ActlabError(f"{name} should be a Paper; received {type(found).__name__}.")
    return found
