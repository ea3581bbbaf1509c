"""Progress where standard error is no terminal: a line every ten per cent, and only what is known."""

import pytest

from actlab.training.progress import Progress


def lines_of(capsys: pytest.CaptureFixture, *steps: int, quiet: bool = False) -> list[str]:
    with Progress(100_000, "a run", quiet) as progress:
        for count in steps:
            progress.update(count, 1.5)
    return capsys.readouterr().err.splitlines()


def test_right_after_a_resume_there_is_no_speed_to_tell(capsys):
    first, second = lines_of(capsys, 21_000, 31_000)
    assert first == "a run: 21,000 of 100,000 steps"
    assert second.startswith("a run: 31,000 of 100,000 steps, ")
    assert second.endswith(" s left")
    assert "steps/s (+1.5 s compile)" in second


def test_a_line_every_ten_per_cent(capsys):
    assert len(lines_of(capsys, *range(0, 100_001, 1000))) == 10
    assert lines_of(capsys, *range(0, 100_001, 1000), quiet=True) == []
