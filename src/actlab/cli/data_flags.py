"""The words and flags of `actlab data`."""

import argparse

from actlab.cli.values import count, device, seed

NOTE = """

A data set has an id, is kept in Minari's format, and says how it was made: policy, seed, versions, the measured
returns of a uniform policy and of the expert, SHA-256. Its local score is 100 (R - random) / (expert - random).
`audit` reads Minari, robomimic and D4RL files (HDF5), .npz and LeRobot folders, and says what it found."""

EXAMPLES = """\
examples:
  actlab data make local/hopper-medium-replay-v0
  actlab data make local/metaworld-door-open-noise20-v0
  actlab data audit demonstrations.hdf5

A training that was stopped goes on with the same command. The levels of a robot share one training.
"""


def add_data(parser: argparse.ArgumentParser) -> None:
    """The words and flags of `actlab data`."""
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add("action", choices=("make", "list", "show", "audit"), metavar="make|list|show|audit", help="what to do")
    add("names", nargs="*", metavar="ID|PATH", help="data sets; `audit` also takes files and folders")
    scales = ("smoke", "small", "paper")
    text = "how much to make (small: about half an hour a robot)"
    add("--scale", choices=scales, default="small", metavar="|".join(scales), help=text)
    add("--steps", type=count, metavar="N", help="decisions of a robot's data set (by the scale)")
    add("--train-steps", type=count, metavar="N", help="steps of the training behind it (by the scale)")
    add("--seed", type=seed, metavar="S", default=0, help="all that is made follows from it (0)")
    add("--key", action="append", metavar="NAME", help="audit: read only these observations")
    ends = ("terminated", "truncated")
    text = "audit: what a flag `done` tells of (terminated)"
    add("--done", choices=ends, default=ends[0], metavar="|".join(ends), help=text)
    add("--root", metavar="DIR", help="where they lie (MINARI_DATASETS_PATH, or else ~/.minari/datasets)")
    add("--device", type=device, metavar="cpu|gpu|N", help="where to compute (what JAX finds)")
