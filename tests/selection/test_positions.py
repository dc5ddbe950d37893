"""Numbers of key frames inferred from scores and from what is covered; positions on grids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from keyframe_bench.selection.peaks import highest_of_bins, knee_threshold, smallest_covering
from keyframe_bench.selection.spacing import distinct, every_seconds, first_at_or_after

curves = arrays(np.float64, st.integers(1, 60), elements=st.integers(0, 2000).map(lambda v: v / 8))


def above(scores: np.ndarray) -> list[int]:
    return np.flatnonzero(scores > knee_threshold(scores)).tolist()


def test_the_knee_by_hand() -> None:
    """Sorted 10, 4, 2, 1, 0: in the unit square 1, .4, .2, .1, 0 against a chord 1, .75, .5, .25, 0."""
    assert knee_threshold([1, 10, 2, 0, 4]) == 4  # .35 below the chord; 2 is .3 below
    assert above(np.array([1, 9, 1, 1, 1, 9, 9, 1.0])) == [1, 5, 6] and above(np.array([0, 0, 0, 1.0])) == [3]
    line = [0.1 * i for i in range(50)]  # up to rounding
    for scores in ([3], [3, 3, 3], [1, 2], [0, 1, 2, 3, 4], line, [9, 9, 9, 8.9, 1]):
        assert knee_threshold(scores) == max(scores)  # no knee: nothing stands out


@given(curves, st.sampled_from([2.0**-6, 0.5, 2.0, 1024.0]), st.sampled_from([0.0, 1.0, 64.0]))
def test_scaling_and_shifting_the_scores_changes_nothing(scores: np.ndarray, scale: float, shift: float) -> None:
    assert above(scores) == above(scores * scale + shift)


@given(curves)
def test_the_knee_is_the_point_furthest_below_the_chord(scores: np.ndarray) -> None:
    """Against the plain definition: distance to the line through the first and last point."""
    curve = np.sort(scores)[::-1]
    level = knee_threshold(scores)
    if curve[0] == curve[-1]:
        assert level == curve[0]
        return
    x, y = np.linspace(0, 1, len(curve)), (curve - curve[-1]) / (curve[0] - curve[-1])
    distance = [np.cross([1, -1, 0], [a, b - 1, 0])[2] / 2**0.5 for a, b in zip(x, y, strict=True)]
    deepest = max(-d for d in distance)
    at = [-d for d, score in zip(distance, curve, strict=True) if score == level]
    assert max(at) == pytest.approx(max(deepest, 0), abs=1e-8)


@given(st.integers(1, 200), st.data())
def test_the_smallest_of_a_growing_coverage_is_found_with_few_trials(n: int, data: st.DataObject) -> None:
    needed, trials = data.draw(st.integers(1, n)), []

    def covers(k: int) -> np.ndarray:
        trials.append(k)
        return np.arange(100) < (100 if k >= needed else 94)

    assert smallest_covering(covers, n, 0.95) == needed
    assert len(trials) <= 2 * np.log2(n) + 2


@given(arrays(np.float64, st.integers(1, 40), elements=st.integers(0, 10).map(lambda v: v / 10)))
def test_what_is_found_covers_and_one_fewer_does_not_whatever_the_coverage_does(shares: np.ndarray) -> None:
    n = len(shares)
    found = smallest_covering(lambda k: np.arange(10) < round(10 * shares[k - 1]), n, 0.95)
    assert shares[found - 1] >= 0.95 or found == n  # all, where nothing covers
    assert found == 1 or shares[found - 2] < 0.95


gaps = st.lists(st.sampled_from([0.0, 0.04, 0.5, 1.0, 1.3, 7.0, -0.5]), min_size=0, max_size=40)


@given(gaps, st.sampled_from([0.5, 1.0, 2.0, 3.7]), st.sampled_from([0.0, -3.0, 1e6]))
def test_every_seconds_equals_the_definition(steps: list[float], period_s: float, start: float) -> None:
    times = start + np.concatenate([[0.0], np.cumsum(steps)])
    clock = np.maximum.accumulate(times)
    grid = clock[0] + np.arange(0, clock[-1] - clock[0] + 1e-6, period_s)
    expected = sorted({int(np.argmax(clock >= t - 1e-6)) for t in grid})
    assert every_seconds(times, period_s).tolist() == expected


def test_a_frame_a_microsecond_early_is_on_the_grid() -> None:
    assert first_at_or_after([0.0, 1.9999999, 2.5, 4.001], [2.0, 2.6, 4.0, 99.0]).tolist() == [1, 3, 3, 3]
    assert every_seconds([0.0, 1.9999999, 2.1, 4.0], 2.0).tolist() == [0, 1, 3]


def test_a_broken_time_stamp_of_centuries_costs_nothing() -> None:
    assert every_seconds([0.0, 1.0, 1e12, 1e12 + 2], 2.0).tolist() == [0, 2, 3]


@given(st.integers(1, 40), st.data())
def test_distinct_is_strict_inside_and_leaves_good_input_alone(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    row = st.lists(st.integers(0, n - 1), min_size=k, max_size=k).map(sorted)
    wanted = np.array(data.draw(st.lists(row, min_size=1, max_size=4)))
    found = distinct(wanted, n)
    assert found.shape == wanted.shape and found.min() >= 0 and found.max() < n and np.all(np.diff(found) > 0)
    good = np.all(np.diff(wanted) > 0, axis=1)
    assert np.array_equal(found[good], wanted[good]) and np.array_equal(distinct(wanted[0], n), found[0])


@pytest.mark.parametrize("n", [0, 1, 5, 6, 7, 100])
def test_the_highest_of_every_bin_stays(n):
    scores = np.random.default_rng(n).random(n)
    found = highest_of_bins(scores, 6).tolist()
    assert len(found) == min(n, 6) and found == sorted(found)
    for i, position in enumerate(found if n > 6 else ()):
        start, end = int(i * n / 6), int((i + 1) * n / 6)
        assert position == max(range(start, end), key=scores.__getitem__)
    assert n > 6 or found == list(range(n))
