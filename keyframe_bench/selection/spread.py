"""Evenly spread positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spread(n: int, wanted: int) -> NDArray[np.int64]:
    """Return ``wanted`` (or all) of the positions 0 to n - 1, increasing: the middles of as many equal stretches.

    >>> spread(10, 2).tolist(), spread(3, 5).tolist()
    ([2, 7], [0, 1, 2])
    """
    count = min(n, wanted)
    return ((np.arange(count) + 0.5) * n / max(count, 1)).astype(np.int64)
