"""What the commands do: each is one function of the parsed options that calls the library and shows its answer.

Everything but the standard library is imported inside the functions.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actlab.cli.catalogue import look_up, table
from actlab.core.errors import ActlabError


def show(options: argparse.Namespace, data: Any, text: str) -> None:
    """The answer on standard output: `data` with `--json`, else `text`."""
    if options.json:
        text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False, default=str)
    sys.stdout.write(text + "\n")


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, two spaces apart."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def use_device(name: str | None) -> None:
    """Let JAX compute on the CPU, on any accelerator, or on one of them; None leaves the choice to JAX.

    Raises:
        ActlabError: there is no such device.
    """
    if name is None:
        return
    os.environ["JAX_PLATFORMS"] = "cpu" if name == "cpu" else "cuda"  # also for worker processes
    if name.isdigit():
        os.environ["CUDA_VISIBLE_DEVICES"] = name
    import jax

    jax.config.update("jax_platforms", os.environ["JAX_PLATFORMS"])
    try:
        found = jax.devices()
    except RuntimeError:
        found = []
    if not found or (found[0].platform == "cpu") != (name == "cpu"):
        raise ActlabError(f"JAX finds no device {name!r} here; accelerators need: pip install 'actlab[cuda12]'.")


# --- lists, from options.json alone ------------------------------------------------------------------


def version(options: argparse.Namespace) -> None:
    """`actlab --version`"""
    from actlab import __version__

    sys.stdout.write(f"actlab {__version__}\n")


def catalogue(options: argparse.Namespace) -> None:
    """`actlab agents [NAME]` and `actlab codes [NAME]`"""
    if options.name is None:
        items = list(table(options.kind).values())
        data = [{"name": item.name, "summary": item.summary} for item in items]
        return show(options, data, columns([(item.name, item.summary) for item in items]))
    item = look_up(options.kind, options.name.partition(":")[0])
    rows = [(f"  {option.name}", option.type, option.shown, option.help) for option in item.options]
    lines = [f"{item.name}: {item.summary}", item.description]
    if rows:
        example = f"{item.name}:{item.options[0].name}={item.options[0].shown}"
        lines += ["", f"options (written {example}), type, default:", columns(rows)]
    data = {
        "name": item.name,
        "summary": item.summary,
        "description": item.description,
        "options": [vars(option) for option in item.options],
    }
    show(options, data, "\n".join(lines))


def completion(options: argparse.Namespace) -> None:
    """`actlab completion bash|zsh|fish`"""
    from actlab.cli.parser import build
    from actlab.core.errors import MissingExtra

    try:
        import shtab
    except ImportError:
        raise MissingExtra("Shell completion", "completion") from None
    sys.stdout.write(shtab.complete(build(completion=True), options.shell) + "\n")
