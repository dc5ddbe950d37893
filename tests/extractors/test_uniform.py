"""Uniform frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.keyframes import KeyFrames
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import run_extractor
from keyframe_bench.extractors.uniform import Uniform


def clip_at(times: list[float] | np.ndarray, duration_s: float = 0.0) -> Clip:
    clock = np.asarray(times, dtype=np.float64)
    return Clip(VideoInfo("v", len(clock), float(clock[0]), duration_s), np.arange(len(clock)), clock, {})


def run(extractor: Uniform, clip: Clip, k: int | None) -> KeyFrames:
    return run_extractor(extractor, clip, k, rng=rng_for(0))


def test_two_minutes_at_two_frames_per_second_give_the_articles_sixty() -> None:
    found = run(Uniform(), clip_at(np.arange(240) / 2, 120.0), None)
    assert found.times.tolist() == [2.0 * i for i in range(60)]


def test_no_drift_at_29_97_frames_per_second() -> None:
    found = run(Uniform(), clip_at(np.arange(30000) * 1001 / 30000), None)
    grid = 2.0 * np.arange(len(found))
    assert np.all(found.times >= grid - 1e-6)
    assert np.all(found.times < grid + 1001 / 30000)


def test_time_is_counted_from_the_first_frame() -> None:
    assert run(Uniform(), clip_at([10.5, 11.5, 12.5, 13.5]), None).times.tolist() == [10.5, 12.5]


def test_a_gap_gives_one_frame_not_one_per_missed_grid_point() -> None:
    assert run(Uniform(), clip_at([0.0, 1.0, 9.0, 9.5, 10.0]), None).times.tolist() == [0, 9, 10]


def test_centre_and_start_of_equal_parts() -> None:
    clip = clip_at(np.arange(12.0), 12.0)
    assert run(Uniform(phase="start"), clip, 3).frames.tolist() == [0, 4, 8]
    assert run(Uniform(phase="centre"), clip, 3).frames.tolist() == [2, 6, 10]


def test_parts_are_counted_from_the_first_frame_to_the_end_of_the_last() -> None:
    assert run(Uniform(), clip_at(100 + np.arange(12.0), 12.0), 3).frames.tolist() == [2, 6, 10]
    assert run(Uniform(phase="start"), clip_at(np.arange(10.0), 20.0), 2).frames.tolist() == [0, 9]
    # Of unknown duration, the video ends with its last frame.
    assert run(Uniform(phase="start"), clip_at(np.arange(11.0)), 2).frames.tolist() == [0, 5]


def test_even_in_time_not_in_number() -> None:
    """Half of the frames lie in the first second of ten: a variable frame rate."""
    times = np.concatenate([np.arange(50) / 50, np.linspace(1, 9.9, 50)])
    found = run(Uniform(), clip_at(times, 10.0), 5)
    assert found.times == pytest.approx([1, 3, 5, 7, 9], abs=0.2)


@given(
    st.lists(st.sampled_from([0.0, 0.001, 0.04, 0.5, 30.0, -0.2]), max_size=40),
    st.integers(1, 60),
    st.sampled_from(["centre", "start"]),
    st.sampled_from([0.0, 5.0, 1e4]),
)
def test_exactly_k_whatever_the_time_stamps(steps: list[float], k: int, phase: Any, extra: float) -> None:
    times = 7.0 + np.concatenate([[0.0], np.cumsum(steps)])
    clip = clip_at(times, extra and float(times.max() - times[0]) + extra)
    assert len(run(Uniform(phase=phase), clip, k)) == min(k, len(times))
    assert len(run(Uniform(), clip, None)) >= 1


@pytest.mark.parametrize("n", [1, 2])
def test_shortest_videos(n: int) -> None:
    clip = clip_at(np.arange(n) / 2, n / 2)
    assert run(Uniform(), clip, 5).frames.tolist() == list(range(n))
    assert run(Uniform(), clip, None).frames.tolist() == [0]
