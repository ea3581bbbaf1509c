"""`actlab sweep`. Everything but the standard library is imported inside of the function."""

import argparse
import json

from actlab.cli.commands import agent_of, columns, show, use_device, wrapped
from actlab.core.errors import ActlabError


def sweep(options: argparse.Namespace) -> None:
    """`actlab sweep AGENT --task ID --vary OPTION=VALUES...`

    Raises:
        ActlabError: seeds failed (said last, so that the exit code tells).
    """
    use_device(options.device)
    from actlab.core.options import OptionError
    from actlab.training.sweep import sweep as run_sweep

    vary = dict(options.vary)
    if len(vary) < len(options.vary):
        raise OptionError("An option is varied twice; put all its values into one --vary OPTION=A,B,C.")
    done = run_sweep(
        agent_of(options.agent),
        options.task,
        vary,
        options.code,
        grid=options.grid,
        random=options.random,
        seeds=options.seeds,
        seed=options.seed,
        steps=options.steps,
        out=options.out,
        evaluations=options.evaluations,
        episodes=options.episodes,
        workers=options.workers,
        ray=options.ray,
        patience=options.patience,
        command=options.line,
        quiet=options.quiet,
    )
    found, failed = done.result, done.result.study.failed
    table = found.table()
    lines = [found.headline, "", columns([list(table.header), *table.cells()]), ""]
    lines += [f"left out: {pair.agent}: {pair.reason}" for pair in found.study.skipped]
    lines += [f"failed: {failure.arm}, seed {failure.seed}: {failure.sentence}" for failure in failed]
    if found.caution:
        lines += [wrapped(found.caution), f"  {found.confirm}", ""]
    lines += [f"figure: {done.figure()}", f"sweep: {done.folder / 'sweep.json'}"]
    data = {"folder": str(done.folder), **json.loads(found.to_json())}
    show(options, data, "\n".join(lines))
    if failed:
        raise ActlabError(f"Failed seeds: {len(failed)}; the sentences are above.")
