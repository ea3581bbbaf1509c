"""The page of a paper in the documentation, from its card and its results: no figure on it is typed."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from actlab.core.files import write_atomically
from actlab.papers.card import JUDGED, Card, Paper
from actlab.papers.figures import groups
from actlab.papers.judge import PENDING, Judgement, judge
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
        rows[claim.name] = "", Judgement(PENDING, "no result of it is kept", "")
        for scale, result in found.items():
            judgement = judge(claim, measured_arms(result["arms"], claim.metric))
            if not rows[claim.name][0]:
                rows[claim.name] = (scale if judgement.status != PENDING else ""), judgement
    return rows


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
    blocks = [*_card(paper.card), *_claims(paper, found)]
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


def _card(card: Card) -> list[str]:
    authors = f"{card.authors} {'author' if card.authors == 1 else 'authors'}"
    facts = [f"`{card.slug}`", card.date, authors]
    facts += [f"[arXiv {card.arxiv}](https://arxiv.org/abs/{card.arxiv})"] if card.arxiv else []
    facts += [card.code] if card.code else []
    blocks = [
        f"# {card.title}",
        f"<!-- made by `actlab papers page {card.slug}`; do not edit -->",
        " · ".join(facts),
        card.summary,
        f"**In actlab:** {card.here}",
    ]
    if card.switches:
        blocks.append("Where the paper and its published code differ, the default is the paper:")
        blocks.append("\n".join(f"- {switch}" for switch in card.switches))
    if card.tags:
        blocks.append("Tags: " + ", ".join(card.tags) + ".")
    return blocks


def _claims(paper: Paper, found: Results) -> list[str]:
    from actlab.reports.table import Table, markdown

    rows, sentences = [], []
    for claim, (scale, judgement) in zip(paper.claims, standing(paper, found).values(), strict=True):
        name = f"**{claim.name}**" if claim.primary else claim.name
        published = f"{claim.published} ({claim.source})" if claim.source else claim.published
        seeds = " and ".join(map(str, judgement.seeds)) if scale else ""
        place = f"`results/{paper.card.slug}/{scale}.json`, `claims`, `{claim.name}`" if scale else ""
        rows.append([name, judgement.status, published or None, judgement.figure or None, seeds or None, place or None])
        why = f" *{judgement.status}*: {judgement.reason}." if judgement.reason else ""
        sentences.append(f"- {claim.name}: {claim.text} ({claim.task}; {claim.metric}){why}")
    header = ["claim", "status", "the paper's figure", "ours [95 % t interval]", "seeds", "where"]
    return [
        "## What it claims, and what was found",
        markdown(Table(header, rows, len(header))).rstrip(),
        "\n".join(sentences),
        "The primary claim is bold. A difference is candidate minus baseline; how a status is computed stands in "
        "[reproducing](../reproducing.md).",
    ]


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
