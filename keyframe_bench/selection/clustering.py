"""Clusters of frames: k-means, real rows that represent clusters, and entropy of grey histograms."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
    points: NDArray[np.floating[Any]], k: int, *, rng: np.random.Generator, n_init: int
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
    >>> representatives(rows, 2, rng=np.random.default_rng(0), n_init=10).positions.tolist()
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
    positions = filled(np.sort(chosen), k, len(rows))
    shares = np.zeros(len(positions))
    shares[np.searchsorted(positions, chosen)] = np.bincount(labels, minlength=len(chosen)) / len(rows)
    return Representatives(positions, shares)


class SquaredDistances:
    """Squared Euclidean distances of the rows at some positions to all N rows, by one matrix product.

    Parameters
    ----------
    rows : float32 [N, D]
        Best centred on their mean, which keeps rounding small.

    Notes
    -----
    From all of them two millionths of the largest squared length of a row are subtracted: rounding, so that copies are
    0 apart.

    Examples
    --------
    >>> import numpy as np
    >>> SquaredDistances(np.array([[0.0], [1.0], [3.0]]))([1]).round(3).tolist()
    [[1.0, 0.0, 4.0]]
    """

    def __init__(self, rows: NDArray[np.floating[Any]]) -> None:
        self.rows = np.asarray(rows, dtype=np.float32)
        self.lengths = np.einsum("ij,ij->i", self.rows, self.rows)  # squared
        less = self.lengths - np.float32(2e-6) * self.lengths.max()
        one = np.ones(len(self.rows), dtype=np.float32)
        self._left = np.column_stack([-2 * self.rows, less, one])
        self._right = np.column_stack([self.rows, one, self.lengths]).T

    def __call__(self, positions: ArrayLike) -> NDArray[np.float32]:
        """Return float32 [B, N] for int [B]."""
        found: NDArray[np.float32] = self._left[np.asarray(positions)] @ self._right
        return np.maximum(found, 0, out=found)


def k_by_length(duration_s: float, seconds_per_key: float, growth: Literal["linear", "sqrt"]) -> int:
    """Return the number of key frames for a video of this length: the ratio, or its square root, rounded up."""
    ratio = duration_s / seconds_per_key
    return max(1, math.ceil(math.sqrt(ratio) if growth == "sqrt" else ratio))


def cluster_labels(
    points: NDArray[np.floating[Any]], k: int, *, rng: np.random.Generator, n_init: int, max_iter: int = 300
) -> NDArray[np.int64]:
    """Return the k-means cluster of every row: 0 to C-1 in order of first appearance, none empty.

    Parameters
    ----------
    points : float [N, D]
        Finite rows.
    k : int
        Clusters wanted, at least 1; there are fewer (C) where there are fewer distinct rows.
    rng, n_init
        As for `representatives`.
    max_iter : int
        Iterations of a start of k-means, at most.

    Returns
    -------
    int64 [N]

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[9.0], [0.0], [0.1], [9.1]])
    >>> cluster_labels(rows, 2, rng=np.random.default_rng(0), n_init=10).tolist()
    [0, 1, 1, 0]
    """
    rows = np.asarray(points, dtype=np.float64).reshape(len(points), -1)
    _, labels = np.unique(rows, axis=0, return_inverse=True)
    if k <= labels.max():
        labels, _ = _k_means(rows, k, int(rng.integers(2**31 - 1)), n_init, max_iter)
    _, first, labels = np.unique(labels.reshape(-1), return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[labels]


def pseudo_labels(features: NDArray[np.floating[Any]], k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the classes of an epoch of deep clustering: `cluster_labels` of `whitened` features [N, D], int64 [N].

    20 iterations of one start of k-means (Caron et al. 2018), and at most a quarter as many clusters as rows.
    """
    return cluster_labels(whitened(features), max(1, min(k, len(features) // 4)), rng=rng, n_init=1, max_iter=20)


def whitened(features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return principal components of features [N, D], each of variance 1, then rows of length 1, float64 [N, C].

    C is at most 256 and a quarter of N (N rows whitened to N - 1 components are all equally far from each other), and
    components without variance are left out.
    """
    centred = features - features.mean(axis=0, dtype=np.float64)  # [N, D]
    u, s, _ = np.linalg.svd(centred, full_matrices=False)  # [N, M], [M]
    varied = int((s > 1e-6 * np.linalg.norm(features)).sum())
    n = min(256, max(1, len(features) // 4), varied)
    found = u[:, :n] if n else np.zeros((len(features), 1))  # [N, C]
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12))


def medoids(points: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return for each cluster its member with the least sum of squared distances to all members.

    That is the member nearest to their mean, so no distances between members are needed.

    Parameters
    ----------
    points : float [N, D]
    labels : int [N]
        Cluster of each row: 0 to C-1, none empty.

    Returns
    -------
    int64 [C]
        Positions by cluster; ties (up to rounding) go to the earlier row.

    Examples
    --------
    >>> import numpy as np
    >>> medoids(np.array([[0.0], [1.0], [5.0], [7.0], [9.0]]), np.array([0, 0, 1, 1, 1])).tolist()
    [0, 3]
    """
    rows = np.asarray(points, dtype=np.float64).reshape(len(points), -1)
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(int(labels.max()) + 1))
    means = np.add.reduceat(rows[order], starts, axis=0) / np.bincount(labels)[:, None]
    away = np.linalg.norm(rows - means[labels], axis=1)
    # Rounding to nine digits makes equal what is equal up to the order of sums.
    away = np.round(away / max(float(np.abs(rows).max()), 1e-300), 9)
    ranked = np.lexsort((np.arange(len(rows)), away, labels))
    return ranked[starts].astype(np.int64)


def filled(chosen: NDArray[np.int64], k: int, n: int) -> NDArray[np.int64]:
    """Return ``chosen`` with positions added in the middle of the longest stretches without one, until there are k.

    Parameters
    ----------
    chosen : int64 [C]
        Distinct positions in 0..n-1, increasing.
    k, n : int
        Positions wanted, at most n; positions there are.

    Returns
    -------
    int64 [max(C, k)]
        Increasing.

    Examples
    --------
    >>> import numpy as np
    >>> filled(np.array([0]), 3, 9).tolist()
    [0, 4, 6]
    """
    while len(chosen) < k:
        # Rows before the first, between two, and after the last chosen one.
        edges = np.concatenate([[-1], chosen, [n]])
        free = np.diff(edges) - 1
        widest = int(free.argmax())
        chosen = np.insert(chosen, widest, edges[widest] + 1 + (free[widest] - 1) // 2)
    return chosen


def _k_means(
    rows: NDArray[np.float64], k: int, seed: int, n_init: int, max_iter: int = 300
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    # One thread: sums of several come in any order, and a last bit may decide to which cluster a frame goes.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rows equal up to rounding: fewer clusters, filled later
        fitted = KMeans(k, n_init=n_init, max_iter=max_iter, random_state=seed).fit(rows)
    return fitted.labels_, fitted.cluster_centers_


ClusterEntropy = Literal["pooled", "mean_frame"]


def entropy_bits(counts: NDArray[np.number[Any]]) -> NDArray[np.float64]:
    """Return the Shannon entropy of every histogram, in bits.

    Parameters
    ----------
    counts : number [N, bins]
        Counts or shares, at least 0, with a sum above 0 in every row.

    Returns
    -------
    float64 [N]
        0 if all pixels share a bin, log2(bins) if they are spread evenly.

    Examples
    --------
    >>> import numpy as np
    >>> entropy_bits(np.array([[4, 0, 0, 0], [2, 2, 0, 0], [1, 1, 1, 1]])).tolist()
    [0.0, 1.0, 2.0]
    """
    rows = np.asarray(counts, dtype=np.float64)
    shares = rows / rows.sum(axis=1, keepdims=True)
    logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    # A sum of terms that are at most 0; abs also turns -0.0 into 0.0.
    entropy: NDArray[np.float64] = np.abs((shares * logs).sum(axis=1))
    return entropy


def cluster_entropies(
    counts: NDArray[np.number[Any]], labels: NDArray[np.integer[Any]], rule: ClusterEntropy
) -> NDArray[np.float64]:
    """Return the entropy of every cluster of frames, in bits.

    Parameters
    ----------
    counts : number [N, bins]
        A histogram per frame, all with the same sum.
    labels : int [N]
        Cluster of each frame: 0 to C-1, none empty.
    rule : {"pooled", "mean_frame"}
        Entropy of the histogram of all the cluster's pixels, or mean of its frames' entropies (never larger).

    Returns
    -------
    float64 [C]
    """
    if rule == "mean_frame":
        sums = np.bincount(labels, weights=entropy_bits(counts))
        return np.asarray(sums / np.bincount(labels), dtype=np.float64)
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(int(labels.max()) + 1))
    return entropy_bits(np.add.reduceat(np.asarray(counts, dtype=np.float64)[order], starts, axis=0))
