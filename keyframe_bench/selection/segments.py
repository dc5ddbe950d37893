"""Segments between changes: where a change curve is cut, and the middle frame of every piece."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UsageError
from .peaks import peaks

ThresholdRule = Literal["mean", "mean+std", "absolute", "rolling", "adaptive"]

# Sums of floats carry rounding: a change this close below its threshold (relative) counts as reaching it, so that the
# cut does not depend on the unit in which the change is measured.
_ROUNDING = 1e-9

# Standard deviation of a normal distribution in units of its median absolute deviation: 1 / Phi^-1(3/4).
_STD_PER_MAD = 1.482602218505602
_CELLS = 2_000_000  # values held at a time by the rolling median (16 MB)


def rolling_mean(values: ArrayLike, times: ArrayLike, window_s: float) -> NDArray[np.float64]:
    """Return the centred rolling mean of ``values`` over ``window_s`` seconds; at the edges the window shrinks.

    Parameters
    ----------
    values : float [N]
    times : float [N]
        Seconds; where they step back, the latest time so far counts.
    window_s : float
        Width of the window: values at most half of it away are averaged.

    Returns
    -------
    float64 [N]

    Examples
    --------
    >>> rolling_mean([0, 3, 6, 9], [0, 1, 2, 3], window_s=2).tolist()
    [1.5, 3.0, 6.0, 7.5]
    """
    low, high = _windows(times, window_s)
    total = np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=np.float64))])
    mean: NDArray[np.float64] = (total[high] - total[low]) / (high - low)
    return mean


def rolling_median_mad(
    values: ArrayLike, times: ArrayLike, window_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centred rolling median, and the median absolute deviation (MAD) from it in the same window.

    Up to half of a window may be anything without moving them far: one hard cut, which raises a mean, does nothing.

    Parameters
    ----------
    values, times, window_s
        As for `rolling_mean`. Time and memory grow with the number of values per window.

    Returns
    -------
    median, mad : float64 [N]

    Examples
    --------
    >>> median, mad = rolling_median_mad([1, 2, 3, 90, 5], [0, 1, 2, 3, 4], window_s=4)
    >>> median.tolist(), mad.tolist()
    ([2.0, 2.5, 3.0, 4.0, 5.0], [1.0, 1.0, 2.0, 1.5, 2.0])
    """
    curve = np.asarray(values, dtype=np.float64)
    low, high = _windows(times, window_s)
    median, mad = np.empty(len(curve)), np.empty(len(curve))
    widest = int((high - low).max(initial=1))
    step = max(1, _CELLS // widest)
    for start in range(0, len(curve), step):
        first, n = low[start : start + step, None], (high - low)[start : start + step]
        where = first + np.arange(widest)
        rows = np.where(np.arange(widest) < n[:, None], curve[np.minimum(where, len(curve) - 1)], np.inf)
        median[start : start + step] = middle = _row_medians(rows, n)
        mad[start : start + step] = _row_medians(np.abs(rows - middle[:, None]), n)
    return median, mad


def _row_medians(rows: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median of the first ``n`` entries of each row; the others are infinite."""
    ordered = np.sort(rows, axis=1)
    line = np.arange(len(rows))
    middle: NDArray[np.float64] = (ordered[line, (n - 1) // 2] + ordered[line, n // 2]) / 2
    return middle


def _windows(times: ArrayLike, window_s: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the half-open range of positions at most half a window away from each, where time never steps back."""
    clock = np.maximum.accumulate(np.asarray(times, dtype=np.float64))
    half = window_s / 2 + 1e-9  # times are rounded: a frame exactly half a window away is inside
    return np.searchsorted(clock, clock - half, side="left"), np.searchsorted(clock, clock + half, side="right")


def change_threshold(
    change: ArrayLike, times: ArrayLike, rule: ThresholdRule, *, factor: float, level: float, window_s: float
) -> NDArray[np.float64]:
    """Return the threshold of every change.

    Parameters
    ----------
    change : float [N]
        Change from the frame before; entry 0 is undefined and never used.
    times : float [N]
        Seconds.
    rule : {"mean", "mean+std", "absolute", "rolling", "adaptive"}
        ``factor * mean``, ``mean + factor * standard deviation`` (population), ``level``,
        ``factor * centred rolling mean``, or ``rolling median + factor * 1.4826 * rolling MAD``: the last estimates
        mean and standard deviation of what is usual around a frame, without being moved by the cuts themselves.
    factor, level, window_s : float
        See ``rule``; ``window_s`` is the rolling window in seconds.

    Returns
    -------
    float64 [N]
        Entry 0 is 0 (no frame precedes the first one).
    """
    curve = np.asarray(change, dtype=np.float64)
    defined = curve[1:]
    threshold = np.zeros(len(curve))
    if defined.size == 0:
        return threshold
    if rule == "mean":
        threshold[1:] = factor * defined.mean()
    elif rule == "mean+std":
        threshold[1:] = defined.mean() + factor * defined.std()
    elif rule == "absolute":
        threshold[1:] = level
    elif rule == "rolling":
        threshold[1:] = factor * rolling_mean(defined, np.asarray(times)[1:], window_s)
    elif rule == "adaptive":
        median, mad = rolling_median_mad(defined, np.asarray(times)[1:], window_s)
        threshold[1:] = median + factor * _STD_PER_MAD * mad
    else:
        raise UsageError(f"threshold rule {rule!r} is unknown; use mean, mean+std, absolute, rolling or adaptive")
    return threshold


def borders_at(change: ArrayLike, threshold: ArrayLike) -> NDArray[np.int64]:
    """Return the positions that start a new segment: 0 < t with ``change[t] >= threshold[t]``, sorted.

    A frame equal to the one before (change 0) starts none, whatever the threshold: in a static video the mean change is
    itself 0.

    Examples
    --------
    >>> borders_at([0, 1, 5, 1, 0], [0, 2, 2, 2, 2]).tolist()
    [2]
    """
    curve = np.asarray(change, dtype=np.float64)
    reached = (curve > 0) & (curve >= np.asarray(threshold) * (1 - _ROUNDING))
    reached[:1] = False
    return np.flatnonzero(reached).astype(np.int64)


def largest_borders(change: ArrayLike, k: int) -> NDArray[np.int64]:
    """Return the positions of the ``k - 1`` largest changes, sorted, so that ``min(k, N)`` segments arise.

    Ties go to the earlier position.

    Examples
    --------
    >>> largest_borders([0, 4, 1, 4, 9], k=3).tolist()
    [1, 4]
    """
    curve = np.asarray(change, dtype=np.float64)
    return np.sort(peaks(curve[1:], max(k - 1, 0))) + 1


def segments_of(borders: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return the half-open ranges of positions that ``borders`` cut 0..n-1 into, int64 [len(borders) + 1, 2].

    Examples
    --------
    >>> segments_of([2, 5], 6).tolist()
    [[0, 2], [2, 5], [5, 6]]
    """
    edges = np.concatenate([[0], np.asarray(borders, dtype=np.int64), [n]]).astype(np.int64)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def middles(segments: ArrayLike) -> NDArray[np.int64]:
    """Return the middle position of every half-open segment: floor((s + e) / 2) with the last position e inclusive.

    Examples
    --------
    >>> middles([[0, 4], [4, 5]]).tolist()
    [1, 4]
    """
    spans = np.asarray(segments, dtype=np.int64).reshape(-1, 2)
    centre: NDArray[np.int64] = (spans[:, 0] + spans[:, 1] - 1) // 2
    return centre
