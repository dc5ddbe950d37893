"""Positions on grids."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.selection.spacing import distinct, every_seconds, first_at_or_after

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
