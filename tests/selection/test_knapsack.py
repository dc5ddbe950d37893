"""The exact knapsack against all subsets, and the traps of others."""

from itertools import combinations

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.selection.knapsack import knapsack


def test_is_the_best_of_all_subsets():
    rng = np.random.default_rng(0)
    for _ in range(60):
        n, capacity = int(rng.integers(0, 9)), int(rng.integers(0, 25))
        values, weights = rng.integers(-2, 12, n), rng.integers(0, 10, n)
        subsets = [list(c) for m in range(n + 1) for c in combinations(range(n), m)]
        best = max(values[s].sum() for s in subsets if weights[s].sum() <= capacity)
        found = knapsack(values, weights, capacity)
        assert weights[found].sum() <= capacity
        assert values[found].sum() == best
        assert np.all(values[found] > 0) and np.all(np.diff(found) > 0)


@pytest.mark.parametrize(
    ("values", "weights", "capacity", "expected"),
    [
        ([9, 8, 8], [6, 5, 5], 10, [1, 2]),  # the greedy choice is worth 9
        ([1], [10], 10, [0]),  # a full knapsack is allowed
        ([1], [11], 10, []),
        ([0, 0, 0], [1, 2, 3], 10, []),  # nothing is worth taking
        ([5, 5, 5], [5, 5, 5], 10, [0, 1]),  # of equals the earlier
        ([2**40, 2**40 + 1], [1, 1], 1, [1]),  # exact where sums of float32 are not
        ([3, 4], [0, 0], 0, [0, 1]),
        ([], [], 10, []),
    ],
)
def test_traps(values, weights, capacity, expected):
    assert knapsack(values, weights, capacity).tolist() == expected


@pytest.mark.parametrize(
    ("values", "weights", "said"), [([0.5], [1], "whole"), ([1], [1, 2], "weight per"), ([1], [-1], "at least 0")]
)
def test_says_what_is_wrong(values, weights, said):
    with pytest.raises(UsageError, match=said):
        knapsack(values, weights, 3)
