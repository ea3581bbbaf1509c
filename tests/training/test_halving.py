"""The decisions of a suggestion, with made-up scores: nothing is trained."""

import itertools

import pytest

from actlab.core.errors import ActlabError
from actlab.training.halving import (
    Cost,
    Rung,
    Standing,
    affordable,
    candidates_of,
    decide,
    parse_budget,
    schedule,
    seeds_of,
)


def spent(rungs) -> int:
    return sum(rung.cost for rung in rungs)


@pytest.mark.parametrize(
    ("text", "steps", "seconds"),
    [
        ("200k", 200_000, None),
        (200_000, 200_000, None),
        ("1.5M", 1_500_000, None),
        ("2e5", 200_000, None),
        ("20m", None, 1200.0),
        ("20min", None, 1200.0),
        ("90s", None, 90.0),
        ("1.5h", None, 5400.0),
    ],
)
def test_a_budget_is_steps_or_time(text, steps, seconds):
    assert parse_budget(text)[1:] == (steps, seconds)


@pytest.mark.parametrize("text", ["", "0", "0m", "20 minutes", "-5k", "1.5", "m", "1e9h", "nan"])
def test_what_is_no_budget(text):
    with pytest.raises(ActlabError, match="A budget is steps"):
        parse_budget(text)


def test_halves_are_rounded_up_until_two_are_left():
    assert [candidates_of(k) for k in (1, 2, 3, 8, 9)] == [[1], [2], [3, 2], [8, 4, 2], [9, 5, 3, 2]]
    assert [seeds_of(rungs, 5) for rungs in (1, 2, 3, 4)] == [[5], [2, 5], [2, 3, 5], [2, 3, 4, 5]]
    assert seeds_of(3, 1) == [1, 1, 1]


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 30])
@pytest.mark.parametrize("budget", [500_000, 777_777, 10_000_000])
def test_a_schedule_spends_the_budget_and_not_a_step_more(count, budget):
    rungs = schedule(count, budget, shortest=100)
    assert 0.85 * budget < spent(rungs) <= budget  # steps are rounded down to two digits
    steps = [rung.steps for rung in rungs]
    assert all(1.8 < later / earlier < 2.2 for earlier, later in itertools.pairwise(steps))
    assert rungs[-1].seeds == 5


def test_a_budget_that_is_too_small_says_what_is_needed():
    with pytest.raises(ActlabError, match="at least 80,000 steps so that the first runs have 1,000 steps"):
        schedule(8, 79_999)
    assert schedule(8, 80_000)[0] == Rung(8, 2, 1_000)
    assert schedule(8, 8_000, shortest=100)[0] == Rung(8, 2, 100)


def test_a_length_that_is_asked_for_is_kept_and_the_rest_goes_into_earlier_runs_or_seeds():
    tight, middle, ample = (schedule(8, budget, steps=20_000) for budget in (240_000, 400_000, 4_000_000))
    assert [rungs[-1].steps for rungs in (tight, middle, ample)] == [20_000] * 3
    assert [rung.steps for rung in middle] == [5_000, 10_000, 20_000]
    assert 1_000 <= tight[0].steps < 5_000
    assert [rung.steps for rung in ample] == [20_000] * 3
    assert [rung.seeds for rung in ample] == [10, 15, 25]
    assert all(spent(r) <= b for r, b in ((tight, 240_000), (middle, 400_000), (ample, 4_000_000)))
    with pytest.raises(ActlabError, match="the last ones 20,000"):
        schedule(8, 200_000, steps=20_000)


def test_time_affords_what_the_slowest_would_need():
    costs = [Cost(5.0, 2.0, 1e-3)] * 4 + [Cost(8.0, 2.0, 4e-3)] * 4

    def taken(rungs, kept) -> float:
        """Seconds, if `kept` were the candidates of each rung."""
        return sum(
            sum(c.compiling + rung.seeds * (c.run + c.step * rung.steps) for c in kept(rung.candidates))
            for rung in rungs
        )

    rungs = affordable(costs, 1200.0)
    slowest, fastest = taken(rungs, lambda k: costs[::-1][:k]), taken(rungs, lambda k: costs[:k])
    assert 1000 < slowest <= 1200
    assert fastest < slowest
    longer = affordable(costs, 2400.0)
    assert longer[-1].steps > 2 * rungs[-1].steps  # compiling and evaluating cost the same
    asked = affordable(costs, 24_000.0, steps=5_000)
    assert [(rung.steps, rung.seeds) for rung in asked] == [(5_000, 2), (5_000, 3), (5_000, 5)]
    with pytest.raises(ActlabError, match="compiling and evaluating 8 candidates"):
        affordable(costs, 100.0)
    with pytest.raises(ActlabError, match="seconds of training"):
        affordable(costs, 230.0)


def standing(*scores: float, along: float = 0.0, failure: str = "") -> Standing:
    return Standing(dict(enumerate(scores)), along, failure)


def test_the_better_half_goes_on():
    decision = decide({"a": standing(1, 3), "b": standing(10, 12), "c": standing(5, 5), "d": standing(0, 4)}, 2)
    assert decision.order == ("b", "c", "a", "d")
    assert decision.kept == ("b", "c")
    assert decision.dropped["a"] == "place 3 of 4, 2 go on"
    costs = decide({"a": standing(1, 3), "b": standing(10, 12)}, 1, higher_is_better=False)
    assert costs.kept == ("a",)


def test_equal_scores_are_ordered_by_their_curves_and_then_by_the_list():
    ceiling = {"a": standing(500, 500, along=100), "b": standing(500, 500, along=300), "c": standing(500, along=100)}
    decision = decide(ceiling, 2)
    assert decision.order == ("b", "a", "c")
    assert "the same score as a, but it stands behind in the list" in decision.dropped["c"]
    below = decide(ceiling, 1).dropped
    assert all("the same score as b, but its curve lies below" in reason for reason in below.values())
    unknown = decide({"a": standing(1, along=float("nan")), "b": standing(1, along=-5)}, 1)
    assert unknown.kept == ("b",)


def test_who_has_no_score_never_goes_on():
    decision = decide({"a": standing(failure="it fell over."), "b": standing(-3), "c": standing()}, 2)
    assert decision.kept == ("b",)
    assert decision.dropped == {"a": "no seed finished: it fell over.", "c": "no seed finished"}
    partly = decide({"a": standing(1, failure="boom"), "b": standing(2)}, 1)
    assert partly.dropped["a"].endswith("a seed failed: boom")
    nobody = decide({"a": standing()}, 1)
    assert (nobody.kept, nobody.order) == ((), ("a",))
