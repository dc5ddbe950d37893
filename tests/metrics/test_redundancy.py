import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.metrics.looks import MAX_FRAMES
from keyframe_bench.metrics.redundancy import RedundancyGray, RedundancyHue


def test_by_hand(make_clip, summary_of):
    levels = (0, 51, 255)
    clip = make_clip(3, gray=np.stack([np.full((18, 32), v, np.uint8) for v in levels]), hue=np.eye(16)[[0, 0, 1]])
    everything = summary_of(clip, [0, 1, 2])
    # Grey: 0 and 51 are 0.8 alike, 255 is 0.2 like 51. Hue: the first two are the same, the third like neither.
    assert RedundancyGray().compute(everything, clip, None)["redundancy_gray"] == pytest.approx((0.8 + 0.8 + 0.2) / 3)
    assert RedundancyHue().compute(everything, clip, None)["redundancy_hue"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("chosen", [[], [4]])
def test_fewer_than_two_key_frames_repeat_nothing(make_clip, summary_of, chosen):
    clip = make_clip(9)
    for metric in (RedundancyGray(), RedundancyHue()):
        assert metric.compute(summary_of(clip, chosen), clip, None) == {metric.name: 0.0}


def test_agrees_with_plain_loops_on_random_video(make_clip, summary_of):
    rng = np.random.default_rng(5)
    for k in (2, 3, 8):
        gray = rng.integers(0, 256, (20, 18, 32), dtype=np.uint8) // rng.integers(1, 9, (20, 1, 1), dtype=np.uint8)
        hue = rng.dirichlet(np.full(16, 0.3), 20).astype(np.float32)
        clip = make_clip(20, gray=gray, hue=hue)
        chosen = np.sort(rng.choice(20, k, replace=False))
        grey = [
            max(1 - np.sqrt(np.mean((gray[i].astype(float) - gray[j]) ** 2)) / 255 for j in chosen if j != i)
            for i in chosen
        ]
        colour = [max(1 - np.abs(hue[i].astype(float) - hue[j]).sum() / 2 for j in chosen if j != i) for i in chosen]
        summary = summary_of(clip, chosen)
        assert RedundancyGray().compute(summary, clip, None)["redundancy_gray"] == pytest.approx(
            np.mean(grey), abs=1e-6
        )
        assert RedundancyHue().compute(summary, clip, None)["redundancy_hue"] == pytest.approx(
            np.mean(colour), abs=1e-6
        )


@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_range_and_what_a_repetition_does(make_clip, summary_of, k, seed):
    rng = np.random.default_rng(seed)
    gray = rng.integers(0, 256, (k, 18, 32), dtype=np.uint8)
    hue = rng.dirichlet(np.full(16, 0.3), k)
    clip = make_clip(2 * k, gray=np.concatenate([gray, gray]), hue=np.concatenate([hue, hue]))
    for metric in (RedundancyGray(), RedundancyHue()):
        once, twice = (metric.compute(summary_of(clip, range(m)), clip, None)[metric.name] for m in (k, 2 * k))
        assert 0 <= once <= 1
        assert twice == pytest.approx(1, abs=1e-6)


def test_of_very_many_key_frames_evenly_spaced_ones_are_compared_with_all(make_clip, summary_of):
    n = 2 * MAX_FRAMES
    hue = np.eye(16)[np.arange(n) // 2 % 16]  # in pairs: every key frame has its like beside it
    clip = make_clip(n, hue=hue)
    assert RedundancyHue().compute(summary_of(clip, range(n)), clip, None)["redundancy_hue"] == 1.0
