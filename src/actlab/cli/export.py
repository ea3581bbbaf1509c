"""`actlab export`. Everything but the standard library is imported inside of the function."""

import argparse

from actlab.cli.commands import show


def export(options: argparse.Namespace) -> None:
    """`actlab export RUN --out DIR [--format onnx]`"""
    from actlab.training.export import export as write

    done = write(options.folder, options.out, format=options.format)
    description = done.description
    names = [f"{name} {shape['dtype']}{shape['shape']}" for name, shape in description["inputs"].items()]
    made = [f"{name} {shape['dtype']}{shape['shape']}" for name, shape in description["outputs"].items()]
    lines = [f"{done.folder / file}" for file in done.files]
    lines += [f"in: {', '.join(names)}", f"out: {', '.join(made)}"]
    model = description["onnx"]
    if model is not None:
        checked = model["largest difference"]
        lines.append(
            "not compared with the policy: ONNX Runtime is not installed (pip install 'actlab[onnx]')"
            if checked is None
            else f"compared with the policy: the largest difference is {checked:.2g}"
        )
    show(options, {"folder": str(done.folder), "files": list(done.files), **description}, "\n".join(lines))
