"""What is installed, what each optional part still needs, and how fast this machine computes.

Everything but the standard library is imported inside the functions.
"""

import os
import platform
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any


@dataclass(frozen=True)
class Extra:
    """An optional part of the installation: `pip install 'actlab[name]'`."""

    name: str
    missing: tuple[str, ...]
    """Packages that are not installed."""


def extras() -> list[Extra]:
    """Every extra that users may want (not `dev`), with what it still needs."""
    names = sorted({extra for _, _, extra in _requirements("actlab") if extra not in ("", "dev")})
    return [Extra(name, tuple(_absent("actlab", name))) for name in names]


def _requirements(package: str) -> Iterator[tuple[str, str, str]]:
    """What a package requires: (name, its extra or "", the extra of `package` that asks for it or "")."""
    for text in requires(package) or ():
        named, _, marker = text.partition(";")
        asked = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        found = re.match(r"([\w.-]+)(?:\[([\w-]+)\])?", named)
        if found:
            yield found[1], found[2] or "", asked[1] if asked else ""


def _absent(package: str, extra: str) -> list[str]:
    """What is not installed of that extra, extras of other packages included."""
    missing = []
    for name, its_extra, asked in _requirements(package):
        if asked != extra:
            continue
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
        else:
            missing += _absent(name, its_extra) if its_extra else []
    return missing


def product_speed(size: int = 1024, repeats: int = 5) -> float:
    """Best speed of a float32 matrix product `[size, size]` on the default device, in GFLOP/s."""
    import jax
    import jax.numpy as jnp

    multiply = jax.jit(lambda left, right: left @ right)
    left = jnp.ones((size, size), jnp.float32)
    multiply(left, left).block_until_ready()  # compiles
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        multiply(left, left).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return 2e-9 * size**3 / min(seconds)


def cache_state() -> dict[str, Any]:
    """Folder of the compilation cache, its programs, its size, and whether it can be written."""
    from actlab.training.compilation import cache_folder

    folder = cache_folder() / "xla"
    files = [path for path in folder.glob("*") if path.is_file()] if folder.is_dir() else []
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    return {
        "folder": str(folder),
        "programs": sum(path.name.endswith("-cache") for path in files),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "writable": os.access(nearest, os.W_OK),
    }


def examine() -> Mapping[str, Any]:
    """All findings as JSON values: `versions`, `machine`, `devices`, `gigaflops`, `cache`, `extras`."""
    import jax

    from actlab.training.runs import machine, versions

    return {
        "versions": {**versions(), "platform": platform.platform()},
        "machine": machine(),
        "devices": [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()],
        "gigaflops": round(product_speed(), 1),
        "cache": cache_state(),
        "extras": {extra.name: list(extra.missing) for extra in extras()},
    }


def advice(found: Mapping[str, Any]) -> list[str]:
    """Sentences about what could be better; empty where nothing could."""
    said = []
    if not found["cache"]["writable"]:
        said.append(
            f"The compilation cache {found['cache']['folder']} cannot be written, so every process compiles anew: "
            "set ACTLAB_CACHE to a folder of yours."
        )
    if all(device.startswith("cpu") for device in found["devices"]):
        said.append("JAX computes on the CPU; with an NVIDIA accelerator: pip install 'actlab[cuda12]'.")
    return said
