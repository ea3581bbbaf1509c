"""The generated parts of README and documentation are what the generator writes today."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_generated_tables_are_up_to_date(tmp_path: Path):
    pages = [ROOT / "README.md", ROOT / "docs" / "probes.md"]
    copies = [Path(shutil.copy(page, tmp_path)) for page in pages]
    command = [sys.executable, "-m", "actlab.training.compatibility", *map(str, copies)]
    subprocess.run(command, check=True, cwd=ROOT)
    for page, copy in zip(pages, copies, strict=True):
        assert copy.read_text("utf-8") == page.read_text("utf-8"), "run `make table`"


def test_the_pictures_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert pictures
    assert all((ROOT / picture).stat().st_size > 0 for picture in pictures)
