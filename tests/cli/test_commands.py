"""The commands from end to end, in this process, with a policy that costs nothing to train."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from actlab.cli import main

TINY = ["--steps", "40", "--evaluations", "1", "--episodes", "2"]
STUDY = ["compare", "random", "dqn", "--task", "Pendulum-v1", "--code", "normalise", "--seeds", "2", *TINY]


def run(*words: str) -> int:
    return main([*words, "--quiet"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("train") / "run"
    assert run("train", "random", "--task", "probe/policy-discrete", "--out", str(folder), *TINY) == 0
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study of one arm, with one pair that did not fit."""
    folder = tmp_path_factory.mktemp("compare") / "study"
    assert run(*STUDY, "--out", str(folder)) == 0
    return folder


def printed(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_a_run_is_evaluated(trained: Path, capsys: pytest.CaptureFixture[str]):
    assert run("evaluate", str(trained), "--episodes", "5", "--json") == 0
    first = printed(capsys)
    assert len(first["return"]["deterministic"]) == len(first["return"]["stochastic"]) == 5
    assert run("evaluate", str(trained), "--episodes", "5") == 0
    text = capsys.readouterr().out
    assert "mean [95% interval]" in text
    values = first["return"]["stochastic"]
    (line,) = [line for line in text.splitlines() if line.startswith("return") and "stochastic" in line]
    assert line.split()[-1] == f"{max(values):g}"


def test_a_finished_run_is_not_trained_again(trained: Path, capsys: pytest.CaptureFixture[str]):
    before = (trained / "checkpoint.safetensors").stat().st_mtime_ns
    assert run("resume", str(trained), "--json") == 0
    (row,) = printed(capsys)
    assert row["folder"] == str(trained)
    assert row["steps"] >= 40
    value = row["evaluation"]["evaluation/return"]
    assert 0.0 <= value <= 1.0
    assert run("resume", str(trained)) == 0
    assert capsys.readouterr().out == f"{trained}: return {value:g} after {row['steps']} steps\n"
    assert (trained / "checkpoint.safetensors").stat().st_mtime_ns == before


def test_another_run_never_overwrites_one(trained: Path, capsys: pytest.CaptureFixture[str]):
    words = ["train", "random", "--task", "probe/policy-discrete", "--out", str(trained), "--seed", "1", *TINY]
    assert run(*words) == 1
    assert "holds another run" in capsys.readouterr().err


def test_several_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["train", "random", "--task", "probe/policy-discrete", "--seeds", "2", "--seed", "5", *TINY]
    assert run(*words, "--out", str(tmp_path), "--json") == 0
    assert [row["seed"] for row in printed(capsys)] == [5, 6]


def test_a_study_prints_its_verdict_and_what_was_left_out(study: Path, capsys: pytest.CaptureFixture[str]):
    assert run(*STUDY, "--out", str(study)) == 0  # everything is kept
    text = capsys.readouterr().out
    assert "random + normalise" in text
    assert "left out: dqn with normalise" in text
    assert f"report: {study / 'report.html'}" in text
    assert (study / "report.html").stat().st_size > 1000


def test_a_study_as_json(study: Path, capsys: pytest.CaptureFixture[str]):
    assert run(*STUDY, "--out", str(study), "--json") == 0
    data = printed(capsys)
    assert data["verdicts"]["Pendulum-v1"]["winner"] is None
    assert [arm["name"] for arm in data["study"]["arms"]] == ["random + normalise"]
    assert data["study"]["command"].startswith("actlab compare random dqn --task Pendulum-v1")


def test_the_report_is_written_again_elsewhere(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("report", str(study), "--out", str(tmp_path / "copy")) == 0
    assert (tmp_path / "copy" / "report.html").read_bytes() == (study / "report.html").read_bytes()
    assert run("report", str(tmp_path)) == 1


def test_a_study_is_continued_by_its_own_command(study: Path, capsys: pytest.CaptureFixture[str]):
    assert run("resume", str(study)) == 1
    assert "is a study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("train ppo --task CartPol-v1", 2, "did you mean 'CartPole-v1'?"),
        ("train ppo --task CartPole-v1 --epochs few", 2, "The option 'epochs' of ppo should be a whole number"),
        ("train ppo:epocs=3 --task CartPole-v1", 2, "did you mean 'epochs'?"),
        ("train random --task CartPole-v1 --code bins", 1, "Box"),
        ("train dqn --task Pendulum-v1", 1, "bins"),
        ("compare dqn --task Pendulum-v1", 1, "No pair of agent and code fits."),
        ("evaluate nowhere", 1, "nowhere is no run folder"),
        ("resume nowhere", 1, "nowhere is no run folder"),
        ("report nowhere", 1, "nowhere"),
        ("sweep ppo --task CartPole-v1 --vary gamma=0.9,0.99", 2, "ppo has no option 'gamma'"),
        ("sweep ppo --task CartPole-v1 --vary epochs=1,2 --vary epochs=3", 2, "varied twice"),
        ("sweep dqn --task Pendulum-v1 --vary learning_rate=0.1,0.2", 1, "No setting of dqn fits."),
        ("suggest CartPole-v1 --budget 20x", 2, "A budget is steps (200k, 1.5M) or time"),
        ("suggest CartPole-v1 --budget 1k", 1, "The budget affords too short runs"),
        ("suggest Pendulum-v1 --budget 9k --agent dqn --code identity", 1, "No pair fits."),
        ("export nowhere --out policy", 1, "nowhere is no run folder"),
        ("video nowhere --out film.gif", 1, "nowhere is no run folder"),
        ("video nowhere --out film.avi", 1, "an .mp4 or a .gif file"),
        ("tasks check nothing:Here-v0", 1, "nothing"),
        ("tasks check", 1, "Name the task to check"),
        ("tasks one two", 1, "One task at a time"),
    ],
)
def test_what_goes_wrong_is_one_sentence(words: str, code: int, sentence: str, capsys, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert run(*words.split()) == code
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


def test_a_run_is_filmed(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    film = tmp_path / "film.gif"
    assert run("video", str(trained), "--episodes", "2", "--out", str(film), "--height", "120", "--fps", "10") == 0
    text = capsys.readouterr().out
    assert [line.split()[0] for line in text.splitlines()] == ["best", "worst", "pictures:", "video:"]
    assert f"video: {film}" in text
    assert film.read_bytes().startswith(b"GIF89a")


def test_a_sweep_prints_its_settings_and_how_to_confirm_the_best(tmp_path, monkeypatch, capsys):
    from actlab.training import sweep
    from tests.reports.test_sweep import swept

    def computed(agent, task, vary, code, **options):
        assert (task, code, options["grid"]) == ("CartPole-v1", "identity", 2)
        assert vary == {"learning_rate": "1e-4..1e-2:log", "double": "true,false"}
        return sweep.SweepRun(swept(), None, tmp_path)

    monkeypatch.setattr(sweep, "sweep", computed)
    words = "sweep dqn --task CartPole-v1 --vary learning_rate=1e-4..1e-2:log --vary double=true,false --grid 2"
    assert run(*words.split()) == 0
    text = capsys.readouterr().out
    table = text.splitlines()[2:7]
    assert table[0].split()[:3] == ["rate", "head", "double"]
    assert table[1].startswith("0.001")
    assert "  actlab compare ..." in text
    assert f"figure: {tmp_path / 'figures' / 'sweep.png'}" in text
    assert run(*words.split(), "--json") == 0
    assert printed(capsys)["settings"][0]["arm"] == "b"


def test_a_suggestion_prints_its_ranking_and_how_sure_it_is(tmp_path, monkeypatch, capsys):
    from actlab.training import suggest
    from tests.reports.test_suggest import suggestion

    def computed(task, budget, **options):
        assert (task, budget, options["seeds"], options["codes"]) == ("CartPole-v1", "20m", 5, ["identity"])
        assert [type(agent).__name__ for agent in options["agents"]] == ["PPO", "DQN"]
        return suggest.Suggestion(suggestion(), tmp_path)

    monkeypatch.setattr(suggest, "suggest", computed)
    words = "suggest CartPole-v1 --budget 20m --agent ppo:width=32 --agent dqn --code identity".split()  # noqa: SIM905
    assert run(*words) == 1  # one seed failed
    text, said = capsys.readouterr()
    assert said == "actlab: Failed seeds: 1; the sentences are above.\n"
    assert text.splitlines()[0].startswith("task: c + y, with return")
    assert "left out: td3 with identity: it decides over boxes." in text
    assert "cannot separate" in text
    assert "  actlab train c --task task" in text
    assert f"page: {tmp_path / 'suggest.html'}" in text
    assert run(*words, "--json") == 1
    assert printed(capsys)["ranking"][0]["candidate"] == "c + y"


def test_a_task_is_shown(capsys: pytest.CaptureFixture[str]):
    assert run("tasks", "Platform-v0", "--json") == 0
    data = printed(capsys)
    assert data["action"].startswith("OneOf(")
    assert data["runs"] == "in the graph"
    assert run("tasks", "gymnasium/CartPole-v1") == 0
    assert "on the host" in capsys.readouterr().out


def test_tasks_are_listed_with_what_is_known_of_them(capsys: pytest.CaptureFixture[str]):
    assert run("tasks") == 0
    lines = capsys.readouterr().out.splitlines()
    facts = lines[lines.index("CartPole-v1: balance a pole on a cart; pushes left or right") + 1]
    assert facts.strip().startswith("action Discrete(n=2), observation Box(")
    assert facts.endswith("; 500 steps; random 22.2, expert 500, solved 475; in the graph")
    assert run("tasks", "--json") == 0
    rows = {row["name"]: row for row in printed(capsys)}
    assert rows["actlab/Maze-v0"]["action"] == "Discrete(n=4096)"
    assert rows["actlab/Maze-v0"]["horizon"] == 150
    suites = {name: row for name, row in rows.items() if "install" in row}
    ours = [row for name, row in rows.items() if name not in suites]
    assert all(row["summary"] and row["runs"] == "in the graph" and row["reference"] for row in ours)
    assert "pip install 'actlab[dm_control]'" in suites["dm_control/cheetah-run"]["install"]
    assert all(isinstance(row["installed"], bool) and row["runs"] == "on the host" for row in suites.values())


def test_a_task_is_checked(capsys: pytest.CaptureFixture[str]):
    assert run("tasks", "check", "probe/value") == 0
    assert "error" not in capsys.readouterr().out


def test_a_faulty_task_is_found_out(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "faulty_corridor.py").write_text(
        "import gymnasium, numpy as np\n"
        "class Faulty(gymnasium.Env):\n"
        "    observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,))\n"
        "    action_space = gymnasium.spaces.Discrete(2)\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        return np.zeros(1, np.float32), {}\n"
        "    def step(self, action):\n"
        "        return np.full(1, np.nan, np.float32), 0.0, False, False, {}\n"
        "gymnasium.register('Faulty-v0', Faulty, max_episode_steps=9)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert run("tasks", "check", "faulty_corridor:Faulty-v0") == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("error: ")
    assert "faulty_corridor:Faulty-v0 has 1 error; see above." in captured.err


def test_completion_scripts(capsys: pytest.CaptureFixture[str]):
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        script = capsys.readouterr().out
        assert "coarse-to-fine" in script
        assert "--learning-rate" in script or "-l learning-rate" in script


def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys: pytest.CaptureFixture[str]):
    from actlab.training import api
    from actlab.training.loop import Interrupted

    def stopped(*arguments, **options):
        raise Interrupted("Stopped at 20 of 40 steps; go on with: actlab resume runs/x")

    monkeypatch.setattr(api, "train", stopped)
    assert run("train", "random", "--task", "probe/value") == 130
    assert "actlab resume runs/x" in capsys.readouterr().err

    def pressed(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "train", pressed)
    assert run("train", "random", "--task", "probe/value") == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_an_unforeseen_error_is_one_sentence_too(monkeypatch, capsys: pytest.CaptureFixture[str]):
    from actlab.training import api

    def broken(*arguments, **options):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(api, "train", broken)
    assert run("train", "random", "--task", "probe/value") == 1
    assert capsys.readouterr().err == "actlab: RuntimeError: two lines (--debug shows where)\n"
    assert main(["train", "random", "--task", "probe/value", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def device(name: str) -> subprocess.CompletedProcess[str]:
    chosen = f"from actlab.cli.commands import use_device; use_device({name!r})"
    script = f"{chosen}; import jax; print(jax.devices()[0].platform)"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


def test_the_device_is_chosen():
    assert device("cpu").stdout == "cpu\n"


@pytest.mark.skipif(any(d.platform == "gpu" for d in jax.devices()), reason="there is an accelerator")
def test_a_device_that_is_not_there_is_one_sentence():
    done = device("0")
    assert "JAX finds no device '0' here" in done.stderr.splitlines()[-1]
