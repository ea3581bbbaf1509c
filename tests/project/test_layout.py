"""The house is in order: layers, lengths of files, what is in the package that people install."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "actlab"

LONG_FILES = {
    "src/actlab/core/spaces.py": "seven spaces with one set of methods each: a table, read by kind",
    "src/actlab/core/sets.py": "seven functions over five sets; one table, read by function",
}
"""Files over 400 lines, and why."""


def test_imports_go_down_only():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 kept, 0 broken" in done.stdout


def test_every_room_has_its_layer():
    """A room that no layer names would escape the check."""
    import tomllib

    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = {room.strip() for layer in contract["layers"] for room in layer.split("|")}
    rooms = {f"actlab.{path.parent.name}" for path in SOURCES.glob("*/__init__.py")}
    rooms |= {f"actlab.{path.stem}" for path in SOURCES.glob("*.py") if path.stem not in ("__init__", "__main__")}
    assert rooms == layers


def test_long_files_are_listed_with_a_reason():
    files = [*SOURCES.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    long = {str(p.relative_to(ROOT)) for p in files if len(p.read_text("utf-8").splitlines()) > 400}
    assert long == set(LONG_FILES)


def test_no_host_name_in_the_tested_versions():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        name, separator, version = line.partition("==")
        assert all((separator, name, version)), line
        assert not set("/:@ ") & set(line), line


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in the wheel, built from this checkout without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(file).namelist())


def test_the_wheel_holds_everything_that_the_package_reads(wheel: set[str]):
    def shipped(path: Path) -> bool:
        return path.is_file() and "__pycache__" not in path.parts

    assert {str(path.relative_to(ROOT / "src")) for path in SOURCES.rglob("*") if shipped(path)} <= wheel
    assert {"actlab/py.typed", "actlab/options.json"} <= wheel


def test_the_wheel_holds_nothing_else(wheel: set[str]):
    assert {name.split("/")[0] for name in wheel} == {"actlab", next(n for n in wheel if "METADATA" in n).split("/")[0]}
