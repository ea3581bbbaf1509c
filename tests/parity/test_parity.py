"""Ours against reference values of others."""

import json

import numpy as np
import pytest

from actlab.reports import statistics
from tests.parity.make_rliable import THRESHOLDS
from tests.parity.reference import FOLDER, draw, load

RLIABLE = load("rliable")


@pytest.mark.parametrize("case", RLIABLE.cases, ids=lambda case: case.name)
def test_statistics_over_runs_and_tasks(case):
    x, y = ([*case.inputs[name].T] for name in ("x", "y"))
    ours = {
        "mean": statistics.mean(x),
        "median": statistics.median(x),
        "interquartile mean": statistics.interquartile_mean(x),
        "optimality gap at 0.5": statistics.optimality_gap(x, 0.5),
        "probability of improvement": statistics.probability_of_improvement(x, y),
        "profile": statistics.performance_profile(x, THRESHOLDS),
    }
    assert ours.keys() == case.outputs.keys()
    for name, value in ours.items():
        np.testing.assert_allclose(value, case.outputs[name], rtol=RLIABLE.tolerance, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_reference_names_its_source(path):
    reference = load(path.stem)
    assert all(reference.source.values())
    assert 0.0 < reference.tolerance < 1.0


def test_other_inputs_than_those_of_the_source_are_noticed(tmp_path, monkeypatch):
    content = json.loads((FOLDER / "rliable.json").read_text())
    content["cases"][0]["seed"] += 1
    (tmp_path / "other.json").write_text(json.dumps(content))
    monkeypatch.setattr("tests.parity.reference.FOLDER", tmp_path)
    with pytest.raises(AssertionError, match="other inputs drawn"):
        load("other")


def test_inputs_are_drawn_in_order():
    both = draw(4, {"x": {"normal": [2], "decimals": 3}, "y": {"integers": [[3], 5]}})
    alone = draw(4, {"x": {"normal": [2], "decimals": 3}})
    np.testing.assert_array_equal(both["x"], alone["x"])
    assert set(both["y"]) <= set(range(5))
