"""Pixel distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.keyframes import KeyFrames
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import Extractor, run_extractor
from keyframe_bench.extractors.pixel_distance import PixelDistance


def run(change: Any, k: int | None, extractor: PixelDistance | None = None, step: int = 1) -> KeyFrames:
    """Run on a clip whose sampled frames are ``step`` decoded ones and half a second apart."""
    extractor = extractor or PixelDistance()
    curve = np.asarray(change, dtype=np.float32)
    n = len(curve)
    columns = {feature.key: curve for feature in extractor.needs}
    clip = Clip(VideoInfo("v", n * step, 0.0, n / 2), np.arange(n) * step, np.arange(n) / 2, columns)
    return run_extractor(extractor, clip, k, rng=rng_for(0))


def test_the_articles_rule_by_hand() -> None:
    """Mean of 1, 1, 8, 1, 1, 9, 7 is 4: borders at 3, 6, 7, the two frames in motion are segments of their own."""
    found = run([0, 1, 1, 8, 1, 1, 9, 7], None)
    assert found.segments is not None and found.scores is not None and found.frame_scores is not None
    assert found.segments.tolist() == [[0, 3], [3, 6], [6, 7], [7, 8]]
    assert found.frames.tolist() == [1, 4, 6, 7]
    assert found.scores.tolist() == [0, 8, 9, 7]
    assert found.frame_scores.tolist() == [0, 1, 1, 8, 1, 1, 9, 7]


def test_segments_are_given_in_decoded_frames_up_to_the_end_of_the_video() -> None:
    found = run([0, 1, 9, 1], None, step=15)
    assert found.segments is not None
    assert found.segments.tolist() == [[0, 30], [30, 60]]
    assert found.frames.tolist() == [0, 30]


def test_one_hard_cut_hides_the_motion_under_the_mean_and_the_rolling_mean_finds_it() -> None:
    """The documented weakness of the mean (trap 21)."""
    change = np.ones(400)
    change[100:300:20] = 5
    change[350] = 255 * 8
    by_mean = run(change, None)
    by_rolling = run(change, None, PixelDistance(threshold="rolling", window_s=20))
    assert len(by_mean) == 2
    assert len(by_rolling) > 10


def test_options_change_the_cut_as_their_names_say() -> None:
    change = [0, 1, 2, 3, 4, 10]  # mean 4, population standard deviation sqrt(10)
    assert len(run(change, None, PixelDistance("mean"))) == 3
    assert len(run(change, None, PixelDistance("mean", factor=0.5))) == 5
    assert len(run(change, None, PixelDistance("mean+std"))) == 2
    assert len(run(change, None, PixelDistance("absolute", level=3))) == 4
    assert PixelDistance(color="rgb").needs != PixelDistance().needs


def test_budget_takes_the_largest_changes_the_earlier_of_equals() -> None:
    found = run([0, 5, 1, 5, 1, 5, 9, 1], 4)
    assert found.segments is not None
    assert found.segments[:, 0].tolist() == [0, 1, 3, 6]


@given(arrays(np.float32, st.integers(1, 40), elements=st.floats(0, 255, width=32)), st.integers(1, 50))
def test_exactly_k_frames(change: np.ndarray, k: int) -> None:
    assert len(run(change, k)) == min(k, len(change))


@given(
    arrays(np.float32, st.integers(1, 60), elements=st.integers(0, 1000).map(lambda v: v / 8)),
    st.sampled_from(["mean", "mean+std", "rolling", "adaptive"]),
    st.sampled_from([2.0**-6, 0.5, 2.0, 16.0]),
)
def test_key_frames_do_not_depend_on_how_strong_the_motion_is(change: np.ndarray, rule: Any, scale: float) -> None:
    """The claim "the mean handles high and low movement": exact."""
    extractor = PixelDistance(rule)
    assert run(change, None, extractor).frames.tolist() == run(change * scale, None, extractor).frames.tolist()


@pytest.mark.parametrize("n", [1, 2, 9])
def test_static_video_is_one_segment_when_free_and_k_frames_when_asked(n: int) -> None:
    assert run(np.zeros(n), None).frames.tolist() == [(n - 1) // 2]
    assert len(run(np.zeros(n), 4)) == min(4, n)


@pytest.mark.parametrize("rule", ["mean", "mean+std", "absolute", "rolling", "adaptive"])
def test_every_free_result_names_the_levels_it_compared_with(rule: Any) -> None:
    change = [0, 1, 2, 3, 4, 10]
    found = run(change, None, PixelDistance(rule, level=3))
    assert found.thresholds is not None and found.segments is not None
    above = [t for t in range(1, 6) if change[t] >= found.thresholds[t]]
    assert found.segments[1:, 0].tolist() == above
    assert run(change, 3, PixelDistance(rule)).thresholds is None


def test_wrong_options_are_refused_by_name() -> None:
    build = Extractor.registry.build
    with pytest.raises(
        UsageError, match="threshold='median' is not one of mean, mean\\+std, absolute, rolling, adaptive"
    ):
        build("pixel_distance", {"threshold": "median"})
    with pytest.raises(UsageError, match="window_s=0 is not a number at least"):
        build("pixel_distance", {"window_s": 0})
