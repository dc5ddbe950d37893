"""The health record tells what is wrong with a file's times, and nothing that is not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keyframe_bench.video.health import Health


def judged(times: np.ndarray, *, frame_s: float = 0.04, **declared: float) -> Health:
    health = Health(**declared)  # type: ignore[arg-type]  # declared frames or duration
    health.judge_times(np.asarray(times, dtype=float), frame_s)
    return health


@pytest.mark.parametrize("fps", [10, 23.976, 25, 29.97, 50, 59.94, 120, 240])
def test_a_regular_video_has_nothing_to_tell(fps: float) -> None:
    health = judged(np.arange(300) / fps, declared_frames=300, declared_duration_s=300 / fps)
    assert health.problems == []
    assert health.decoded_frames == 300
    assert health.decoded_duration_s == pytest.approx(300 / fps)


@pytest.mark.parametrize("fps", [15, 23.976, 25, 29.97, 30, 50, 59.94, 60, 90, 120, 240])
def test_rounding_to_milliseconds_is_no_variable_rate(fps: float) -> None:
    """Matroska and FLV store whole milliseconds."""
    assert not judged(np.round(np.arange(500) / fps, 3)).variable_rate


def test_variable_rate_is_told() -> None:
    rng = np.random.default_rng(0)
    assert judged(np.cumsum(rng.uniform(0.02, 0.06, 200))).variable_rate
    slow_half = np.concatenate([np.full(100, 1 / 25), np.full(100, 1 / 20)])
    assert judged(np.cumsum(slow_half)).problems == ["variable frame rate"]


def test_one_lost_frame_is_no_variable_rate_even_in_a_short_video() -> None:
    times = np.delete(np.arange(20) / 25, 7)
    assert not judged(times).variable_rate
    assert judged(times, declared_frames=20).problems == ["the container declares 20 frames, 19 decode"]


def test_gaps_are_told_with_place_and_length_the_longest_first_ten() -> None:
    steps = np.full(400, 0.04)
    steps[9:130:10] = 0.2 + 0.1 * np.arange(13)
    times = np.concatenate([[0.0], np.cumsum(steps)])
    health = judged(times)
    assert len(health.gaps) == 10
    assert [length for _, length in health.gaps] == pytest.approx(0.5 + 0.1 * np.arange(10))
    assert health.gaps[0][0] == pytest.approx(times[39])
    assert not health.variable_rate
    assert any("gaps in time" in problem for problem in health.problems)


def test_steps_back_and_repeats_are_counted() -> None:
    health = judged([0.0, 0.04, 0.08, 0.08, 0.04, 0.12, 0.16])
    assert (health.non_monotonic_pts, health.duplicate_pts) == (1, 1)
    assert "1 time stamp steps back" in health.problems and "1 time stamp repeats" in health.problems


def test_a_missing_end_is_told() -> None:
    health = judged(np.arange(50) / 25, declared_duration_s=4.0)
    assert health.truncated_tail
    assert health.problems == ["it ends at 2.00 s of 4.00 s declared"]
    assert not judged(np.arange(50) / 25, declared_duration_s=2.3).truncated_tail  # sound may be a little longer


@pytest.mark.parametrize("times", [[], [3.0], [3.0, 3.0]])
def test_hardly_any_frames(times: list[float]) -> None:
    health = judged(np.array(times), frame_s=0.04)
    assert health.decoded_frames == len(times)
    assert health.decoded_duration_s == pytest.approx(0.04 if times else 0.0)
    assert not health.variable_rate and not health.gaps


def test_the_record_is_plain_data() -> None:
    health = judged([0.0, 0.04, 0.5, 0.54], declared_frames=9)
    assert json.loads(json.dumps(health.to_json(), allow_nan=False)) == health.to_json()


def test_counts_are_told_in_words() -> None:
    assert Health(decode_errors=1, corrupt_frames=2).problems == [
        "1 packet or picture could not be decoded",
        "2 frames are damaged",
    ]
    assert Health(missing_pts=3, size_changes=1).problems == ["3 frames have no time stamp", "1 change of picture size"]
