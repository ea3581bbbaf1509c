"""Kill a run at a point, let it go on, and compare what it leaves with what an undisturbed one leaves.

    python -m tests.training.kills --points 20 --out results/trust/kill.json      # the table (half an hour)

The points are drawn, by a seed, from all that the undisturbed run reaches (`victim.points`): first the kind of point,
then which time.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from actlab.core.files import write_atomically

VICTIM = Path(__file__).with_name("victim.py")
KINDS = {
    "ppo": "PPO on CartPole-v1, in the graph",
    "sac": "SAC on Hopper-v5, on the host",
    "bc": "behaviour cloning on Pendulum-v1, from recorded decisions",
    "compare": "a study of two codes and two seeds",
}


class Undisturbed:
    """The runs that nobody kills, each made at first use, and the compiled programs that all processes share."""

    def __init__(self, root: Path):
        self.root = root

    def of(self, kind: str) -> Path:
        """The folder of the undisturbed run."""
        folder, counts = self.root / kind, self.root / f"{kind}.json"
        if not counts.exists():
            assert self.run(kind, folder, "none", counts) == 0
        return folder

    def run(self, kind: str, folder: Path, fault: str, *counts: Path) -> int:
        """The exit code of a process that trains, or goes on, in `folder`."""
        environment = os.environ | {
            "JAX_ENABLE_COMPILATION_CACHE": "true",
            "JAX_COMPILATION_CACHE_DIR": str(self.root / "programs"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        words = [sys.executable, "-W", "ignore", str(VICTIM), kind, str(folder), fault, *map(str, counts)]
        return subprocess.run(words, env=environment, check=False, capture_output=True, timeout=400).returncode

    def point(self, kind: str, seed: int) -> str:
        """A point that the undisturbed run reaches."""
        self.of(kind)
        counts = json.loads((self.root / f"{kind}.json").read_text())
        generator = np.random.default_rng([seed, list(KINDS).index(kind)])
        point = generator.choice([name for name, count in counts.items() if count])
        return f"{point}:{generator.integers(1, counts[point] + 1)}"


def check(undisturbed: Undisturbed, kind: str, faults: list[str], folder: Path) -> None:
    """Kill a run at every one of `faults`, each time it goes on, and let it end.

    Raises:
        AssertionError: a process was not killed, did not go on, or what is left differs.
    """
    whole, kept = undisturbed.of(kind), {}
    for fault in faults:
        assert undisturbed.run(kind, folder, fault) == -signal.SIGKILL, fault
        kept |= {path: path.stat().st_mtime_ns for path in folder.glob("cells/*/result.json")}
    assert undisturbed.run(kind, folder, "none") == 0
    for path, time in kept.items():
        assert path.stat().st_mtime_ns == time, f"{path} was computed twice"
    assert_equal(whole, folder)


def assert_equal(left: Path, right: Path) -> None:
    """The same bits in metrics, weights and replay buffers, of a run or of all runs and scores of a study."""
    runs = sorted(path.parent.relative_to(left) for path in left.rglob("metrics.jsonl"))
    assert runs
    assert runs == sorted(path.parent.relative_to(right) for path in right.rglob("metrics.jsonl"))
    for run in runs:
        assert (left / run / "metrics.jsonl").read_bytes() == (right / run / "metrics.jsonl").read_bytes()
        assert len((left / run / "metrics.jsonl").read_text().splitlines()) > 3
        one, other = saved(left / run), saved(right / run)
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    if (left / "study.json").exists():
        one, other = (json.loads((folder / "study.json").read_text())["arms"] for folder in (left, right))
        for mine, theirs in zip(one, other, strict=True):
            for seed, same in zip(mine["seeds"], theirs["seeds"], strict=True):
                assert (seed["scores"], seed["curve"]) == (same["scores"], same["curve"])


def saved(run: Path) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint, and the rows of its replay buffers, however they lie in segments."""
    with safe_open(run / "checkpoint.safetensors", "numpy") as file:
        ledger = json.loads(file.metadata()["actlab"])["replay"]
    arrays = load_file(run / "checkpoint.safetensors")
    assert not list(run.glob(".*.tmp"))
    for name, segments in ledger.items():
        files = [load_file(run / "replay" / f"{name}-{begin}-{end}.safetensors") for begin, end in segments]
        assert len(list((run / "replay").iterdir())) == len(files) > 0
        for leaf in files[0]:
            arrays[f"{name}{leaf}"] = np.concatenate([file[leaf] for file in files], axis=1)
    return arrays


def main() -> None:
    """Print the table, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20, help="of each kind of run (20)")
    parser.add_argument("--out", type=Path, help="a JSON file")
    options = parser.parse_args()
    table = []
    print("| what | killed at | then |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as root:
        undisturbed = Undisturbed(Path(root))
        for kind, told in KINDS.items():
            for seed in range(options.points):
                fault, wrong = undisturbed.point(kind, seed), ""
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        check(undisturbed, kind, [fault], Path(folder))
                    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
                        wrong = " ".join(str(error).split())
                table.append({"what": told, "seed": seed, "killed_at": fault, "equal": not wrong, "wrong": wrong})
                print(f"| {told} | {fault} | {wrong or 'equal'} |", flush=True)
    if options.out:
        write_atomically(options.out, json.dumps(table, indent=1) + "\n")
    sys.exit(0 if all(row["equal"] for row in table) else 1)


if __name__ == "__main__":
    main()
