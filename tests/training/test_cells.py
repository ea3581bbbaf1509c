"""Cells in worker processes: each worker stays with an arm, and a failure or a death stops only what needs it."""

from actlab.core.studies import Cell
from actlab.training.cells import folder_of
from actlab.training.checkpoint import read_json
from actlab.training.schedule import run_cells

TRAIN = "tests.training.toy_cells:process_cell"


def arm(name: str, fate: str = "fine", seeds: int = 3) -> list[Cell]:
    """`seeds` cells, each with another one as its input."""
    cells = [Cell(TRAIN, {"arm": name, "fate": fate}, seed) for seed in range(seeds)]
    return [Cell(TRAIN, {"arm": name, "fate": "fine", "last": True}, cell.seed, {"train": cell}) for cell in cells]


def test_workers_keep_to_an_arm_and_survive_failures_and_deaths(tmp_path):
    good, better = arm("good"), arm("better")
    failing, dying = arm("failing", "fail", 1), arm("dying", "die", 1)
    events: dict[str, str] = {}
    cells = [*good, *better, *failing, *dying]
    failed = run_cells(cells, tmp_path, workers=2, report=lambda cell, event: events.update({cell.address: event}))

    assert failed[failing[0].address] == failed[failing[0].inputs["train"].address] == "asked to fail"
    assert failed[dying[0].address] == "its worker process died"
    assert len(failed) == 4
    for cell in [*good, *better]:
        assert events[cell.address] == "done"
        assert read_json(folder_of(cell, tmp_path) / "result.json")["inputs"] == ["train"]

    first = [
        read_json(folder_of(arm[0].inputs["train"], tmp_path) / "result.json")["process"] for arm in (good, better)
    ]
    assert first[0] != first[1], "two arms, two workers"

    again = run_cells([*good, *better], tmp_path, workers=2, report=lambda cell, event: events.update({"again": event}))
    assert not again
    assert events["again"] == "kept"
