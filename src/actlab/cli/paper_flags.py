"""The flags of `actlab papers`, `reproduce` and `claims`."""

import argparse
from collections.abc import Callable
from typing import Any

from actlab.cli.catalogue import table
from actlab.cli.values import day
from actlab.papers.card import KINDS, STATUSES


def add_papers(command: Callable[..., Any], choices: Callable[..., None], workers: Callable, device: Callable) -> None:
    """Add the three commands.

    Args:
        command: makes one: (name, function, text, note) -> parser.
        choices: gives an argument its names, for completion.
        workers: adds `--workers` and `--ray`.
        device: adds `--device`.
    """

    def slugs(action: argparse.Action) -> None:
        if table("paper"):
            choices(action, "paper")

    usage = (
        "actlab papers [list | show SLUG | search WORD... | tags | page [SLUG...] | import-table FILE | sync] [flags]"
    )
    text = "list, show or search papers; write their pages"
    papers = command("papers", "papers.papers", text, PAPERS_NOTE, usage=usage)
    papers.epilog = PAPERS_EXAMPLES
    papers.add_argument("words", nargs="*", metavar="WORD", help="what to do (list); or the slug of a paper to show")
    text = "only papers with this tag, or one below it; give it again for more"
    choices(papers.add_argument("--tag", action="append", metavar="TAG", help=text), "tag")
    papers.add_argument("--kind", action="append", choices=tuple(KINDS), metavar="KIND", help=", ".join(KINDS))
    stands = [status.replace(" ", "-") for status in STATUSES]
    papers.add_argument("--status", action="append", choices=stands, metavar="STATUS", help=", ".join(stands))
    papers.add_argument("--since", type=day, metavar="DATE", help="first date: 2025, 2025-03 or 2025-03-01")
    papers.add_argument("--until", type=day, metavar="DATE", help="last date")
    papers.add_argument("--out", metavar="FILE", help="where `import-table` writes JSON")
    papers.add_argument("--unreviewed", action="store_true", help="list what `sync` found, and nobody has read yet")
    text = "folder of unreviewed papers ($ACTLAB_PAPERS, else ~/.local/share/actlab/papers)"
    papers.add_argument("--folder", metavar="DIR", help=text)
    papers.add_argument("--query", metavar="TEXT", help="what `sync` asks arXiv for, in its own language")
    papers.add_argument("--api", metavar="URL", help="where `sync` asks (export.arxiv.org)")
    _results(papers)
    _docs(papers)

    run = command("reproduce", "papers.reproduce", "run a paper's study, and compute what its claims are worth", NOTE)
    run.epilog = EXAMPLES
    slugs(run.add_argument("paper", metavar="SLUG", help="the paper; or module:NAME of one of your own"))
    run.add_argument(
        "--scale", choices=("smoke", "small", "paper"), default="small", help="smoke: seconds; small: hours (default)"
    )
    run.add_argument("--claim", metavar="NAME", help="only the arms of this claim")
    run.add_argument("--renew", action="store_true", help="compute again what is older than its code")
    workers(run)
    _results(run, "results; runs/smoke at the smoke scale")
    run.add_argument("--out", metavar="DIR", help="folder of weights and data sets (runs/papers)")
    device(run)

    claims = command("claims", "papers.claims", "compute every claim's status again, and compare", CLAIMS_NOTE)
    claims.add_argument("papers", nargs="*", metavar="SLUG", help="the papers (all)")
    claims.add_argument("--strict", action="store_true", help="fail for stale results, too")
    _results(claims)
    _docs(claims)


def _results(parser: argparse.ArgumentParser, default: str = "results") -> None:
    parser.add_argument("--results", metavar="DIR", help=f"folder of results ({default})")


def _docs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--docs", metavar="DIR", default="docs", help="folder of the documentation (docs)")


PAPERS_NOTE = """

`show` tells what a paper is about, what it claims and how that stands; `search` finds by words, by their beginnings,
with one slip, and by "5 authors"; `tags` lists the taxonomy. The flags --tag to --until narrow list, search and tags.
`page` writes docs/papers/SLUG.md from card and results, of all papers and with their list where none is named.
`import-table` reads the public table of the survey vla-anatomy, and mends it. `sync` asks arXiv for new papers on
action spaces, and files title, date and number of authors as unreviewed: `list --unreviewed` shows them."""

PAPERS_EXAMPLES = """\
examples:
  actlab papers search latent actions
  actlab papers list --tag restriction --since 2024
  actlab papers show arsq
  actlab papers sync --since 2026-01
  actlab papers list --unreviewed
"""

NOTE = """

What each cell gave is kept under results/SLUG/cells/ as soon as it ends, and is not computed again, on this machine
or another: the same command goes on with what was stopped. At the end (or Ctrl-C) results/SLUG/SCALE.json is written,
with every seed's value and the status of every claim."""

EXAMPLES = """\
examples:
  actlab reproduce SLUG --scale smoke
  actlab reproduce SLUG --scale small --workers 2
  actlab reproduce my_module:PAPER --scale small --results my-results
"""

CLAIMS_NOTE = """

Errors (exit code 1): files edited by hand, a status or a page that contradicts the seeds. Stale results, which are
older than their code or than their study, are listed; with --strict they are errors, too."""
