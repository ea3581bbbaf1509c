"""A question, asked as a graph of cells. A cell is one seed of one computation; its hash is its address."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


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
    """A sentence that figures can support: `metric` of arm `better` exceeds that of arm `worse`."""

    text: str
    metric: str
    better: str
    worse: str
    primary: bool = False
    published: str = ""
    """The paper's own figure, where there is one."""


@dataclass(frozen=True)
class Study:
    """Arms (each a list of cells, one a seed) and what is claimed about them."""

    question: str
    arms: Mapping[str, Sequence[Cell]]
    claims: Sequence[Claim] = ()

    @property
    def address(self) -> str:
        """Hash of the question, the arms' names and their cells' addresses."""
        arms = {name: [cell.address for cell in cells] for name, cells in self.arms.items()}
        text = json.dumps([self.question, arms], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]
