"""`actlab video`. Everything but the standard library is imported inside of the function."""

import argparse

from actlab.cli.commands import columns, show, use_device


def video(options: argparse.Namespace) -> None:
    """`actlab video RUN`"""
    use_device(options.device)
    from actlab.reports.verdict import number
    from actlab.training.video import video as film

    made = film(
        options.folder,
        options.task,
        episodes=options.episodes,
        out=options.out,
        fps=options.fps,
        height=options.height,
        sampled=options.sampled,
        seed=options.seed,
        patience=options.patience,
        quiet=options.quiet,
    )
    rows = [(e.title, f"episode {e.index}", f"return {number(e.total)}", f"{e.steps} steps") for e in made.episodes]
    seconds = f"{made.frames / made.fps:.0f} s" if made.frames >= made.fps else f"{made.frames} frames"
    lines = [columns(rows), f"pictures: {made.pictures}", f"video: {made.path} ({seconds})"]
    show(options, vars(made) | {"episodes": [vars(episode) for episode in made.episodes]}, "\n".join(lines))
