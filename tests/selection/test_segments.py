"""Cutting a change curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from keyframe_bench.core.errors import UsageError
from keyframe_bench.selection.segments import (
    ThresholdRule,
    borders_at,
    change_threshold,
    largest_borders,
    middles,
    rolling_mean,
    rolling_median_mad,
    segments_of,
)

RULES = ("mean", "mean+std", "absolute", "rolling", "adaptive")
RELATIVE = ("mean", "mean+std", "rolling", "adaptive")
curves = arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 255, width=32))
# Few distinct values: ties and exact threshold hits are frequent.
coarse = arrays(np.float64, st.integers(1, 30), elements=st.integers(0, 4).map(float))


def levels_of(
    change: Any, times: Any, rule: ThresholdRule, *, factor: float = 1.0, level: float = 0.0, window_s: float = 60.0
) -> np.ndarray:
    return change_threshold(change, times, rule, factor=factor, level=level, window_s=window_s)


def segments_by_change(
    change: Any, times: Any, k: int | None, rule: ThresholdRule, *, level: float = 0.0, window_s: float = 60.0
) -> np.ndarray:
    """Cut as the extractors do."""
    levels = levels_of(change, times, rule, level=level, window_s=window_s)
    borders = borders_at(change, levels) if k is None else largest_borders(change, k)
    return segments_of(borders, len(change))


def test_first_entry_never_enters_the_statistics() -> None:
    # By hand: mean(1, 2, 3, 6) = 3; population variance (4 + 1 + 0 + 9) / 4 = 3.5. A huge entry 0 must change nothing.
    change, times = [1e6, 1.0, 2.0, 3.0, 6.0], [0, 1, 2, 3, 4]
    assert levels_of(change, times, "mean").tolist() == [0, 3, 3, 3, 3]
    assert levels_of(change, times, "mean", factor=0.5)[1:] == pytest.approx(1.5)
    assert levels_of(change, times, "mean+std")[1:] == pytest.approx(3 + 3.5**0.5)
    assert levels_of(change, times, "mean+std", factor=2)[1:] == pytest.approx(3 + 2 * 3.5**0.5)
    assert levels_of(change, times, "absolute", level=7)[1:] == pytest.approx(7)
    # Window of 2 s: neighbours one second away are averaged, at the edges only those there are.
    assert levels_of(change, times, "rolling", window_s=2)[1:] == pytest.approx([1.5, 2, 11 / 3, 4.5])
    assert levels_of(change, times, "rolling", window_s=2, factor=2)[1:] == pytest.approx([3, 4, 22 / 3, 9])


def test_unknown_rule_is_named() -> None:
    with pytest.raises(UsageError, match="'median' is unknown; use mean"):
        levels_of([0, 1], [0, 1], "median")  # type: ignore[arg-type]  # the wrong value is the test


@given(curves, st.floats(0.01, 40), st.integers(0, 2**32 - 1))
def test_rolling_mean_equals_the_plain_loop(values: np.ndarray, window_s: float, seed: int) -> None:
    times = np.cumsum(np.random.default_rng(seed).uniform(0.01, 2, len(values)))
    expected = [values[np.abs(times - t) <= window_s / 2 + 1e-9].mean(dtype=np.float64) for t in times]
    assert rolling_mean(values, times, window_s) == pytest.approx(np.array(expected), abs=1e-6)


@given(curves, st.floats(0.01, 40), st.integers(0, 2**32 - 1))
def test_rolling_median_and_mad_equal_the_plain_loop(values: np.ndarray, window_s: float, seed: int) -> None:
    times = np.cumsum(np.random.default_rng(seed).uniform(0.01, 2, len(values)))
    windows = [values[np.abs(times - t) <= window_s / 2 + 1e-9].astype(np.float64) for t in times]
    median, mad = rolling_median_mad(values, times, window_s)
    assert median == pytest.approx([np.median(w) for w in windows], abs=1e-9)
    assert mad == pytest.approx([np.median(np.abs(w - np.median(w))) for w in windows], abs=1e-9)


def test_rolling_median_in_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values, times = np.random.default_rng(0).uniform(0, 9, 200), np.arange(200) / 2
    whole = rolling_median_mad(values, times, 10)
    monkeypatch.setattr("keyframe_bench.selection.segments._CELLS", 64)
    assert np.array_equal(rolling_median_mad(values, times, 10), whole)


def test_adaptive_threshold_by_hand() -> None:
    # Of 1, 2, 3, 90, 5 the median is 3, the deviations 2, 1, 0, 87, 2 have the median 2.
    change, times = [7.0, 1, 2, 3, 90, 5], range(6)
    found = levels_of(change, times, "adaptive", window_s=100, factor=2)
    assert found[0] == 0
    assert found[1:] == pytest.approx(3 + 2 * 1.482602218505602 * 2)


def test_one_hard_cut_moves_the_means_but_not_the_adaptive_threshold() -> None:
    """Trap 21: within its window the cut raises a rolling mean too."""
    times = np.arange(120) / 2
    change = np.ones(120) + 0.2 * np.sin(np.arange(120.0))
    change[[20, 40, 90]] = 5.0
    cut = change.copy()
    cut[60] = 255.0 * 8
    for rule in ("mean", "rolling"):
        assert len(borders_at(cut, levels_of(cut, times, rule, factor=1.5))) == 1
    found = borders_at(cut, levels_of(cut, times, "adaptive", factor=5))
    assert found.tolist() == [20, 40, 60, 90]


@given(curves, st.sampled_from(RELATIVE), st.floats(0, 5), st.floats(0, 5))
def test_a_larger_factor_gives_no_more_segments(change: np.ndarray, rule: ThresholdRule, a: float, b: float) -> None:
    times = np.arange(len(change)) / 2
    few, many = (set(borders_at(change, levels_of(change, times, rule, factor=f))) for f in (max(a, b), min(a, b)))
    assert few <= many


def test_rolling_threshold_sees_changes_in_a_calm_section_that_the_mean_misses() -> None:
    """Two sections of different activity: A20's reason to exist."""
    calm, busy = np.full(200, 1.0), np.full(200, 20.0)
    calm[[50, 100, 150]] = 6.0  # clear against 1, invisible against the overall mean of about 10
    change, times = np.concatenate([calm, busy]), np.arange(400) / 2
    by_mean = borders_at(change, levels_of(change, times, "mean"))
    assert not set(by_mean) & {50, 100, 150}
    for rule in ("rolling", "adaptive"):
        local = borders_at(change, levels_of(change, times, rule, window_s=20))
        assert {50, 100, 150} <= set(local)


def test_segments_and_middles_by_hand() -> None:
    change = [0, 1, 1, 9, 1, 1, 9, 9, 1, 1]
    segments = segments_by_change(change, range(10), None, "mean")  # mean of entries 1..9 = 33/9
    assert segments.tolist() == [[0, 3], [3, 6], [6, 7], [7, 10]]
    assert middles(segments).tolist() == [1, 4, 6, 8]
    assert middles([[0, 2]]).tolist() == [0]  # even length: the earlier of the two in the middle


def test_a_change_equal_to_the_threshold_starts_a_segment() -> None:
    assert borders_at([0, 2, 4, 3], np.full(4, 3.0)).tolist() == [2, 3]


def test_constant_change_reaches_its_own_mean_in_every_unit() -> None:
    """0.1 summed and divided is not 0.1: the rounding must not decide about every border of a steady pan."""
    for value in (0.1, 0.7, 3.3):
        for rule in RELATIVE:
            change = np.full(50, value)
            assert len(segments_by_change(change, np.arange(50.0), None, rule)) == 50


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_static_video_is_one_segment(rule: ThresholdRule, n: int) -> None:
    assert segments_by_change(np.zeros(n), np.arange(n), None, rule).tolist() == [[0, n]]


def test_ties_among_the_largest_go_to_the_earlier() -> None:
    assert largest_borders([9, 5, 5, 5, 7], 3).tolist() == [1, 4]
    assert largest_borders([9, 5, 5, 5, 7], 1).tolist() == []
    many = np.tile([1.0, 2.0], 500)  # long enough that an unstable sort would show
    assert largest_borders(many, 5).tolist() == [1, 3, 5, 7]


@given(coarse, st.integers(1, 40))
def test_a_budget_gives_exactly_k_segments_at_the_largest_changes(change: np.ndarray, k: int) -> None:
    segments = segments_by_change(change, np.arange(len(change)), k, "mean")
    n = len(change)
    assert len(segments) == min(k, n)
    assert np.array_equal(segments.reshape(-1), np.repeat(np.append(segments[:, 0], n), 2)[1:-1])  # no hole, no overlap
    assert segments[0, 0] == 0
    cut = np.zeros(n, dtype=bool)
    cut[segments[1:, 0]] = True
    if cut[1:].any() and not cut[1:].all():
        assert change[1:][cut[1:]].min() >= change[1:][~cut[1:]].max()


@given(coarse, st.sampled_from(RULES))
def test_segments_follow_the_definition(change: np.ndarray, rule: ThresholdRule) -> None:
    times = np.arange(len(change)) / 2
    segments = segments_by_change(change, times, None, rule, level=2, window_s=4)
    threshold = levels_of(change, times, rule, level=2, window_s=4)
    borders = [t for t in range(1, len(change)) if change[t] > 0 and change[t] > threshold[t] - 1e-7]
    assert segments.tolist() == segments_of(borders, len(change)).tolist()


@given(curves, st.floats(1e-3, 1e3), st.sampled_from(RELATIVE))
def test_relative_thresholds_do_not_depend_on_the_unit(change: np.ndarray, scale: float, rule: ThresholdRule) -> None:
    """The article's claim, exactly: scaling every change leaves the segments as they are (A14)."""
    times = np.arange(len(change)) / 2
    curve = np.round(change.astype(np.float64), 3)
    once = segments_by_change(curve, times, None, rule)
    assert np.array_equal(once, segments_by_change(curve * scale, times, None, rule))
