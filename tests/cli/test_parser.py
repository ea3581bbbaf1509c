"""Command lines: values, suggestions, help, exit codes; all without importing JAX."""

import argparse
import subprocess
import sys

import pytest

from actlab.cli import main, parser, values
from actlab.cli.catalogue import table
from actlab.core.errors import UnknownName

COMMANDS = (
    "train compare sweep suggest evaluate video export resume report tasks agents codes runs data "  # noqa: SIM905
    "papers reproduce claims completion demo".split()
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("20000", 20_000), ("20_000", 20_000), ("20k", 20_000), ("1.5M", 1_500_000), ("2e4", 20_000)],
)
def test_counts(text: str, value: int):
    assert values.count(text) == value


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "k", "", "20kk", "nan", "1e999", "0x10", "3 4"])
def test_what_is_no_count(text: str):
    with pytest.raises(argparse.ArgumentTypeError, match="whole number above 0"):
        values.count(text)


def test_the_whole_command_line_is_understood():
    words = "compare sac dqn:double=false --task A-v0 --task B-v0 --code normalise --code normalise+bins:bins=7"
    options = parser.parse(
        [*words.split(), "--seeds", "3", "--steps", "5k", "--workers", "2", "--ray", "local", "--json"]
    )
    assert options.run == "compare"
    assert options.agents == ["sac", "dqn:double=false"]
    assert options.task == ["A-v0", "B-v0"]
    assert options.code == ["normalise", "normalise+bins:bins=7"]
    assert (options.seeds, options.steps, options.json) == (3, 5000, True)
    assert (options.workers, options.ray) == (2, "local")


def test_an_agent_of_ones_own_is_imported_only_when_the_command_runs():
    options = parser.parse(["compare", "nowhere:Own:width=3", "ppo", "--task", "A-v0"])
    assert options.agents == ["nowhere:Own:width=3", "ppo"]


def test_what_a_sweep_varies_is_split_at_its_first_sign():
    words = "sweep ppo:width=32 --task A-v0 --vary learning-rate=1e-4..1e-2:log --vary epochs=2,4 --random 5"
    options = parser.parse(words.split())
    assert options.vary == [("learning_rate", "1e-4..1e-2:log"), ("epochs", "2,4")]
    assert (options.random, options.grid, options.seeds, options.code) == (5, None, 3, "identity")


def test_an_agents_options_are_flags_of_train():
    options = parser.parse(["train", "--task", "A-v0", "ppo", "--learning-rate", "1e-3"])
    assert getattr(options, "agent.learning_rate") == "1e-3"
    assert getattr(options, "agent.epochs") is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("trian ppo", "There is no command named 'trian'; did you mean 'train'?"),
        ("train ppoo --task A-v0", "There is no agent named 'ppoo'; did you mean 'ppo'?"),
        ("train ppo --task A-v0 --code normalize", "There is no code named 'normalize'; did you mean 'normalise'?"),
        ("train ppo --task A-v0 --code identity+bin", "There is no code named 'bin'; did you mean 'bins'?"),
        ("train ppo --task A-v0 --stpes 5", "does not know '--stpes'; did you mean --steps?"),
        ("train ppo --task A-v0 --learning_rate 1e-3", "did you mean --learning-rate?"),
        ("train ppo", "Missing: --task"),
        ("train ppo --task A-v0 --steps many", "expected a whole number above 0"),
        ("train ppo --task A-v0 --device tpu", "expected cpu, gpu or the number of an accelerator"),
        ("train ppo --task A-v0 --seed -1", "seed"),
        ("compare --task A-v0", "Missing: AGENT"),
        ("sweep ppo --task A-v0", "Missing: --vary"),
        ("sweep ppo --task A-v0 --vary learning_rate", "expected OPTION=LOW..HIGH"),
        ("sweep ppo --task A-v0 --vary epochs=1,2 --grid 3 --random 4", "not allowed with"),
        ("video runs/x --episodes 0", "whole number above 0"),
        ("completion tcsh", "invalid choice: 'tcsh'"),
        ("reproduce", "Missing: SLUG"),
        ("reproduce x --scale huge", "invalid choice: 'huge'"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(words: str, sentence: str, capsys: pytest.CaptureFixture[str]):
    assert main(words.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert captured.err.startswith("actlab: ")
    assert captured.err.count("\n") == 1


def test_flags_are_never_guessed(capsys: pytest.CaptureFixture[str]):
    assert main(["train", "ppo", "--task", "A-v0", "--ste", "5"]) == 2
    assert "--steps" in capsys.readouterr().err


def test_a_traceback_only_with_debug(capsys: pytest.CaptureFixture[str]):
    main(["agents", "nobody"])
    assert "Traceback" not in capsys.readouterr().err
    main(["agents", "nobody", "--debug"])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], [], *([name, "--help"] for name in COMMANDS)])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(words) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "usage: actlab" in captured.out.lower()
    assert "%" not in captured.out.replace("%)", "")


def test_the_package_runs_as_a_module():
    words = [sys.executable, "-m", "actlab", "trian"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "train" in ended.stderr


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]):
    main(["--help"])
    text = capsys.readouterr().out
    assert set(COMMANDS) <= {line.split()[0] for line in text.splitlines() if line.startswith("    ")}


@pytest.mark.parametrize("name", sorted(table("agent")))
def test_help_of_an_agent_shows_its_options_and_defaults(name: str, capsys: pytest.CaptureFixture[str]):
    main(["train", name, "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for option in table("agent")[name].options:
        assert option.flag in text
        assert f"({option.shown})" in text


def test_the_quick_paths_import_nothing_heavy():
    """`--help` before JAX: what these commands print comes from `options.json`."""
    script = (
        "import sys; from actlab.cli import main\n"
        f"for words in [['--help'], ['--version'], ['agents'], ['agents', 'ppo'], ['codes'], ['tasks'],"
        f" ['papers', '--results', 'nowhere'],"
        f" *([c, '--help'] for c in {COMMANDS}), ['train', 'ppo', '--help'], ['trian'], ['train', 'pop']]:\n"
        "    main(words)\n"
        "heavy = {'jax', 'numpy', 'scipy', 'equinox', 'gymnasium', 'matplotlib', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_heavy():
    script = "import sys, actlab; sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_look_up_suggests():
    with pytest.raises(UnknownName, match="did you mean 'ppo'"):
        values.agent("ppp")
