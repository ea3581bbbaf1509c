"""`actlab suggest`. Everything but the standard library is imported inside of the function."""

import argparse
import json

from actlab.cli.commands import agent_of, columns, show, use_device, wrapped
from actlab.core.errors import ActlabError


def suggest(options: argparse.Namespace) -> None:
    """`actlab suggest TASK --budget 200k`

    Raises:
        ActlabError: seeds failed (said last, so that the exit code tells).
    """
    use_device(options.device)
    from actlab.training.suggest import suggest as run_suggest

    done = run_suggest(
        options.task,
        options.budget,
        agents=None if options.agent is None else [agent_of(word) for word in options.agent],
        codes=options.code,
        seeds=options.seeds,
        seed=options.seed,
        steps=options.steps,
        shortest=options.shortest,
        out=options.out,
        evaluations=options.evaluations,
        episodes=options.episodes,
        workers=options.workers,
        ray=options.ray,
        command=options.line,
        quiet=options.quiet,
    )
    found, sure = done.result, done.result.sureness
    table = found.table()
    failed = [failure for rung in found.rungs for failure in rung.study.failed]
    lines = [found.headline, "", columns([list(table.header), *table.cells()]), ""]
    lines += [f"left out: {pair.agent} with {pair.code}: {pair.reason}" for pair in found.left_out]
    lines += [f"failed: {failure.arm}, seed {failure.seed}: {failure.sentence}" for failure in failed]
    if found.left_out or failed:
        lines.append("")
    lines += [wrapped(sentence) for sentence in ([sure.sentence] if sure else []) + found.cautions]
    if found.train:
        lines += ["", "To train it for real:", f"  {found.train}", ""]
    lines += [f"page: {done.page()}", f"suggestion: {done.folder / 'suggest.json'}"]
    show(options, {"folder": str(done.folder), **json.loads(found.to_json())}, "\n".join(lines))
    if failed:
        raise ActlabError(f"Failed seeds: {len(failed)}; the sentences are above.")
