from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.metrics.compression import Compression
from keyframe_bench.metrics.cost import Cost


def test_compression_by_hand(make_clip, summary_of):
    clip = make_clip(600, fps=10.0)  # one minute
    assert Compression().compute(summary_of(clip, [0, 100, 200]), clip, None) == pytest.approx(
        {"n_keyframes": 3, "compression": 0.995, "reduction": 200, "keyframes_per_min": 3}
    )


@given(st.integers(1, 500), st.integers(0, 500))
def test_compression_and_reduction_say_the_same(make_clip, summary_of, n, k):
    k = min(n, k)
    clip = make_clip(n)
    result = Compression().compute(summary_of(clip, range(k)), clip, None)
    assert 0 <= result["compression"] <= 1
    assert result["reduction"] <= n
    if k:
        assert result["compression"] == pytest.approx(1 - 1 / result["reduction"], abs=1e-6)


def test_compression_of_a_single_frame_and_of_an_unknown_duration(make_clip, summary_of):
    clip = make_clip(1)
    clip = replace(clip, video=replace(clip.video, duration_s=0.0))
    assert Compression().compute(summary_of(clip, [0]), clip, None) == {
        "n_keyframes": 1,
        "compression": 0,
        "reduction": 1,
        "keyframes_per_min": 0,
    }
    assert Compression().compute(summary_of(clip, []), clip, None)["compression"] == 1


def test_cost_by_hand(make_clip, summary_of):
    clip = make_clip(300)
    summary = summary_of(clip, [1], decode_s=1.0, features_s=0.5, select_s=0.25, peak_mb=120.0, other_s=9.0)
    assert Cost().compute(summary, clip, None) == pytest.approx(
        {
            "decode_s": 1.0,
            "features_s": 0.5,
            "select_s": 0.25,
            "total_s": 1.75,
            "frames_per_s": 300 / 1.75,
            "peak_mb": 120.0,
        }
    )


def test_cost_that_was_not_measured_is_zero(make_clip, summary_of):
    clip = make_clip(300)
    assert set(Cost().compute(summary_of(clip, [1]), clip, None).values()) == {0.0}
