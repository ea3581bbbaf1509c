"""How fast are the pages of `actlab web` beside 10,000 runs?

    python benchmarks/web.py --out results/benchmarks/web.json

A server of its own over made run folders, asked from this machine; every figure is the median and the 95th percentile
of the time from a request to the whole answer. Indexing is timed with an empty index, and again when nothing changed.
"""

import argparse
import gzip
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

import numpy as np

from actlab.training.checkpoint import write_json
from actlab.training.runs import machine, versions
from actlab.web.index import RunIndex

AGENTS, TASKS = ("ppo", "sac", "dqn", "td3"), ("CartPole-v1", "Pendulum-v1", "Hopper-v5", "actlab/Platform-v0")
PAGES = {
    "feed": "/",
    "search of the feed": "/?q=transfomer",
    "search of the feed, two words": "/?q=language+models",
    "system": "/systems/arsq",
    "runs": "/runs",
    "search of the runs": "/runs?q=hopper",
    "runs by return, last page": "/runs?sort=score&order=down&page=100",
    "map": "/map",
}


def make_runs(root: Path, number: int) -> None:
    """Finished runs as the training loop leaves them, with 50 rows of metrics each."""
    for i in range(number):
        agent, task = AGENTS[i % 4], TASKS[i // 4 % 4]
        config = {"format": 1, "agent": agent, "options": {}, "task": task, "code": "identity", "steps": 1_000}
        config |= {"evaluations": 10, "episodes": 5, "seed": i, "versions": {}, "machine": {}}
        folder = root / f"study-{i // 100}" / f"{task.replace('/', '-')}-{agent}-s{i}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(config))
        rows = [{"steps": 20 * row, "evaluation/return": float(row + i % 97)} for row in range(1, 51)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "result.json").write_text(json.dumps({"steps": 1_000, "seconds": 2.0, "compile_seconds": 1.0}))


def indexed(root: Path) -> dict[str, float]:
    """Seconds to index the folders, and to see that nothing has changed."""
    seconds = []
    for _ in range(2):
        index = RunIndex(root)
        clock = time.perf_counter()
        index.refresh()
        seconds.append(round(time.perf_counter() - clock, 3))
        index.close()
    return {"from nothing": seconds[0], "nothing changed": seconds[1]}


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address) as answer:
        return answer.read()


def weight(address: str, path: str) -> dict[str, int]:
    """Bytes of a page with everything that it loads, as sent, and as gzip would make them."""
    page = fetch(address + path)
    links = re.findall(rb'<(?:script|link rel="(?:icon|stylesheet)"|img)[^>]*?(?:src|href)="([^"]+)"', page)
    parts = [page, *(fetch(urljoin(address, link.decode().replace("&amp;", "&"))) for link in sorted(set(links)))]
    return {"bytes": sum(map(len, parts)), "compressed": sum(len(gzip.compress(part)) for part in parts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=50, help="requests a page")
    parser.add_argument("--results", type=Path, default=Path("results"), help="of the papers")
    parser.add_argument("--out", type=Path, help="a JSON file to write the figures to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_runs(root, options.runs)
        result = {"runs": options.runs, "repeats": options.repeats, "seconds to index": indexed(root)}
        words = [sys.executable, "-m", "actlab", "web", "--port=0", f"--runs={root}", "--json"]
        server = subprocess.Popen([*words, f"--results={options.results}"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["address"]
            fetch(f"{address}/static/icon.svg")  # it answers
            result["milliseconds"], result["weight"] = {}, {}
            for page, path in PAGES.items():
                clock = time.perf_counter()
                fetch(address + path)
                first, taken = time.perf_counter() - clock, []
                for _ in range(options.repeats):
                    clock = time.perf_counter()
                    fetch(address + path)
                    taken.append(time.perf_counter() - clock)
                median, worst = (1e3 * np.percentile(taken, share) for share in (50, 95))
                figures = {"first": 1e3 * first, "median": median, "percentile 95": worst}
                result["milliseconds"][page] = {name: round(value, 1) for name, value in figures.items()}
                result["weight"][page] = weight(address, path)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    print(json.dumps(result, indent=1))
    if options.out is not None:
        write_json(options.out, {**result, "machine": machine(), "versions": versions()})


if __name__ == "__main__":
    main()
