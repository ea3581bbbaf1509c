"""Do memory and open files stay flat? SAC on a simulator for a time, and a study of many cells, in one process each.

    python benchmarks/memory.py --minutes 60 --cells 500 --out results/trust/memory

Writes `memory.json` and `memory.png` into the folder. A first part of each measurement, in which programs are
compiled and the replay buffer fills, is shown but not judged: growth is that of the median of the last third over
the median of the middle third.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

SHARE = 0.03
"""Growth of the memory that is still called flat: so much comes and goes with the allocator's fragments."""
SAMPLES = 600
"""At most so many are kept."""


class Sampler(threading.Thread):
    """Resident memory (MB) and open file descriptors of this process, every second, until it is told to stop."""

    def __init__(self, seconds: float = float("inf")):
        """
        Args:
            seconds: after which it stops the training as Ctrl-C does.
        """
        super().__init__(daemon=True)
        self.rows: list[tuple[float, float, int]] = []
        self.over, self._seconds = threading.Event(), seconds

    def run(self) -> None:
        began, asked = time.perf_counter(), False
        while not self.over.wait(1.0):
            elapsed = time.perf_counter() - began
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
            self.rows.append((round(elapsed, 1), round(megabytes, 1), len(os.listdir("/proc/self/fd"))))
            if elapsed > self._seconds and not asked:
                asked = True
                os.kill(os.getpid(), signal.SIGINT)


def sac(minutes: float, folder: Path) -> dict[str, Any]:
    """SAC on HalfCheetah with a small replay buffer, evaluations and checkpoints; stopped after `minutes`."""
    import actlab as al

    sampler = Sampler(60 * minutes)
    sampler.start()
    try:
        # the buffer is full soon, and the budget is never reached
        agent = al.agents.SAC(width=64, batch_size=64, capacity=5_000)
        al.train(agent, "HalfCheetah-v5", 10_000_000, out=folder, evaluations=5_000, episodes=2, quiet=True)
    except al.ActlabError as error:
        sampler.over.set()
        return {"what": "SAC on HalfCheetah-v5", "ended": str(error).split(";")[0], "rows": sampler.rows}
    raise AssertionError("the training ended by itself")


def study(cells: int, folder: Path) -> dict[str, Any]:
    """PPO on a task in the graph and one on the host; a seed of a task is two cells, training and evaluation."""
    import actlab as al

    sampler = Sampler()
    sampler.start()
    agent = al.agents.PPO(environments=2, decisions=32, minibatch=32, epochs=1, width=16)
    tasks = ["CartPole-v1", "InvertedPendulum-v5"]
    done = al.compare(
        [agent], tasks, seeds=max(cells // 4, 1), steps=256, evaluations=2, episodes=2, out=folder, quiet=True
    )
    done.report()
    sampler.over.set()
    computed = len(list(folder.glob("cells/*/result.json")))
    return {"what": "a study of PPO on two tasks", "ended": f"{computed} cells", "rows": sampler.rows}


def judged(result: dict[str, Any]) -> dict[str, Any]:
    """The result with growth and a sentence, and with no more rows than a figure shows."""
    rows = result["rows"]
    third = len(rows) // 3
    growth = []
    for column in (1, 2):
        middle, last = (
            statistics.median(row[column] for row in part) for part in (rows[third : 2 * third], rows[2 * third :])
        )
        growth.append((middle, last))
    (before, after), (files, files_after) = growth
    memory = "grew" if after > before * (1 + SHARE) else "did not grow"
    handles = "grew" if files_after > files + 1 else "did not grow"
    said = (
        f"{result['what']} ({result['ended']}, {rows[-1][0] / 60:.0f} min): memory {memory} ({before:.0f} to "
        f"{after:.0f} MB), open files {handles} ({files:.0f} to {files_after:.0f})."
    )
    flat = memory == handles == "did not grow"
    return {**result, "megabytes": [before, after], "files": [files, files_after], "flat": flat, "sentence": said} | {
        "rows": rows[:: max(len(rows) // SAMPLES, 1)]
    }


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """One row of panels a measurement: memory, open files."""
    from actlab.reports.figures import png
    from actlab.reports.style import COLOURS, finish, new_figure, style

    with style():
        figure, panels = new_figure(7.2, 2.3 * len(results), rows=len(results), columns=2)
        for i, result in enumerate(results):
            minutes, megabytes, files = zip(*((row[0] / 60, *row[1:]) for row in result["rows"]), strict=True)
            for axes, values, label, colour in (
                (panels[2 * i], megabytes, "resident memory (MB)", COLOURS[0]),
                (panels[2 * i + 1], files, "open files", COLOURS[1]),
            ):
                axes.plot(minutes, values, color=colour, linewidth=1.6)
                axes.set_ylim(0, 1.1 * max(values))
                title = f"{result['what']}, {result['ended']}" if axes is panels[2 * i] else ""
                finish(axes, title, "minutes", label, grid="y")
                axes.title.set_fontsize(8.5)
        path.write_bytes(png(figure, 120))


def measured(words: list[str]) -> dict[str, Any]:
    """One measurement, in a process of its own."""
    ended = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True)
    return judged(json.loads(ended.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="of SAC (60)")
    parser.add_argument("--cells", type=int, default=500, help="of the study (500)")
    parser.add_argument("--out", type=Path, default=Path("results/trust"), help="a folder (results/trust)")
    parser.add_argument("--only", choices=("sac", "study"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "run"
            result = sac(options.minutes, folder) if options.only == "sac" else study(options.cells, folder)
        print(json.dumps(result))
        return
    given = ["--minutes", str(options.minutes), "--cells", str(options.cells)]
    results = [measured(["--only", which, *given]) for which in ("sac", "study")]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "memory.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(results, options.out / "memory.png")
    for result in results:
        print(result["sentence"])


if __name__ == "__main__":
    main()
