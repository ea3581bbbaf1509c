"""The status of a claim from its seeds, against what is computed by hand or by scipy."""

import math

import numpy as np
import pytest
import scipy.stats

from actlab.core.errors import ActlabError
from actlab.papers.card import Claim, Count, Paper
from actlab.papers.judge import Measured, judge
from actlab.reports import statistics
from tests.papers import coin

HIGH, LOW = [5.0, 6.0, 7.0, 8.0, 9.0], [1.0, 2.0, 3.0, 4.0, 4.5]


def claim(**changes):
    return Claim(**{"name": "a-b", "text": "", "metric": "x", "task": "t", "candidate": "a", "baseline": "b"} | changes)


def arms(**values):
    return {name: Measured(len(each), dict(enumerate(each))) for name, each in values.items()}


def test_reproduced_by_the_t_interval_of_welch():
    found = judge(claim(), arms(a=HIGH, b=LOW))
    assert (found.status, found.reason) == ("reproduced", "")
    expected = scipy.stats.ttest_ind(HIGH, LOW, equal_var=False).confidence_interval(0.95)
    assert found.difference.low == pytest.approx(expected.low)
    assert found.difference.high == pytest.approx(expected.high)
    assert found.candidate.value == 7.0
    assert found.to_json()["difference"]["value"] == pytest.approx(4.1)


@pytest.mark.parametrize(
    ("changes", "a", "b", "status", "reason"),
    [
        ({}, HIGH[:4], LOW, "direction only", "only 4 of the 5 seeds that a result needs"),
        ({}, HIGH, [x + 3.0 for x in LOW], "direction only", "the interval contains 0"),
        ({}, LOW, HIGH, "not reproduced", "the candidate is not higher"),
        ({}, LOW, LOW, "not reproduced", "the candidate is not higher"),
        ({"direction": "lower"}, LOW, HIGH, "reproduced", ""),
        ({"direction": "lower"}, HIGH, LOW, "not reproduced", "the candidate is not lower"),
        ({}, [1.0] * 5, [0.0] * 5, "direction only", "no spread between seeds, so no interval"),
        ({}, [*HIGH, math.nan], [*LOW, 2.0], "direction only", "1 seed failed"),
        ({}, [math.nan] * 5, LOW, "not reproduced", "no seed of a gave a value"),
        ({"margin": 1.0}, HIGH, LOW, "reproduced", ""),
        ({"margin": 4.0}, HIGH, LOW, "direction only", "the interval contains 4"),
        ({"margin": 5.0}, HIGH, LOW, "not reproduced", "the candidate is not higher by more than 5"),
        ({"margin": -9.0}, LOW, HIGH, "reproduced", ""),
        ({"margin": 4.0, "direction": "lower"}, LOW, HIGH, "direction only", "the interval contains -4"),
        ({"baseline": 4.0}, HIGH, LOW, "reproduced", ""),
        ({"baseline": 6.0}, HIGH, LOW, "direction only", "the interval contains 0"),
    ],
)
def test_every_status(changes, a, b, status, reason):
    found = judge(claim(**changes), arms(a=a, b=b))
    assert (found.status, found.reason) == (status, reason)


def test_pairs_by_seed_see_what_the_seeds_share():
    shared = [10.0 * seed for seed in range(5)]
    a, b = [x + 1.0 + 0.1 * i for i, x in enumerate(shared)], shared
    assert judge(claim(), arms(a=a, b=b)).status == "direction only"
    found = judge(claim(paired=True), arms(a=a, b=b))
    assert found.status == "reproduced"
    expected = scipy.stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((expected.low, expected.high))


def test_several_arms_are_averaged_seed_by_seed():
    values = arms(a=HIGH, c=[x + 2.0 for x in HIGH], b=LOW, d=LOW)
    found = judge(claim(candidate=("a", "c"), baseline=("b", "d")), values)
    assert found.candidate.value == 8.0
    assert found.seeds == (5, 5)
    fewer = {**values, "c": Measured(5, {2: 1.0, 3: 1.0, 4: 1.0, 0: None, 1: None})}
    found = judge(claim(candidate=("a", "c"), baseline=("b", "d")), fewer)
    assert found.seeds == (3, 5)
    assert found.candidate.value == pytest.approx((8.0 + 1.0) / 2)


def test_nothing_is_judged_before_all_planned_seeds_have_ended():
    found = judge(claim(), {"a": Measured(6, dict(enumerate(HIGH))), **arms(b=LOW)})
    assert (found.status, found.reason) == ("not yet run", "5 of 6 seeds of a have ended")
    assert judge(claim(), arms(b=LOW)).reason == "a is not part of this scale"
    ended = judge(claim(), {"a": Measured(6, dict(enumerate(HIGH)), failed=1), **arms(b=LOW)})
    assert (ended.status, ended.reason) == ("direction only", "1 seed failed")


def count(**bound):
    return Count("many", "", "x", "t", "a", seeds=5, **bound)


@pytest.mark.parametrize(
    ("bound", "values", "failed", "status"),
    [
        ({"at_least": 4}, [1, 1, 1, 1, 0], 0, "reproduced"),
        ({"at_least": 4}, [1, 1, 1, 0, 0], 0, "not reproduced"),
        ({"at_least": 4}, [1, 1, 1], 2, "not reproduced"),
        ({"at_most": 1}, [1, 0, 0, 0, 0], 0, "reproduced"),
        ({"at_most": 1}, [1, 0, 0, 0], 1, "not reproduced"),
        ({"at_least": 5, "threshold": 2.0}, [2, 2, 2, 2, 3], 0, "reproduced"),
        ({"at_least": 1}, [1, 1], 0, "not yet run"),
    ],
)
def test_counts(bound, values, failed, status):
    planned = 5 if failed or len(values) == 5 else len(values)
    found = judge(count(**bound), {"a": Measured(planned, dict(enumerate(map(float, values))), failed)})
    assert found.status == status


def test_a_ratio_is_shown_beside_the_difference_that_decides():
    found = judge(claim(ratio=True), arms(a=HIGH, b=LOW))
    assert found.ratio.value == pytest.approx(7.0 / 2.9)
    assert found.figure.endswith(" times")


def test_fiellers_interval_holds_what_it_promises():
    """At 95 % of 2,000 draws the ratio lies within; three standard errors of that share are 1.5 %."""
    generator = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        interval = statistics.ratio_of_means(generator.normal(6, 1.5, 5), generator.normal(4, 1, 8))
        inside += interval.low <= 1.5 <= interval.high
    assert 0.935 <= inside / 2000 <= 0.965
    assert math.isnan(statistics.ratio_of_means([1.0, 2.0], [-1.0, 1.5]).low), "the denominator may be zero"


def test_wilsons_interval_is_scipys():
    for successes, runs in ((0, 5), (19, 20), (8, 10)):
        found = statistics.wilson_interval(successes, runs)
        expected = scipy.stats.binomtest(successes, runs).proportion_ci(0.95, "wilson")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    with pytest.raises(statistics.StatisticsError):
        statistics.wilson_interval(0, 0)


def test_cards_and_claims_that_do_not_hold_together():
    with pytest.raises(ActlabError, match="Exactly one claim of coin is the primary one"):
        Paper(coin.CARD, coin.CLAIMS[1:], coin.study)
    with pytest.raises(ActlabError, match="different names"):
        Paper(coin.CARD, (coin.CLAIMS[0], coin.CLAIMS[0]), coin.study)
    with pytest.raises(ActlabError, match="direction is higher or lower"):
        claim(direction="up")
    with pytest.raises(ActlabError, match="one bound, at_least or at_most, of 0 to 5"):
        count()
    with pytest.raises(ActlabError, match="cannot be paired"):
        claim(baseline=1.0, paired=True)
    with pytest.raises(ActlabError, match="small letters"):
        claim(name="A b")
    with pytest.raises(ActlabError, match="scale is one of smoke, small, paper"):
        coin.PAPER.plan("huge")
    twice = Paper(coin.CARD, coin.CLAIMS, lambda scale: coin.Study("?", {"fair": coin.arm(0.0, 1) * 2}))
    with pytest.raises(ActlabError, match="different seeds"):
        twice.plan("small")
    assert coin.PAPER.unknown_arms() == []
    assert coin.LOST.unknown_arms() == ["gold", "odd"]
