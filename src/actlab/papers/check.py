"""Do the committed results, the claims and the pages agree? Everything is computed again from every seed's value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actlab.core.errors import ActlabError
from actlab.papers.card import JUDGED, Paper
from actlab.papers.catalogue import entries
from actlab.papers.index import index, index_path
from actlab.papers.judge import judge
from actlab.papers.page import page, page_path, read_results, shown_figures
from actlab.papers.record import FORMAT, Edited, Json, changed_code, measured, read_sealed
from actlab.papers.result import measured_arms
from actlab.papers.sources import Library

SAME = 1e-9
"""Numbers that differ by less than this share agree: another machine's last digit."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, as one sentence."""

    kind: Literal["error", "stale"]
    """"stale": a result is older than its code or its study; nothing in it is false."""
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


def check(paper: Paper, results: Path, docs: Path, library: Library) -> list[Finding]:
    """Everything that is wrong with what is committed about a paper.

    Args:
        docs: folder of the documentation; where it has no folder `papers`, pages are not looked at.
    """
    slug = paper.card.slug
    if paper.planned:
        return _check_planned(paper, results, docs)
    found = [Finding("error", f"{slug}: no scale has the arm {arm!r} of a claim.") for arm in paper.unknown_arms()]
    records: dict[str, dict[str, Json]] = {}
    for path in sorted((results / slug / "cells").glob("*.json")):
        try:
            records[path.stem] = read_sealed(path, FORMAT)
        except ActlabError as error:
            found.append(Finding("error", str(error)))
    try:
        kept = read_results(paper, results)
    except ActlabError as error:
        return [*found, Finding("error", str(error))]
    for scale, result in kept.items():
        place = str(results / slug / f"{scale}.json")
        found += [Finding("error", f"{place}: {sentence}") for sentence in _numbers(paper, result, records)]
        found += [Finding("stale", f"{place} {sentence}") for sentence in _age(paper, scale, result, records, library)]
    if orphans := records.keys() - {cell for scale in JUDGED for cell in _addresses(paper.plan(scale))}:
        many = f"{len(orphans)} {'record' if len(orphans) == 1 else 'records'}"
        found.append(Finding("stale", f"{results / slug / 'cells'} holds {many} of cells that no study asks for."))
    if (docs / "papers").is_dir():
        found += [Finding("error", sentence) for sentence in _page(paper, kept, results, docs)]
    return found


def _check_planned(paper: Paper, results: Path, docs: Path) -> list[Finding]:
    found = []
    if (place := results / paper.card.slug).exists():
        found.append(Finding("error", f"{place} is there, and {paper.card.slug} is planned: nothing of it can be run."))
    if (docs / "papers").is_dir():
        found += [Finding("error", sentence) for sentence in _page(paper, {}, results, docs)]
    return found


def check_index(results: Path, docs: Path) -> list[Finding]:
    """Does the list of all papers in the documentation say what cards and results say?"""
    path = index_path(docs)
    if not path.parent.is_dir():
        return []
    try:
        text = index(entries(results))
    except Edited:  # `check` has said so
        return []
    if path.exists() and path.read_text("utf-8") == text:
        return []
    return [Finding("error", f"{path} does not say what cards and results say; write it again: actlab papers page")]


def _numbers(paper: Paper, result: Mapping[str, Json], records: Mapping[str, Mapping[str, Json]]) -> Iterator[str]:
    """Where a result contradicts the records of its cells, or a claim its seeds."""
    for name, arm in result["arms"].items():
        for seed in arm["seeds"]:
            who = f"seed {seed['seed']} of {name}"
            if (record := records.get(seed["address"])) is None:
                yield f"{who} has no record cells/{seed['address']}.json that can be read."
            elif where := differs(seed["values"], measured(record["value"])):
                yield f"{who} has another {where} than its record."
    for claim in paper.tested:
        said = result["claims"].get(claim.name)
        computed = judge(claim, measured_arms(result["arms"], claim.metric)).to_json()
        if said is not None and (where := differs(said, computed)):
            yield (
                f"the claim {claim.name} is {computed['status']!r} by its seeds, and the file says {said['status']!r}."
                if said.get("status") != computed["status"]
                else f"the claim {claim.name} has another {where} by its seeds than the file says."
            )


def _age(
    paper: Paper,
    scale: Any,
    result: Mapping[str, Json],
    records: Mapping[str, Mapping[str, Json]],
    library: Library,
) -> Iterator[str]:
    """What has changed since a result was written."""
    study = paper.plan(scale)
    asked, held = _addresses(study), {s["address"] for arm in result["arms"].values() for s in arm["seeds"]}
    if held - asked or study.arms.keys() != result["arms"].keys():
        yield "is the result of other settings than its study has now."
    if later := (asked & records.keys()) - held:
        yield f"is older than {len(later)} of the cells that its study asks for."
    if new := [claim.name for claim in paper.tested if claim.name not in result["claims"]]:
        yield f"does not know the claim {new[0]}."
    changes = {address: changed_code(records[address], library) for address in held & records.keys()}
    if modules := sorted({module for changed in changes.values() for module in changed}):
        cells = sum(map(bool, changes.values()))
        yield f"is older than its code: {', '.join(modules)} changed since, which {cells} of its {len(held)} cells use."


def _page(paper: Paper, kept: Mapping[str, Any], results: Path, docs: Path) -> Iterator[str]:
    path = page_path(docs, paper.card.slug)
    if not path.exists():
        yield f"{path} is not there; write it: actlab papers page {paper.card.slug}"
    elif path.read_text("utf-8") != page(paper, kept, results):
        yield f"{path} does not say what card and results say; write it again: actlab papers page {paper.card.slug}"
    for name, source in shown_figures(paper, kept, results).items():
        copy = path.with_name(name)
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            yield f"{copy} is not the figure {source}; write it again: actlab papers page {paper.card.slug}"


def _addresses(study: Any) -> set[str]:
    return {cell.address for cells in study.arms.values() for cell in cells}


def differs(first: Json, second: Json, where: str = "value") -> str:
    """The name of the first thing in which two JSON values differ; "" if they agree (numbers: up to rounding)."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        if first.keys() != second.keys():
            return sorted(first.keys() ^ second.keys())[0]
        return next((found for name in first if (found := differs(first[name], second[name], name))), "")
    if isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        return next((found for x, y in zip(first, second, strict=True) if (found := differs(x, y, where))), "")
    if isinstance(first, int | float) and isinstance(second, int | float):
        return "" if abs(first - second) <= SAME * max(abs(first), abs(second)) else where
    return "" if first == second else where
