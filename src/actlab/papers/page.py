"""The page of a paper in the documentation, from its card and its results: no figure on it is typed."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from actlab.core.files import write_atomically
from actlab.papers.card import JUDGED, PENDING, Paper, Reported
from actlab.papers.figures import groups
from actlab.papers.judge import Judgement, judge
from actlab.papers.record import Json
from actlab.papers.result import measured_arms, read_result

DOCS = Path("docs")

Results = Mapping[str, Mapping[str, Json]]
"""Scale -> result; scales without one are left out."""


def read_results(paper: Paper, results: Path) -> dict[str, Mapping[str, Json]]:
    """The results that say something of the claims.

    Raises:
        Edited: one was edited by hand.
    """
    found = {scale: read_result(results, paper.card.slug, scale) for scale in JUDGED}
    return {scale: result for scale, result in found.items() if result is not None}


def standing(paper: Paper, found: Results) -> dict[str, tuple[str, Judgement]]:
    """Claim -> the scale that has judged it ("" for none) and the judgement, computed from every seed's value."""
    rows = {}
    for claim in paper.claims:
        rows[claim.name] = "", _without_result(paper, claim)
        if isinstance(claim, Reported):
            continue
        for scale, result in found.items():
            judgement = judge(claim, measured_arms(result["arms"], claim.metric))
            if not rows[claim.name][0]:
                rows[claim.name] = (scale if judgement.status != PENDING else ""), judgement
    return rows


def _without_result(paper: Paper, claim: Any) -> Judgement:
    if paper.planned:
        return Judgement(PENDING, "the system is planned", "")
    if isinstance(claim, Reported):
        return judge(claim, {})
    return Judgement(PENDING, "no result of it is kept", "")


def page_path(docs: Path, slug: str) -> Path:
    """Where a paper's page lies."""
    return docs / "papers" / f"{slug}.md"


def write_page(paper: Paper, results: Path, docs: Path) -> Path:
    """Write a paper's page, and copy the figures that it shows beside it."""
    found = read_results(paper, results)
    for name, source in shown_figures(paper, found, results).items():
        (docs / "papers").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, docs / "papers" / name)
    return write_atomically(page_path(docs, paper.card.slug), page(paper, found, results))


def page(paper: Paper, found: Results, results: Path) -> str:
    """The page as Markdown.

    Args:
        found: the paper's results.
        results: the folder that they lie in, with their figures.
    """
    blocks = [*_card(paper), *_claims(paper, found)]
    shown = shown_figures(paper, found, results)
    for scale, result in found.items():
        blocks += _run(paper, result)
        blocks += [f"![{name}: every seed]({name})" for name in shown if name.startswith(f"{paper.card.slug}-{scale}-")]
    return "\n\n".join(blocks) + "\n"


def shown_figures(paper: Paper, found: Results, results: Path) -> dict[str, Path]:
    """Name beside the page -> the figure among the results that it copies."""
    slug = paper.card.slug
    places = {
        f"{slug}-{group.file(scale)}": results / slug / group.file(scale) for scale in found for group in groups(paper)
    }
    return {name: path for name, path in places.items() if path.exists()}


def escaped(text: str) -> str:
    """Text in which a star is a star (`A*`)."""
    return text.replace("*", "\\*")


def links(slugs: Iterable[str]) -> str:
    """Links to the pages of papers, from a page beside them."""
    return ", ".join(f"[{slug}]({slug}.md)" for slug in slugs)


def _card(paper: Paper) -> list[str]:
    card = paper.card
    facts = [f"`{card.slug}`", card.date]
    facts += [f"{card.authors} {'author' if card.authors == 1 else 'authors'}"] if card.authors else []
    facts += [card.organisation] if card.organisation else []
    facts += [f"[arXiv {card.arxiv}](https://arxiv.org/abs/{card.arxiv})"] if card.arxiv else []
    facts += [escaped(card.code)] if card.code else []
    when = ", when it is built" if paper.planned else ""
    blocks = [
        f"# {escaped(card.title)}",
        f"<!-- made by `actlab papers page {card.slug}`; do not edit -->",
        " · ".join(facts),
        escaped(card.summary),
        f"**In actlab{when}:** {escaped(card.here)}",
    ]
    if paper.planned:
        blocks.append("**Status:** planned. There is this card, and nothing that could be run.")
    if card.symbols:
        blocks.append("Built by " + ", ".join(f"`{symbol}`" for symbol in card.symbols) + ".")
    if card.switches:
        blocks.append("Where the paper and its published code differ, the default is the paper:")
        blocks.append("\n".join(f"- {switch}" for switch in card.switches))
    if card.kinds:
        blocks.append("Kind: " + ", ".join(card.kinds) + ".")
    if card.tags:
        blocks.append("Tags: " + ", ".join(card.tags) + ".")
    if card.related:
        blocks.append(f"See also: {links(card.related)}.")
    return blocks


def _claims(paper: Paper, found: Results) -> list[str]:
    from actlab.reports.table import Table, markdown

    rows, sentences = [], []
    for claim, (scale, judgement) in zip(paper.claims, standing(paper, found).values(), strict=True):
        name = f"**{claim.name}**" if claim.primary else claim.name
        published = escaped(f"{claim.published} ({claim.source})" if claim.source else claim.published)
        seeds = " and ".join(map(str, judgement.seeds)) if scale else ""
        place = f"`results/{paper.card.slug}/{scale}.json`, `claims`, `{claim.name}`" if scale else ""
        rows.append([name, judgement.status, published or None, judgement.figure or None, seeds or None, place or None])
        why = f" *{judgement.status}*: {judgement.reason}." if judgement.reason else ""
        about = claim.task if isinstance(claim, Reported) else f"{claim.task}; {claim.metric}"
        sentences.append(f"- {claim.name}: {escaped(claim.text)} ({escaped(about)}){why}")
    if paper.planned:
        return ["## What it claims", *_reported(rows, sentences)]
    header = ["claim", "status", "the paper's figure", "ours [95 % t interval]", "seeds", "where"]
    return [
        "## What it claims, and what was found",
        markdown(Table(header, rows, len(header))).rstrip(),
        "\n".join(sentences),
        "The primary claim is bold. A difference is candidate minus baseline; how a status is computed stands in "
        "[reproducing](../reproducing.md).",
    ]


def _reported(rows: list[list[str | None]], sentences: list[str]) -> list[str]:
    """The claims of a system that is planned: nothing of ours stands beside the paper's figures."""
    from actlab.reports.table import Table, markdown

    table = markdown(Table(["claim", "status", "the paper's figure"], [row[:3] for row in rows], 3)).rstrip()
    return [table, "\n".join(sentences), "The primary claim is bold. The figures are the paper's own."]


def _run(paper: Paper, result: Mapping[str, Json]) -> list[str]:
    from actlab.reports.statistics import t_interval
    from actlab.reports.table import Table, markdown
    from actlab.reports.verdict import bracket, number
    from actlab.training.study import duration

    budget = [paper.budget] if paper.budget and result["scale"] == "small" else []
    machines = [f"{m['processor']}, {m['cores']} cores, {m['device']}" for m in result["machines"]]
    versions = [", ".join(f"{name} {version}" for name, version in each.items()) for each in result["versions"]]
    facts = [
        f"- command: `{result['command']}`",
        f"- computed by {result['date']}, {duration(result['seconds'])} of cells in all",
        *(f"- machine: {machine}" for machine in machines),
        *(f"- versions: {each}" for each in versions),
    ]
    if not result["complete"]:
        facts.append("- not complete: some planned seeds have no value")
    rows = []
    for group in groups(paper):
        for name, arm in measured_arms(result["arms"], group.metric).items():
            if name in group.arms:
                finite = [value for _, value in sorted(arm.finite.items())]
                seeds = f"{len(finite)} of {arm.planned}"
                mean = bracket(t_interval(finite)) if finite else None
                rows.append([group.task, group.metric, name, seeds, mean, ", ".join(map(number, finite)) or None])
    lost = [
        f"- failed: {name}, seed {seed['seed']}: {seed['sentence']}"
        for name, arm in result["arms"].items()
        for seed in arm["failed"]
    ]
    header = ["task", "metric", "arm", "seeds", "mean [95 % t interval]", "every seed"]
    table = markdown(Table(header, rows, len(header))).rstrip()
    return [f"## Scale `{result['scale']}`", *budget, "\n".join(facts), table, *(["\n".join(lost)] if lost else [])]
