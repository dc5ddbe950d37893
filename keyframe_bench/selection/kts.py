"""Kernel temporal segmentation (KTS): where a sequence of frames changes, and how often (Potapov et al. 2014)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UsageError


def kts(kernel: ArrayLike, penalty: float) -> NDArray[np.int64]:
    """Return the positions that start a new segment, sorted: the change points of the best segmentation.

    m change points at positions t cost ``sum of v(a, b) over the m + 1 segments + penalty * m * (log(T / m) + 1)``, and
    none cost v(0, T) alone, where ``v(a, b) = sum of K[t, t] - sum of K[s, t] / (b - a)``, s and t from a to b - 1, is
    the scatter of a segment around its mean. The least cost over all m and all positions is found by a dynamic
    programme: the penalty grows with m, and the scatter is at least 0, so that m stops where the penalty alone exceeds
    the least cost so far. Of equal costs the fewest change points win.

    Parameters
    ----------
    kernel : float [T, T]
        Symmetric, positive semi-definite: products of the frames' features. Time and memory grow with its size, for
        every number of change points that is tried.
    penalty : float
        C, above 0, in the unit of the kernel.

    Returns
    -------
    int64 [m]

    Raises
    ------
    UsageError
        If the kernel is not a square matrix of finite numbers, or the penalty not above 0.

    Examples
    --------
    >>> rows = np.array([[0.0], [0.1], [5.0], [5.1], [5.0]])
    >>> kts(rows @ rows.T, penalty=0.5).tolist()
    [2]
    """
    products = np.asarray(kernel, dtype=np.float64)
    if products.ndim != 2 or products.shape[0] != products.shape[1] or not np.isfinite(products).all():
        raise UsageError(f"KTS needs a square matrix of finite numbers, not one of shape {products.shape}")
    if not (penalty > 0 and math.isfinite(penalty)):
        raise UsageError(f"KTS needs a penalty above 0, not {penalty}")
    n = len(products)
    if n < 2:
        return np.zeros(0, dtype=np.int64)
    scatter = _scatter(products)
    least = scatter[1:, 0].copy()  # [T], of the first b + 1 frames in m + 1 segments
    best, starts, found = float(least[-1]), [], 0
    for m in range(1, n):
        extra = penalty * m * (math.log(n / m) + 1)
        if extra >= best:
            break
        # The last segment starts at a, from m on, and ends with frame b: its row holds every a.
        cost = scatter[m + 1 :, m:n] + least[m - 1 : n - 1]  # [T - m, T - m]
        start = cost.argmin(axis=1)
        least[m:] = cost[np.arange(n - m), start]
        starts.append((start + m).astype(np.int32))
        if least[-1] + extra < best:
            best, found = float(least[-1] + extra), m
    return _traced(starts[:found], n)


def _scatter(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return v(a, b) at [b, a], infinite unless a < b, float64 [T + 1, T + 1]."""
    n = len(products)
    sums = np.zeros((n + 1, n + 1))
    np.cumsum(np.cumsum(products, axis=0), axis=1, out=sums[1:, 1:])
    whole, squares = np.diagonal(sums), np.append(0.0, np.cumsum(np.diagonal(products)))
    length = np.arange(n + 1)[:, None] - np.arange(n + 1)
    inside = whole[:, None] + whole - sums - sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        scatter = squares[:, None] - squares - inside / length
    return np.where(length > 0, np.maximum(scatter, 0.0), np.inf)


def _traced(starts: list[NDArray[np.int32]], n: int) -> NDArray[np.int64]:
    """Follow the last segments back: entry m - 1 of ``starts`` holds those of the first m + 1, 2, ... frames."""
    borders, end = np.zeros(len(starts), dtype=np.int64), n
    for m in range(len(starts), 0, -1):
        borders[m - 1] = end = int(starts[m - 1][end - 1 - m])
    return borders
