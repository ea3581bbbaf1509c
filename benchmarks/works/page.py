"""The speed page, from the results alone: no figure of it is typed."""

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ACTLAB, WORKS, Target, Work

Result = Mapping[str, Any]

HEAD = """# Speed

actlab beside its peers: on the same machine and cores, in one sitting, in turns, every measurement in a fresh process.
`python benchmarks/speed.py` measures and writes this page; `benchmarks/README.md` says how to make the peers'
environments. Nothing on this page is typed by hand: the numbers of every repeat are in `results/benchmarks/`.

- A figure is the median of the repeats. Where there are several rivals (or one with several thread counts) in a
  comparison, the best of them counts.
- Rates are those behind the compilation; what comes before, and the rate with all of it counted, stand beside them.
- *Must* is what was promised, *reach* what was hoped for. A line that misses its *must* says so, and a profile at the
  end of the page shows where its time goes.
"""


@dataclass(frozen=True)
class Line:
    """One comparison."""

    label: str
    ratio: float | None
    """Above 1: actlab is so many times faster (or the value itself); None: not measured."""
    target: Target

    @property
    def met(self) -> bool | None:
        """Is the must met? None: there is none, or it was not measured."""
        if self.target.must is None or self.ratio is None:
            return None
        return self.ratio >= self.target.must

    @property
    def verdict(self) -> str:
        if self.ratio is None:
            return "not measured"
        if self.met is False:
            return "**misses its must**"
        if self.target.reach is not None and self.ratio >= self.target.reach:
            return "reach"
        return "must" if self.met else "misses its reach"


def values(rival: Result) -> list[float]:
    """Of the repeats that ended."""
    return [run["value"] for run in rival["runs"] if run["value"] is not None]


def median(rival: Result | None) -> float | None:
    return statistics.median(values(rival)) if rival and values(rival) else None


def summary(work: Work, result: Result) -> list[Line]:
    """All comparisons of a work."""
    mine = median(result["rivals"].get(ACTLAB))
    lines = []
    for target in work.targets:
        theirs = [m for name in target.against if (m := median(result["rivals"].get(name))) is not None]
        label = target.label or ", ".join(target.against) or work.unit
        ratio = mine
        if target.against:
            ratio = None
            if mine is not None and theirs:
                ratio = min(theirs) / mine if work.less_is_better else mine / max(theirs)
        lines.append(Line(label, ratio, target))
    return lines


def number(value: float | None) -> str:
    """Three digits or so."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def goal(value: float | None, line: Line) -> str:
    if value is None:
        return "-"
    return f"{value:.0%}" if not line.target.against else f"{value:g}x"


def reached(line: Line) -> str:
    if line.ratio is None:
        return "-"
    return f"{line.ratio:.0%}" if not line.target.against else f"{line.ratio:.2f}x"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def remarks(rival: Result) -> str:
    """What a median does not say."""
    runs, said = rival["runs"], []
    lost = [run for run in runs if run["value"] is None]
    if lost:
        said.append(f"{len(runs) - len(lost)} of {len(runs)} ended ({lost[0]['why']})")
    solved = [run["solved"] for run in runs if "solved" in run]
    if solved and not all(solved):
        said.append(f"{sum(map(int, solved))} of {len(solved)} got there")
    if rival.get("cold", {}).get("value") is not None:
        said.append(f"with an empty cache {number(rival['cold']['value'])}")
    return "; ".join(said)


def typical(rival: Result, name: str) -> float | None:
    """The median of something else that the repeats noted."""
    noted = [run[name] for run in rival["runs"] if run.get(name) is not None]
    return statistics.median(noted) if noted else None


def all_counted(rival: Result) -> float | None:
    """A rate as it were with everything in the process before the timed part counted."""
    runs = [run for run in rival["runs"] if run["value"] is not None and "start_seconds" in run]
    whole = [run["value"] * run["timed_seconds"] / (run["timed_seconds"] + run["start_seconds"]) for run in runs]
    return statistics.median(whole) if whole else None


def section(work: Work, result: Result) -> Iterator[str]:
    """A work's own table: every rival, its spread, and what compilation costs."""
    yield from (f"### {work.title}", "", work.what, *work.notes, "")
    rows = []
    for name, rival in result["rivals"].items():
        found = values(rival)
        spread = f"{number(min(found))} to {number(max(found))}" if found else "-"
        row = (name, str(rival["threads"]), number(median(rival)), spread, str(len(rival["runs"])))
        row += (number(typical(rival, "compile_seconds")),)
        if not work.less_is_better:
            row += (number(typical(rival, "start_seconds")), number(all_counted(rival)))
        rows.append((*row, remarks(rival)))
    head = ("rival", "threads", work.unit, "range", "repeats", "compilation (s)")
    if not work.less_is_better:
        head += ("all before (s)", f"{work.unit}, all counted")
    yield from table((*head, ""), rows)
    yield from ("", f"`{result['command']}`", "")


def sitting(results: Mapping[str, Result]) -> Iterator[str]:
    """Machines and versions, each once."""
    machines, versions = {}, {}
    for result in results.values():
        machine, cores = result["machine"], result["cores"]
        vectors = ", ".join(machine["vectors"]) or "none named"
        said = f"{machine['processor']}, {machine['cores']} cores ({machine['system']}; vectors: {vectors})"
        machines[f"{said}; everybody is kept on the same {cores}"] = None
        for where, found in result["versions"].items():
            versions[f"{where}: " + ", ".join(f"{name} {version}" for name, version in found.items())] = None
    yield from (f"- Machine: {machine}." for machine in machines)
    yield from (f"- Versions, {said}." for said in versions)
    yield from ("- torch has the threads of the table; XLA takes a thread for each of the cores it is kept on.", "")


def profiles(results: Mapping[str, Result]) -> Iterator[str]:
    """Where the time goes in what misses its must."""
    yield from ("## What misses its must", "")
    missed = {name: result for name, result in results.items() if any(x.met is False for x in lines_of(name, result))}
    if not missed:
        yield "Nothing that was measured."
    for name, result in missed.items():
        labels = [f"{x.label} ({reached(x)} of {goal(x.target.must, x)})" for x in lines_of(name, result) if not x.met]
        yield from (f"### {WORKS[name].title}", "", "Against " + ", ".join(labels) + ".", "")
        parts = [part.partition(": ") for part in result.get("profile", {}) if part != "load"]
        rows = [(part, number(result["profile"][part + sep + unit]), unit) for part, sep, unit in parts if unit]
        yield from table(("part", "time", ""), rows)
        yield ""


def lines_of(name: str, result: Result) -> list[Line]:
    return summary(WORKS[name], result)


def render(folder: Path) -> str:
    """The page of the results in a folder; works without one stand in the table as not measured."""
    paths = {name: folder / f"{name}.json" for name in WORKS}
    results = {name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.exists()}
    rows = []
    for name, work in WORKS.items():
        if name not in results:
            rows.append((work.title, *("-",) * 5, "not measured"))
            continue
        mine = number(median(results[name]["rivals"].get(ACTLAB)))
        for line in lines_of(name, results[name]):
            figures = reached(line), goal(line.target.must, line), goal(line.target.reach, line)
            rows.append((work.title, f"{mine} {work.unit}", line.label, *figures, line.verdict))
    text = [HEAD, *table(("work", "actlab", "against", "ratio", "must", "reach", "met"), rows), ""]
    if results:
        text += ["## The sitting", "", *sitting(results), "## Every work", ""]
        for name, result in results.items():
            text += section(WORKS[name], result)
        text += profiles(results)
    return "\n".join(text).rstrip("\n") + "\n"
