"""Histogram distance, by hand and on real films (with pixel distance, its sibling)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.keyframes import KeyFrames
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import Extractor, run_extractor
from keyframe_bench.extractors.histogram_distance import HistogramDistance
from keyframe_bench.extractors.pixel_distance import PixelDistance


def run(change: Any, k: int | None, extractor: HistogramDistance | None = None) -> KeyFrames:
    extractor = extractor or HistogramDistance()
    curve = np.asarray(change, dtype=np.float32)
    columns = {feature.key: curve for feature in extractor.needs}
    clip = Clip(VideoInfo("v", len(curve)), np.arange(len(curve)), np.arange(len(curve)) / 2, columns)
    return run_extractor(extractor, clip, k, rng=rng_for(0))


def test_mean_plus_population_deviation_by_hand() -> None:
    """Of 0.2, 0.2, 0.2, 1.4: mean 0.5, population deviation sqrt(0.27) = 0.52 (sample: 0.6); 1.05 is above 1.0196."""
    found = run([0, 0.2, 0.2, 0.2, 1.4], None)
    assert found.segments is not None and found.scores is not None
    assert found.segments.tolist() == [[0, 4], [4, 5]]
    assert found.frames.tolist() == [1, 4]
    assert found.scores.tolist() == pytest.approx([0, 1.4])
    # Mean of 0.25, 0.25, 1, 1 is 0.625, deviation 0.375: exactly 1, reached. The sample deviation gives 1.058.
    found = run([0, 0.25, 0.25, 1, 1], None)
    assert found.segments is not None
    assert found.segments[:, 0].tolist() == [0, 3, 4]


def test_the_threshold_is_a_knob_on_the_number_of_key_frames() -> None:
    change = np.concatenate([[0], rng_for(0, "knob").gamma(1, 0.1, 300)])
    counts = [len(run(change, None, HistogramDistance(factor=f))) for f in (0, 1, 2, 4)]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == 4
    assert len(run(change, None, HistogramDistance(threshold="absolute", level=2))) == 1


@given(arrays(np.float32, st.integers(1, 40), elements=st.floats(0, 2, width=32)), st.integers(1, 50))
def test_exactly_k_frames(change: np.ndarray, k: int) -> None:
    assert len(run(change, k)) == min(k, len(change))


@pytest.mark.parametrize("n", [1, 2, 9])
def test_static_video(n: int) -> None:
    assert run(np.zeros(n), None).frames.tolist() == [(n - 1) // 2]
    assert len(run(np.zeros(n), 4)) == min(4, n)


def test_bins_are_the_features() -> None:
    assert HistogramDistance(bins=16).needs[0].params["bins"] == 16


# The jumps of the two live films were found by a histogram pass; fast motion there outdoes some of them pixel by pixel.
# Bunny's are the studio's list, minus a fade at the start that outdoes some of them by histogram.
@pytest.mark.data
@pytest.mark.parametrize(
    ("extractor", "film", "cuts"),
    [
        (HistogramDistance(), "bikes.mp4", {30, 76, 137, 187, 242}),
        (HistogramDistance(), "scenedetect_testvideo.mp4", {180, 394}),
        (PixelDistance(), "bikes.mp4", {30, 76, 137, 187, 242}),
        (PixelDistance(color="rgb"), "big_buck_bunny_30s.mp4", {285, 378, 553}),
    ],
)
def test_real_cuts_become_borders(data_root: Path, extractor: Extractor, film: str, cuts: set[int]) -> None:
    from keyframe_bench.video.onepass import read_pass

    done = read_pass(data_root / "videos" / "edited" / film, {"every": extractor.needs})
    found = run_extractor(extractor, done.clip("every", extractor.needs), 6, rng=rng_for(0))
    assert found.segments is not None
    assert cuts <= set(found.segments[:, 0].tolist())
    assert found.segments[-1, 1] == done.info.n_frames
    assert np.all((found.segments[:, 0] <= found.frames) & (found.frames < found.segments[:, 1]))
