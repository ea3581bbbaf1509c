"""Files that are either the old ones or the new ones, never half of either."""

import os
from pathlib import Path

from actlab.core.errors import ActlabError


def write_atomically(path: str | Path, content: bytes | str) -> Path:
    """Write a whole file: under a temporary name beside it, then renamed. Text is UTF-8. Folders are made.

    Raises:
        ActlabError: the disk refuses the file; what was there before stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ActlabError(f"{path} could not be written: {error.strerror or error}.") from error
    return path


def remove_temporaries(path: str | Path) -> None:
    """Remove what writers of `path`, or of every file that a pattern in its name fits, left when they were killed.

    For the one process that writes there: another's file, half written, would go too.
    """
    path = Path(path)
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        left.unlink(missing_ok=True)
