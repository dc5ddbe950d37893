"""Distances between pictures: two families, so that no selector is judged by its own feature alone (C4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..features.gray import Gray
from ..features.hue_histogram import HueHistogram

HUE = HueHistogram(bins=16, height=60, width=80)
GRAY = Gray(height=18, width=32)

_GROUP = 16  # others multiplied at a time: memory does not grow with their number
_ONE_THREAD = 4 * 65536  # OpenBLAS uses one thread for products of at most this many multiplications

HUE_MAX = 2.0
"""Largest L1 distance of two histograms that sum to 1."""
GRAY_MAX = 255.0
"""Largest RMS difference of two grey pictures."""

# Histograms are counts rounded to float32: two of them are exactly at a limit or further from it than this.
_ROUNDING = 1e-6

HUE_LIMIT = 0.5 - _ROUNDING
"""The CUS tool's limit, L1 < 0.5 (strict): a quarter of the pixels have changed their bin."""

GRAY_LIMIT = 25.0
"""RMS < 25 of 255 grey levels counts as the same view.

Measured on 18x32 pictures of real video, this share of the pairs of frames is nearer: from different clips (30 short
ones) 0.01 %, from different shots of one film (three films) 2 %, from one shot with its motion 37 %, from a fixed
camera on a busy square 99 % or more. By the hue criterion the first two are 4.6 % and 7 %: it is the more generous.
"""


def hue_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the L1 distance of every pair of histograms.

    Parameters
    ----------
    a, b : float [P, bins], [R, bins]
        Shares that sum to 1.

    Returns
    -------
    float64 [P, R]
        0 to 2.
    """
    from scipy.spatial.distance import cdist

    if len(a) == 0 or len(b) == 0:
        return np.zeros((len(a), len(b)))
    return np.asarray(cdist(a, b, "cityblock"), dtype=np.float64)


def gray_distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the root mean square difference, 0 to 255, of every pair of grey pictures.

    Parameters
    ----------
    a, b : uint8 [P, height, width], [R, height, width]
        At most 1024 pixels each.

    Returns
    -------
    float64 [P, R]
        Exact up to the rounding of the square root.
    """
    x, y = centred(a), centred(b)
    square = np.zeros((len(x), len(y)))
    blocks = Blocks(len(x), x.shape[1], np.float32)
    blocks.rows[:] = x
    for group, products in blocks.products(y):
        square[:, group] = products
    square *= -2.0
    square += squares(x)[:, None]
    square += squares(y)[None]
    distance: NDArray[np.float64] = np.sqrt(square / max(1, x.shape[1]))
    return distance


def centred(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return levels - 128 as float32 [pictures, pixels].

    Products of two pictures are then whole numbers, and their sums over at most 1024 pixels stay below 2^24: exact.
    """
    flat = pictures.reshape(len(pictures), int(np.prod(pictures.shape[1:])))
    result: NDArray[np.float32] = np.subtract(flat, 128, dtype=np.float32)
    return result


def squares(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return the squared length of every row, float64 [rows]; exact for `centred` pictures."""
    return np.asarray(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))


class Blocks:
    """Rows cut into blocks, to be multiplied with few others in one thread.

    BLAS spreads larger products over threads, and with other work on the cores (videos are run in parallel) waiting for
    them costs many times the product itself: 16 ms and more instead of 0.6 ms for 3000 pictures and 15 key frames.

    Parameters
    ----------
    n, dimensions : int
    dtype : type

    Attributes
    ----------
    rows : [n, dimensions]
        To be filled in.
    """

    def __init__(self, n: int, dimensions: int, dtype: type[np.floating] = np.float64) -> None:
        per_block = max(1, min(n, _ONE_THREAD // (_GROUP * max(1, dimensions))))
        self._blocks = np.zeros((-(-n // per_block), per_block, dimensions), dtype=dtype)
        self.rows: NDArray[Any] = self._blocks.reshape(-1, dimensions)[:n] if dimensions else np.zeros((n, 0), dtype)

    def products(self, others: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield ranges of ``others`` [R, D] and the inner products of all rows with them, [n, few]."""
        for start in range(0, len(others), _GROUP):
            group = slice(start, min(start + _GROUP, len(others)))
            # Always the same shape: with another, BLAS would add up in another order, and the last digit of a number
            # would depend on which other key frames it was computed with.
            columns = np.zeros((others.shape[1], _GROUP), dtype=others.dtype)
            columns[:, : group.stop - group.start] = others[group].T
            found = np.matmul(self._blocks, columns).reshape(-1, _GROUP)
            yield group, found[: len(self.rows), : group.stop - group.start]
