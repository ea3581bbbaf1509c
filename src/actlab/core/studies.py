"""A question, asked as a graph of cells. A cell is one seed of one computation; its hash is its address."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from actlab.core.errors import ActlabError


@dataclass(frozen=True)
class Cell:
    """One resumable computation. Equal cells have equal addresses, so each is computed once."""

    function: str
    """`module:function` that computes it: (cell, folder, inputs) -> result."""
    parameters: Mapping[str, Any]
    """JSON values."""
    seed: int = 0
    inputs: Mapping[str, "Cell"] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """20 hex digits of the SHA-256 of all fields (of the inputs: their addresses)."""
        content = {
            "function": self.function,
            "parameters": self.parameters,
            "seed": self.seed,
            "inputs": {name: cell.address for name, cell in sorted(self.inputs.items())},
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Claim:
    """A difference that figures can show: `metric` of the candidate is higher (or lower) than that of the baseline.

    Raises:
        ActlabError: fields that do not go together.
    """

    name: str
    """Unique among the claims of a paper: letters, digits and dashes."""
    text: str
    """What is claimed, as a sentence."""
    metric: str
    """A value of the arms' cells: a name in their result, or `return` (`return/stochastic`) of an evaluation."""
    task: str
    """Where, in words."""
    candidate: str | tuple[str, ...]
    """The arm that is claimed to be better. Of several arms the mean is taken, seed by seed."""
    baseline: str | tuple[str, ...] | float
    """The arm that it is compared with (of several: the mean), or a number that was fixed beforehand."""
    direction: Literal["higher", "lower"] = "higher"
    """Where the candidate is claimed to lie."""
    margin: float = 0.0
    """The least difference that is claimed, in units of the metric; negative: "not worse by more than"."""
    paired: bool = False
    """Compare by seed, where a seed fixes what the arms share (decided before running)."""
    ratio: bool = False
    """Is the paper's figure a ratio of means? Ours is then shown too; the difference decides."""
    published: str = ""
    """The paper's own figure, as it is printed there; "" where it has none."""
    source: str = ""
    """Where the paper says so: its table, figure or section."""
    primary: bool = False
    """Is it the claim that the paper stands for?"""

    def __post_init__(self):
        _check_name(self.name)
        if self.direction not in ("higher", "lower"):
            raise ActlabError(f"A claim's direction is higher or lower; received {self.direction!r}.")
        if self.paired and isinstance(self.baseline, int | float):
            raise ActlabError(f"The claim {self.name!r} cannot be paired by seed with a number.")

    @property
    def candidates(self) -> tuple[str, ...]:
        """The candidate's arms."""
        return _several(self.candidate)

    @property
    def baselines(self) -> tuple[str, ...]:
        """The baseline's arms; none where it is a number."""
        return () if isinstance(self.baseline, int | float) else _several(self.baseline)

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms that it is about."""
        return self.candidates + self.baselines


@dataclass(frozen=True)
class Count:
    """A count that figures can show: on how many of its seeds an arm reaches a threshold.

    Raises:
        ActlabError: fields that do not go together.
    """

    name: str
    text: str
    metric: str
    task: str
    arm: str
    seeds: int
    """How many are asked for."""
    at_least: int | None = None
    """Fewest seeds that reach the threshold; this or `at_most`."""
    at_most: int | None = None
    threshold: float = 0.5
    """A seed counts if its value is this or more."""
    published: str = ""
    source: str = ""
    primary: bool = False

    def __post_init__(self):
        _check_name(self.name)
        bounds = [bound for bound in (self.at_least, self.at_most) if bound is not None]
        if len(bounds) != 1 or not 0 <= bounds[0] <= self.seeds:
            raise ActlabError(f"The claim {self.name!r} needs one bound, at_least or at_most, of 0 to {self.seeds}.")

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms that it is about."""
        return (self.arm,)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ActlabError(f"A claim is named with small letters, digits and dashes; received {name!r}.")


def _several(arms: str | tuple[str, ...]) -> tuple[str, ...]:
    return (arms,) if isinstance(arms, str) else tuple(arms)


@dataclass(frozen=True)
class Study:
    """Arms (each a list of cells, one a seed) and what is claimed about them."""

    question: str
    arms: Mapping[str, Sequence[Cell]]
    claims: Sequence[Claim | Count] = ()

    @property
    def address(self) -> str:
        """Hash of the question, the arms' names and their cells' addresses."""
        arms = {name: [cell.address for cell in cells] for name, cells in self.arms.items()}
        text = json.dumps([self.question, arms], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]
