"""Layouts of frames: time as a feature, order by time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from keyframe_bench.report.drawing import (
    TIME_SHARE,
    neighbours_kept,
    time_gradient,
    time_order,
    tsne_layout,
    with_time,
)

ROWS = np.random.default_rng(0).normal(size=(60, 40))


def test_time_gets_a_quarter_of_the_variance_whatever_the_scale():
    for scale in (1e-3, 1.0, 1e4):
        variance = with_time(scale * ROWS, np.arange(60) * 0.5).var(axis=0)
        assert variance[-1] / variance.sum() == pytest.approx(TIME_SHARE)
    for times in (np.arange(6), np.ones(6)):
        assert np.isfinite(with_time(np.ones((6, 3)), times)).all()


def test_time_orders_the_layout_of_random_frames():
    times, timed = np.arange(60.0), with_time(ROWS, np.arange(60.0), 0.9)
    without, ordered = ([tsne_layout(rows, seed) for seed in range(3)] for rows in (ROWS, timed))
    orders = [np.mean([time_order(layout, times) for layout in layouts]) for layouts in (without, ordered)]
    assert orders[1] > orders[0] + 0.3
    np.testing.assert_array_equal(tsne_layout(ROWS, 1), without[1])  # same seed, same layout


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
