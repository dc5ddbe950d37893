"""Entropy of histograms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from keyframe_bench.selection.clustering import cluster_entropies, entropy_bits

COUNTS = np.random.default_rng(0).integers(0, 4, (9, 64))
LABELS = np.array([2, 0, 0, 1, 2, 2, 1, 0, 2])


def test_entropies_are_those_of_scipy() -> None:
    assert entropy_bits(COUNTS) == pytest.approx(entropy(COUNTS, base=2, axis=1), abs=1e-12)


def test_one_level_has_no_entropy_and_256_alike_have_8_bits() -> None:
    one = np.zeros((1, 256))
    one[0, 7] = 19200
    assert entropy_bits(np.concatenate([one, np.full((1, 256), 75)])).tolist() == [0.0, 8.0]
    assert not np.signbit(entropy_bits(one)[0])


def test_a_clusters_entropy_is_that_of_all_its_pixels_or_the_mean_of_its_frames() -> None:
    pooled = [entropy(COUNTS[c == LABELS].sum(axis=0), base=2) for c in range(3)]
    frames = [entropy(COUNTS[c == LABELS], base=2, axis=1).mean() for c in range(3)]
    assert cluster_entropies(COUNTS, LABELS, "pooled") == pytest.approx(pooled, abs=1e-12)
    assert cluster_entropies(COUNTS, LABELS, "mean_frame") == pytest.approx(frames, abs=1e-12)
