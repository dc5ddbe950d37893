"""One-to-one matching of a summary with the summaries of users, and what follows from the number of matches.

Everywhere ``predicted`` are the rows of a distance matrix and ``reference`` its columns, both in order of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UsageError

Method = Literal["optimal", "greedy_best", "greedy_user_order"]


def match(distance: ArrayLike, allowed: ArrayLike, method: Method = "optimal") -> NDArray[np.int64]:
    """Match two sets one to one (C1).

    Parameters
    ----------
    distance : float [P, R]
        Between every predicted and every reference item; smaller is nearer.
    allowed : bool [P, R]
        Which pairs are near enough to match.
    method : {"optimal", "greedy_best", "greedy_user_order"}
        "optimal": as many pairs as possible, among those the smallest sum of distances. "greedy_best": the nearest pair
        first, among equals the earlier reference, then the earlier prediction. "greedy_user_order": every reference in
        turn takes the first free prediction, as the CUS tool does. Greedy may find fewer pairs than there are.

    Returns
    -------
    int64 [M, 2]
        Pairs (predicted, reference), sorted by reference.

    Raises
    ------
    UsageError
        If the shapes differ, an allowed distance is not finite, or the method is unknown.

    Examples
    --------
    >>> distance = [[0.0, 0.4], [0.3, 9.0]]
    >>> match(distance, [[True, True], [True, False]], "greedy_best").tolist()
    [[0, 0]]
    >>> match(distance, [[True, True], [True, False]], "optimal").tolist()
    [[1, 0], [0, 1]]
    """
    near, pairs = _checked(distance, allowed)
    partner = _optimal(near, pairs) if method == "optimal" else _greedy(near, pairs, [pairs.shape[1]], method)
    reference = np.flatnonzero(partner >= 0)
    return np.stack([partner[reference], reference], axis=1).astype(np.int64)


def matches_per_user(
    distance: ArrayLike, allowed: ArrayLike, sizes: Sequence[int], method: Method = "optimal"
) -> NDArray[np.int64]:
    """Return how many pairs `match` finds for every user, all users at once.

    Parameters
    ----------
    distance, allowed : float, bool [P, R]
        As for `match`; the columns are the references of the first user, then those of the second, and so on.
    sizes : sequence of int
        Number of references of each user; their sum is R.
    method : {"optimal", "greedy_best", "greedy_user_order"}

    Returns
    -------
    int64 [users]

    Raises
    ------
    UsageError
        As `match`, and if the sizes do not sum to R.
    """
    near, pairs = _checked(distance, allowed)
    if sum(sizes) != pairs.shape[1]:
        raise UsageError(f"the users have {sum(sizes)} references, but the matrix has {pairs.shape[1]} columns")
    # The sum of distances decides which pairs are optimal, not how many there are.
    partner = _most_pairs(pairs, sizes) if method == "optimal" else _greedy(near, pairs, sizes, method)
    return np.bincount(_owners(sizes)[partner >= 0], minlength=len(sizes)).astype(np.int64)


def nearest_pairs(
    predicted: NDArray[np.int64],
    reference: NDArray[np.int64],
    distance: NDArray[np.float64],
    n_predicted: int,
    sizes: Sequence[int],
) -> NDArray[np.int64]:
    """Return the prediction that every reference gets when pairs are matched nearest first ("greedy_best").

    Parameters
    ----------
    predicted, reference, distance : int, int, float [pairs]
        The allowed pairs, each once, and how far apart they are.
    n_predicted : int
    sizes : sequence of int
        Number of references of each user; users do not compete.

    Returns
    -------
    int64 [R]
        -1 for a reference without a match. As a pair never depends on farther ones, the pairs below a smaller limit are
        the matching under that limit.
    """
    order = np.lexsort((predicted, reference, distance))
    copies = _owners(sizes)[reference] * n_predicted + predicted
    taken: set[int] = set()
    partner = [-1] * sum(sizes)
    for r, p, copy in zip(reference[order].tolist(), predicted[order].tolist(), copies[order].tolist(), strict=True):
        if partner[r] < 0 and copy not in taken:
            partner[r] = p
            taken.add(copy)
    return np.asarray(partner, dtype=np.int64)


def precision_recall_f(
    matches: ArrayLike, n_predicted: ArrayLike, n_reference: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return precision m / P, recall m / R and F = 2 m / (P + R) of every entry (C1).

    Two empty sets agree: all three are 1. If only one is empty, all three are 0.

    Parameters
    ----------
    matches, n_predicted, n_reference : int, any shapes that broadcast
        Matched pairs m, predicted items P, reference items R.

    Returns
    -------
    precision, recall, f : float64
        Between 0 and 1.
    """
    m, p, r = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (matches, n_predicted, n_reference)))
    agree = ((p == 0) & (r == 0)).astype(np.float64)
    precision = m / np.maximum(p, 1) + agree
    recall = m / np.maximum(r, 1) + agree
    return precision, recall, 2 * m / np.maximum(p + r, 1) + agree


def _checked(distance: ArrayLike, allowed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    near, pairs = np.asarray(distance, dtype=np.float64), np.asarray(allowed, dtype=bool)
    if near.ndim != 2 or near.shape != pairs.shape:
        raise UsageError(f"distance {near.shape} and allowed {pairs.shape} must be two matrices of one shape")
    if not np.isfinite(near[pairs]).all():
        raise UsageError("an allowed pair has a distance that is not finite; clear its entry in `allowed`")
    return near, pairs


def _owners(sizes: Sequence[int]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(sizes)), sizes)


# Each of these returns the prediction matched with every reference, or -1: int64 [R].


def _optimal(distance: NDArray[np.float64], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    from scipy.optimize import linear_sum_assignment

    partner = np.full(allowed.shape[1], -1, dtype=np.int64)
    if not allowed.any():
        return partner
    # A pair that is not allowed costs more than all allowed ones together, so the cheapest assignment has few of them.
    low, high = distance[allowed].min(), distance[allowed].max()
    scaled = (distance - low) / (high - low if high > low else 1.0)
    rows, columns = linear_sum_assignment(np.where(allowed, scaled, min(allowed.shape) + 1.0))
    kept = allowed[rows, columns]
    partner[columns[kept]] = rows[kept]
    return partner


def _most_pairs(allowed: NDArray[np.bool_], sizes: Sequence[int]) -> NDArray[np.int64]:
    """One bipartite graph for all users, in which every user has a copy of the predictions."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    n_predicted, n_reference = allowed.shape
    if not allowed.any():
        return np.full(n_reference, -1, dtype=np.int64)
    reference, predicted = np.nonzero(allowed.T)
    copies = (_owners(sizes)[reference] * n_predicted + predicted).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(allowed.sum(axis=0))]).astype(np.int32)
    edges = np.ones(len(copies), dtype=np.int8)
    graph = csr_matrix((edges, copies, starts), shape=(n_reference, len(sizes) * n_predicted))
    copy = np.asarray(maximum_bipartite_matching(graph, perm_type="column"), dtype=np.int64)
    return np.where(copy >= 0, copy % n_predicted, -1)


def _greedy(
    distance: NDArray[np.float64], allowed: NDArray[np.bool_], sizes: Sequence[int], method: str
) -> NDArray[np.int64]:
    if method == "greedy_best":
        return _greedy_best(distance, allowed, sizes)
    if method == "greedy_user_order":
        return _greedy_user_order(allowed, sizes)
    raise UsageError(f"method={method!r} is not one of optimal, greedy_best, greedy_user_order")


def _greedy_best(distance: NDArray[np.float64], allowed: NDArray[np.bool_], sizes: Sequence[int]) -> NDArray[np.int64]:
    predicted, reference = np.nonzero(allowed)
    return nearest_pairs(predicted, reference, distance[predicted, reference], allowed.shape[0], sizes)


def _greedy_user_order(allowed: NDArray[np.bool_], sizes: Sequence[int]) -> NDArray[np.int64]:
    # The n-th references of all users choose at the same time: users do not compete.
    n_predicted, n_reference = allowed.shape
    partner = np.full(n_reference, -1, dtype=np.int64)
    if not allowed.any():
        return partner
    lengths = np.asarray(sizes, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    free = np.ones((len(lengths), n_predicted), dtype=bool)
    for turn in range(int(lengths.max())):
        user = np.flatnonzero(lengths > turn)
        reference = starts[user] + turn
        can = free[user] & allowed.T[reference]
        first = can.argmax(axis=1)
        hit = can[np.arange(len(user)), first]
        partner[reference[hit]] = first[hit]
        free[user[hit], first[hit]] = False
    return partner
