"""Arms that many papers need, as cells. A paper is free to make cells of its own."""

from collections.abc import Callable, Mapping
from typing import Any

from actlab.core.studies import Cell


def trained(
    agent: Any,
    task: str,
    code: str = "identity",
    *,
    steps: int,
    seeds: int,
    evaluations: int = 10,
    episodes: int = 20,
    test_episodes: int | None = None,
    data: Mapping[str, tuple[Callable[[int], Cell], str]] | None = None,
) -> list[Cell]:
    """An arm: train an agent and score it, once a seed.

    Args:
        agent: an agent; all its options, defaults too, become part of the cells.
        task: by name.
        steps: budget of a seed.
        seeds: how many: 0, 1, ...
        test_episodes: episodes after training; as many as during it where it is not given.
        data: name of a data set -> (seed -> the cell that makes it, `module:function` of (folder, task) that reads
            its rows); see `training.recorded.read_inputs`.
    """
    from actlab.actions.parse import code_text, parse_code
    from actlab.core.registry import AGENTS
    from actlab.training.runs import options_of

    settings = {
        "agent": AGENTS.name_of(type(agent)),
        "options": options_of(agent),
        "task": task,
        "code": code_text(parse_code(code)),
        "steps": steps,
        "evaluations": evaluations,
        "episodes": episodes,
    }
    data = data or {}
    if data:
        settings["readers"] = {name: reader for name, (_, reader) in data.items()}
    final = {"episodes": episodes if test_episodes is None else test_episodes}
    cells = []
    for seed in range(seeds):
        inputs = {name: make(seed) for name, (make, _) in data.items()}
        train = Cell("actlab.training.api:train_cell", settings, seed, inputs)
        cells.append(Cell("actlab.training.api:evaluate_cell", final, seed, {"train": train}))
    return cells
