"""One-to-one matching of a summary with the summaries of users, and what follows from the number of matches.

Everywhere ``predicted`` are the rows of a matrix and ``reference`` its columns, both in order of time; the columns are
the references of the first user, then those of the second, and so on. Users do not compete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Method = Literal["optimal", "greedy_user_order"]


def matches_per_user(allowed: NDArray[np.bool_], sizes: Sequence[int], method: Method = "optimal") -> NDArray[np.int64]:
    """Return how many pairs a one-to-one matching finds for every user, int64 [users].

    Parameters
    ----------
    allowed : bool [P, R]
        Which pairs are near enough to match.
    sizes : sequence of int
        Number of references of each user; their sum is R.
    method : {"optimal", "greedy_user_order"}
        "optimal": as many pairs as possible. "greedy_user_order": every reference in turn takes the first free
        prediction, as the CUS tool does; it may find fewer.
    """
    matched = np.zeros(allowed.shape[1], dtype=bool)
    if allowed.any():
        matched = _most_pairs(allowed, sizes) if method == "optimal" else _greedy_user_order(allowed, sizes)
    return np.bincount(_owners(sizes)[matched], minlength=len(sizes)).astype(np.int64)


def precision_recall_f(
    matches: ArrayLike, n_predicted: ArrayLike, n_reference: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return precision m / P, recall m / R and F = 2 m / (P + R) of every entry.

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


def _owners(sizes: Sequence[int]) -> NDArray[np.int64]:
    """Return the user of every reference."""
    return np.repeat(np.arange(len(sizes)), sizes)


def _most_pairs(allowed: NDArray[np.bool_], sizes: Sequence[int]) -> NDArray[np.bool_]:
    """Return which references are matched, bool [R]: one bipartite graph, in which each user has a copy of the rows."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    n_predicted, n_reference = allowed.shape
    reference, predicted = np.nonzero(allowed.T)
    copies = _owners(sizes)[reference] * n_predicted + predicted
    edges = np.ones(len(copies), dtype=np.int8)
    graph = csr_matrix((edges, (reference, copies)), shape=(n_reference, len(sizes) * n_predicted))
    return np.asarray(maximum_bipartite_matching(graph, perm_type="column") >= 0)


def _greedy_user_order(allowed: NDArray[np.bool_], sizes: Sequence[int]) -> NDArray[np.bool_]:
    """Return which references are matched, bool [R]."""
    matched, taken = np.zeros(allowed.shape[1], dtype=bool), set()
    candidates = [np.flatnonzero(column).tolist() for column in allowed.T]
    for r, user in enumerate(_owners(sizes).tolist()):
        first = next((p for p in candidates[r] if (user, p) not in taken), None)
        if first is not None:
            matched[r] = True
            taken.add((user, first))
    return matched
