"""Statistics of few runs: aggregates over tasks, bootstrap and t intervals, corrections for many pairs.

All functions are pure. Scores come as *one sequence of runs for each task*: `scores[m]` holds the final
scores of the runs (seeds) on task m; tasks may have different numbers of runs. A run's score is one number
that was fixed before looking: never the best seed, never the best moment of a run.

Which interval for what:

- A mean, or a difference of two arms on one task: the *t intervals*. They keep their promise with few seeds
  (normal scores; 5 % wrong at 5 seeds). They decide.
- Aggregates over several tasks: the *stratified bootstrap*. It describes; with 3 to 5 runs of one task it is
  too narrow and is not used to decide.

Axis letters: M tasks, N runs of a task, R bootstrap replications, K thresholds. "..." are leading batch axes:
the aggregates work on `[..., N]` runs of each task, so one call evaluates all replications.

Sources: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021
(aggregates, profiles, stratified bootstrap); Welch, Biometrika 34, 1947; Holm, Scandinavian Journal of
Statistics 6, 1979; Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 13 (percentiles).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from actlab.core.errors import ActlabError

Scores = Sequence[Any]
"""Length M; entry m is an array or list `[..., N_m]` of finite numbers."""

SAME = 1e-9
"""Runs whose range is at most this fraction of their size count as identical: it is rounding, not spread."""


class StatisticsError(ActlabError):
    """Scores that a statistic cannot be computed from."""


class Estimate(NamedTuple):
    """A number with its interval; `low` and `high` are NaN where no interval can be estimated."""

    value: float
    low: float
    high: float


class Difference(NamedTuple):
    """A difference of means with its t interval and two-sided p value (NaN where there is no spread)."""

    value: float
    low: float
    high: float
    p: float
    degrees: float
    """Degrees of freedom of the t distribution."""


# --- aggregates over runs and tasks ------------------------------------------------------------------


def mean(scores: Scores) -> np.ndarray:
    """Mean over tasks of the mean over runs, `[...]`."""
    return np.mean(_task_means(scores), axis=0)


def median(scores: Scores) -> np.ndarray:
    """Median over tasks of the mean over runs, `[...]`. (Not the median of runs.)"""
    return np.median(_task_means(scores), axis=0)


def interquartile_mean(scores: Scores) -> np.ndarray:
    """Mean of the middle half of all runs of all tasks, `[...]` (Agarwal et al., section 4.3).

    With n runs in all, sorted, `floor(n / 4)` are dropped at either end; so with fewer than four runs it is
    the mean. Runs are pooled: a task with more runs weighs more.
    """
    pooled = np.sort(np.concatenate(_arrays(scores), axis=-1), axis=-1)
    count = pooled.shape[-1]
    cut = count // 4
    return pooled[..., cut : count - cut].mean(axis=-1)


def optimality_gap(scores: Scores, target: float = 1.0) -> np.ndarray:
    """How far runs fall short of `target`, `[...]`: mean over tasks and runs of max(0, target - score).

    Scores are normalised so that `target` is what one wants (1 = the expert); exceeding it earns nothing.
    Smaller is better.
    """
    return target - np.mean([np.minimum(runs, target).mean(axis=-1) for runs in _arrays(scores)], axis=0)


def probability_of_improvement(better: Scores, worse: Scores) -> np.ndarray:
    """P(X > Y) averaged over tasks, `[...]`, ties counted half: the Mann-Whitney statistic U / (N N').

    With x_i the N runs of one arm and y_j the N' of the other on task m,
    P_m = (1 / N N') sum_ij (1[x_i > y_j] + 1/2 1[x_i = y_j]), and the result is the mean of P_m over the tasks.
    It is free of the tasks' scales.

    Raises:
        StatisticsError: the two arms have different numbers of tasks.
    """
    mine, theirs = _arrays(better), _arrays(worse)
    if len(mine) != len(theirs):
        raise StatisticsError(f"Two arms must share their tasks; received {len(mine)} and {len(theirs)} tasks.")
    tasks = []
    for x, y in zip(mine, theirs, strict=True):
        gap = x[..., :, None] - y[..., None, :]
        tasks.append(((gap > 0) + 0.5 * (gap == 0)).mean(axis=(-2, -1)))
    return np.mean(tasks, axis=0)


def performance_profile(scores: Scores, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """Run-score distribution, `[..., K]`: the fraction of runs above each threshold (ibid., section 4.2).

    F(tau) = (1/M) sum_m (1/N_m) sum_n 1[x_mn > tau]; the area under it (scores >= 0) is the mean.
    """
    taus = np.asarray(thresholds, np.float64)
    return np.mean([(runs[..., None] > taus).mean(axis=-2) for runs in _arrays(scores)], axis=0)


# --- the stratified bootstrap ------------------------------------------------------------------------


def bootstrap_interval(
    statistic: Callable[..., np.ndarray],
    *arms: Scores,
    replications: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Percentile interval of `statistic(*arms)`, resampling runs within tasks (strata) and arms independently.

    Args:
        statistic: one of the aggregates above, or any function of scores that keeps leading batch axes.
        arms: one (or, for `probability_of_improvement`, two) arms' scores.
        replications: R.
        level: coverage, in (0, 1).
        seed: of the resampling; the same seed gives the same interval.

    Returns:
        The statistic itself, and the low and high ends, each of the statistic's shape.
    """
    generator = np.random.default_rng(seed)
    resampled = []
    for arm in arms:
        tasks = []
        for runs in _arrays(arm):
            picks = generator.integers(0, runs.shape[-1], (replications, runs.shape[-1]))
            tasks.append(runs[picks])
        resampled.append(tasks)
    replicated = statistic(*resampled)
    low, high = np.quantile(replicated, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return statistic(*arms), low, high


# --- t intervals: the ones that decide ---------------------------------------------------------------


def t_interval(runs: Sequence[float] | np.ndarray, level: float = 0.95) -> Estimate:
    """Mean of independent runs with its t interval: mean +- t_{n-1} s / sqrt(n).

    One run, or runs that are all the same, have no spread to estimate: the ends are NaN.
    """
    x = _vector(runs)
    centre = float(x.mean())
    if len(x) < 2 or identical(x):
        return Estimate(centre, np.nan, np.nan)
    half = float(stdtrit(len(x) - 1, (1 + level) / 2) * x.std(ddof=1) / np.sqrt(len(x)))
    return Estimate(centre, centre - half, centre + half)


def welch_difference(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, level: float = 0.95
) -> Difference:
    """mean(first) - mean(second) for independent runs of unequal variance (Welch 1947).

    With v = s^2 / n of each arm: standard error sqrt(v1 + v2), degrees of freedom
    (v1 + v2)^2 / (v1^2 / (n1 - 1) + v2^2 / (n2 - 1)). An arm of one run, or no spread in either arm, leaves
    the interval NaN.
    """
    x, y = _vector(first), _vector(second)
    value = float(x.mean() - y.mean())
    if min(len(x), len(y)) < 2 or (identical(x) and identical(y)):
        return Difference(value, np.nan, np.nan, np.nan, np.nan)
    v, w = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    degrees = float((v + w) ** 2 / (v**2 / (len(x) - 1) + w**2 / (len(y) - 1)))
    return _difference(value, float(np.sqrt(v + w)), degrees, level)


def paired_difference(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, level: float = 0.95
) -> Difference:
    """Mean of first[i] - second[i] for runs that share what the seed fixes: a t interval of the differences.

    Raises:
        StatisticsError: the arms have different numbers of runs.
    """
    x, y = _vector(first), _vector(second)
    if len(x) != len(y):
        raise StatisticsError(f"Pairs by seed need equally many runs; received {len(x)} and {len(y)}.")
    gaps = x - y
    value = float(gaps.mean())
    size = max(np.abs(x).max(), np.abs(y).max())
    if len(gaps) < 2 or np.ptp(gaps) <= SAME * size:
        return Difference(value, np.nan, np.nan, np.nan, np.nan)
    return _difference(value, float(gaps.std(ddof=1) / np.sqrt(len(gaps))), float(len(gaps) - 1), level)


def ratio_of_means(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, level: float = 0.95
) -> Estimate:
    """mean(first) / mean(second) of independent runs, with Fieller's interval for unequal variances.

    With v = s^2 / n of each arm, the interval holds the ratios r for which (mean(first) - r mean(second))^2 <=
    t^2 (v1 + r^2 v2), with Welch's degrees of freedom at the ratio itself (Fieller, Journal of the Royal Statistical
    Society B 16, 1954). The ends are NaN where an arm has one run, where neither has any spread, and where
    mean(second) may be zero: then no finite interval has the level.
    """
    x, y = _vector(first), _vector(second)
    top, bottom = float(x.mean()), float(y.mean())
    value = top / bottom if bottom else np.nan
    if min(len(x), len(y)) < 2 or (identical(x) and identical(y)) or not bottom:
        return Estimate(value, np.nan, np.nan)
    v, w = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    scaled = value**2 * w
    degrees = float((v + scaled) ** 2 / (v**2 / (len(x) - 1) + scaled**2 / (len(y) - 1)))
    t = float(stdtrit(degrees, (1 + level) / 2))
    a, b, c = bottom**2 - t**2 * w, top * bottom, top**2 - t**2 * v
    if a <= 0:
        return Estimate(value, np.nan, np.nan)
    half = float(np.sqrt(max(b**2 - a * c, 0.0)))
    return Estimate(value, (b - half) / a, (b + half) / a)


def wilson_interval(successes: int, runs: int, level: float = 0.95) -> Estimate:
    """The share of runs that succeeded, with Wilson's interval (J. American Statistical Association 22, 1927).

    Raises:
        StatisticsError: there is no run, or not 0 <= successes <= runs.
    """
    if not 0 <= successes <= runs or runs == 0:
        raise StatisticsError(f"Expected 0 to N successes of N >= 1 runs; received {successes} of {runs}.")
    z, share = float(ndtri((1 + level) / 2)), successes / runs
    centre = (share + z**2 / (2 * runs)) / (1 + z**2 / runs)
    half = z / (1 + z**2 / runs) * np.sqrt(share * (1 - share) / runs + z**2 / (4 * runs**2))
    return Estimate(share, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjusted p values, `[k]`, that bound the chance of any false claim among k comparisons (Holm 1979).

    Sorted ascending, p_(i) becomes max over j <= i of min(1, (k - j + 1) p_(j)). NaN entries (comparisons
    that could not be tested) stay NaN and are not counted.
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, factors * p[order]))
    return adjusted


def identical(runs: Sequence[float] | np.ndarray) -> bool:
    """Are all runs the same number, up to rounding?"""
    x = _vector(runs)
    return bool(np.ptp(x) <= SAME * np.abs(x).max())


def _difference(value: float, error: float, degrees: float, level: float) -> Difference:
    half = float(stdtrit(degrees, (1 + level) / 2)) * error
    p = float(2 * stdtr(degrees, -abs(value) / error))
    return Difference(value, value - half, value + half, p, degrees)


def _task_means(scores: Scores) -> np.ndarray:
    return np.stack([runs.mean(axis=-1) for runs in _arrays(scores)])


def _arrays(scores: Scores) -> list[np.ndarray]:
    arrays = [np.asarray(runs, np.float64) for runs in scores]
    if not arrays or any(runs.ndim == 0 or runs.shape[-1] == 0 for runs in arrays):
        raise StatisticsError("Scores must hold at least one task, and every task at least one run.")
    if not all(np.isfinite(runs).all() for runs in arrays):
        raise StatisticsError("Scores must be finite; runs that gave no finite score count as failed, not as a number.")
    return arrays


def _vector(runs: Sequence[float] | np.ndarray) -> np.ndarray:
    x = np.asarray(runs, np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise StatisticsError(f"Expected at least one finite score of one task; received an array of shape {x.shape}.")
    return x
