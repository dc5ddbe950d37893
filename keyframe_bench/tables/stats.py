"""Statistics over videos: intervals, paired tests and effect sizes, as functions of arrays.

The unit is the video: seeds are averaged inside a video before anything here sees them, and two methods are compared by
their differences on the same videos. Nothing depends on the order of the videos.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

N_RESAMPLES = 10_000
SEED = 0  # one constant: the same numbers give the same interval everywhere, always
CONFIDENCE = 0.95
ALPHA = 0.05

_EXACT = 25  # largest n with an exact null distribution
_BLOCK = 1_000  # resamples made at once, which divide N_RESAMPLES; bounds memory with thousands of videos
_MAX_CACHED = 5_000_000  # draws cached for the next call with as many videos


class Interval(NamedTuple):
    """Lower and upper end."""

    low: float
    high: float


class SignedRank(NamedTuple):
    """Outcome of `wilcoxon`."""

    positive: float  # sums of the ranks of differences above and below 0
    negative: float
    p: float  # Two-sided

    @property
    def effect(self) -> float:
        """Matched-pairs rank-biserial correlation (Kerby 2014), -1 to 1; 0 if every difference is 0."""
        total = self.positive + self.negative
        return (self.positive - self.negative) / total if total else 0.0


def bootstrap_interval(values: npt.ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return the percentile bootstrap interval of the mean over videos (Efron 1979).

    The percentile interval is too narrow for few videos: of normal values, a nominal 95 % covered the mean in 84 % of
    3000 samples of n = 5, in 88 % of n = 8, 92 % of n = 10, 93 % of n = 20 and 94 % of n = 50. ``values``: one number a
    video, n >= 1, finite; with one video, or equal values, both ends are the mean; ``confidence``: coverage, in (0, 1).
    The interval is the same for the same values in any order.

    Examples
    --------
    >>> low, high = bootstrap_interval([0.2, 0.4, 0.4, 0.6])
    >>> round(low, 3), round(high, 3)
    (0.25, 0.55)
    """
    found = np.sort(_values(values))
    mean = float(found.mean())
    if found[0] == found[-1]:
        return Interval(mean, mean)
    tail = (1 - _share(confidence)) / 2
    low, high = np.quantile(resampled_means(found), [tail, 1 - tail])
    return Interval(float(low), float(high))


def resampled_means(values: npt.ArrayLike) -> Floats:
    """Return means over videos drawn with replacement, [10000] of values [n], [10000, m] of [n, m].

    The columns of one call see the same draws, so that they may be subtracted or divided. The draws depend on the
    order of the videos.
    """
    found = np.asarray(values, dtype=np.float64)
    n = len(found)
    draws = _cached_draws(n) if n * N_RESAMPLES <= _MAX_CACHED else _draws(n)
    return np.concatenate([counts @ found for counts in draws]) / n


def student_interval(values: npt.ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return Student's t interval of the mean of n >= 2 values [n]: mean +- t(n - 1) sd / sqrt(n).

    Examples
    --------
    >>> low, high = student_interval([1.0, 2.0, 3.0])
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    from scipy.special import stdtrit

    found = _values(values)
    n = len(found)
    if n < 2:
        raise ValueError("an interval of Student's t needs two values or more")
    half = float(stdtrit(n - 1, (1 + _share(confidence)) / 2)) * float(found.std(ddof=1)) / math.sqrt(n)
    mean = float(found.mean())
    return Interval(mean - half, mean + half)


def differences(first: npt.ArrayLike, second: npt.ArrayLike) -> Floats:
    """Return first - second [n], where equal decimal numbers differ by equal amounts.

    0.55 - 0.20 and 0.75 - 0.40 differ in the last bit, which would break ties of ranks: differences are rounded to 14
    digits of the largest number.
    """
    a, b = _values(first), _values(second)
    if a.shape != b.shape:
        raise ValueError(f"paired values have different shapes: {len(a)} and {len(b)} numbers")
    largest = float(max(np.abs(a).max(), np.abs(b).max()))
    if largest == 0:
        return a - b
    return np.round(a - b, int(np.clip(14 - math.ceil(math.log10(largest)), -300, 300)))


def wilcoxon(difference: npt.ArrayLike) -> SignedRank:
    """Return Wilcoxon's signed-rank test of paired differences [n] against symmetry about 0, two-sided.

    Zeros are ranked and then left out (Pratt 1959), ties get their mean rank. Up to 25 differences the p-value is
    exact: the share of the 2^n ways to choose signs, given these ranks, that are at least as far from the middle.
    (With ties scipy takes the normal approximation, which falls below the smallest p that n = 5 allows.) Above 25 it is
    the normal approximation with the correction for ties, without that for continuity. Only zeros give p = 1.

    Examples
    --------
    >>> wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5])
    SignedRank(positive=15.0, negative=0.0, p=0.0625)
    """
    found = _values(difference)
    ranks = mean_ranks(np.abs(found))
    positive, negative = float(ranks[found > 0].sum()), float(ranks[found < 0].sum())
    if positive + negative == 0:
        return SignedRank(0.0, 0.0, 1.0)
    if len(found) <= _EXACT:
        return SignedRank(positive, negative, _exact_p(ranks[found != 0], min(positive, negative)))
    return SignedRank(positive, negative, _normal_p(ranks, found == 0, min(positive, negative)))


# Not scipy.stats.rankdata: importing scipy.stats takes a second, which every run would spend on its table.
def mean_ranks(values: Floats) -> Floats:
    """Return the ranks of ``values`` [n], from 1; equal values get the mean of their ranks."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[which.reshape(-1)]
    return ranks


def _exact_p(ranks: Floats, smaller: float) -> float:
    """Two-sided p: twice the share of sign choices whose sum of positive ranks is at most ``smaller``."""
    doubled = np.rint(2 * ranks).astype(int)  # mean ranks are halves
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1
    for rank in doubled:  # at most 25
        ways[rank:] += ways[:-rank].copy()
    return min(1.0, 2 * float(ways[: round(2 * smaller) + 1].sum()) / 2.0 ** len(ranks))


def _normal_p(ranks: Floats, zero: npt.NDArray[np.bool_], smaller: float) -> float:
    """Two-sided p by the normal approximation; zeros and ties lower mean and variance (Pratt 1959, Cureton 1967)."""
    from scipy.special import ndtr

    n, n_zero = len(ranks), int(zero.sum())
    mean = (n * (n + 1) - n_zero * (n_zero + 1)) / 4
    ties = np.unique(ranks[~zero], return_counts=True)[1]
    variance = n * (n + 1) * (2 * n + 1) - n_zero * (n_zero + 1) * (2 * n_zero + 1) - (ties**3 - ties).sum() / 2
    return 2 * float(ndtr(-abs(smaller - mean) / math.sqrt(variance / 24)))


def smallest_p(n: int) -> float:
    """Return the smallest two-sided p-value of the signed-rank test with n pairs: all of one sign, 2 / 2^n.

    Examples
    --------
    >>> smallest_p(5), smallest_p(6)
    (0.0625, 0.03125)
    """
    return min(1.0, 2.0 ** (1 - n)) if n > 0 else 1.0


def holm(p: npt.ArrayLike) -> Floats:
    """Return the p-values [m] corrected for their number by Holm (1979), in the order given, at most 1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    found = np.asarray(p, dtype=float)
    order = np.argsort(found, kind="stable")
    steps = np.maximum.accumulate(found[order] * np.arange(len(found), 0, -1))
    corrected = np.empty_like(found)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


@functools.lru_cache(maxsize=8)
def _cached_draws(n: int) -> tuple[Floats, ...]:
    return tuple(_draws(n))


def _draws(n: int) -> Iterator[Floats]:
    """How often each of n videos is drawn, in blocks [resamples, n]."""
    rng = np.random.default_rng(SEED)
    for _ in range(0, N_RESAMPLES, _BLOCK):
        index = rng.integers(n, size=(_BLOCK, n)) + n * np.arange(_BLOCK)[:, None]
        yield np.bincount(index.ravel(), minlength=_BLOCK * n).reshape(_BLOCK, n).astype(np.float64)


def _values(values: Any) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise ValueError("values must be a sequence of one or more finite numbers")
    return found


def _share(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence!r} is not between 0 and 1")
    return confidence
