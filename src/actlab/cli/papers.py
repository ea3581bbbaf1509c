"""`actlab papers`, `reproduce` and `claims`. Everything but the standard library is imported inside the functions."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actlab.cli.commands import columns, show, use_device, wrapped
from actlab.core.errors import ActlabError


def papers(options: argparse.Namespace) -> None:
    """`actlab papers`, `actlab papers show SLUG`, `actlab papers page [SLUG...]`"""
    words = options.words or ["list"]
    results = Path(options.results or "results")
    if words[0] == "page":
        from actlab.papers.page import write_page

        written = [str(write_page(paper, results, Path(options.docs))) for paper in _chosen(words[1:])]
        return show(options, written, "\n".join(f"wrote {path}" for path in written) or "There is no paper yet.")
    if words == ["list"]:
        return _list(options, results)
    slug = words[1:] if words[0] == "show" else words
    if len(slug) != 1:
        raise ActlabError("Name one paper: actlab papers show SLUG")
    _show(options, slug[0], results)


def _chosen(names: Sequence[str]) -> list[Any]:
    """The papers of these names; all where there are none."""
    from actlab.papers.registry import PAPERS, find_paper

    return [find_paper(name) for name in names or [entry.name for entry in PAPERS]]


def _list(options: argparse.Namespace, results: Path) -> None:
    rows, data = [], []
    for paper in _chosen(()):
        claims = _standing(paper, results)
        primary = next(claim.name for claim in paper.claims if claim.primary)
        rows.append((paper.card.slug, claims[primary]["status"], paper.card.date, paper.card.title))
        data.append({"slug": paper.card.slug, "title": paper.card.title, "date": paper.card.date, "claims": claims})
    text = columns([("paper", "primary claim", "date", "title"), *rows]) if rows else "There is no paper yet."
    show(options, data, text)


def _standing(paper: Any, results: Path) -> dict[str, dict[str, Any]]:
    """Claim -> status, scale, our figure; without the statistics where there is no result at all."""
    from actlab.papers.card import JUDGED

    if not any((results / paper.card.slug / f"{scale}.json").exists() for scale in JUDGED):
        nothing = {"status": "not yet run", "scale": "", "figure": "", "reason": ""}
        return {claim.name: dict(nothing) for claim in paper.claims}
    from actlab.papers.page import read_results, standing

    return {
        name: {"status": found.status, "scale": scale, "figure": found.figure, "reason": found.reason}
        for name, (scale, found) in standing(paper, read_results(paper, results)).items()
    }


def _show(options: argparse.Namespace, name: str, results: Path) -> None:
    import dataclasses

    from actlab.papers.registry import find_paper

    paper = find_paper(name)
    card, claims = paper.card, _standing(paper, results)
    lines = [f"{card.slug}: {card.title}", wrapped(card.summary), wrapped(f"In actlab: {card.here}"), ""]
    facts = {"date": card.date, "authors": str(card.authors), "arXiv": card.arxiv, "code": card.code}
    lines += [columns([(key, value) for key, value in facts.items() if value]), ""]
    for claim in paper.claims:
        found = claims[claim.name]
        lines.append(f"{claim.name}{' (primary)' if claim.primary else ''}: {found['status']}")
        lines.append(wrapped(claim.text, "    "))
        source = f" ({claim.source})" if claim.source else ""
        lines += [f"    the paper: {claim.published}{source}"] if claim.published else []
        lines += [f"    ours: {found['figure']}, scale {found['scale']}"] if found["figure"] else []
        lines += [f"    {found['reason']}"] if found["reason"] else []
    lines += ["", f"run it: actlab reproduce {name} --scale smoke|small|paper"]
    data = {**dataclasses.asdict(card), "claims": [{**dataclasses.asdict(c), **claims[c.name]} for c in paper.claims]}
    show(options, data, "\n".join(lines))


def reproduce(options: argparse.Namespace) -> None:
    """`actlab reproduce SLUG --scale SCALE`

    Raises:
        ActlabError: cells failed (said last, so that the exit code tells).
    """
    use_device(options.device)
    from actlab.papers.reproduce import reproduce as run

    done = run(
        options.paper,
        options.scale,
        claim=options.claim,
        results=options.results,
        out=options.out,
        workers=options.workers,
        ray=options.ray,
        renew=options.renew,
        command=options.line,
        quiet=options.quiet,
    )
    rows = [("claim", "status", "figure [95% interval]", "")]
    for name, found in done.result["claims"].items():
        rows.append((name, found["status"], found["figure"] or "-", found["reason"]))
    lines = [columns(rows), ""]
    if options.scale == "smoke":
        lines += ["The smoke scale shows that the parts join up; its figures say nothing about the claims.", ""]
    lines += [f"failed: {who}: {sentence}" for who, sentence in done.failed.items()]
    lines += [f"figure: {figure}" for figure in done.figures]
    lines.append(f"result: {done.path}")
    show(options, {"path": str(done.path), **done.result}, "\n".join(lines))
    if done.failed:
        raise ActlabError(f"Failed cells: {len(done.failed)}; the sentences are above.")


def claims(options: argparse.Namespace) -> None:
    """`actlab claims [SLUG...]`

    Raises:
        ActlabError: something contradicts the seeds, or with `--strict` is stale (said last).
    """
    chosen = _chosen(options.papers)
    if not chosen:
        return show(options, {"claims": [], "findings": []}, "There is no paper yet.")
    from actlab.papers.check import check
    from actlab.papers.record import Edited
    from actlab.papers.sources import Library

    results, docs, library = Path(options.results or "results"), Path(options.docs), Library()
    rows, data, findings = [], [], []
    for paper in chosen:
        findings += check(paper, results, docs, library)
        try:
            standing = _standing(paper, results)
        except Edited:  # `check` has said so
            continue
        for name, found in standing.items():
            rows.append((paper.card.slug, name, found["status"], found["scale"], found["figure"] or found["reason"]))
            data.append({"paper": paper.card.slug, "claim": name, **found})
    text = columns([("paper", "claim", "status", "scale", "figure"), *rows])
    show(
        options,
        {"claims": data, "findings": [vars(finding) for finding in findings]},
        "\n".join([text, *([""] if findings else []), *map(str, findings)]),
    )
    sys.stdout.flush()
    wrong = [finding for finding in findings if options.strict or finding.kind == "error"]
    if wrong:
        raise ActlabError(f"{len(wrong)} {'thing is' if len(wrong) == 1 else 'things are'} wrong; see above.")
