"""Why a Gymnasium environment could not be made, in one sentence."""

import difflib
from typing import Any

import gymnasium

from actlab.core.errors import ActlabError, MissingExtra, UnknownName

_EXTRA_OF = {"mujoco": "mujoco", "packaging": "mujoco", "imageio": "mujoco"}


def unmade(name: str, error: Exception) -> ActlabError:
    """Why an environment could not be made."""
    if isinstance(error, ActlabError):
        return error
    module, _, bare = name.rpartition(":")
    cause: BaseException | None = error
    while cause is not None:
        missing = cause.name if isinstance(cause, ImportError) else None
        if missing and missing.split(".")[0] in _EXTRA_OF:
            return MissingExtra(f"The environment {name!r}", _EXTRA_OF[missing.split(".")[0]])
        if missing and missing == module:
            return ActlabError(
                f"There is no module {module!r}, in the current folder or installed, to take {bare!r} from."
            )
        if missing:
            return ActlabError(
                f"The environment {name!r} needs the Python package {missing!r}, which is not installed."
            )
        cause = cause.__cause__
    if isinstance(error, gymnasium.error.Error) and bare not in gymnasium.registry:
        near = difflib.get_close_matches(bare, gymnasium.registry, n=1, cutoff=0.5)
        known = near or (_registered_by(module) if module else list(gymnasium.registry))
        if known:
            return UnknownName("environment", bare, known)
        return ActlabError(f"The module {module!r} has nothing named {bare!r}, and registers no such environment.")
    return ActlabError(f"The environment {name!r} could not be made: {in_words(error)}")


def in_words(error: Exception) -> str:
    """What an exception says, in one line that ends with a full stop."""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text}." if text else f"{type(error).__name__}."


def _registered_by(module: str) -> list[str]:
    """The ids whose environment is made in that module."""

    def place(entry: Any) -> str:
        return entry.partition(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "")

    return sorted(name for name, spec in gymnasium.registry.items() if place(spec.entry_point) == module)
