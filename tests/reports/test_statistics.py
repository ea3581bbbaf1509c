"""Aggregates, bootstrap, t intervals and corrections against known values, scipy and rliable."""

import os
import sys
import warnings

import numpy as np
import pytest
import scipy.stats

from actlab.reports import statistics
from actlab.reports.statistics import StatisticsError

# The score matrices of rliable's own unit cases: runs x tasks.
X = np.array([[1, 2], [2, 2], [1, 1], [2, 1]])
Y = np.array([[1, 1], [2, 2], [3, 3]])
LADDER = np.arange(80.0).reshape(5, 16)


def tasks(matrix):
    """Runs x tasks, as one sequence of runs for each task."""
    return list(np.asarray(matrix).T)


@pytest.fixture(scope="module")
def rliable():
    """The oracle; its absence is a failure only where continuous integration is to have it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from rliable import library, metrics
    except Exception as error:
        if os.environ.get("CI") == "true" and sys.version_info[:2] == (3, 11):
            pytest.fail(f"rliable must import here: {error}")
        pytest.skip(f"rliable does not import: {error}")
    return library, metrics


def test_published_unit_cases():
    for aggregate in (statistics.mean, statistics.median, statistics.interquartile_mean):
        assert aggregate(tasks(X)) == 1.5
        assert aggregate(tasks(Y)) == 2
    assert statistics.probability_of_improvement(tasks(X), tasks(Y)) == pytest.approx(1 / 3)


def test_published_bootstrap_cases():
    for scores in (tasks(LADDER), tasks(LADDER[::-1])):
        for aggregate in (statistics.mean, statistics.median, statistics.interquartile_mean):
            value, low, high = statistics.bootstrap_interval(aggregate, scores, replications=100)
            assert low < value < high
    value, low, high = statistics.bootstrap_interval(
        statistics.probability_of_improvement, tasks(LADDER), tasks(LADDER[::-1]), replications=100
    )
    assert low < value < high
    thresholds = [0.0, 0.25, 0.5, 1.0]
    profile = statistics.performance_profile(tasks(LADDER), thresholds)
    assert (np.diff(profile) <= 0).all()


def test_aggregates_agree_with_the_oracle(rliable):
    _, metrics = rliable
    generator = np.random.default_rng(3)
    for runs, count in ((3, 1), (5, 4), (10, 7)):
        x, y = generator.normal(size=(2, runs, count)).round(1)
        assert statistics.mean(tasks(x)) == pytest.approx(metrics.aggregate_mean(x))
        assert statistics.median(tasks(x)) == pytest.approx(metrics.aggregate_median(x))
        assert statistics.interquartile_mean(tasks(x)) == pytest.approx(metrics.aggregate_iqm(x))
        assert statistics.optimality_gap(tasks(x), 0.5) == pytest.approx(metrics.aggregate_optimality_gap(x, 0.5))
        ours = statistics.probability_of_improvement(tasks(x), tasks(y))
        assert ours == pytest.approx(metrics.probability_of_improvement(x, y))


def test_profiles_and_intervals_agree_with_the_oracle(rliable):
    library, metrics = rliable
    scores = np.random.default_rng(5).normal(size=(5, 6))
    thresholds = np.linspace(-2, 2, 9)
    ours = statistics.performance_profile(tasks(scores), thresholds)
    np.testing.assert_allclose(ours, library.score_distributions(scores, thresholds))

    state = np.random.get_state()  # rliable resamples with NumPy's global generator
    np.random.seed(0)
    try:
        _, theirs = library.get_interval_estimates(
            {"arm": scores}, lambda x: np.array([metrics.aggregate_iqm(x), metrics.aggregate_mean(x)]), reps=2000
        )
    finally:
        np.random.set_state(state)
    for column, aggregate in enumerate((statistics.interquartile_mean, statistics.mean)):
        _, low, high = statistics.bootstrap_interval(aggregate, tasks(scores), replications=2000)
        # Both are Monte Carlo estimates of the same quantiles: they differ by a few percent of the width.
        tolerance = 0.08 * (high - low)
        np.testing.assert_allclose([low, high], theirs["arm"][:, column], atol=tolerance, rtol=0)


def test_interquartile_mean_drops_a_quarter_at_either_end():
    assert statistics.interquartile_mean([[0.0, 1.0, 2.0, 3.0, 100.0]]) == 2.0
    assert statistics.interquartile_mean([[0.0, 1.0, 50.0]]) == 17.0
    scores = np.random.default_rng(0).normal(size=23)
    assert statistics.interquartile_mean([scores]) == pytest.approx(scipy.stats.trim_mean(scores, 0.25))


def test_probability_of_improvement_is_mann_whitney_with_ties_half():
    x, y = [1.0, 2.0, 2.0, 5.0], [2.0, 3.0, 0.0]
    u = scipy.stats.mannwhitneyu(x, y).statistic
    assert statistics.probability_of_improvement([x], [y]) == pytest.approx(u / 12)
    assert statistics.probability_of_improvement([[4.0, 4.0]], [[4.0, 4.0]]) == 0.5
    with pytest.raises(StatisticsError, match="share their tasks"):
        statistics.probability_of_improvement([x, x], [y])


def test_area_under_the_profile_is_the_mean():
    scores = [np.array([0.2, 0.4, 0.9]), np.array([0.1, 0.6])]
    thresholds = (np.arange(10_000) + 0.5) / 10_000
    assert statistics.performance_profile(scores, thresholds).mean() == pytest.approx(statistics.mean(scores), abs=1e-3)


def test_bootstrap_is_seeded_and_keeps_strata():
    first = statistics.bootstrap_interval(statistics.mean, tasks(LADDER), seed=1)
    again = statistics.bootstrap_interval(statistics.mean, tasks(LADDER), seed=1)
    other = statistics.bootstrap_interval(statistics.mean, tasks(LADDER), seed=2)
    assert first == again
    assert first[1:] != other[1:]
    # Runs are constant within tasks: resampling within tasks cannot change anything.
    value, low, high = statistics.bootstrap_interval(statistics.mean, [[1.0, 1.0], [9.0, 9.0, 9.0]])
    assert value == low == high == 5.0


def test_t_intervals_agree_with_scipy():
    generator = np.random.default_rng(7)
    x, y = generator.normal(3, 1, 5), generator.normal(2, 4, 8)
    ours = statistics.t_interval(x)
    theirs = scipy.stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert ours == pytest.approx((x.mean(), theirs.low, theirs.high))

    welch = scipy.stats.ttest_ind(x, y, equal_var=False)
    ends = welch.confidence_interval(0.95)
    expected = (x.mean() - y.mean(), ends.low, ends.high, welch.pvalue, welch.df)
    assert statistics.welch_difference(x, y) == pytest.approx(expected)

    paired = scipy.stats.ttest_rel(x, y[:5])
    ends = paired.confidence_interval(0.95)
    expected = ((x - y[:5]).mean(), ends.low, ends.high, paired.pvalue, 4)
    assert statistics.paired_difference(x, y[:5]) == pytest.approx(expected)


def test_t_interval_covers_as_promised_where_the_bootstrap_does_not():
    generator = np.random.default_rng(11)
    runs = generator.normal(size=(4000, 5))
    ends = np.array([statistics.t_interval(row) for row in runs])
    covered = np.mean((ends[:, 1] <= 0) & (ends[:, 2] >= 0))
    assert covered == pytest.approx(0.95, abs=0.012)
    ends = [statistics.bootstrap_interval(statistics.mean, [row], replications=400) for row in runs[:600]]
    assert np.mean([low <= 0 <= high for _, low, high in ends]) < 0.92


def test_no_spread_gives_no_interval():
    for estimate in (statistics.t_interval([4.0]), statistics.t_interval([0.1] * 5)):
        assert np.isnan(estimate.low)
        assert np.isnan(estimate.high)
    assert np.isnan(statistics.welch_difference([5.0] * 5, [3.0] * 5).p)
    assert np.isnan(statistics.welch_difference([5.0], [3.0, 4.0]).p)
    assert np.isnan(statistics.paired_difference([2.0, 3.0, 4.0], [1.0, 2.0, 3.0]).p)
    one_sided = statistics.welch_difference([500.0] * 5, [480.0, 481.0, 479.0, 482.0, 480.0])
    assert one_sided.low > 0
    assert one_sided.degrees == pytest.approx(4)


def test_holm_by_hand():
    np.testing.assert_allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.holm([0.6, np.nan, 0.02]), [0.6, np.nan, 0.04])
    np.testing.assert_allclose(statistics.holm([0.9, 0.8]), [1.0, 1.0])
    assert statistics.holm([]).shape == (0,)


def test_scores_that_are_none_are_refused():
    with pytest.raises(StatisticsError, match="at least one task"):
        statistics.mean([])
    with pytest.raises(StatisticsError, match="every task at least one run"):
        statistics.interquartile_mean([[1.0], []])
    with pytest.raises(StatisticsError, match="finite"):
        statistics.mean([[1.0, np.nan]])
    with pytest.raises(StatisticsError, match="at least one finite score"):
        statistics.t_interval([])
    with pytest.raises(StatisticsError, match="equally many"):
        statistics.paired_difference([1.0, 2.0], [1.0])
