"""The health record tells what is wrong with a file's times, and nothing that is not."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keyframe_bench.video.health import Health

RATES = [10, 15, 23.976, 25, 29.97, 30, 50, 59.94, 60, 90, 120, 240]


def judged(times, *, held=(), **declared) -> Health:
    health = Health(**declared)
    health.judge_times(np.asarray(times, dtype=float), 0.04, held)
    return health


@pytest.mark.parametrize("fps", RATES)
def test_a_regular_video_has_nothing_to_tell(fps) -> None:
    health = judged(np.arange(300) / fps, declared_frames=300, declared_duration_s=300 / fps)
    assert health.problems == [] and health.decoded_frames == 300
    assert health.decoded_duration_s == pytest.approx(300 / fps)
    assert not judged(np.round(np.arange(500) / fps, 3)).variable_rate, "Matroska and FLV store whole milliseconds"


def test_variable_rate_is_told() -> None:
    assert judged(np.cumsum(np.random.default_rng(0).uniform(0.02, 0.06, 200))).variable_rate
    slow_half = np.concatenate([np.full(100, 1 / 25), np.full(100, 1 / 20)])
    assert judged(np.cumsum(slow_half)).problems == ["variable frame rate"]
    one_lost = judged(np.delete(np.arange(20) / 25, 7), declared_frames=20)
    assert one_lost.problems == ["the container declares 20 frames, 19 decode"]


def test_gaps_are_told_with_place_and_length_the_longest_first_ten() -> None:
    steps = np.full(400, 0.04)
    steps[9:130:10] = 0.2 + 0.1 * np.arange(13)
    times = np.concatenate([[0.0], np.cumsum(steps)])
    health = judged(times)
    assert [length for _, length in health.gaps] == pytest.approx(0.5 + 0.1 * np.arange(10))
    assert health.gaps[0][0] == pytest.approx(times[39]) and not health.variable_rate
    assert any("13 gaps in time" in problem for problem in health.problems), "all are counted"
    old = {name: value for name, value in health.to_json().items() if name != "n_gaps"}
    assert any("10 gaps in time" in problem for problem in Health(**old).problems)


def test_ends_and_counts_are_told_in_words() -> None:
    assert judged(np.arange(50) / 25, declared_duration_s=4.0).problems == ["it ends at 2.00 s of 4.00 s declared"]
    assert not judged(np.arange(50) / 25, declared_duration_s=2.3).truncated_tail  # sound may be a little longer
    prolonged = judged(np.arange(50) / 25, held=np.arange(50, 100) / 25, declared_duration_s=4.0)
    assert prolonged.decoded_duration_s == pytest.approx(4.0) and not prolonged.truncated_tail, "by empty packets"
    health = judged([0.0, 0.04, 0.08, 0.08, 0.04, 0.12, 0.16], decode_errors=1, corrupt_frames=2, missing_pts=3)
    told = ["1 packet or image could not be decoded", "2 frames are damaged", "3 frames have no timestamp"]
    assert [*told, "1 timestamp steps back", "1 timestamp repeats"] == health.problems[:5]


@pytest.mark.parametrize("times", [[], [3.0], [3.0, 3.0]])
def test_hardly_any_frames(times) -> None:
    health = judged(times)
    assert health.decoded_frames == len(times)
    assert health.decoded_duration_s == pytest.approx(0.04 if times else 0.0)
    assert not health.variable_rate and not health.gaps
    assert json.loads(json.dumps(health.to_json(), allow_nan=False)) == health.to_json()
