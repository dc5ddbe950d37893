"""Differential evolution over sets of frames, and structural similarity of many pairs of small grey images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .spacing import distinct

Pairs = Literal["consecutive", "all"]
PairValues = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
Cost = Callable[[NDArray[np.int64]], NDArray[np.float64]]


def evolve(
    cost: Cost,
    n: int,
    k: int,
    *,
    rng: np.random.Generator,
    population: int,
    weight: float,
    crossover: float,
    generations: int,
) -> NDArray[np.int64]:
    """Return the set of k of n positions with the lowest ``cost`` that DE/rand/1/bin finds (Storn and Price 1997).

    An individual is a set, its positions in increasing order. In each generation every individual x gets one rival: of
    three distinct others a, b, c the mutant ``a + weight * (b - c)``, from which each gene is taken with probability
    ``crossover``, and one gene in any case, the rest from x; rounded, clipped to 0..n-1, sorted and made `distinct`.
    The rival replaces x if it costs no more. All rivals of a generation are bred from the same population and judged in
    one call.

    Parameters
    ----------
    cost : callable
        int64 [P, K] (rows increasing) to float64 [P].
    n, k : int
        1 <= k <= n.
    rng : numpy.random.Generator
    population : int
        Individuals in all, at least 4.
    weight : float
        F of the source.
    crossover : float
        CR of the source, 0 to 1.
    generations : int
        0 gives the best of the first population, which is drawn uniformly.

    Returns
    -------
    int64 [K]
        Increasing; the first individual of equals.

    Examples
    --------
    >>> import numpy as np
    >>> rng, options = np.random.default_rng(0), {"population": 20, "weight": 0.5, "crossover": 0.9, "generations": 100}
    >>> evolve(lambda sets: np.abs(sets - [3, 8]).sum(axis=1) * 1.0, 12, 2, rng=rng, **options).tolist()
    [3, 8]
    """
    sets = np.sort(rng.random((population, n)).argpartition(k - 1, axis=1)[:, :k], axis=1).astype(np.int64)
    costs = cost(sets)
    for _ in range(generations):
        rivals = _rivals(sets, n, rng, weight, crossover)
        rival_costs = cost(rivals)
        better = rival_costs <= costs
        sets = np.where(better[:, None], rivals, sets)
        costs = np.where(better, rival_costs, costs)
    return np.asarray(sets[int(costs.argmin())])


def _rivals(
    sets: NDArray[np.int64], n: int, rng: np.random.Generator, weight: float, crossover: float
) -> NDArray[np.int64]:
    count, k = sets.shape
    keys = rng.random((count, count))
    np.fill_diagonal(keys, 2.0)  # never itself
    a, b, c = sets[keys.argsort(axis=1)[:, :3].T]
    taken = rng.random((count, k)) < crossover
    taken[np.arange(count), rng.integers(k, size=count)] = True
    mixed = np.where(taken, np.rint(a + weight * (b - c)), sets)
    return distinct(np.sort(np.clip(mixed, 0, n - 1), axis=1), n)


class PairCache:
    """Values of unordered pairs of frames, each computed once, all that are new in a request in one batch.

    Parameters
    ----------
    compute : callable
        ``(first, second)``, int64 [P] each with first < second, to float64 [P].
    n : int
        Number of frames.
    """

    def __init__(self, compute: PairValues, n: int) -> None:
        self._compute = compute
        self._n = n
        self._keys = np.zeros(0, dtype=np.int64)
        self._values = np.zeros(0, dtype=np.float64)

    def __call__(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the value of each pair, float64 of the shape of ``first``."""
        wanted = np.minimum(first, second) * self._n + np.maximum(first, second)
        fresh = np.setdiff1d(wanted, self._keys)
        if fresh.size:
            at = np.searchsorted(self._keys, fresh)
            values = self._compute(fresh // self._n, fresh % self._n)
            self._keys, self._values = np.insert(self._keys, at, fresh), np.insert(self._values, at, values)
        return self._values[np.searchsorted(self._keys, wanted)]


def pairs_of(k: int, pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which members of a set of k are compared: neighbours in time, or all.

    Examples
    --------
    >>> [side.tolist() for side in pairs_of(3, "all")]
    [[0, 0, 1], [1, 2, 2]]
    """
    if pairs == "consecutive":
        return np.arange(k - 1), np.arange(1, k)
    first, second = np.triu_indices(k, 1)
    return first.astype(np.int64), second.astype(np.int64)


def mean_over_pairs(values: PairValues, k: int, pairs: Pairs) -> Cost:
    """Return the cost of sets of k >= 2 positions: the mean of ``values(first, second)`` over their `pairs_of`."""
    first, second = pairs_of(k, pairs)

    def cost(sets: NDArray[np.int64]) -> NDArray[np.float64]:
        means: NDArray[np.float64] = values(sets[:, first], sets[:, second]).mean(axis=1)
        return means

    return cost


def mean_of_members(values: NDArray[np.number[Any]], k: int, pairs: Pairs) -> NDArray[np.float64]:
    """Return for each of the k >= 2 members the mean of the values of the pairs it belongs to, float64 [K].

    Examples
    --------
    >>> import numpy as np
    >>> mean_of_members(np.array([1.0, 5.0]), 3, "consecutive").tolist()
    [1.0, 3.0, 5.0]
    """
    members = np.concatenate(pairs_of(k, pairs))
    sums = np.bincount(members, weights=np.tile(np.asarray(values, dtype=np.float64), 2), minlength=k)
    return np.asarray(sums / np.bincount(members, minlength=k), dtype=np.float64)


Array = NDArray[np.float64]

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_BATCH = 512  # images held as float64 at a time


class PairSSIM:
    """Mean SSIM of any pairs of images (Wang et al. 2004, equation 13 and section III.C).

    Gaussian window of 11 x 11 with standard deviation 1.5, K1 = 0.01, K2 = 0.03, levels 0 to 255, windows inside the
    image only, variances with weights that sum to 1 (no sample correction). The paper's first step, shrinking to a
    height near 256, does not apply to images this small.

    Local means and variances are computed once per image; a pair adds one product. They take 16 bytes for every
    window: 22 KB for an image of 36 x 64.

    Parameters
    ----------
    images : uint8 or float [N, height, width]
        Levels 0 to 255, each side at least 11.
    """

    def __init__(self, images: NDArray[np.number[Any]]) -> None:
        self._images = np.asarray(images)
        n, height, width = self._images.shape
        # Filtering is separable, and each direction a product with a band matrix.
        self._down, self._across = _band(height), _band(width).T.copy()
        self._mean = np.empty((n, height - _WINDOW + 1, width - _WINDOW + 1))
        self._variance = np.empty_like(self._mean)
        for start in range(0, n, _BATCH):
            part = slice(start, start + _BATCH)
            levels = self._images[part].astype(np.float64)
            self._mean[part] = self._filtered(levels)
            self._variance[part] = self._filtered(levels**2) - self._mean[part] ** 2

    def __call__(self, first: NDArray[np.integer[Any]], second: NDArray[np.integer[Any]]) -> Array:
        """Return the mean SSIM, -1 to 1, of the images ``first[p]`` and ``second[p]``, float64 [P]."""
        result = np.empty(len(first))
        for start in range(0, len(first), _BATCH):
            part = slice(start, start + _BATCH)
            result[part] = self._batch(first[part], second[part])
        return result

    def _batch(self, a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]]) -> Array:
        means = self._mean[a] * self._mean[b]
        product = self._images[a].astype(np.float64) * self._images[b]
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
