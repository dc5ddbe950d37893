"""Distances between pictures: two families, so that no selector is judged by its own feature alone (C4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..features.gray import Gray
from ..features.hue_histogram import HueHistogram

HUE = HueHistogram(bins=16, height=60, width=80)
GRAY = Gray(height=18, width=32)

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
    x, y = _centred(a), _centred(b)
    # Products of centred levels are whole numbers and their sums stay below 2^24: exact in float32.
    square = _squares(x)[:, None] + _squares(y)[None] - 2.0 * (x @ y.T).astype(np.float64)
    distance: NDArray[np.float64] = np.sqrt(square / max(1, x.shape[1]))
    return distance


def _centred(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    flat = pictures.reshape(len(pictures), int(np.prod(pictures.shape[1:])))
    centred: NDArray[np.float32] = np.subtract(flat, 128, dtype=np.float32)
    return centred


def _squares(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", rows, rows), dtype=np.float64)
