"""The code blocks of a Markdown page."""

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+?) -->\n)?(?:^<!-- needs: (?P<needs>[\w, ]+) -->\n)?"
    r"^```(?P<language>python|sh)\n(?P<code>.*?)^```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """One block, where it stands, and why it is not run (empty: it is run)."""

    page: Path
    line: int
    language: str
    code: str
    reason: str
    needs: tuple[str, ...]
    """Modules without which it is not run."""


def blocks_of(page: Path) -> list[Block]:
    """All ```python and ```sh blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        needs = tuple(word.strip() for word in (match["needs"] or "").split(",") if word.strip())
        found.append(Block(page, line, match["language"], match["code"], (match["reason"] or "").strip(), needs))
    fences = len(re.findall(r"^```(?:python|sh)\b", text, re.M))
    assert len(found) == fences, f"{page}: {fences} blocks begin, {len(found)} are understood"
    return found
