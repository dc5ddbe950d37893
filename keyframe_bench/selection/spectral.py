"""Spectral clustering of frames on a sparse graph of nearest neighbours.

Normalised as by Ng, Jordan and Weiss (2001): with affinities ``A_ij = exp(-d_ij^2 / 2 s^2)`` and degrees ``D``, the
eigenvectors of ``D^-1/2 A D^-1/2`` to its largest eigenvalues, that is of ``L = I - D^-1/2 A D^-1/2`` to its smallest,
are put side by side, their rows brought to length 1, and clustered by k-means.

The source's affinities are between all pairs of frames: N^2 numbers, and eigenvectors in a time that grows with N^3.
Here every frame keeps its nearest neighbours only. What falls apart by that is tied together again (`neighbour_graph`),
since the eigenvectors of a graph in more pieces than clusters are not defined.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .clustering import cluster_labels

_LEAST_AFFINITY = 1e-6  # below it a frame unlike all others would hang on a thread that rounding cuts
_PAIRS_OF = 1000  # rows of which all pairs give the median distance
_DENSE = 600  # up to so many frames, all eigenvectors at once are quicker than a few


def neighbour_graph(points: NDArray[np.floating[Any]], n_neighbors: int) -> Any:
    """Return the affinities of frames that are near each other: sparse, symmetric, connected, diagonal 0.

    Two frames are joined if one is among the other's ``n_neighbors`` nearest. Pieces without a joint between them are
    tied by the shortest tree over their means, each tie between the two frames nearest to the other piece's mean. A
    joint weighs ``max(exp(-d^2 / 2 s^2), 1e-6)``, d Euclidean, where s is the median distance of all pairs of frames
    that are not equal (of 1000 frames evenly taken, where there are more). The median over neighbours only would be so
    small that ties between unlike pieces vanish.

    Parameters
    ----------
    points : float [N, D]
        Finite rows, N >= 2.
    n_neighbors : int
        At least 1.

    Returns
    -------
    scipy.sparse.csr_array [N, N]
    """
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    rows = np.asarray(points, dtype=np.float64).reshape(len(points), -1)
    k = min(n_neighbors, len(rows) - 1)
    with threadpool_limits(limits=1):  # several threads sum in any order, and a last bit may decide between neighbours
        near = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows).kneighbors(return_distance=False)
    pairs = np.stack([np.repeat(np.arange(len(rows)), k), near.reshape(-1)], axis=1)
    pairs = np.concatenate([pairs, _ties(rows, pairs)])
    # Distances from the rows themselves: the library's are differences of squares, and equal rows not at 0.
    distance = np.linalg.norm(rows[pairs[:, 0]] - rows[pairs[:, 1]], axis=1)
    weights = np.maximum(np.exp(-np.square(distance / _median_distance(rows)) / 2), _LEAST_AFFINITY)
    one_way = _graph(pairs, weights, len(rows))
    return one_way.maximum(one_way.T).tocsr()


def _graph(pairs: NDArray[np.int64], weights: NDArray[np.float64], n: int) -> Any:
    from scipy.sparse import csr_array

    return csr_array((weights, (pairs[:, 0], pairs[:, 1])), shape=(n, n))


def _median_distance(rows: NDArray[np.float64]) -> float:
    from scipy.spatial.distance import pdist

    evenly = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _PAIRS_OF)).round().astype(np.int64))
    distance = pdist(rows[evenly])
    apart = distance[distance > 0]
    return float(np.median(apart)) if apart.size else 1.0


def _ties(rows: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of frames, int64 [C - 1, 2], that connect the C pieces."""
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
    from scipy.spatial.distance import cdist

    n_pieces, piece = connected_components(_graph(pairs, np.ones(len(pairs)), len(rows)), directed=False)
    if n_pieces == 1:
        return np.zeros((0, 2), dtype=np.int64)
    order = np.argsort(piece, kind="stable")
    ends = np.cumsum(np.bincount(piece))
    members = np.split(order, ends[:-1])
    means = np.add.reduceat(rows[order], ends - np.bincount(piece), axis=0) / np.bincount(piece)[:, None]
    # The tree reads 0 as "not connected"; the same amount more for every pair changes no tree.
    tree = minimum_spanning_tree(cdist(means, means) + 1.0).tocoo()

    def nearest(a: int, b: int) -> int:
        return int(members[a][np.linalg.norm(rows[members[a]] - means[b], axis=1).argmin()])

    ties = [(nearest(a, b), nearest(b, a)) for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True)]
    return np.array(ties, dtype=np.int64)


def smallest_eigenvectors(affinity: Any, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ``min(count, N)`` eigenvectors of the normalised Laplacian with the smallest eigenvalues.

    Parameters
    ----------
    affinity : sparse [N, N]
        Symmetric, connected, N >= 2; for example of `neighbour_graph`.
    count : int
        At least 1.

    Returns
    -------
    values : float64 [M]
        Ascending, 0 to 2.
    vectors : float64 [N, M]
        Their eigenvectors, of length 1; the largest entry of each is positive.
    """
    from scipy.linalg import eigh
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import eigsh
    from threadpoolctl import threadpool_limits

    n = affinity.shape[0]
    count = min(count, n)
    scale = diags_array(1 / np.sqrt(np.asarray(affinity.sum(axis=1)).reshape(-1)))
    smooth: Any = scale @ affinity @ scale
    with threadpool_limits(limits=1):
        if n <= _DENSE or 4 * count > n:
            largest, vectors = eigh(smooth.toarray(), subset_by_index=[n - count, n - 1])
        else:
            # A wide Krylov space: the eigenvalues of long shots crowd at 1. The start is fixed, and not the constant
            # vector, which may be an eigenvector itself.
            start = np.random.default_rng(0).uniform(0.5, 1.5, n)
            width = min(n, max(80, 3 * count))
            largest, vectors = eigsh(smooth, count, which="LA", v0=start, ncv=width, maxiter=100 * n)
    order = np.argsort(-largest, kind="stable")
    vectors = np.asarray(vectors, dtype=np.float64)[:, order]
    peak = vectors[np.abs(vectors).argmax(axis=0), np.arange(count)]
    values = np.clip(1 - np.asarray(largest, dtype=np.float64)[order], 0, 2)
    return values, vectors * np.where(peak < 0, -1.0, 1.0)


def eigengap(values: NDArray[np.float64], most: int) -> int:
    """Return the k in 2..most after which the eigenvalues make their largest step, the smaller one of equals.

    Parameters
    ----------
    values : float64 [M]
        Smallest eigenvalues of a normalised Laplacian, ascending, M >= 1.
    most : int
        Largest k; k is never larger than M either.

    Examples
    --------
    >>> import numpy as np
    >>> eigengap(np.array([0.0, 0.01, 0.02, 0.6, 0.7]), most=4)
    3
    """
    top = min(most, len(values) - 1)
    if top < 2:
        return min(2, most, len(values))
    # Steps equal up to rounding are equal, whatever the library's last digit is.
    return 2 + int(np.round(np.diff(values)[1:top], 12).argmax())


def spectral_labels(
    points: NDArray[np.floating[Any]], least: int, most: int, *, rng: np.random.Generator, n_neighbors: int, n_init: int
) -> NDArray[np.int64]:
    """Return the cluster of every frame: 0 to C-1 in order of first appearance, none empty.

    Parameters
    ----------
    points : float [N, D]
        Finite rows, N >= 1.
    least, most : int
        Clusters wanted, at least 1: by `eigengap` in 2..``most``, but not fewer than ``least``; ``most <= least`` fixes
        the number. There are fewer where there are fewer distinct rows.
    rng : numpy.random.Generator
        Gives the seed of k-means.
    n_neighbors, n_init : int
        Of the graph, and starts of k-means.

    Returns
    -------
    int64 [N]

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0.0], [0.1], [7.0], [7.1], [0.2], [7.2]])
    >>> spectral_labels(rows, 2, 2, rng=np.random.default_rng(0), n_neighbors=2, n_init=10).tolist()
    [0, 0, 1, 1, 0, 1]
    """
    rows = np.asarray(points, dtype=np.float64).reshape(len(points), -1)
    n_distinct = len(np.unique(rows, axis=0))
    if n_distinct <= least or max(least, most) == 1:
        return cluster_labels(rows, min(n_distinct, least), rng=rng, n_init=n_init)
    wanted = most + 1 if most > least else least
    values, vectors = smallest_eigenvectors(neighbour_graph(rows, n_neighbors), wanted)
    k = min(max(least, eigengap(values, most)), n_distinct) if most > least else least
    vectors = vectors[:, :k]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return cluster_labels(vectors / np.maximum(lengths, 1e-300), k, rng=rng, n_init=n_init)
