"""The speed page is what its generator makes of the committed results; its ratios, verdicts and profiles by hand."""

import importlib
import inspect
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from actlab.actions.identity import Identity
from actlab.agents.sac import SAC
from actlab.core.contracts import TaskSpec
from actlab.core.spaces import Box
from actlab.core.steps import Batch, first_step
from benchmarks.works import ACTLAB, WORKS, Rival, Target, Work, learner, offline, ppo_graph
from benchmarks.works.common import DECIDED, OBSERVED, Given
from benchmarks.works.page import all_counted, number, remarks, render, summary

ROOT = Path(__file__).parents[2]


def result(**values):
    """A result in which every rival has these values, once each; None did not end."""
    runs = lambda found: [{"value": value, "why": "not done within 9 s"} for value in found]  # noqa: E731
    return {"rivals": {name.replace("_", " "): {"threads": 1, "runs": runs(found)} for name, found in values.items()}}


def work(*targets, less_is_better=False):
    return Work("title", "what", "steps/s", (), targets, {}, {}, less_is_better)


def test_the_page_is_made_of_the_committed_results():
    made = render(ROOT / "results" / "benchmarks")
    assert (ROOT / "docs" / "speed.md").read_text("utf-8") == made, "run: python benchmarks/speed.py --page"


def test_a_rate_is_compared_with_the_best_of_the_rivals_medians():
    against = Target(("one thread", "two threads"), 3.0, 4.0)
    (line,) = summary(work(against), result(actlab=[30, 36, 90], one_thread=[9, 8, 1], two_threads=[12, 1, 20]))
    assert (line.ratio, line.met, line.verdict) == (3.0, True, "must")
    (line,) = summary(work(against), result(actlab=[48], one_thread=[None], two_threads=[12, None]))
    assert (line.ratio, line.verdict) == (4.0, "reach")


def test_of_seconds_fewer_are_better():
    (line,) = summary(work(Target(("sbx",), 1.0, None), less_is_better=True), result(actlab=[4.0], sbx=[3.0]))
    assert (line.ratio, line.met, line.verdict) == (0.75, False, "**misses its must**")


@pytest.mark.parametrize(
    ("target", "values", "ratio", "verdict"),
    [
        (Target((), 0.7, 0.9), {"actlab": [0.69]}, 0.69, "**misses its must**"),
        (Target(("sbx",), None, 1.0), {"actlab": [2.0], "sbx": [4.0]}, 0.5, "misses its reach"),
        (Target(("sbx",), 1.0, None), {"actlab": [2.0], "sbx": [None]}, None, "not measured"),
        (Target(("sbx",), 1.0, None), {"actlab": [None], "sbx": [1.0]}, None, "not measured"),
        (Target(("sbx",), 1.0, None), {"actlab": [2.0]}, None, "not measured"),
    ],
)
def test_every_verdict(target, values, ratio, verdict):
    (line,) = summary(work(target), result(**values))
    assert (line.ratio, line.verdict) == (ratio, verdict)


def test_what_was_spent_before_counts_when_all_is_counted():
    run = {"value": 100.0, "timed_seconds": 3.0, "start_seconds": 2.0}
    assert all_counted({"runs": [run, {"value": None}]}) == pytest.approx(60.0)


def test_what_did_not_end_and_what_was_cold_is_said():
    rival = result(sbx=[1.0, None])["rivals"]["sbx"] | {"cold": {"value": 12.34}}
    assert remarks(rival) == "1 of 2 ended (not done within 9 s); with an empty cache 12.3"
    rival = {"runs": [{"value": 1.0, "solved": 1.0}, {"value": 1.0, "solved": 0.0}]}
    assert remarks(rival) == "1 of 2 got there"


def test_a_page_shows_all_that_was_measured(tmp_path):
    """A work that misses its must, one that meets it, and all the others not measured."""
    more = {"work": "x", "machine": {"processor": "P", "cores": 4, "system": "Linux", "vectors": ["avx"]}, "cores": 2}
    more |= {"versions": {"ours": {"jax": "1.2"}}, "command": "python benchmarks/speed.py --only x"}
    bc = result(actlab=[29.0]) | more | {"profile": {"its products: ms an update": 1.25, "load": 0.5}}
    bc["rivals"]["torch by hand, 1 thread"] = {"threads": 1, "runs": [{"value": 10.0, "compile_seconds": 0.0}]}
    (tmp_path / "bc.json").write_text(json.dumps(bc))
    share = result(actlab=[0.915]) | more
    (tmp_path / "sac-learner.json").write_text(json.dumps(share))
    page = render(tmp_path)
    assert page.count("| not measured |") == len(WORKS) - 2
    assert "| 29.0 updates/s | torch by hand | 2.90x | 3x | 4x | **misses its must** |" in page
    assert "| of the product rate | 92% | 70% | 90% | reach |" in page
    assert "Against torch by hand (2.90x of 3x)." in page
    assert "| its products | 1.25 | ms an update |" in page
    assert page.count("- Machine: P, 4 cores (Linux; vectors: avx); everybody is kept on the same 2.") == 1


def test_numbers_have_three_digits_or_so():
    assert [number(x) for x in (None, 0.1234, 12.34, 1234.5)] == ["-", "0.12", "12.3", "1,234"]


def functions():
    for name, row in WORKS.items():
        for function in sorted({rival.function for rival in row.rivals} | {row.profile}):
            yield pytest.param(function, id=f"{name} {function}")


@pytest.mark.parametrize("function", list(functions()))
def test_every_measurement_is_there(function):
    module, name = function.split(":")
    measure = getattr(importlib.import_module(f"benchmarks.works.{module}"), name)
    assert list(inspect.signature(measure).parameters) == ["given"]


def test_targets_name_rivals_and_the_first_rival_is_ours():
    for row in WORKS.values():
        names = [rival.name for rival in row.rivals]
        assert names[0] == ACTLAB
        assert len(set(names)) == len(names)
        assert {name for target in row.targets for name in target.against} < {*names}
        assert set(row.quick) <= set(row.settings)
        assert all(isinstance(rival, Rival) for rival in row.rivals)


def test_solved_is_the_mean_of_the_last_twenty_episodes_or_more():
    assert not ppo_graph.solved([])
    assert not ppo_graph.solved([(19, 19 * 500.0)])
    assert ppo_graph.solved([(19, 0.0), (8, 8 * 500.0), (0, 0.0), (12, 12 * 475.0)])
    assert not ppo_graph.solved([(19, 0.0), (7, 7 * 500.0), (12, 12 * 475.0)])


def test_operations_of_an_update_are_those_that_the_compiler_counts(key):
    """The products are nearly all of it: XLA's own count of SAC's update is a few per cent higher."""
    agent = SAC()
    observed, decided = Box(-1.0, 1.0, (OBSERVED,)), Box(-1.0, 1.0, (DECIDED,))
    spec = TaskSpec("test", observed, Identity().fit(decided), horizon=10, discount=0.9)
    step = jax.vmap(jax.vmap(first_step))(np.zeros((256, 1, OBSERVED), np.float32))
    code = np.zeros((256, 1, DECIDED), np.float32)
    batch = Batch(step, code, code[:, :, None], step, valid=np.ones((256, 1), bool))
    state = jax.eval_shape(lambda: agent.init(spec, key))
    lowered = jax.jit(lambda state: agent.learn(state, {"replay": batch}, key)).lower(state)
    assert learner.flops() < lowered.cost_analysis()["flops"] < 1.15 * learner.flops()


def test_operations_of_cloning_by_hand():
    """17 x 256 x 256 x 6: forward, the weights' gradient, and the inputs' behind the first layer."""
    products = 17 * 256 + 256 * 256 + 256 * 6
    assert offline.flops("bc") == 2 * 256 * (3 * products - 17 * 256)


def test_a_measurement_counts_its_process_from_the_start():
    given = Given({}, threads=1, began=0.0, seed=0)
    found = given.rate(10.0, 2.0, extra=1.0)
    assert (found["value"], found["extra"], found["compile_seconds"]) == (5.0, 1.0, 0.0)
    assert found["start_seconds"] > 1e9  # since 1970
