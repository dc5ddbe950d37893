"""Positions on a grid of time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.selection.spacing import distinct, every_seconds, first_at_or_after

gaps = st.lists(st.sampled_from([0.0, 0.04, 0.5, 1.0, 1.3, 7.0, -0.5]), min_size=0, max_size=40)


def test_first_at_or_after_tolerates_rounding_but_not_more() -> None:
    times = [0.0, 1.9999999, 2.5, 4.001]
    assert first_at_or_after(times, [2.0, 2.6, 4.0, 99.0]).tolist() == [1, 3, 3, 3]


@given(gaps, st.sampled_from([0.5, 1.0, 2.0, 3.7]), st.sampled_from([0.0, -3.0, 1e6]))
def test_every_seconds_equals_the_definition(steps: list[float], period_s: float, start: float) -> None:
    times = start + np.concatenate([[0.0], np.cumsum(steps)])
    clock = np.maximum.accumulate(times)
    grid = clock[0] + np.arange(0, clock[-1] - clock[0] + 1e-6, period_s)
    expected = sorted({int(np.argmax(clock >= t - 1e-6)) for t in grid})
    assert every_seconds(times, period_s).tolist() == expected


def test_a_frame_a_microsecond_early_is_on_the_grid() -> None:
    assert every_seconds([0.0, 1.9999999, 2.1, 4.0], 2.0).tolist() == [0, 1, 3]


def test_a_broken_time_stamp_of_centuries_costs_nothing() -> None:
    assert every_seconds([0.0, 1.0, 1e12, 1e12 + 2], 2.0).tolist() == [0, 2, 3]


@given(st.data(), st.integers(1, 40))
def test_distinct_is_strict_inside_and_leaves_good_input_alone(data: st.DataObject, n: int) -> None:
    wanted = sorted(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n)))
    found = distinct(wanted, n)
    assert len(found) == len(wanted)
    assert found[0] >= 0
    assert found[-1] < n
    assert np.all(np.diff(found) > 0)
    if len(set(wanted)) == len(wanted):
        assert found.tolist() == wanted
