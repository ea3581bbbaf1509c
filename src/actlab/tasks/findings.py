"""What the checker has to say, and the questions that it asks of every environment alike.

Axis letter: C continuous coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax import Array

from actlab.core import sets, spaces
from actlab.core.sets import Allowed
from actlab.core.spaces import Box, Space

Severity = Literal["error", "warning", "information"]

_ORDER = ("error", "warning", "information")
_SHORTEST_LIMIT = 20
"""Below so many steps, episodes that all have one length are taken for games of fixed length."""


@dataclass(frozen=True)
class Finding:
    """One sentence on an environment.

    An error stops training or spoils what is learned; a warning is a likely mistake.
    """

    severity: Severity
    sentence: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.sentence}"


class Findings:
    """A list that keeps the first sentence of each kind, since one fault shows at many steps."""

    def __init__(self) -> None:
        self._found: dict[str, Finding] = {}

    def add(self, severity: Severity, kind: str, sentence: str) -> None:
        """Note `sentence`, unless something of that kind was noted before."""
        self._found.setdefault(kind, Finding(severity, sentence))

    def __contains__(self, kind: str) -> bool:
        return kind in self._found

    @property
    def clean(self) -> bool:
        """No errors and no warnings."""
        return all(finding.severity == "information" for finding in self._found.values())

    def listed(self) -> list[Finding]:
        """Errors first."""
        return sorted(self._found.values(), key=lambda finding: _ORDER.index(finding.severity))


class Ending(NamedTuple):
    """How one episode ended, or that it did not."""

    length: int
    terminated: bool
    truncated: bool


def judge_ends(found: Findings, endings: Sequence[Ending], horizon: int) -> None:
    """Do the episodes that were played end in time, and for the reason that they give?"""
    open_ended = [ending for ending in endings if not (ending.terminated or ending.truncated)]
    if any(ending.length >= horizon for ending in open_ended):
        found.add(
            "error",
            "endless",
            f"An episode was neither terminated nor truncated after its horizon of {horizon} steps; "
            "it must be truncated there.",
        )
    elif open_ended:
        found.add(
            "information",
            "long",
            f"Episodes were followed for {open_ended[0].length} steps only, so nothing is said of an end at {horizon}.",
        )
    early = [ending for ending in endings if ending.truncated and not ending.terminated and ending.length < horizon]
    lengths = {ending.length for ending in endings}
    alike = len(lengths) == 1 and len(endings) > 2 and min(lengths) >= _SHORTEST_LIMIT
    if early and alike:
        found.add(
            "warning",
            "limit",
            f"Every episode was truncated after {early[0].length} steps, but the declared limit is {horizon}; "
            "declare the limit that holds (max_episode_steps, or the horizon).",
        )
    elif early:
        found.add(
            "warning",
            "truncated",
            f"An episode was truncated after {early[0].length} steps, before its limit of {horizon}: a failure or a "
            "goal must be `terminated`, for what is truncated is bootstrapped as if it went on.",
        )
    stopped = bool(endings) and all(ending.terminated and not ending.truncated for ending in endings)
    if alike and stopped:
        found.add(
            "warning",
            "terminated",
            f"Every episode terminated after exactly {endings[0].length} steps: if that is a time limit, report it "
            "as `truncated`, for what is terminated is worth nothing from there on.",
        )


def judge_actions(found: Findings, action: Space) -> None:
    """Can every agent span the action space?"""
    unbounded = [box for box in boxes(action) if not box.bounded]
    if unbounded:
        found.add(
            "warning",
            "unbounded",
            f"The action space has an unbounded part, {unbounded[0]}: agents cannot span it; give it bounds, or use "
            "the code normalise with the range that matters, such as normalise:low=-1,high=1.",
        )


@singledispatch
def boxes(space: Space) -> list[Box]:
    """All Boxes inside of a space, in the order of the coordinates of `Space.join`."""
    return []


@boxes.register
def _(space: spaces.Box) -> list[Box]:
    return [space]


@boxes.register(spaces.Tuple)
@boxes.register(spaces.OneOf)
def _(space: spaces.Tuple | spaces.OneOf) -> list[Box]:
    return [box for part in space.spaces for box in boxes(part)]


@boxes.register
def _(space: spaces.Dict) -> list[Box]:
    return [box for _, part in space.items for box in boxes(part)]


def corners(space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest coordinates, float32 `[C]`; -1 and 1 where there is no bound."""
    empty = [np.zeros(0, np.float32)]
    low = np.concatenate([box.lows.ravel().astype(np.float32) for box in boxes(space)] or empty)
    high = np.concatenate([box.highs.ravel().astype(np.float32) for box in boxes(space)] or empty)
    return np.where(np.isfinite(low), low, np.minimum(high, -1.0)), np.where(
        np.isfinite(high), high, np.maximum(low, 1.0)
    )


@partial(jax.jit, static_argnums=0)
def sample_allowed(space: Space, allowed: Allowed, key: Array) -> Any:
    """A random value of `space` in the set; compiled once for equal spaces."""
    return sets.sample(allowed, space, key)
