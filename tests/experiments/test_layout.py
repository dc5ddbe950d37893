"""Layouts of frames: time as a feature, order by time."""

from __future__ import annotations

import numpy as np
import pytest
from keyframe_bench.experiments.platform_ai.layout import (
    TIME_SHARE,
    neighbours_kept,
    time_gradient,
    time_order,
    tsne_layout,
    with_time,
)
from scipy.stats import spearmanr


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(60, 40))


def test_time_gets_a_quarter_of_the_variance_whatever_the_scale(rows):
    for scale in (1e-3, 1.0, 1e4):
        variance = with_time(scale * rows, np.arange(60) * 0.5).var(axis=0)
        assert variance[-1] / variance.sum() == pytest.approx(TIME_SHARE)


def test_constant_frames_and_constant_time_stay_finite():
    assert np.isfinite(with_time(np.ones((6, 3)), np.arange(6))).all()
    assert np.isfinite(with_time(np.ones((6, 3)), np.ones(6))).all()


def test_time_orders_the_layout_of_random_frames(rows):
    times = np.arange(60.0)
    without = np.mean([time_order(tsne_layout(rows, s), times) for s in range(3)])
    ordered = np.mean([time_order(tsne_layout(with_time(rows, times, 0.9), s), times) for s in range(3)])
    assert ordered > without + 0.3


def test_same_seed_same_layout(rows):
    np.testing.assert_array_equal(tsne_layout(rows, 1), tsne_layout(rows, 1))


def test_order_by_time_is_spearmans_on_the_first_axis():
    rng = np.random.default_rng(1)
    points = np.stack([rng.normal(size=40) * 5, rng.normal(size=40)], axis=1)
    axis = np.linalg.eigh(np.cov(points.T))[1][:, -1]
    times = rng.random(40)
    assert time_order(points, times) == pytest.approx(abs(spearmanr(points @ axis, times).statistic))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_few_frames(n):
    layout = tsne_layout(np.random.default_rng(0).normal(size=(n, 4)), 0)
    assert layout.shape == (n, 2)
    assert 0 <= time_order(layout, np.arange(n)) <= 1
    assert 0 <= neighbours_kept(np.random.default_rng(0).normal(size=(n, 4)), layout) <= 1


def test_the_gradient_sees_time_in_any_direction():
    rng = np.random.default_rng(2)
    times = np.arange(50.0)
    points = np.stack([rng.normal(size=50) * 100, times], axis=1)  # time runs along the short axis
    assert time_order(points, times) < 0.5
    assert time_gradient(points, times) == pytest.approx(1.0)
    turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    noisy = points + rng.normal(size=points.shape) * 10
    assert time_gradient(noisy @ turn, times) == pytest.approx(time_gradient(noisy, times))
    slopes = np.polyfit(noisy[:, 1], times, 1)
    r = np.corrcoef(np.polyval(slopes, noisy[:, 1]), times)[0, 1]
    assert time_gradient(noisy, times) >= r - 1e-9
