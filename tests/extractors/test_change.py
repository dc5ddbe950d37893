"""Pixel and histogram distance: segments between large changes, and their middle frames."""

import numpy as np
import pytest

from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.histogram_distance import HistogramDistance
from keyframe_bench.extractors.pixel_distance import PixelDistance

RULES = ("mean", "mean+std", "absolute", "rolling", "adaptive")
both = pytest.mark.parametrize("extractor", [PixelDistance(), HistogramDistance()], ids=lambda e: e.name)


@pytest.fixture(scope="session")
def cut(run, clip_of):
    """What an extractor makes of a curve of changes."""

    def select(extractor, change, k=None, step=1):
        return run(extractor, clip_of(extractor, np.asarray(change, dtype=np.float32), step=step), k)

    return select


@pytest.mark.parametrize(
    ("extractor", "change", "borders", "frames"),
    [
        # Mean of 1, 1, 8, 1, 1, 9, 7 is 4: the two frames in motion are segments of their own.
        (PixelDistance(), [0, 1, 1, 8, 1, 1, 9, 7], [0, 3, 6, 7], [1, 4, 6, 7]),
        # Of 0.2, 0.2, 0.2, 1.4: mean 0.5, population deviation sqrt(0.27) = 0.52 (sample: 0.6); 1.4 is above 1.0196.
        (HistogramDistance(), [0, 0.2, 0.2, 0.2, 1.4], [0, 4], [1, 4]),
        # Mean of 0.25, 0.25, 1, 1 is 0.625, deviation 0.375: exactly 1, reached. The sample deviation gives 1.058.
        (HistogramDistance(), [0, 0.25, 0.25, 1, 1], [0, 3, 4], [1, 3, 4]),
        (PixelDistance("mean"), [0, 1, 2, 3, 4, 10], [0, 4, 5], None),  # mean 4, population deviation sqrt(10)
        (PixelDistance("mean", factor=0.5), [0, 1, 2, 3, 4, 10], [0, 2, 3, 4, 5], None),
        (PixelDistance("mean+std"), [0, 1, 2, 3, 4, 10], [0, 5], None),
        (PixelDistance("absolute", level=3), [0, 1, 2, 3, 4, 10], [0, 3, 4, 5], None),
        (HistogramDistance(threshold="absolute", level=2), [0, 1, 1.9, 1], [0], None),
    ],
)
def test_rules_by_hand(cut, extractor, change, borders, frames):
    found = cut(extractor, change)
    assert found.segments[:, 0].tolist() == borders and found.segments[-1, 1] == len(change)
    assert found.scores.tolist() == pytest.approx([change[border] for border in borders])
    assert found.frame_scores.tolist() == pytest.approx(change)
    assert frames is None or found.frames.tolist() == frames


def test_segments_are_given_in_decoded_frames_up_to_the_end_of_the_video(cut):
    found = cut(PixelDistance(), [0, 1, 9, 1], step=15)
    assert (found.segments.tolist(), found.frames.tolist()) == ([[0, 30], [30, 60]], [0, 30])


def test_one_hard_cut_hides_the_motion_under_the_mean_and_the_rolling_mean_finds_it(cut):
    """The documented weakness of the mean (trap 21)."""
    change = np.ones(400)
    change[100:300:20] = 5
    change[350] = 255 * 8
    assert len(cut(PixelDistance(), change)) == 2
    assert len(cut(PixelDistance(threshold="rolling", window_s=20), change)) > 10


def test_one_hard_cut_moves_the_means_and_not_the_adaptive_threshold(cut):
    """Trap 21: within its window the cut raises a rolling mean too."""
    change = 1 + 0.2 * np.sin(np.arange(120.0))
    change[[20, 40, 60, 90]] = [5, 5, 8 * 255, 5]
    for rule in ("mean", "rolling"):
        assert cut(PixelDistance(rule, factor=1.5), change).segments[:, 0].tolist() == [0, 60]
    assert cut(PixelDistance("adaptive", factor=5), change).segments[:, 0].tolist() == [0, 20, 40, 60, 90]


def test_the_factor_is_a_knob_on_the_number_of_key_frames(cut):
    change = np.concatenate([[0], rng_for(0, "knob").gamma(1, 0.1, 300)])
    counts = [len(cut(HistogramDistance(factor=f), change)) for f in (0, 1, 2, 4)]
    assert counts == sorted(set(counts), reverse=True)


def test_a_budget_takes_the_largest_changes_the_earlier_of_equals(cut):
    assert cut(PixelDistance(), [0, 5, 1, 5, 1, 5, 9, 1], 4).segments[:, 0].tolist() == [0, 1, 3, 6]


@both
@pytest.mark.parametrize("n", [1, 2, 9])
def test_static_video_is_one_segment_when_free_and_k_frames_when_asked(cut, extractor, n):
    assert cut(extractor, np.zeros(n)).frames.tolist() == [(n - 1) // 2]
    assert len(cut(extractor, np.zeros(n), 4)) == min(4, n)


@pytest.mark.parametrize("rule", RULES)
def test_every_free_result_names_the_thresholds_it_compared_with(cut, rule):
    change = [0, 1, 2, 3, 4, 10]
    found = cut(PixelDistance(rule, level=3), change)
    assert found.segments[1:, 0].tolist() == [t for t in range(1, 6) if change[t] >= found.thresholds[t]]
    assert cut(PixelDistance(rule), change, 3).thresholds is None


def test_options_reach_the_features():
    assert HistogramDistance(bins=16).needs[0].params["bins"] == 16
    assert PixelDistance(color="rgb").needs != PixelDistance().needs
