"""Representatives: real rows nearest to the centres of k-means clusters."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Representatives(NamedTuple):
    """What `representatives` found.

    Attributes
    ----------
    positions : int64 [K]
        Distinct rows, increasing.
    shares : float64 [K]
        Share of all rows that are in the cluster of each; 0 for rows that only fill the number up.
    """

    positions: NDArray[np.int64]
    shares: NDArray[np.float64]


def representatives(
    points: NDArray[np.floating[Any]], k: int, *, rng: np.random.Generator, n_init: int = 10
) -> Representatives:
    """Cluster the rows and return, for each cluster, the member nearest to its centre.

    Parameters
    ----------
    points : float [N, D]
        One finite row per frame, in order of time.
    k : int
        Clusters wanted, at least 1.
    rng : numpy.random.Generator
        Gives the seed of k-means.
    n_init : int
        Starts of k-means, of which the tightest clustering is kept.

    Returns
    -------
    Representatives
        Exactly ``min(k, N)`` positions. Where there are fewer distinct rows than that, each gives its earliest frame
        and the rest are put into the middle of the longest stretches without one. Ties go to the earlier row.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
    >>> representatives(rows, 2, rng=np.random.default_rng(0)).positions.tolist()
    [1, 4]
    """
    rows = np.asarray(points, dtype=np.float64).reshape(len(points), -1)
    k = min(k, len(rows))
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    if k >= len(first):
        # Every distinct row is a cluster of its own; asking k-means would only warn.
        labels, chosen = inverse.reshape(-1), first.astype(np.int64)
    else:
        labels, centres = _k_means(rows, k, int(rng.integers(2**31 - 1)), n_init)
        distance = np.square(rows - centres[labels]).sum(axis=1)
        nearest_first = np.lexsort((np.arange(len(rows)), distance))
        _, at, labels = np.unique(labels[nearest_first], return_index=True, return_inverse=True)
        chosen = nearest_first[at]
    order = np.argsort(chosen)
    shares = np.bincount(labels, minlength=len(chosen)) / len(rows)
    return _filled(chosen[order], shares[order], k, len(rows))


def _k_means(rows: NDArray[np.float64], k: int, seed: int, n_init: int) -> tuple[NDArray[Any], NDArray[np.float64]]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    # One thread: sums of several come in any order, and a last bit may decide to which cluster a frame goes.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rows equal up to rounding: fewer clusters, filled later
        fitted = KMeans(k, n_init=n_init, random_state=seed).fit(rows)
    return fitted.labels_, fitted.cluster_centers_


def _filled(chosen: NDArray[np.int64], shares: NDArray[np.float64], k: int, n: int) -> Representatives:
    while len(chosen) < k:
        # Rows before the first, between two, and after the last chosen one.
        edges = np.concatenate([[-1], chosen, [n]])
        free = np.diff(edges) - 1
        widest = int(free.argmax())
        chosen = np.insert(chosen, widest, edges[widest] + 1 + (free[widest] - 1) // 2)
        shares = np.insert(shares, widest, 0.0)
    return Representatives(chosen, shares)
