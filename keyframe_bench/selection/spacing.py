"""Positions on grids: evenly spaced ones, and the nearest or the first at or after points in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Times are sums of rounded fractions of a second: a frame this little too early still counts as on time.
TIME_TOLERANCE_S = 1e-6


def evenly_spaced(n: int, wanted: int) -> NDArray[np.int64]:
    """Return ``wanted`` (or all) of the positions 0 to n - 1, increasing: the middles of as many equal stretches.

    >>> evenly_spaced(10, 2).tolist(), evenly_spaced(3, 5).tolist()
    ([2, 7], [0, 1, 2])
    """
    count = min(n, wanted)
    return ((np.arange(count) + 0.5) * n / max(count, 1)).astype(np.int64)


def first_at_or_after(times: ArrayLike, wanted: ArrayLike) -> NDArray[np.int64]:
    """Return for each wanted time the first position whose time is not before it (the last position if there is none).

    Parameters
    ----------
    times : float [N]
        Seconds, N >= 1; where they step back, the latest time so far counts.
    wanted : float [K]
        Seconds.

    Examples
    --------
    >>> first_at_or_after([0.0, 0.5, 1.0, 1.5], [0.0, 0.6, 9.0]).tolist()
    [0, 2, 3]
    """
    clock = np.maximum.accumulate(np.asarray(times, dtype=np.float64))
    found = np.searchsorted(clock, np.asarray(wanted, dtype=np.float64) - TIME_TOLERANCE_S, side="left")
    return np.minimum(found, len(clock) - 1).astype(np.int64)


def nearest_times(times: ArrayLike, wanted: ArrayLike) -> NDArray[np.int64]:
    """Return for each wanted time the position of the frame nearest in time, the earlier of two equally near.

    Parameters
    ----------
    times : float [N]
        PTS in seconds, N >= 1; where they step back, the latest time so far counts.
    wanted : float [K]
        Seconds on the same clock.

    Returns
    -------
    int64 [K]

    Examples
    --------
    >>> nearest_times([0.0, 0.5, 1.0, 2.0], [-1.0, 0.2, 0.3, 1.5, 9.0]).tolist()
    [0, 0, 1, 2, 3]
    """
    clock = np.maximum.accumulate(np.asarray(times, dtype=np.float64))
    moments = np.asarray(wanted, dtype=np.float64)
    right = np.searchsorted(clock, moments).clip(0, len(clock) - 1)
    left = np.maximum(right - 1, 0)
    earlier = np.abs(moments - clock[left]) <= np.abs(clock[right] - moments)
    return np.where(earlier, left, right).astype(np.int64)


def every_seconds(times: ArrayLike, period_s: float) -> NDArray[np.int64]:
    """Return the first position at or after each of 0, 1, 2 ... periods from the first frame, without repeats.

    A gap that holds several grid times gives one position: the first frame after it.

    Examples
    --------
    >>> every_seconds([0.0, 0.5, 7.0, 7.5, 8.0], 2.0).tolist()
    [0, 2, 4]
    """
    clock = np.maximum.accumulate(np.asarray(times, dtype=np.float64))
    # The number of whole periods passed grows exactly at the wanted frames; no grid is laid out, so a broken PTS of
    # years costs nothing.
    passed = np.floor((clock - clock[0] + TIME_TOLERANCE_S) / period_s)
    return np.flatnonzero(np.diff(passed, prepend=-1.0) > 0).astype(np.int64)


def distinct(wanted: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return strictly increasing positions in 0..n-1 near ``wanted``: no position twice, none lost.

    Parameters
    ----------
    wanted : int [..., K]
        Non-decreasing positions in each row, K <= n.
    n : int
        Number of positions there are.

    Returns
    -------
    int64 [..., K]
        Equal to ``wanted`` where that is already strictly increasing and inside.

    Examples
    --------
    >>> distinct([0, 0, 0, 3], 4).tolist()
    [0, 1, 2, 3]
    >>> distinct([[2, 3, 3], [0, 1, 3]], 4).tolist()
    [[1, 2, 3], [0, 1, 3]]
    """
    rows = np.asarray(wanted, dtype=np.int64)
    index = np.arange(rows.shape[-1])
    # Pushed later where two coincide, then earlier where the end is passed; both steps keep the order strict.
    later = index + np.maximum.accumulate(rows - index, axis=-1)
    return np.minimum(later, n - len(index) + index).astype(np.int64)
