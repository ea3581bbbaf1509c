"""The figures of a result: every seed of the arms that a claim compares."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from actlab.papers.card import Paper
from actlab.papers.record import Json
from actlab.papers.result import measured_arms


class Group(NamedTuple):
    """Claims that are about the same numbers."""

    number: int
    """From 1, in the order of the paper's claims."""
    metric: str
    task: str
    arms: tuple[str, ...]

    def file(self, scale: str) -> str:
        """Name of its figure."""
        return f"{scale}-{self.number}.png"


def groups(paper: Paper) -> Iterator[Group]:
    """The claims that a paper's study tests, by metric and task, in the order they come."""
    found: dict[tuple[str, str], list[str]] = {}
    for claim in paper.tested:
        found.setdefault((claim.metric, claim.task), []).extend(claim.arms)
    for number, ((metric, task), arms) in enumerate(found.items(), 1):
        yield Group(number, metric, task, tuple(dict.fromkeys(arms)))


def write_figures(paper: Paper, result: Mapping[str, Json], folder: Path) -> list[Path]:
    """Draw `<scale>-<n>.png` for every group of claims that has a value, and return their paths."""
    from actlab.core.files import write_atomically
    from actlab.reports.figures import final_scores, png

    written = []
    for group in groups(paper):
        arms = measured_arms(result["arms"], group.metric)
        values = {name: list(arms[name].finite.values()) for name in group.arms if name in arms}
        if any(values.values()):
            figure = final_scores(
                values, xlabel=group.metric, title=f"{group.task}: every seed, scale {result['scale']}"
            )
            written.append(write_atomically(folder / group.file(result["scale"]), png(figure)))
    return written
