"""The exact 0/1 knapsack: the most valuable items that fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UsageError


def knapsack(values: ArrayLike, weights: ArrayLike, capacity: int) -> NDArray[np.int64]:
    """Return the items of the largest total value whose total weight is at most ``capacity``, increasing.

    Whole numbers add up exactly, so that ties do not depend on the order of sums: round real values first. Only what
    adds value is taken; of equally valuable choices one without the later items.

    Parameters
    ----------
    values : int [n]
        Sums of which fit into 64 bits; items without a value above 0 are never taken.
    weights : int [n]
        At least 0.
    capacity : int
        At least 0; may be used up. Time and memory (a byte) grow with ``n * capacity``.

    Returns
    -------
    int64 [chosen]

    Raises
    ------
    UsageError
        If numbers are not whole, weights negative, or there are more of one than of the other.

    Examples
    --------
    >>> knapsack([9, 8, 8], [6, 5, 5], 10).tolist()
    [1, 2]
    """
    worth, heavy = np.asarray(values), np.asarray(weights)
    if worth.shape != heavy.shape or worth.ndim != 1:
        raise UsageError(f"a knapsack needs one weight per value, not {heavy.shape} for {worth.shape}")
    if worth.size and not (worth.dtype.kind in "iu" and heavy.dtype.kind in "iu"):
        raise UsageError(f"a knapsack needs whole numbers, not {worth.dtype} and {heavy.dtype}; round them first")
    if heavy.size and heavy.min() < 0:
        raise UsageError(f"a knapsack needs weights of at least 0, not {heavy.min()}")
    able = np.flatnonzero((worth > 0) & (heavy <= capacity))
    best = np.zeros(capacity + 1, dtype=np.int64)  # [capacity + 1], with at most that weight
    taken = np.zeros((len(able), capacity + 1), dtype=bool)
    for i, (value, weight) in enumerate(zip(worth[able].tolist(), heavy[able].tolist(), strict=True)):
        with_it = best[: capacity + 1 - weight] + value
        np.greater(with_it, best[weight:], out=taken[i, weight:])
        np.maximum(with_it, best[weight:], out=best[weight:])
    chosen, room = [], capacity
    for i in range(len(able) - 1, -1, -1):
        if taken[i, room]:
            chosen.append(able[i])
            room -= int(heavy[able[i]])
    return np.array(chosen[::-1], dtype=np.int64)
