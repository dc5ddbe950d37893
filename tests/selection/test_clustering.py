"""Clusters of k-means, their representatives and their entropy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import pairwise_distances_argmin

from keyframe_bench.selection.clustering import cluster_entropies, entropy_bits, representatives


def groups(sizes: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(20 * i, 1.0, (size, 5)) for i, size in enumerate(sizes)])


def test_each_group_gives_the_row_nearest_to_its_mean_with_its_share() -> None:
    rows, ends = groups((10, 30, 60)), ((0, 10), (10, 40), (40, 100))
    found = representatives(rows, 3, rng=np.random.default_rng(0), n_init=10)
    nearest = [pairwise_distances_argmin(rows[a:b].mean(axis=0)[None], rows[a:b])[0] + a for a, b in ends]
    assert found.positions.tolist() == nearest and found.shares == pytest.approx([0.1, 0.3, 0.6])


def test_a_seed_gives_one_answer_and_a_static_video_is_filled_evenly() -> None:
    rows = np.random.default_rng(1).normal(size=(400, 8)).astype(np.float32)
    first, second = (representatives(rows, 7, rng=np.random.default_rng(5), n_init=10) for _ in range(2))
    assert first.positions.tolist() == second.positions.tolist()
    found = representatives(np.ones((9, 4)), 3, rng=np.random.default_rng(0), n_init=10)
    assert (found.positions.tolist(), found.shares.tolist()) == ([0, 4, 6], [1.0, 0.0, 0.0])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1e-17, 1.0, 1.0 + 1e-16, 5.0, -3e8]), min_size=1, max_size=14), st.integers(1, 20)
)
def test_always_exactly_k_distinct_positions_and_no_warning(values: list[float], k: int) -> None:
    rows = np.repeat(np.array(values)[:, None], 3, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = representatives(rows, k, rng=np.random.default_rng(0), n_init=2)
    assert len(found.positions) == len(found.shares) == min(k, len(values))
    assert np.all(np.diff(found.positions) > 0)
    assert found.positions[0] >= 0 and found.positions[-1] < len(values)
    assert found.shares.sum() == pytest.approx(1.0)


def test_entropies_are_those_of_scipy() -> None:
    counts, labels = np.random.default_rng(0).integers(0, 4, (9, 64)), np.array([2, 0, 0, 1, 2, 2, 1, 0, 2])
    assert entropy_bits(counts) == pytest.approx(entropy(counts, base=2, axis=1), abs=1e-12)
    ends = entropy_bits(np.stack([np.eye(256)[7] * 19200, np.full(256, 75)]))
    assert ends.tolist() == [0.0, 8.0] and not np.signbit(ends[0])
    pooled = [entropy(counts[c == labels].sum(axis=0), base=2) for c in range(3)]
    frames = [entropy(counts[c == labels], base=2, axis=1).mean() for c in range(3)]
    assert cluster_entropies(counts, labels, "pooled") == pytest.approx(pooled, abs=1e-12)
    assert cluster_entropies(counts, labels, "mean_frame") == pytest.approx(frames, abs=1e-12)
