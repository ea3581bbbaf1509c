"""The README's generated part is what the generator writes today."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_compatibility_table_is_up_to_date(tmp_path: Path):
    copy = Path(shutil.copy(ROOT / "README.md", tmp_path))
    subprocess.run([sys.executable, "-m", "actlab.training.compatibility", str(copy)], check=True)
    assert copy.read_text("utf-8") == (ROOT / "README.md").read_text("utf-8"), "run `make table`"


def test_the_pictures_are_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert pictures
    assert all((ROOT / picture).stat().st_size > 0 for picture in pictures)
