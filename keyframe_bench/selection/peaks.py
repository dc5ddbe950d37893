"""Peaks of a score with a minimum distance; the number of key frames inferred from the video."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray


def peaks(scores: NDArray[np.floating], k: int, min_gap: int = 1, *, fill: bool = True) -> NDArray[np.int64]:
    """Return positions of up to ``k`` high scores, best first, at least ``min_gap`` positions apart.

    Parameters
    ----------
    scores : float [N]
        One finite number per position.
    k : int
        How many are wanted.
    min_gap : int
        Smallest distance of two peaks, in positions.
    fill : bool
        True: when fewer than ``min(k, N)`` fit, the gap is halved until they do, so exactly that many come back.

    Returns
    -------
    int64 [<= k]
        Ties go to the earlier position.

    Examples
    --------
    >>> import numpy as np
    >>> peaks(np.array([0.0, 9.0, 8.0, 0.0, 5.0]), k=2, min_gap=2).tolist()
    [1, 4]
    """
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    k = min(k, len(order))
    gap = max(1, min_gap)
    while True:
        free = np.ones(len(order), dtype=bool)
        chosen: list[int] = []
        for position in order:
            if len(chosen) == k:
                break
            if free[position]:
                chosen.append(position)
                free[max(0, position - gap + 1) : position + gap] = False
        if len(chosen) == k or not fill or gap == 1:
            return np.asarray(chosen, dtype=np.int64)
        gap //= 2


def highest_of_bins(scores: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    """Return the position of the highest score in each of ``n`` bins of equal width, every position of fewer scores."""
    starts = np.unique(np.linspace(0, len(scores), n + 1).astype(np.int64))[:-1]
    parts = np.split(scores, starts[1:]) if len(scores) else []
    return np.array([a + int(np.argmax(part)) for a, part in zip(starts, parts, strict=False)], dtype=np.int64)


_FLAT = 1e-9  # a curve this near its chord (of a unit square) is a straight line, or rounding


def knee_threshold(scores: ArrayLike) -> float:
    """Return the score at the knee of the sorted scores: those strictly above it stand out from the rest.

    The scores, sorted from high to low, are drawn into the unit square; the knee is the point furthest below the chord
    from the first to the last, the first of equals. Where no point lies below it (equal or evenly spread scores, or
    many high ones and few low) there is no knee: the highest score is returned, and none is above it. It moves
    with the scores when they are scaled or shifted: the faint noise of a static video has a knee as well, if its scores
    are not all equal. The idea is that of Kneedle (Satopaa et al. 2011), without its smoothing.

    Parameters
    ----------
    scores : float [N]
        Finite, N >= 1.

    Examples
    --------
    >>> knee_threshold([1, 9, 1, 1, 8, 2, 1])
    2.0
    >>> knee_threshold([3, 3, 3])
    3.0
    """
    curve = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    spread = curve[0] - curve[-1]
    if spread <= 0:
        return float(curve[0])
    across = np.arange(len(curve)) / (len(curve) - 1)
    below = 1 - across - (curve - curve[-1]) / spread
    deepest = below.max()
    if deepest <= _FLAT:
        return float(curve[0])
    return float(curve[np.flatnonzero(below >= deepest - _FLAT)[0]])


def smallest_covering(select: Callable[[int], NDArray[np.bool_]], n: int, share: float) -> int:
    """Return a k of 1..n whose key frames cover at least ``share``, while those of k - 1 do not.

    k is doubled until enough is covered, then bisected. Coverage need not grow with k, as another budget may choose
    other frames: a smaller k that happens to cover is then missed, never one that does not taken. When nothing covers,
    it is n.

    Parameters
    ----------
    select : callable
        k to bool [N]: which frames the k key frames cover.
    n : int
        Largest k, at least 1.
    share : float
        0 to 1.
    """

    def enough(k: int) -> bool:
        return float(select(k).mean()) >= share

    low, high = 0, 1
    while high < n and not enough(high):
        low, high = high, min(2 * high, n)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
