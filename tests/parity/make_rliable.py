"""Write `references/rliable.json` from the installed package: `python -m tests.parity.make_rliable`."""

import hashlib
import inspect
import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.parity.reference import FOLDER, draw, total

DRAWN = [
    (0, {"x": {"normal": [3, 1], "decimals": 2}, "y": {"normal": [3, 1], "decimals": 2}}),
    (1, {"x": {"normal": [5, 4], "decimals": 1}, "y": {"normal": [7, 4], "decimals": 1}}),
    (2, {"x": {"normal": [10, 7], "decimals": 3}, "y": {"normal": [10, 7], "decimals": 3}}),
    (3, {"x": {"integers": [[6, 5], 4]}, "y": {"integers": [[6, 5], 4]}}),
]
"""(seed, inputs): runs x tasks of two arms; the last one has many ties."""
THRESHOLDS = [-1.0, 0.0, 0.5, 2.0]


def main() -> None:
    """Compute and write."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from rliable import library, metrics
    cases = []
    for seed, drawn in DRAWN:
        inputs = draw(seed, drawn)
        x, y = inputs["x"], inputs["y"]
        outputs: dict[str, Any] = {
            "mean": metrics.aggregate_mean(x),
            "median": metrics.aggregate_median(x),
            "interquartile mean": metrics.aggregate_iqm(x),
            "optimality gap at 0.5": metrics.aggregate_optimality_gap(x, 0.5),
            "probability of improvement": metrics.probability_of_improvement(x, y),
        }
        outputs = {name: float(value) for name, value in outputs.items()}
        outputs["profile"] = [float(share) for share in library.score_distributions(x, THRESHOLDS)]
        cases.append({"name": f"seed {seed}", "seed": seed, "drawn": drawn, "check": total(inputs), "outputs": outputs})
    source = {
        "project": "rliable",
        "address": "https://github.com/google-research/rliable",
        "version": version("rliable"),
        "licence": "Apache-2.0",
        "digest": f"metrics.py sha256 {hashlib.sha256(Path(inspect.getfile(metrics)).read_bytes()).hexdigest()}",
    }
    content = {"source": source, "tolerance": 1e-12, "thresholds": THRESHOLDS, "cases": cases}
    (FOLDER / "rliable.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
