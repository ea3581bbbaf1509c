"""SIGKILL at seeded points: what a resumed run leaves is bit-equal to an undisturbed one."""

import pytest

from tests.training.kills import KINDS, Undisturbed, check


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"))


TWICE = {
    "ppo": ["write:2", "run:3"],
    "sac": ["write:2", "run:3"],
    "bc": ["rename:2", "run:3"],
    "compare": ["run:9", "write:6"],
}
"""Two kills, one after the other, of each kind: the second one while it goes on after the first."""


ALWAYS = ("ppo", "compare")
"""The kinds that every test run kills; the others are killed with the slow tests."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in ALWAYS else pytest.mark.slow) for kind in KINDS]
)
def test_a_run_killed_twice_resumes_bit_equal(kind, undisturbed, tmp_path):
    check(undisturbed, kind, TWICE[kind], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(20))
def test_a_run_killed_at_a_random_point_resumes_bit_equal(kind, seed, undisturbed, tmp_path):
    check(undisturbed, kind, [undisturbed.point(kind, seed)], tmp_path)
