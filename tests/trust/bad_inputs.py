"""The table of what can go wrong: how to bring it about, the sentence that is shown, and the exit code.

python -m tests.trust.bad_inputs          # prints the table of docs/when-something-is-wrong.md
"""

import io
import json
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
from safetensors.numpy import save_file

import actlab.cli

TINY = "--steps 40 --evaluations 1 --episodes 2"
TRAIN = f"train random --task probe/policy-discrete {TINY} --out run"

FAULTY = '''
import time

import gymnasium
import numpy as np


class Faulty(gymnasium.Env):
    """Does what it should for ten steps."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, fault):
        self.fault = fault

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.time += 1
        observation, reward = np.zeros(3, np.float32), 0.0
        if self.time == 10:
            if self.fault == "nan reward":
                reward = float("nan")
            elif self.fault == "infinite observation":
                observation[1] = np.inf
            elif self.fault == "wrong shape":
                observation = np.zeros(4, np.float32)
            elif self.fault == "hangs":
                time.sleep(3600)
            else:
                raise RuntimeError("the simulator is gone")
        return observation, reward, False, False, {}


for name in ("nan reward", "infinite observation", "wrong shape", "hangs", "raises"):
    word = name.title().replace(" ", "")
    gymnasium.register(f"{word}-v0", entry_point=Faulty, kwargs={"fault": name}, max_episode_steps=50)
'''


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    what: str
    words: str
    """The command; it runs in an empty folder that `arrange` has prepared."""
    code: int
    sentence: str
    """A regular expression that the one line on standard error matches."""
    arrange: Callable[[Path, Path], None] = lambda here, trained: None
    """Given the folder, and a finished run of `TRAIN` that may be copied."""


def _copy(here: Path, trained: Path) -> Path:
    return Path(shutil.copytree(trained, here / "run"))


def _unfinished(here: Path, trained: Path) -> Path:
    folder = _copy(here, trained)
    (folder / "result.json").unlink()
    return folder


def _faulty(here: Path, trained: Path) -> None:
    (here / "faulty.py").write_text(FAULTY)


def _truncated(here: Path, trained: Path) -> None:
    checkpoint = _unfinished(here, trained) / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-7])


def _foreign(here: Path, trained: Path) -> None:
    save_file({"weights": np.zeros(3, np.float32)}, _unfinished(here, trained) / "checkpoint.safetensors")


def _newer_checkpoint(here: Path, trained: Path) -> None:
    header = {"actlab": json.dumps({"format": 99})}
    save_file({"weights": np.zeros(3, np.float32)}, _unfinished(here, trained) / "checkpoint.safetensors", header)


def _edit(here: Path, trained: Path, **changes: object) -> None:
    path = _copy(here, trained) / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


class _Burglar:
    """Unpickled, it would leave a file behind."""

    def __reduce__(self) -> tuple:
        return (open, ("burgled", "w"))


def _pickle(here: Path, trained: Path) -> None:
    folder = _copy(here, trained)
    for name in ("learner.safetensors", "checkpoint.safetensors"):
        (folder / name).write_bytes(pickle.dumps(_Burglar()))


CASES = (
    Case("a task that there is not", f"train ppo --task CartPol-v1 {TINY}", 2, "did you mean 'CartPole-v1'"),
    Case("an agent that there is not", f"train pp --task CartPole-v1 {TINY}", 2, "did you mean 'ppo'|invalid choice"),
    Case("an agent's module that there is not", f"train nothing:Agent --task CartPole-v1 {TINY}", 1, "nothing:Agent"),
    Case("a code that there is not", f"train random --task Pendulum-v1 --code bin {TINY}", 2, "did you mean 'bins'"),
    Case("an option that there is not", "train ppo:epocs=3 --task CartPole-v1", 2, "did you mean 'epochs'"),
    Case("a word for a number", "train ppo --task CartPole-v1 --epochs few", 2, "'epochs' of ppo .* whole number"),
    Case("no steps", "train random --task probe/value --steps 0", 2, "steps"),
    Case(
        "a code for other spaces",
        f"train random --task CartPole-v1 --code bins {TINY}",
        1,
        "Codes for Discrete.*identity",
    ),
    Case("an agent for other spaces", f"train dqn --task Pendulum-v1 {TINY}", 1, "bins"),
    Case("a task without its package", f"train random --task nothing:Here-v0 {TINY}", 1, "nothing"),
    Case("a reward of NaN", f"train random --task faulty:NanReward-v0 {TINY}", 1, "reward.*nan", _faulty),
    Case(
        "an infinite observation",
        f"train random --task faulty:InfiniteObservation-v0 {TINY}",
        1,
        "step 10.*(inf|finite)",
        _faulty,
    ),
    Case(
        "an observation of a wrong shape", f"train random --task faulty:WrongShape-v0 {TINY}", 1, "step 10.*4", _faulty
    ),
    Case("a simulator that raises", f"train random --task faulty:Raises-v0 {TINY}", 1, "simulator is gone", _faulty),
    Case(
        "a simulator that hangs",
        f"train random --task faulty:Hangs-v0 {TINY} --patience 2",
        1,
        "hangs at step 10: .* 2 s.*--patience",
        _faulty,
    ),
    Case("no run folder", "resume nowhere", 1, "nowhere is no run folder"),
    Case("a truncated checkpoint", "resume run", 1, "checkpoint.safetensors is damaged", _truncated),
    Case("a foreign checkpoint", "resume run", 1, "no checkpoint of actlab", _foreign),
    Case("a newer checkpoint", "resume run", 1, "newer actlab", _newer_checkpoint),
    Case("a newer run folder", "evaluate run", 1, "newer actlab", lambda h, t: _edit(h, t, format=99)),
    Case("a run folder of something else", "evaluate run", 1, "does not describe a run", lambda h, t: _other(h)),
    Case(
        "a run.json that is no JSON",
        "evaluate run",
        1,
        "run.json could not be read",
        lambda h, t: (_copy(h, t) / "run.json").write_text("{") and None,
    ),
    Case("a pickle in place of the weights", "evaluate run", 1, "damaged or no checkpoint", _pickle),
    Case("another run's folder", f"{TRAIN} --seed 7", 1, "holds another run", lambda h, t: _copy(h, t) and None),
    Case("a folder that cannot be written", f"{TRAIN[:-4]} /proc/actlab/run", 1, "cannot be written"),
    Case(
        "a file in place of the folder", TRAIN, 1, "cannot be written", lambda h, t: (h / "run").write_text("") and None
    ),
    Case("a report of what is no study", "report run", 1, "is no study", lambda h, t: _copy(h, t) and None),
)


def _other(here: Path) -> None:
    (here / "run").mkdir()
    (here / "run" / "run.json").write_text('{"speed": 3}')


def forget_faulty() -> None:
    """What a case has registered with Gymnasium."""
    sys.modules.pop("faulty", None)
    for name in ("NanReward", "InfiniteObservation", "WrongShape", "Hangs", "Raises"):
        gymnasium.registry.pop(f"{name}-v0", None)


def row(case: Case, sentence: str) -> str:
    """The case's line of the table, with the sentence that was shown."""
    shown = sentence.strip().removeprefix("actlab: ").replace("|", "\\|")
    return f"| {case.what} | `actlab {case.words}` | {shown} | {case.code} |"


def main() -> None:
    """Print the table."""
    print("| what is wrong | command | sentence | exit code |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.chdir(root)
        with redirect_stdout(io.StringIO()):
            actlab.cli.main([*TRAIN.split(), "--quiet"])
        for number, case in enumerate(CASES):
            here = root / str(number)
            here.mkdir()
            os.chdir(here)
            case.arrange(here, root / "run")
            said = io.StringIO()
            with redirect_stderr(said):
                actlab.cli.main([*case.words.split(), "--quiet"])
            forget_faulty()
            print(row(case, said.getvalue()))


if __name__ == "__main__":
    main()
