"""Key frames by the relevance of each frame: the highest scores, spread over time by one rule or another."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def adaptive(
    scores: ArrayLike, k: int, *, threshold: float = 0.8, depth: int = 5, as_released: bool = False
) -> NDArray[np.int64]:
    """Return the best frames of segments that are halved until their best scores stand out (AKS, Tang et al. 2025).

    A segment whose best scores, on average, exceed the mean of all its scores by more than ``threshold`` gives its
    share of the key frames, the best ones; another one is halved, and its share too, until ``depth`` halvings.

    Parameters
    ----------
    scores : float [N]
        Finite, N >= 1; they are scaled to 0 to 1 first (equal ones become 0).
    k : int
        Key frames wanted, at least 1.
    threshold : float
        Of the scaled scores.
    depth : int
        Halvings at most, at least 0.
    as_released : bool
        True: what the released code gives. A segment is judged by its ``k`` best scores, whatever its share, so that
        none of at most ``k`` frames stands out; shares are rounded down, to nothing where ``k < 2 ** depth``. False: a
        segment is judged by as many scores as it has a share, an odd frame goes to the half where it scores higher (the
        earlier of equals), and what a half is too short for goes to the other.

    Returns
    -------
    int64 [K]
        Positions, increasing: exactly ``min(k, N)``, or fewer as released. Of equal scores the earlier are taken.

    Examples
    --------
    >>> adaptive([0, 9, 8, 0, 0, 1, 0, 0], 4).tolist()
    [1, 2, 5, 6]
    >>> adaptive([0, 9, 8, 0, 0, 1, 0, 0], 4, as_released=True).tolist()
    []
    """
    curve = _scaled(scores)
    if k > len(curve):
        return np.arange(len(curve))
    chosen = [np.zeros(0, dtype=np.int64)]
    segments = [(0, len(curve), k, 0)]  # start, end, share, halvings
    while segments:
        start, end, share, halvings = segments.pop()
        part = curve[start:end]
        if not len(part) or not share:
            continue
        best = np.argsort(-part, kind="stable")
        judged = part[best[: k if as_released else share]]
        if halvings == depth or judged.mean() - part.mean() > threshold:
            chosen.append(start + best[:share])
            continue
        middle = start + len(part) // 2
        left = right = share // 2
        if not as_released:
            left, right = _halves(curve[start:middle], curve[middle:end], share)
        segments += [(start, middle, left, halvings + 1), (middle, end, right, halvings + 1)]
    return np.sort(np.concatenate(chosen))


def _halves(first: NDArray[np.float64], second: NDArray[np.float64], share: int) -> tuple[int, int]:
    """Return how many of ``share`` key frames each half of a segment gets; together they have as many frames."""
    half = share // 2
    mine, its = (np.sort(part)[::-1][half : half + 1] for part in (first, second))  # where an odd one would score
    left = half + (share % 2 if not its.size or (mine.size and mine[0] >= its[0]) else 0)
    left = min(max(left, share - len(second)), len(first))
    return left, share - left


def inverse_transform(scores: ArrayLike, k: int, *, power: float = 3.0, as_released: bool = False) -> NDArray[np.int64]:
    """Return the frames at evenly spaced quantiles of the cumulated scores (BOLT, Liu et al. 2025).

    Scores are scaled to 0 to 1, raised to ``power`` and cumulated: where they are high, key frames are dense.

    Parameters
    ----------
    scores : float [N]
        Finite, N >= 1.
    k : int
        Key frames wanted, at least 1.
    power : float
        Above 0; 1 leaves the scaled scores as they are.
    as_released : bool
        True: what the released code gives, whose quantiles go in equal steps from 1/k to 1 - 1/k (for k = 2 both are
        1/2): frames that are met twice count once, and equal scores give the first frame alone. False: the quantiles
        are (j + 1/2) / k; for each frame met more than once another one is found by the same rule among those not
        chosen yet, all of the same weight where no score is left above the lowest. Equal scores give evenly spaced
        frames.

    Returns
    -------
    int64 [K]
        Positions, increasing: exactly ``min(k, N)``, or fewer as released.

    Examples
    --------
    >>> inverse_transform([0, 0, 1, 1, 0, 0, 0, 2], 3, power=1).tolist()
    [2, 3, 7]
    >>> inverse_transform([0, 0, 9, 0, 0, 0], 3).tolist(), inverse_transform([0, 0, 9, 0], 3, as_released=True).tolist()
    ([1, 2, 4], [2])
    """
    weights = _scaled(scores) ** power
    k = min(k, len(weights))
    if as_released:
        total = np.cumsum(weights)
        wanted = np.linspace(1 / k, 1 - 1 / k, k) * total[-1]
        return np.unique(np.searchsorted(total, wanted).clip(max=len(total) - 1))
    free = np.ones(len(weights), dtype=bool)
    while missing := k - int((~free).sum()):
        left = np.where(free, weights, 0.0)
        total = np.cumsum(left if left.any() else free)
        free[np.searchsorted(total, (np.arange(missing) + 0.5) * total[-1] / missing, side="right")] = False
    return np.flatnonzero(~free)


def watershed(scores: ArrayLike, k: int) -> NDArray[np.int64]:
    """Return the peaks that stand out most when the upturned curve of scores is flooded (Vincent and Soille 1991).

    Every peak is the bottom of a basin. Where two basins meet, the one with the lower peak (of equal ones the later)
    ends: a peak stands out by its height above that place, so that a ripple on a high hill counts less than a low hill
    of its own. The highest peak never ends. Where there are fewer peaks than ``k``, the highest other scores follow.

    Parameters
    ----------
    scores : float [N]
        Finite, N >= 1.
    k : int
        Key frames wanted, at least 1.

    Returns
    -------
    int64 [min(k, N)]
        Positions, increasing; the earlier of equals, of a flat peak the first.

    Examples
    --------
    >>> watershed([1, 9, 8, 8.5, 0, 3, 1], 2).tolist(), watershed([1, 9, 8, 8.5, 0, 3, 1], 3).tolist()
    ([1, 5], [1, 3, 5])
    """
    curve = np.asarray(scores, dtype=np.float64)
    stands_out = np.zeros(len(curve))
    peak = np.full(len(curve), -1)  # at both ends of a basin its peak; -1: still dry
    end = np.arange(len(curve))  # at both ends of a basin the other one
    for position in np.argsort(-curve, kind="stable").tolist():
        first = last = position
        found = []
        if position and peak[position - 1] >= 0:
            first = int(end[position - 1])
            found.append(int(peak[position - 1]))
        if position + 1 < len(curve) and peak[position + 1] >= 0:
            last = int(end[position + 1])
            found.append(int(peak[position + 1]))
        higher = max(found, key=lambda at: curve[at], default=position)
        stands_out[higher] = np.inf
        for lower in set(found) - {higher}:
            stands_out[lower] = curve[lower] - curve[position]
        peak[[first, last]], end[first], end[last] = higher, last, first
    return np.sort(np.lexsort((-curve, -stands_out))[:k])


def _scaled(scores: ArrayLike) -> NDArray[np.float64]:
    """Return the scores scaled to 0 to 1; equal ones are 0."""
    curve = np.asarray(scores, dtype=np.float64)
    above = curve - curve.min()
    return np.asarray(above / (above.max() or 1.0))
