"""Kernel temporal segmentation against the best of all segmentations, and the defined values of odd input."""

from itertools import combinations
from math import log
from time import process_time

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.selection.kts import kts


def cost_of(rows, borders, penalty):
    """Scatter around the segments' means, from the rows themselves, and the penalty."""
    n, m = len(rows), len(borders)
    parts = np.split(rows, borders)
    return sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts) + (penalty * m * (log(n / m) + 1) if m else 0)


def scenes(rng, n, length=10, noise=0.3):
    rows = np.repeat(rng.normal(size=(n // length + 1, 8)), length, axis=0)[:n] + noise * rng.normal(size=(n, 8))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("penalty", [0.01, 0.1, 0.5, 3.0])
def test_finds_the_best_of_all_segmentations(penalty):
    rng, counts = np.random.default_rng(0), set()
    for _ in range(12):
        n = int(rng.integers(1, 11))
        rows = np.cumsum(rng.normal(size=(n, 2)) * (rng.random((n, 1)) < 0.5), axis=0)
        every = [np.array(c, dtype=int) for m in range(n) for c in combinations(range(1, n), m)]
        found = kts(rows @ rows.T, penalty)
        least = min(cost_of(rows, borders, penalty) for borders in every)
        assert cost_of(rows, found, penalty) == pytest.approx(least, abs=1e-9)
        counts.add(len(found))
    assert len(counts) > 2


def test_finds_the_shots_of_a_noisy_film():
    rows = scenes(np.random.default_rng(1), 320)
    assert kts(rows @ rows.T, 0.5).tolist() == list(range(10, 320, 10))


@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_what_never_changes_is_one_segment(n):
    assert kts(np.ones((n, n)), 0.5).size == 0


def test_a_penalty_decides_and_no_change_at_all_is_compared_too():
    rows = np.repeat([0.0, 1.0], 6)[:, None]  # scatter 3 of one segment, 0 of two: a penalty of C (log 12 + 1)
    limit = 3 / (log(12) + 1)
    assert kts(rows @ rows.T, limit * 0.99).tolist() == [6]
    assert kts(rows @ rows.T, limit * 1.01).tolist() == []


@pytest.mark.parametrize(
    ("kernel", "penalty", "said"),
    [(np.ones((2, 3)), 1.0, "square"), (np.full((2, 2), np.nan), 1.0, "finite"), (np.eye(2), 0.0, "penalty above 0")],
)
def test_says_what_is_wrong(kernel, penalty, said):
    with pytest.raises(UsageError, match=said):
        kts(kernel, penalty)


@pytest.mark.parametrize(("n", "limit_s"), [(320, 0.2), (800, 2.0)])
def test_takes_milliseconds(n, limit_s):
    rows = scenes(np.random.default_rng(2), n)
    kernel, start = rows @ rows.T, process_time()
    kts(kernel, 0.5)
    assert process_time() - start < limit_s  # 0.012 and 0.17 s when written
