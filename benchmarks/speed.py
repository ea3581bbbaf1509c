"""The speed page: actlab and its peers side by side, in turns, each measurement in a fresh process on the same cores.

    python benchmarks/speed.py --peers PEERS/bin/python --d3rlpy D3RLPY/bin/python

writes `results/benchmarks/WORK.json` for every work, and `docs/speed.md` from these. Works that have their file are
skipped (`--again` measures them anew), so an interrupted sitting goes on where it stopped; a sitting takes about 25
minutes on two idle cores. `benchmarks/README.md` says how to make the peers' environments. `--page` writes the page
alone, from what is there; `--quick` tries everything once with tiny counts and keeps nothing (`runs/benchmarks`).
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from works import D3RLPY, OURS, PEERS, WORKS, Rival, Work
from works.common import Given, pin
from works.page import render, summary

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "speed.md"


def measure(options: argparse.Namespace) -> None:
    """One measurement, in this process: prints its result as the last line."""
    given = json.loads(options.measure)
    pin(given["cores"])
    module, function = given["function"].split(":")
    work = getattr(importlib.import_module(f"works.{module}"), function)
    print(json.dumps(work(Given(given["settings"], given["threads"], given["began"], given["seed"]))), flush=True)


def environment(threads: int, ours: bool, cache: Path | None) -> dict[str, str]:
    """Variables of a measurement's process: nobody but us sees our sources, and nobody a cache that is not meant."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_", "ACTLAB_"))}
    if not ours:
        kept.pop("PYTHONPATH", None)
    said = {
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONWARNINGS": "ignore",
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)),
    }
    if cache is None:
        return {**kept, **said, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    folder = {"ACTLAB_CACHE": str(cache)}  # actlab makes its own inside, as for everybody
    if not ours:
        folder = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.0"}
    return {**kept, **said, **folder}


def run(python: str, told: dict[str, Any], variables: dict[str, str], limit: float) -> dict[str, Any]:
    """One measurement in a fresh process, or why there is none."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        words = [python, str(Path(__file__).resolve()), "--measure", json.dumps({**told, "began": time.time()})]
        try:
            ended = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return {"value": None, "why": f"not done within {limit:.0f} s", "load": load}
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        sys.stderr.write(ended.stderr)
        return {"value": None, "why": f"ended with code {ended.returncode}", "load": load}
    return {**json.loads(lines[-1]), "load": load}


def threads_of(rival: Rival, cores: list[int]) -> int:
    return rival.threads or len(cores)


class Sitting:
    """What all measurements of one call share."""

    def __init__(self, options: argparse.Namespace):
        given = {OURS: options.ours, PEERS: options.peers, D3RLPY: options.d3rlpy}
        self.pythons = {where: os.path.abspath(python) for where, python in given.items()}  # links stay links
        allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        self.cores = list(allowed)[: options.cores]
        self.quick, self.repeats = options.quick, options.repeats
        self.found: dict[str, dict[str, str]] = {}

    def versions(self, where: str) -> dict[str, str]:
        """Of what an interpreter has."""
        if where not in self.found:
            code = "import json, sys; sys.path.insert(0, sys.argv[1]); from works.common import versions; "
            words = [self.pythons[where], "-c", code + "print(json.dumps(versions()))", str(Path(__file__).parent)]
            self.found[where] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        return self.found[where]

    def measure(self, name: str, work: Work) -> dict[str, Any]:
        """All repeats of all rivals of a work, and the profile where a `must` is missed."""
        settings = {**work.settings, **(work.quick if self.quick else {})}
        there = work.rivals
        rows: dict[str, Any] = {rival.name: {"threads": threads_of(rival, self.cores), "runs": []} for rival in there}

        def one(rival: Rival, function: str, seed: int, limit: float, caches: Path | None) -> dict[str, Any]:
            threads, cache = threads_of(rival, self.cores), caches / rival.name if caches and rival.cache else None
            told = {
                "function": function,
                "settings": settings,
                "cores": self.cores,
                "threads": threads,
                "seed": seed,
            }
            variables = environment(threads, rival.python == OURS, cache)
            return run(self.pythons[rival.python], told, variables, limit)

        with tempfile.TemporaryDirectory() as folder:
            for rival in there:
                if rival.cache:
                    rows[rival.name]["cold"] = one(rival, rival.function, 0, work.limit, Path(folder))
            for repeat in range(1 if self.quick else max(self.repeats, work.repeats)):
                turn = repeat % len(there)
                for rival in there[turn:] + there[:turn]:  # nobody is always behind the same one
                    row = one(rival, rival.function, repeat, work.limit, Path(folder))
                    rows[rival.name]["runs"].append(row)
                    print(f"{name}: {rival.name}: {row['value']} {row.get('why', work.unit)}", flush=True)
        result: dict[str, Any] = {
            "work": name,
            "settings": settings,
            "machine": machine(),
            "cores": len(self.cores),
            "versions": {where: self.versions(where) for where in sorted({rival.python for rival in there})},
            "command": command(name),
            "rivals": rows,
        }
        missed = any(line.met is False for line in summary(work, result))
        if work.profile and (missed or self.quick):
            result["profile"] = one(work.rivals[0], work.profile, 0, 3 * work.limit, None)
            print(f"{name}: profile: {result['profile']}", flush=True)
        return result


def command(name: str) -> str:
    return f"python benchmarks/speed.py --peers PEERS --d3rlpy D3RLPY --only {name} --again"


def machine() -> dict[str, object]:
    """What it is, without its name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": model or platform.processor(),
        "vectors": sorted(flag for flag in flags.split() if flag.startswith("avx")),
        "cores": os.cpu_count(),
    }


def write(path: Path, text: str) -> None:
    """All or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=sys.executable, help="interpreter that has actlab[mujoco,envpool] (this one)")
    parser.add_argument("--peers", help="interpreter that has benchmarks/peers.txt")
    parser.add_argument("--d3rlpy", help="interpreter that has benchmarks/peers-d3rlpy.txt")
    parser.add_argument("--only", nargs="+", choices=list(WORKS), default=list(WORKS), metavar="WORK")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--repeats", type=int, default=3, help="at least so many measurements of everybody (3)")
    parser.add_argument("--cores", type=int, default=2, help="everybody is kept on the first so many (2)")
    parser.add_argument("--quick", action="store_true", help="tiny counts, once: does everything run?")
    parser.add_argument("--page", action="store_true", help="write the page alone")
    parser.add_argument("--out", type=Path, help="folder of the results (results/benchmarks)")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options)
        return
    out = options.out or ROOT / ("runs/benchmarks" if options.quick else "results/benchmarks")
    if not options.page:
        if not (options.peers and options.d3rlpy):
            parser.error("the peers' interpreters are needed: --peers and --d3rlpy (see benchmarks/README.md)")
        sitting = Sitting(options)
        for name in options.only:
            path = out / f"{name}.json"
            if options.again or options.quick or not path.exists():
                write(path, json.dumps(sitting.measure(name, WORKS[name]), indent=1) + "\n")
    page = out / "speed.md" if options.out or options.quick else PAGE
    write(page, render(out))
    print(page.relative_to(ROOT) if page.is_relative_to(ROOT) else page)


if __name__ == "__main__":
    main()
