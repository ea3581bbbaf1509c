"""How fast is the web app over many runs, and how heavy are its pages? Makes the runs in a temporary folder.

    python benchmarks/web.py --runs 10000 --out results/benchmarks/web.json

Times are the server's: from a request on its socket to the last byte of the answer, on this machine, one request at
a time on a connection that stays. The folders are indexed first; the index is then made anew from them, for its own
time. A page weighs what a browser is sent for it that has nothing of it yet: the page and every script, style and
picture that it names. Ends with exit code 1 where a limit is missed.
"""

import argparse
import http.client
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIMITS = {"feed": 150, "runs": 150, "feed, search": 50, "runs, search": 50}
"""Milliseconds that the median may take; the 95th percentile, which tells of the machine's other work too, is shown."""
HEAVIEST = 300
"""Kilobytes of the heaviest page."""
QUESTIONS = ("transfomer", "discretisation", "5 authors", "suboptimal data", "quantis")
TASKS = ("CartPole-v1", "Pendulum-v1", "Acrobot-v1", "HalfCheetah-v5")
AGENTS = {"ppo": "identity", "dqn": "identity", "sac": "normalise", "arsq": "coarse-to-fine"}
ROWS = 50


def make(root: Path, count: int) -> None:
    """Runs as the training loop leaves them: one in fifty broken, one in ten not finished."""
    for number in range(count):
        task, agent = TASKS[number % 4], list(AGENTS)[number // 4 % 4]
        folder = root / f"{task.lower()}-{agent}-s{number}-{number * 2654435761 % 2**32:08x}"
        folder.mkdir(parents=True)
        config = {
            "format": 1,
            "agent": agent,
            "options": {"width": 256, "batch_size": 256, "learning_rate": 3e-4, "discount": 0.99},
            "task": task,
            "code": AGENTS[agent],
            "steps": 100_000,
            "evaluations": 10,
            "episodes": 10,
            "seed": number,
            "versions": {},
            "machine": {},
        }
        (folder / "run.json").write_text("{" if number % 50 == 49 else json.dumps(config, indent=1))
        rows = []
        for row in range(1, ROWS + 1):
            values = {"steps": 2_000 * row, "train/return": 1.5 * row, "learn/loss": 1 / row, "learn/entropy": 0.5}
            rows.append({**values, "evaluation/return": 1.6 * row} if row % 5 == 0 else values)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / ".lock").write_text("")
        if number % 10:
            (folder / "result.json").write_text(json.dumps({"steps": 100_000, "seconds": 60.0}))


class Browser:
    """One connection to a server, and what it answers."""

    def __init__(self, address: str):
        self._connection = http.client.HTTPConnection(address.partition("://")[2], timeout=600)

    def get(self, path: str) -> bytes:
        """The body of an answer, as it comes over the line."""
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} was answered with {answer.status}")
        return body

    def weight(self, path: str) -> float:
        """Kilobytes of a page and of all that it names."""
        page = self.get(path)
        named = re.findall(
            r'<(?:link[^>]*rel="(?:stylesheet|icon)"[^>]*href|(?:script|img)[^>]* src)="([^"]+)"', page.decode()
        )
        return (len(page) + sum(len(self.get(name.replace("&amp;", "&"))) for name in dict.fromkeys(named))) / 1000


def timed(do: Callable[..., Any], *words: str) -> float:
    """Milliseconds that it takes."""
    began = time.perf_counter()
    do(*words)
    return 1000 * (time.perf_counter() - began)


def spread(times: list[float]) -> dict[str, Any]:
    """Median and 95th percentile, and the first, which finds nothing prepared."""
    last = statistics.quantiles(times[1:], n=20)[-1]
    return {"repeats": len(times) - 1, "median": round(statistics.median(times[1:]), 1), "p95": round(last, 1)} | {
        "first": round(times[0], 1)
    }


def measure(root: Path, repeats: int) -> dict[str, Any]:
    """Times and weights of a server over the runs."""
    command = [sys.executable, "-m", "actlab", "web", "--port=0", f"--runs={root}", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "JAX_PLATFORMS": "cpu", "HOME": str(root.parent)}
    began = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    assert server.stdout is not None
    try:
        address = json.loads(server.stdout.readline())["address"]
        started = time.perf_counter() - began
        browser = Browser(address)
        asked = {
            "feed": ("/",),
            "runs": ("/runs",),
            "feed, search": tuple(f"/?q={words.replace(' ', '+')}" for words in QUESTIONS),
            "runs, search": ("/runs?q=pendulum+sac", "/runs?q=s777", "/runs?q=nothing"),
            "map": ("/map",),
            "system": ("/systems/arsq",),
        }
        times = {
            name: spread([timed(browser.get, path) for path in islice(cycle(paths), repeats + 1)])
            for name, paths in asked.items()
        }
        links = re.findall(rb'href="(/runs/[0-9a-f]{16})"', browser.get("/runs?state=finished&task=CartPole-v1"))
        run, *others = [link.decode() for link in dict.fromkeys(links)]
        times["run"] = spread([timed(browser.get, run) for _ in range(repeats + 1)])
        picked = "&".join(f"run={link.rpartition('/')[2]}" for link in [run, *others[:9]])
        pages = {
            "feed": "/",
            "runs": "/runs",
            "run": run,
            "compare": f"/compare?{picked}",
            "lab": "/lab",
            "map": "/map",
            "system": "/systems/arsq",
            "subscribe": "/subscribe",
        }
        weights = {name: round(browser.weight(path), 1) for name, path in pages.items()}
    finally:
        server.terminate()
        server.communicate(timeout=60)
    return {"start_seconds": round(started, 2), "milliseconds": times, "kilobytes": weights}


def index(root: Path, repeats: int) -> dict[str, Any]:
    """Seconds in which the index is made from the folders, and in which it is looked through for changes."""
    from actlab.web.index import RunIndex

    opened = RunIndex(root)
    first = timed(opened.refresh) / 1000
    again = [timed(opened.rebuild) / 1000 for _ in range(repeats)]
    looks = [timed(opened.refresh) / 1000 for _ in range(repeats)]
    opened.close()
    return {
        "first": round(first, 2),
        "rebuild": {"repeats": repeats, "median": round(statistics.median(again), 2), "most": round(max(again), 2)},
        "refresh": {"repeats": repeats, "median": round(statistics.median(looks), 2), "most": round(max(looks), 2)},
    }


def machine() -> dict[str, Any]:
    """What it is, without its name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    system = f"{platform.system()} {platform.machine()}"
    return {"system": system, "processor": model or platform.processor(), "cores": os.cpu_count()}


def missed(result: dict[str, Any]) -> list[str]:
    """A sentence for each limit that is not kept."""
    slow = [
        f"{name}: {result['milliseconds'][name]['median']} ms, at most {most}"
        for name, most in LIMITS.items()
        if result["milliseconds"][name]["median"] >= most
    ]
    heavy = [f"{name}: {size} kB, at most {HEAVIEST}" for name, size in result["kilobytes"].items() if size >= HEAVIEST]
    return slow + heavy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--repeats", type=int, default=100, help="of every request (100)")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmarks" / "web.json", help="a file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "runs"
        make(root, options.runs)
        indexed = index(root, 5)
        result = {
            "command": f"python benchmarks/web.py --runs {options.runs} --repeats {options.repeats}",
            "runs": options.runs,
            "index_seconds": indexed,
            **measure(root, options.repeats),
            "limits": {"milliseconds": LIMITS, "kilobytes": HEAVIEST},
            "machine": machine(),
            "versions": {
                "python": platform.python_version(),
                **{package: version(package) for package in ("starlette", "uvicorn", "jinja2")},
            },
        }
    wrong = result["missed"] = missed(result)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: result[name] for name in ("index_seconds", "milliseconds", "kilobytes")}, indent=1))
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
