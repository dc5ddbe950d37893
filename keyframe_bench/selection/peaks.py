"""Peaks of a score with a minimum distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
