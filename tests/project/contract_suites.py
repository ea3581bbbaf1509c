"""The page of contract suites, written from the tests themselves: `python -m tests.project.contract_suites`.

Cases are counted from the tests' own parameters, and what they run over from the registries.
"""

import importlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from actlab.core.registry import AGENTS, CODES, TASKS, Registry
from actlab.reports.table import Table, markdown
from actlab.training.compatibility import insert

PAGE = Path(__file__).parents[2] / "docs" / "contract-suites.md"


@dataclass(frozen=True)
class Clause:
    """What is promised, the test that holds it, and what that runs over."""

    promise: str
    test: str
    """`module path::name`, below tests/."""
    over: Callable[[], str] = str


def part(name: str):
    """A test module of ours, by its path below tests/."""
    return importlib.import_module("tests." + name.removesuffix(".py").replace("/", "."))


def share(found: Iterable[str], registry: Registry, noun: str) -> str:
    """How many of what is registered."""
    known = {entry.name for entry in registry}
    count = len(known & set(found))
    return f"{'all ' if count == len(known) else ''}{count} of {len(known)} {noun}"


def codecs() -> str:
    recordings = part("actions/recordings.py")
    return share((recordings.kind_of(text) for text, _ in recordings.PAIRS), CODES, "codecs")


def fuzzed() -> str:
    return share(part("actions/test_fuzz.py").CHOSEN, CODES, "codecs")


def with_numbers() -> str:
    return share(part("actions/test_fuzz.py").WITH_NUMBERS, CODES, "codecs (those that take real numbers)")


def agents() -> str:
    return share(part("agents/test_every_agent.py").CASES, AGENTS, "agents")


def tasks() -> str:
    return share(part("tasks/test_every_task.py").NAMES, TASKS, "tasks")


def masked() -> str:
    return share(part("tasks/test_every_task.py").MASKED, TASKS, "tasks (those with sets)")


def kinds() -> str:
    return f"{len(part('nets/heads/test_samples.py').CASES)} heads with a set or without"


def sb3() -> str:
    return share(part("peers/test_stable_baselines3.py").NAMES, TASKS, "tasks (its spaces)")


def torchrl() -> str:
    return share(part("peers/test_torchrl.py").NAMES, TASKS, "tasks (its spaces)")


LAWS, FUZZ, TASK, PEERS = "actions/test_laws.py", "actions/test_fuzz.py", "tasks/test_every_task.py", "peers/test_"
CLAUSES = (
    Clause(
        "a round trip stays within the stated bound", f"{LAWS}::test_a_round_trip_stays_within_half_the_cell", codecs
    ),
    Clause("any code decodes into the native space", f"{LAWS}::test_every_code_decodes_into_the_native_space", codecs),
    Clause(
        "the same, fuzzed", f"{FUZZ}::test_any_code_decodes_into_the_native_space_and_its_cell_holds_something", fuzzed
    ),
    Clause("`cell` agrees with `encode`, by enumeration", f"{LAWS}::test_cells_and_legal_codes_by_enumeration"),
    Clause(
        "a code is legal as its cell meets the set", f"{LAWS}::test_a_code_is_legal_if_its_cell_meets_the_set", codecs
    ),
    Clause(
        "a code is legal if and only if an action of its cell is, by enumeration",
        f"{FUZZ}::test_a_code_is_legal_if_and_only_if_an_action_of_its_cell_is",
        lambda: ", ".join(part(FUZZ).SETS),
    ),
    Clause("the same for intervals", f"{FUZZ}::test_a_digit_is_legal_if_its_bin_meets_the_interval"),
    Clause("compiled, eager and batched are the same", f"{FUZZ}::test_eager_compiled_and_batched_are_the_same", fuzzed),
    Clause("saved and loaded it is equal", f"{LAWS}::test_saved_and_loaded_it_is_equal", codecs),
    Clause(
        "NaN and infinity are refused", f"{FUZZ}::test_nan_and_infinity_are_refused_wherever_they_stand", with_numbers
    ),
    Clause("sets answer as enumeration does", "core/test_sets.py::test_meets_is_a_shared_word"),
    Clause(
        "intersections hold what both hold", "actions/test_constraints.py::test_an_intersection_holds_what_both_hold"
    ),
    Clause(
        "samples follow the declared distribution",
        "nets/heads/test_samples.py::test_samples_follow_the_declared_distribution",
        kinds,
    ),
    Clause(
        "learners are pure; save, load and resume are equal",
        "agents/test_every_agent.py::test_it_is_pure_and_an_interruption_changes_no_bit",
        agents,
    ),
    Clause("declared spaces run: a training step each", "agents/test_every_pair.py::test_it_takes_a_training_step"),
    Clause("Gymnasium's checker has no warning", f"{TASK}::test_gymnasiums_checker_has_no_warning", tasks),
    Clause(
        "a forbidden action raises; the mask is shown",
        f"{TASK}::test_a_forbidden_action_raises_and_the_mask_is_shown",
        masked,
    ),
    Clause("two copies, 1,000 equal steps", f"{TASK}::test_two_copies_play_the_same_thousand_steps", tasks),
    Clause("the same on the host", f"{TASK}::test_two_copies_on_the_host_play_the_same_thousand_steps"),
    Clause("Stable-Baselines3's checker passes", f"{PEERS}stable_baselines3.py::test_its_checker_passes", sb3),
    Clause("its PPO and DQN learn", f"{PEERS}stable_baselines3.py::test_it_learns"),
    Clause("MaskablePPO learns", f"{PEERS}stable_baselines3.py::test_maskable_ppo_learns_within_the_mask"),
    Clause("TorchRL's checker passes", f"{PEERS}torchrl.py::test_its_checker_passes", torchrl),
    Clause("Minari opens our episodes", "data/formats/test_minari.py::test_minaris_own_client_reads_the_same"),
    Clause("d3rlpy opens our episodes", f"{PEERS}d3rlpy.py::test_the_arrays_of_minari_make_equal_episodes"),
)


def row(clause: Clause) -> list[str]:
    """The clause's row; a test that does not exist raises."""
    path, _, name = clause.test.partition("::")
    module = part(path)
    test = getattr(module, name)
    common = getattr(module, "pytestmark", [])
    marks = [*getattr(test, "pytestmark", []), *(common if isinstance(common, list) else [common])]
    cases = math.prod(len(mark.args[1]) for mark in marks if mark.name == "parametrize")
    slow = "make test-slow" if any(mark.name == "slow" for mark in marks) else "make test"
    runs = "make test-peers" if path.startswith("peers/") else slow
    return [clause.promise, f"`{path}::{name}`", str(cases), clause.over(), f"`{runs}`"]


def page(text: str) -> str:
    """The page's text with the table as it is today."""
    rows = [row(clause) for clause in CLAUSES]
    table = markdown(Table(["promise", "test, below `tests/`", "cases", "over", "runs in"], rows, 5))
    return insert(text, "contract", table)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
