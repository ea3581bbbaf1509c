"""`actlab papers`, `reproduce` and `claims`. Everything but the standard library is imported inside the functions."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actlab.cli.commands import columns, show, use_device, wrapped
from actlab.core.errors import ActlabError


def papers(options: argparse.Namespace) -> None:
    """`actlab papers [list | show SLUG | search WORD... | tags | page [SLUG...] | import-table FILE | sync]`"""
    word, *rest = options.words or ["list"]
    results = Path(options.results or "results")
    if word == "page":
        return _page(options, rest, results)
    if word == "search":
        return _search(options, " ".join(rest), results)
    if word == "import-table":
        return _import_table(options, rest)
    if word == "sync" and not rest:
        return _sync(options)
    if word == "list" and not rest and options.unreviewed:
        return _unreviewed(options)
    if word in ("list", "tags") and not rest:
        return (_list if word == "list" else _tags)(options, results)
    slug = rest if word == "show" else [word, *rest]
    if len(slug) != 1:
        raise ActlabError("Name one paper: actlab papers show SLUG")
    _show(options, slug[0], results)


def _page(options: argparse.Namespace, slugs: Sequence[str], results: Path) -> None:
    from actlab.papers.index import write_index
    from actlab.papers.page import write_page

    docs = Path(options.docs)
    written = [str(write_page(paper, results, docs)) for paper in _chosen(slugs)]
    if not slugs:
        written.append(str(write_index(results, docs)))
    show(options, written, "\n".join(f"wrote {path}" for path in written))


def _chosen(names: Sequence[str]) -> list[Any]:
    """The papers of these names; all where there are none."""
    from actlab.papers.registry import PAPERS, find_paper

    return [find_paper(name) for name in names or [entry.name for entry in PAPERS]]


# --- lists and search --------------------------------------------------------------------------------


def _kept(options: argparse.Namespace, results: Path) -> list[Any]:
    """The entries that the flags ask for, newest first."""
    from actlab.papers.catalogue import Filter, entries

    wanted = Filter(
        tags=options.tag or (),
        kinds=options.kind or (),
        statuses=[status.replace("-", " ") for status in options.status or ()],
        since=options.since or "",
        until=options.until or "",
    )
    return [entry for entry in entries(results) if wanted.keeps(entry)]


def _list(options: argparse.Namespace, results: Path) -> None:
    kept = _kept(options, results)
    show(options, [_facts(entry) for entry in kept], _rows(kept) or "No paper is like that.")


def _search(options: argparse.Namespace, query: str, results: Path) -> None:
    from actlab.papers.catalogue import find

    if not query.strip():
        raise ActlabError("Say what to look for: actlab papers search WORD...")
    found = find(_kept(options, results), query)
    data = [{**_facts(entry), "score": hit.score, "words": list(hit.words)} for entry, hit in found]
    show(options, data, _rows([entry for entry, _ in found]) or f"No paper is found by {query!r}.")


def _rows(entries: Sequence[Any]) -> str:
    rows = [(e.paper.card.slug, e.status, e.paper.card.date, e.paper.card.title) for e in entries]
    return columns([("paper", "status", "date", "title"), *rows]) if rows else ""


def _facts(entry: Any) -> dict[str, Any]:
    """What a list says of a paper, for `--json`."""
    names = ("slug", "title", "date", "authors", "organisation", "arxiv", "comments", "kinds", "tags", "related")
    facts = {name: getattr(entry.paper.card, name) for name in names}
    return {**facts, "status": entry.status, "claims": {name: vars(found) for name, found in entry.claims.items()}}


def _tags(options: argparse.Namespace, results: Path) -> None:
    import dataclasses

    from actlab.papers.taxonomy import taxonomy

    order, kept = taxonomy(), _kept(options, results)
    rows, data = [("tag", "papers", "survey", "name")], []
    for tag, record in order.tags.items():
        below = order.under(tag)
        number = sum(not below.isdisjoint(entry.paper.card.tags) for entry in kept)
        indent = "  " if len(order.lineage(tag)) > 1 else ""
        rows.append((indent + tag, str(number), getattr(record, "code", ""), record.name))
        data.append({**dataclasses.asdict(record), "papers": number})
    show(options, data, columns(rows))


def _import_table(options: argparse.Namespace, files: Sequence[str]) -> None:
    import json

    from actlab.core.files import write_atomically
    from actlab.papers.survey_table import read_survey_table

    if len(files) != 1:
        raise ActlabError("Name one file: actlab papers import-table FILE.csv")
    found = read_survey_table(files[0])
    data = found.to_json()
    names = len({model.name for model in found.models})
    lines = [f"rows: {len(found.models)}, different names: {names}"]
    lines += [columns([(tag, str(number)) for tag, number in found.counts.items()])]
    lines += [f"mended: {sentence}" for sentence in found.repairs]
    lines += [f"left out: {sentence}" for sentence in found.left_out]
    if options.out:
        path = write_atomically(Path(options.out), json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        lines.append(f"wrote {path}")
    show(options, data, "\n".join(lines))


# --- papers that nobody has read ---------------------------------------------------------------------


def _sync(options: argparse.Namespace) -> None:
    import datetime

    from actlab.papers.sync import API, QUERY, first_day, sync
    from actlab.papers.unreviewed import folder_of, read_unreviewed

    folder = folder_of(options.folder)
    today = datetime.datetime.now(datetime.UTC).date()
    since = options.since or first_day(today, read_unreviewed(folder)[0])
    found = sync(folder, since, query=options.query or QUERY, api=options.api or API)
    data = {"folder": str(folder), "since": since, "new": [vars(paper) for paper in found.new], "known": found.known}
    lines = [f"{len(found.new)} new since {since}, {found.known} known already; in {folder}"]
    show(options, data, "\n".join([*lines, *([_table(found.new)] if found.new else [])]))


def _unreviewed(options: argparse.Namespace) -> None:
    from actlab.papers.unreviewed import folder_of, kept, read_unreviewed

    folder = folder_of(options.folder)
    papers, wrong = read_unreviewed(folder)
    papers = kept(papers, options.since or "", options.until or "")
    for sentence in wrong:
        sys.stderr.write(f"actlab: {sentence}\n")
    show(options, [vars(paper) for paper in papers], _table(papers) if papers else f"No unreviewed paper in {folder}.")


def _table(papers: Sequence[Any]) -> str:
    rows = [(paper.arxiv, "unreviewed", paper.date, str(paper.authors), paper.title) for paper in papers]
    return columns([("arXiv", "status", "date", "authors", "title"), *rows])


# --- one paper ---------------------------------------------------------------------------------------


def _show(options: argparse.Namespace, name: str, results: Path) -> None:
    import dataclasses

    from actlab.papers.catalogue import entries
    from actlab.papers.registry import find_paper

    paper = find_paper(name)
    (entry,) = entries(results, [paper])
    card = paper.card
    when = ", when it is built" if paper.planned else ""
    lines = [f"{card.slug}: {card.title}", wrapped(card.summary), wrapped(f"In actlab{when}: {card.here}"), ""]
    facts = {
        "status": entry.status,
        "date": card.date,
        "authors": str(card.authors or ""),
        "organisation": card.organisation,
        "arXiv": card.arxiv,
        "code": card.code,
        "kind": ", ".join(card.kinds),
        "tags": ", ".join(card.tags),
        "see also": ", ".join(card.related),
    }
    lines += [columns([(key, value) for key, value in facts.items() if value]), ""]
    for claim in paper.claims:
        found = entry.claims[claim.name]
        lines.append(f"{claim.name}{' (primary)' if claim.primary else ''}: {found.status}")
        lines.append(wrapped(claim.text, "    "))
        source = f" ({claim.source})" if claim.source else ""
        lines += [f"    the paper: {claim.published}{source}"] if claim.published else []
        lines += [f"    ours: {found.figure}, scale {found.scale}"] if found.figure else []
        lines += [f"    {found.reason}"] if found.reason else []
    lines.append("")
    if paper.planned:
        lines.append("It is planned: there is this card, and nothing that could be run.")
    else:
        lines.append(f"run it: actlab reproduce {name} --scale smoke|small|paper")
    claims = [{**dataclasses.asdict(claim), **vars(entry.claims[claim.name])} for claim in paper.claims]
    show(options, {**dataclasses.asdict(card), "status": entry.status, "claims": claims}, "\n".join(lines))


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
    from actlab.papers.catalogue import standing
    from actlab.papers.check import check, check_index
    from actlab.papers.record import Edited
    from actlab.papers.sources import Library

    results, docs, library = Path(options.results or "results"), Path(options.docs), Library()
    rows, data, findings = [], [], []
    for paper in chosen:
        findings += check(paper, results, docs, library)
        try:
            stands = standing(paper, results)
        except Edited:  # `check` has said so
            continue
        for name, found in stands.items():
            rows.append((paper.card.slug, name, found.status, found.scale, found.figure or found.reason))
            data.append({"paper": paper.card.slug, "claim": name, **vars(found)})
    if not options.papers:
        findings += check_index(results, docs)
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
