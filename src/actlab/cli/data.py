"""`actlab data make|list|show|audit`. Everything but the standard library is imported inside of the functions."""

import argparse
from collections.abc import Mapping
from typing import Any

from actlab.cli.commands import columns, show, use_device
from actlab.cli.values import count, device, seed
from actlab.core.errors import ActlabError

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


def add_flags(parser: argparse.ArgumentParser) -> None:
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


def data(options: argparse.Namespace) -> None:
    """`actlab data make ID...`, `actlab data list`, `actlab data show ID`, `actlab data audit PATH...`

    Raises:
        ActlabError: no data set is named where one is needed, or what the library raises.
    """
    if options.action != "list" and not options.names:
        example = "PATH" if options.action == "audit" else "local/hopper-medium-v0"
        raise ActlabError(f"Name a data set: actlab data {options.action} {example}")
    {"make": _make, "list": _list, "show": _show, "audit": _audit}[options.action](options)


def _make(options: argparse.Namespace) -> None:
    use_device(options.device)
    from actlab.training.datasets import make_data, recipe

    for name in options.names:  # said before the first is made
        recipe(name)
    folders = [
        make_data(
            name,
            scale=options.scale,
            steps=options.steps,
            train_steps=options.train_steps,
            seed=options.seed,
            root=options.root,
            quiet=options.quiet,
        )
        for name in options.names
    ]
    rows = [_row(name, folder) for name, folder in zip(options.names, folders)]
    show(options, rows, columns([_HEADER, *map(_cells, rows)]))


def _list(options: argparse.Namespace) -> None:
    from actlab.data.formats.minari import folder_of, names, root_folder

    rows = [_row(name, folder_of(name, options.root)) for name in names(options.root)]
    text = columns([_HEADER, *map(_cells, rows)]) if rows else f"no data sets in {root_folder(options.root)}"
    show(options, rows, text)


_HEADER = ("id", "episodes", "steps", "return", "local score", "made by")


def _row(name: str, folder: Any) -> dict[str, Any]:
    """What a list tells of a data set, from its metadata alone."""
    from actlab.data.episodes import Recordings, local_score
    from actlab.data.formats.minari import provenance_of

    metadata = provenance_of(folder)
    told = metadata.get("actlab") or {}
    mean = told.get("statistics", {}).get("return", {}).get("mean")
    score = None
    if mean is not None and told.get("reference"):
        score = float(local_score(mean, Recordings((), told)))
    return {
        "id": name,
        "folder": str(folder),
        "episodes": metadata.get("total_episodes"),
        "steps": metadata.get("total_steps"),
        "return": mean,
        "local_score": score,
        "policy": told.get("policy") or metadata.get("algorithm_name"),
        "sha256": told.get("sha256"),
    }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    from actlab.reports.verdict import number

    mean, score = row["return"], row["local_score"]
    return (
        row["id"],
        f"{row['episodes']:,}" if row["episodes"] is not None else "-",
        f"{row['steps']:,}" if row["steps"] is not None else "-",
        "-" if mean is None else number(mean),
        "-" if score is None else number(score),
        str(row["policy"] or "-"),
    )


def _show(options: argparse.Namespace) -> None:
    """All that the metadata of data sets say."""
    import json

    from actlab.data.formats.minari import folder_of, provenance_of

    found = {name: provenance_of(folder_of(name, options.root)) for name in options.names}
    text = [f"{name}\n{json.dumps(metadata.get('actlab') or metadata, indent=1)}" for name, metadata in found.items()]
    show(options, found, "\n".join(text))


def _audit(options: argparse.Namespace) -> None:
    """What is found in files of recorded episodes."""
    from actlab.data.formats import audit

    reports = [audit(name, keys=options.key or None, done=options.done, root=options.root)[1] for name in options.names]
    show(options, [report.facts for report in reports], "\n\n".join(map(_report_text, reports)))


def _report_text(report: Any) -> str:
    from actlab.reports.verdict import number

    told = report.statistics
    lines = [
        f"{report.path}: {report.format}",
        f"{told['episodes']:,} episodes, {told['steps']:,} decisions; {told['terminated']} terminated, "
        f"{told['truncated']} truncated, {told['unended']} without an end on record",
    ]
    for name in ("return", "length"):
        if name in told:
            least, mean, most = (number(told[name][part]) for part in ("least", "mean", "most"))
            lines.append(f"{name}: {mean} on average, {least} to {most}")
    if "success" in told:
        lines.append(f"success: {told['success']:.0%} of the episodes")
    rows = [("part", "shape", "type", "least", "most")]
    for part in report.parts:
        bounds = ("-" if bound is None else number(bound) for bound in (part.least, part.most))
        shapes = " or ".join("x".join(map(str, shape)) or "one number" for shape in part.shapes)
        rows.append((part.name, shapes, ", ".join(part.types), *bounds))
    lines += ["", columns(rows), *(f"note: {note}" for note in report.notes)]
    return "\n".join(lines)
