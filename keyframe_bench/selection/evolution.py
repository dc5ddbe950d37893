"""Differential evolution over sets of frames (A19)."""

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
