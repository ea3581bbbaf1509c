"""Reference values of other implementations: read, with their inputs drawn again from the seeds."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "references"
SOURCE = {"project", "address", "version", "licence", "digest"}
"""What a file has to say of where its values are from."""


@dataclass(frozen=True)
class Case:
    """Inputs and what the other implementation makes of them."""

    name: str
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """One file."""

    source: Mapping[str, str]
    tolerance: float
    """Relative."""
    cases: tuple[Case, ...]


def draw(seed: int, drawn: Mapping[str, Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Inputs by name, in the order they are written: `{"normal": shape}` or `{"integers": [shape, high]}`.

    `decimals` rounds.
    """
    generator = np.random.default_rng(seed)
    inputs = {}
    for name, kind in drawn.items():
        if "normal" in kind:
            inputs[name] = generator.normal(size=kind["normal"]).round(kind["decimals"])
        else:
            shape, high = kind["integers"]
            inputs[name] = generator.integers(0, high, shape)
    return inputs


def total(inputs: Mapping[str, np.ndarray]) -> float:
    """The sum of all inputs."""
    return math.fsum(float(x) for array in inputs.values() for x in array.ravel())


def load(name: str) -> Reference:
    """The file `references/NAME.json`."""
    content = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert content["source"].keys() == SOURCE, f"{name} should name its source by {sorted(SOURCE)}"
    cases = []
    for case in content["cases"]:
        inputs = draw(case["seed"], case["drawn"]) if "seed" in case else {}
        inputs |= {key: np.asarray(values) for key, values in case.get("values", {}).items()}
        assert math.isclose(total(inputs), case["check"], rel_tol=1e-9, abs_tol=1e-9), f"{name}: other inputs drawn"
        cases.append(Case(case["name"], inputs, case["outputs"]))
    assert cases, f"{name} holds no case"
    return Reference(content["source"], content["tolerance"], tuple(cases))
