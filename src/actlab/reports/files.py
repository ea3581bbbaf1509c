"""Files that are either the old ones or the new ones, never half of either."""

import os
from pathlib import Path


def write_atomically(path: str | Path, content: bytes | str) -> Path:
    """Write a whole file: under a temporary name beside it, then renamed. Text is UTF-8. Folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
