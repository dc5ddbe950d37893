"""Segments between changes: where a change curve is cut, and the middle frame of every piece (A14, A15, A20)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UsageError

ThresholdRule = Literal["mean", "mean+std", "absolute", "rolling"]

# Sums of floats carry rounding: a change this close below its threshold (relative) counts as reaching it, so that the
# cut does not depend on the unit in which the change is measured.
_ROUNDING = 1e-9


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
    clock = np.maximum.accumulate(np.asarray(times, dtype=np.float64))
    total = np.concatenate([[0.0], np.cumsum(np.asarray(values, dtype=np.float64))])
    half = window_s / 2 + 1e-9  # times are rounded: a frame exactly half a window away is inside
    low = np.searchsorted(clock, clock - half, side="left")
    high = np.searchsorted(clock, clock + half, side="right")
    mean: NDArray[np.float64] = (total[high] - total[low]) / (high - low)
    return mean


def change_threshold(
    change: ArrayLike,
    times: ArrayLike,
    rule: ThresholdRule,
    *,
    factor: float = 1.0,
    level: float = 0.0,
    window_s: float = 60.0,
) -> NDArray[np.float64]:
    """Return the threshold of every change.

    Parameters
    ----------
    change : float [N]
        Change from the frame before; entry 0 is undefined and never used.
    times : float [N]
        Seconds.
    rule : {"mean", "mean+std", "absolute", "rolling"}
        ``factor * mean``, ``mean + factor * standard deviation`` (population), ``level``, or
        ``factor * centred rolling mean``.
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
    else:
        raise UsageError(f"threshold rule {rule!r} is unknown; use mean, mean+std, absolute or rolling")
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
    order = np.argsort(-curve[1:], kind="stable")[: max(k - 1, 0)]
    return np.sort(order + 1).astype(np.int64)


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


def segments_by_change(
    change: ArrayLike,
    times: ArrayLike,
    k: int | None,
    rule: ThresholdRule,
    *,
    factor: float = 1.0,
    level: float = 0.0,
    window_s: float = 60.0,
) -> NDArray[np.int64]:
    """Cut at the ``k - 1`` largest changes, or (``k is None``) wherever the change reaches its threshold.

    Returns
    -------
    int64 [S, 2]
        Half-open ranges of positions that cover 0..N-1; exactly ``min(k, N)`` of them when k is given.
    """
    curve = np.asarray(change, dtype=np.float64)
    if k is None:
        threshold = change_threshold(curve, times, rule, factor=factor, level=level, window_s=window_s)
        borders = borders_at(curve, threshold)
    else:
        borders = largest_borders(curve, k)
    return segments_of(borders, len(curve))
