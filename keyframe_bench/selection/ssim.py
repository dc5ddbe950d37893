"""Structural similarity of many pairs of small grey pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_BATCH = 512  # pictures held as float64 at a time


class PairSSIM:
    """Mean SSIM of any pairs of pictures (Wang et al. 2004, equation 13 and section III.C).

    Gaussian window of 11 x 11 with standard deviation 1.5, K1 = 0.01, K2 = 0.03, levels 0 to 255, windows inside the
    picture only, variances with weights that sum to 1 (no sample correction). The paper's first step, shrinking to a
    height near 256, does not apply to pictures this small.

    Local means and variances are computed once per picture; a pair adds one product. They take 16 bytes for every
    window: 22 KB for a picture of 36 x 64.

    Parameters
    ----------
    pictures : uint8 or float [N, height, width]
        Levels 0 to 255, each side at least 11.
    """

    def __init__(self, pictures: NDArray[np.number[Any]]) -> None:
        self._pictures = np.asarray(pictures)
        n, height, width = self._pictures.shape
        # Filtering is separable, and each direction a product with a band matrix.
        self._down, self._across = _band(height), _band(width).T.copy()
        self._mean = np.empty((n, height - _WINDOW + 1, width - _WINDOW + 1))
        self._variance = np.empty_like(self._mean)
        for start in range(0, n, _BATCH):
            part = slice(start, start + _BATCH)
            levels = self._pictures[part].astype(np.float64)
            self._mean[part] = self._filtered(levels)
            self._variance[part] = self._filtered(levels**2) - self._mean[part] ** 2

    def __call__(self, first: NDArray[np.integer[Any]], second: NDArray[np.integer[Any]]) -> Array:
        """Return the mean SSIM, -1 to 1, of the pictures ``first[p]`` and ``second[p]``, float64 [P]."""
        result = np.empty(len(first))
        for start in range(0, len(first), _BATCH):
            part = slice(start, start + _BATCH)
            result[part] = self._batch(first[part], second[part])
        return result

    def _batch(self, a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]) -> Array:
        means = self._mean[a] * self._mean[b]
        product = self._pictures[a].astype(np.float64) * self._pictures[b]
        covariance = self._filtered(product) - means
        squares = self._mean[a] ** 2 + self._mean[b] ** 2
        luminance = (2 * means + _C1) / (squares + _C1)
        structure = (2 * covariance + _C2) / (self._variance[a] + self._variance[b] + _C2)
        similarity: Array = (luminance * structure).mean(axis=(1, 2))
        return similarity

    def _filtered(self, images: Array) -> Array:
        """Weighted mean in every window, float64 [B, height - 10, width - 10]."""
        filtered: Array = self._down @ (images @ self._across)
        return filtered


def _band(size: int) -> Array:
    """Matrix [size - 10, size] whose rows are the normalised Gaussian window, one pixel further each."""
    weights = np.exp(-np.square((np.arange(_WINDOW) - _WINDOW // 2) / _SIGMA) / 2)
    matrix = np.zeros((size - _WINDOW + 1, size))
    rows = np.arange(len(matrix))[:, None]
    matrix[rows, rows + np.arange(_WINDOW)] = weights / weights.sum()
    return matrix
