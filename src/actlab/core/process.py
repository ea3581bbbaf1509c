"""Who works here: the name of a process that no later one has, and whether it still lives."""

import os
import subprocess
from pathlib import Path


def identity(pid: int | None = None) -> str:
    """The number of a process (this one) and when it started: a number alone is given again to another."""
    pid = os.getpid() if pid is None else pid
    return f"{pid} {_started(pid) or '?'}"


def living(name: str) -> int | None:
    """The number of the process with that `identity`; None where it has ended, or where the name is none."""
    number, _, started = name.strip().partition(" ")
    if not number.isascii() or not number.isdigit() or not 0 < len(number) < 10:
        return None
    now = _started(int(number))
    return int(number) if now is not None and now == started else None


def _started(pid: int) -> str | None:
    """When a process started, in the system's own words; None where there is none, or only its exit code is left."""
    if os.path.exists("/proc/self/stat"):
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] == b"Z" else fields[19].decode()
    found = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, began = found.stdout.strip().partition(" ")
    return began.strip() if began and not state.startswith("Z") else None
