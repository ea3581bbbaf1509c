"""The sentences, and that they hold what they promise."""

import math

import numpy as np
import pytest

from actlab.reports.verdict import number, probability, verdict, verdicts

HIGH = [500.0, 520.0, 480.0, 510.0, 490.0]
LOW = [300.0, 330.0, 280.0, 310.0, 290.0]
NEAR = [495.0, 525.0, 470.0, 500.0, 505.0]


def test_a_winner_is_named_with_the_interval_of_the_difference():
    found = verdict({"sac": LOW, "ppo + bins": HIGH}, unit="return")
    assert found.status == "winner"
    assert found.winner == "ppo + bins"
    assert found.headline == "5 seeds; ppo + bins beats sac by 198 [172, 224] return."
    assert found.may == ("ppo + bins beats sac by 198 [172, 224] (95% Welch interval; p < 0.0001).",)
    assert "this budget and these settings" in found.may_not[-1]
    assert [arm.name for arm in found.arms] == ["ppo + bins", "sac"]


def test_overlapping_intervals_have_no_winner():
    found = verdict({"a": HIGH, "b": NEAR})
    assert (found.status, found.winner) == ("no winner", None)
    assert found.headline == "5 seeds; intervals overlap; no winner."
    assert any("interval of the difference contains zero" in line for line in found.may_not)
    assert any("equally good" in line for line in found.may_not)


def test_several_arms():
    found = verdict({"a": HIGH, "b": NEAR, "c": LOW})
    assert found.headline == "5 seeds; intervals overlap; no winner among a and b. a beats c."
    assert [(pair.better, pair.worse) for pair in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    clear = verdict({"a": HIGH, "b": LOW, "c": [x - 200 for x in LOW]})
    assert clear.headline == "5 seeds; a beats all 2 other arms, the nearest being b by 198 [172, 224]."


@pytest.mark.parametrize("count", [2, 3, 4])
def test_fewer_than_five_seeds_give_a_direction_only(count):
    found = verdict({"a": HIGH[:count], "b": LOW[:count]})
    assert (found.status, found.winner) == ("direction only", None)
    assert found.headline.startswith(f"{count} seeds; direction only: a leads b by ")
    assert found.pairs[0].adjusted < 0.05  # the numbers are clear; the rule still says no
    assert any(f"only {count} seeds" in line for line in found.may_not)


def test_one_seed():
    found = verdict({"a": [3.0], "b": [1.0]})
    assert found.headline == "1 seed; direction only: a leads b by 2; too few seeds to name a winner."
    assert math.isnan(found.pairs[0].advantage.low)


def test_identical_values():
    found = verdict({"a": [500.0] * 5, "b": [500.0] * 5}, unit="return")
    assert found.status == "no winner"
    assert found.headline == "5 seeds; every seed of every arm scored 500 return; no winner."
    assert sum("scored exactly 500" in line for line in found.may) == 2
    assert any("identical scores" in line for line in found.may_not)


def test_no_spread_in_either_arm_is_no_interval_and_no_winner():
    found = verdict({"a": [500.0] * 5, "b": [9.2] * 5})
    assert (found.status, found.winner) == ("direction only", None)
    assert "no spread between seeds" in found.headline


def test_no_spread_in_one_arm_still_decides_and_is_said():
    found = verdict({"a": [500.0] * 5, "b": LOW})
    assert found.winner == "a"
    assert any("All 5 seeds of a scored exactly 500" in line for line in found.may)


def test_failed_seeds_of_the_better_arm_take_the_win_away():
    for arms, failed in (({"a": [*HIGH, math.nan], "b": LOW}, {}), ({"a": HIGH, "b": LOW}, {"a": 1})):
        found = verdict(arms, failed=failed)
        assert found.status == "direction only"
        assert "1 seed of a failed, which may flatter it" in found.headline
        assert any("1 of 6 failed and are missing" in line for line in found.may_not)
    assert verdict({"a": HIGH, "b": LOW}, failed={"b": 2}).winner == "a"


def test_an_arm_without_any_seed_is_named_and_not_ranked():
    found = verdict({"a": HIGH, "b": [math.nan] * 5})
    assert found.status == "nothing to compare"
    assert "only a has scores" in found.headline
    assert "Anything about b: all 5 seeds failed." in found.may_not
    assert verdict({}).headline == "No arm finished a single seed; there is nothing to compare."


def test_paired_by_seed():
    offsets = np.array([0.0, 300.0, -200.0, 100.0, 50.0])
    a = dict(enumerate(offsets + np.array([10.0, 11.0, 9.0, 10.5, 10.0])))
    b = dict(enumerate(offsets))
    assert verdict({"a": a, "b": b}).winner is None
    found = verdict({"a": a, "b": b}, paired=True)
    assert found.winner == "a"
    assert "t interval of the differences by seed" in found.may[0]
    del b[4]
    assert verdict({"a": a, "b": b}, paired=True).status == "direction only"  # four seeds in common


def test_paired_order_must_not_depend_on_the_seeds_counted():
    a = {**{seed: 10.0 + 0.1 * seed for seed in range(5)}, 9: 1000.0}
    b = {seed: 11.0 + 0.11 * seed for seed in range(5)}
    found = verdict({"a": a, "b": b}, paired=True)
    assert found.pairs[0].advantage.value < 0
    assert found.winner is None
    assert "depends on which seeds" in found.headline


def test_costs():
    found = verdict({"a": HIGH, "b": LOW}, higher_is_better=False)
    assert found.winner == "b"
    assert found.pairs[0].advantage.value == pytest.approx(198)
    assert found.pairs[0].improvement == 1.0


def test_holm_runs_over_all_tasks():
    arms = {"a": [12.0, 14.0, 9.0, 13.0, 11.0], "b": [8.0, 10.0, 9.0, 10.5, 7.0]}
    alone = verdict(arms)
    assert alone.winner == "a"
    together = verdicts({f"task {i}": arms for i in range(6)})
    assert all(found.winner is None for found in together.values())
    assert together["task 0"].pairs[0].adjusted == pytest.approx(6 * alone.pairs[0].advantage.p)
    assert "corrected for the number of pairs" in together["task 0"].headline


def test_a_false_winner_is_as_rare_as_promised():
    generator = np.random.default_rng(0)
    trials = 500
    wrong = 0
    for _ in range(trials):
        found = verdict({name: list(generator.normal(size=5)) for name in "abcd"})
        wrong += any(pair.conclusive for pair in found.pairs)
    assert wrong / trials < 0.08  # 5 % promised; 0.08 is three standard errors above


def test_numbers_have_the_decimals_of_their_interval():
    assert number(1234.567, 8.9) == "1,234.6"
    assert number(4831.7, 215) == "4,832"
    assert number(-0.001, 1.0) == "0.0"
    assert number(0.012345) == "0.01235"
    assert number(500.0) == "500"
    assert number(math.nan) == "n/a"
    assert (probability(3e-9), probability(0.0312), probability(math.nan)) == ("< 0.0001", "0.031", "n/a")
