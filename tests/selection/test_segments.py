"""Cutting a change curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from keyframe_bench.core.errors import UsageError
from keyframe_bench.selection import segments as module
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

RELATIVE = ("mean", "mean+std", "rolling", "adaptive")
RULES = (*RELATIVE, "absolute")
curves = arrays(np.float32, st.integers(1, 60), elements=st.floats(0, 255, width=32))
# Few distinct values: ties and exact threshold hits are frequent.
coarse = arrays(np.float64, st.integers(1, 30), elements=st.integers(0, 4).map(float))


def thresholds(change: Any, times: Any, rule: ThresholdRule, **options: float) -> np.ndarray:
    return change_threshold(change, times, rule, **({"factor": 1.0, "level": 0.0, "window_s": 60.0} | options))


def segments(change: Any, times: Any, rule: ThresholdRule, k: int | None = None, **options: float) -> np.ndarray:
    """Cut as the extractors do."""
    reached = thresholds(change, times, rule, **options)
    return segments_of(borders_at(change, reached) if k is None else largest_borders(change, k), len(change))


@pytest.mark.parametrize(
    ("rule", "options", "expected"),
    [
        # By hand: mean(1, 2, 3, 6) = 3; population variance (4 + 1 + 0 + 9) / 4 = 3.5.
        ("mean", {}, 3),
        ("mean", {"factor": 0.5}, 1.5),
        ("mean+std", {}, 3 + 3.5**0.5),
        ("mean+std", {"factor": 2}, 3 + 2 * 3.5**0.5),
        ("absolute", {"level": 7}, 7),
        # Window of 2 s: neighbours one second away are averaged, at the edges only those there are.
        ("rolling", {"window_s": 2}, [1.5, 2, 11 / 3, 4.5]),
        ("rolling", {"window_s": 2, "factor": 2}, [3, 4, 22 / 3, 9]),
        # The median of 1, 2, 3, 6 is 2.5, the deviations 1.5, 0.5, 0.5, 3.5 have the median 1.
        ("adaptive", {"factor": 2}, 2.5 + 2 * 1.482602218505602),
    ],
)
def test_thresholds_by_hand(rule: ThresholdRule, options: dict[str, float], expected: Any) -> None:
    """The first entry is undefined: a huge one changes nothing."""
    found = thresholds([1e6, 1.0, 2.0, 3.0, 6.0], [0, 1, 2, 3, 4], rule, **options)
    assert found[0] == 0 and found[1:] == pytest.approx(expected)


def test_an_unknown_rule_is_refused() -> None:
    rule: Any = "median"
    with pytest.raises(UsageError, match="'median' is unknown; use mean"):
        thresholds([0, 1, 2], [0, 1, 2], rule)


@given(curves, st.floats(0.01, 40), st.integers(0, 2**32 - 1), st.sampled_from([64, 2_000_000]))
def test_rolling_statistics_equal_the_plain_loop(values: np.ndarray, window_s: float, seed: int, cells: int) -> None:
    times = np.cumsum(np.random.default_rng(seed).uniform(0.01, 2, len(values)))
    windows = [values[np.abs(times - t) <= window_s / 2 + 1e-9].astype(np.float64) for t in times]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CELLS", cells)  # in pieces, and all at once
        median, mad = rolling_median_mad(values, times, window_s)
    assert rolling_mean(values, times, window_s) == pytest.approx([w.mean() for w in windows], abs=1e-6)
    assert median == pytest.approx([np.median(w) for w in windows], abs=1e-9)
    assert mad == pytest.approx([np.median(np.abs(w - np.median(w))) for w in windows], abs=1e-9)


def test_segments_and_middles_by_hand() -> None:
    found = segments([0, 1, 1, 9, 1, 1, 9, 9, 1, 1], range(10), "mean")  # mean of entries 1..9 = 33/9
    assert found.tolist() == [[0, 3], [3, 6], [6, 7], [7, 10]]
    assert middles(found).tolist() == [1, 4, 6, 8]
    assert middles([[0, 2]]).tolist() == [0]  # even length: the earlier of the two in the middle


def test_ties_among_the_largest_go_to_the_earlier() -> None:
    assert largest_borders([9, 5, 5, 5, 7], 3).tolist() == [1, 4] and largest_borders([9, 5], 1).tolist() == []
    assert largest_borders(np.tile([1.0, 2.0], 500), 5).tolist() == [1, 3, 5, 7]  # an unstable sort would show


@given(coarse, st.integers(1, 40))
def test_a_budget_gives_exactly_k_segments_at_the_largest_changes(change: np.ndarray, k: int) -> None:
    found, n = segments(change, np.arange(len(change)), "mean", k), len(change)
    assert len(found) == min(k, n) and found[0, 0] == 0
    assert np.array_equal(found.reshape(-1), np.repeat(np.append(found[:, 0], n), 2)[1:-1])  # no hole, no overlap
    cut = np.isin(np.arange(n), found[1:, 0])[1:]
    if cut.any() and not cut.all():
        assert change[1:][cut].min() >= change[1:][~cut].max()


@given(coarse, st.sampled_from(RULES))
def test_segments_follow_the_definition(change: np.ndarray, rule: ThresholdRule) -> None:
    """A change equal to its threshold starts a segment, no change starts none."""
    times = np.arange(len(change)) / 2
    reached = thresholds(change, times, rule, level=2, window_s=4)
    borders = [t for t in range(1, len(change)) if change[t] > 0 and change[t] > reached[t] - 1e-7]
    assert segments(change, times, rule, level=2, window_s=4).tolist() == segments_of(borders, len(change)).tolist()


@given(curves, st.floats(1e-3, 1e3), st.sampled_from(RELATIVE))
def test_relative_thresholds_do_not_depend_on_the_unit(change: np.ndarray, scale: float, rule: ThresholdRule) -> None:
    """The article's claim, exactly: scaling every change leaves the segments as they are (A14)."""
    times = np.arange(len(change)) / 2
    curve = np.round(change.astype(np.float64), 3)
    assert np.array_equal(segments(curve, times, rule), segments(curve * scale, times, rule))


@pytest.mark.parametrize("rule", RELATIVE)
def test_constant_change_reaches_its_own_mean_in_every_unit(rule: ThresholdRule) -> None:
    """0.1 summed and divided is not 0.1: the rounding must not decide about every border of a steady pan."""
    for value in (0.1, 0.7, 3.3):
        assert len(segments(np.full(50, value), np.arange(50.0), rule)) == 50
