"""Fidelity, representativeness, diversity, frames without colour: by hand, at their bounds, on odd videos."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.metrics.degenerate import Degenerate
from keyframe_bench.metrics.diversity import DiversityGray, DiversityHue, diversity
from keyframe_bench.metrics.fidelity import FidelityGray, FidelityHue
from keyframe_bench.metrics.looks import MAX_FRAMES
from keyframe_bench.metrics.representativeness import RepresentativenessGray, RepresentativenessHue

COVERING = (FidelityHue(), FidelityGray(), RepresentativenessHue(), RepresentativenessGray())
ALL = (*COVERING, DiversityHue(), DiversityGray())


def levels(*values):
    return np.stack([np.full((18, 32), value, np.uint8) for value in values])


def test_fidelity_by_hand(make_clip, summary_of):
    clip = make_clip(4, gray=levels(0, 51, 102, 255), hue=[[1, 0], [0.9, 0.1], [0.5, 0.5], [0, 1]] @ np.eye(2, 16))
    one = FidelityGray().compute(summary_of(clip, [1]), clip, None)
    assert one == pytest.approx({"fidelity_gray": 0.2, "fidelity_mean_gray": 1 - (0.2 + 0 + 0.2 + 0.8) / 4})
    two = FidelityGray().compute(summary_of(clip, [1, 3]), clip, None)
    assert two == pytest.approx({"fidelity_gray": 0.8, "fidelity_mean_gray": 0.9})
    hue = FidelityHue().compute(summary_of(clip, [0]), clip, None)
    assert hue == pytest.approx({"fidelity_hue": 0.0, "fidelity_mean_hue": 1 - (0 + 0.1 + 0.5 + 1) / 4}, abs=1e-6)


def test_representativeness_by_hand(make_clip, summary_of):
    # One pixel changes: 0, 0, 0, 4 have mean 1 and variance 3, so the two levels are 16 / 3 apart.
    gray = levels(9, 9, 9, 9)
    gray[3, 5, 7] = 13
    clip = make_clip(4, gray=gray)

    def of(*frames):
        return RepresentativenessGray().compute(summary_of(clip, frames), clip, None)["represent_gray"]

    assert of(0) == pytest.approx(np.exp(-16 / 3 / 4), abs=1e-6)
    assert of(3) == pytest.approx(np.exp(-16 / 3 * 3 / 4), abs=1e-6)
    assert of(0, 3) == 1


def test_the_scale_and_the_zero_of_a_feature_do_not_matter_to_representativeness(make_clip, summary_of):
    rng = np.random.default_rng(4)
    dark = rng.integers(0, 80, (30, 18, 32), dtype=np.uint8)
    values = []
    for gray in (dark, 2 * dark + 7):
        clip = make_clip(30, gray=gray)
        values.append(RepresentativenessGray().compute(summary_of(clip, [3, 9, 20]), clip, None)["represent_gray"])
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_diversity_by_hand(make_clip, summary_of):
    hue = np.eye(16)[[0, 0, 1]]
    clip = make_clip(3, hue=hue, gray=levels(0, 10, 200))
    assert DiversityHue().compute(summary_of(clip, [0, 1, 2]), clip, None) == pytest.approx({"diversity_hue": 2 / 3})
    # Uniform grey levels differ in length only; black has no direction.
    assert DiversityGray().compute(summary_of(clip, [1, 2]), clip, None) == pytest.approx({"diversity_gray": 0})
    assert DiversityGray().compute(summary_of(clip, [0, 1, 2]), clip, None) == pytest.approx({"diversity_gray": 2 / 3})


@given(st.integers(2, 7), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_diversity_is_within_its_range_and_grows_by_no_repetition(k, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.random((k, 5)) * rng.integers(0, 2, (k, 1))  # some are zero
    value = diversity([vectors])
    assert 0 <= value <= 1
    assert diversity([vectors[:1], vectors[1:]]) == pytest.approx(value)
    assert diversity([vectors[rng.permutation(k)]]) == pytest.approx(value)
    assert diversity([np.repeat(vectors[:1], k, axis=0)]) == pytest.approx(0, abs=1e-9)
    assert diversity([np.eye(5)]) == 1


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_more_key_frames_show_no_less_and_all_show_all(make_clip, summary_of, seed):
    rng = np.random.default_rng(seed)
    clip = make_clip(30, gray=rng.integers(0, 256, (30, 18, 32), np.uint8), hue=rng.dirichlet(np.full(16, 0.2), 30))
    order = rng.permutation(30)
    for metric in COVERING:
        few, more, everything = (metric.compute(summary_of(clip, np.sort(order[:k])), clip, None) for k in (3, 9, 30))
        for name in metric.columns:
            assert 0 <= few[name] <= more[name] <= everything[name] == 1.0
        worst, *mean = few.values()
        assert all(worst <= m for m in mean)


@pytest.mark.parametrize("frames", [[], [0], [0, 5, 6], range(7)], ids=len)
def test_static_and_colourless_video(make_clip, summary_of, frames):
    clip = make_clip(7)  # black
    expected = 1.0 if frames else 0.0
    for metric in COVERING:
        assert set(metric.compute(summary_of(clip, frames), clip, None).values()) == {expected}
    for metric in (DiversityHue(), DiversityGray()):
        assert set(metric.compute(summary_of(clip, frames), clip, None).values()) == {0.0}


def test_one_frame_and_one_key_frame(make_clip, summary_of):
    clip = make_clip(1)
    for metric in ALL:
        assert set(metric.compute(summary_of(clip, [0]), clip, None).values()) == {float(metric in COVERING)}


def test_frames_without_colour_are_counted_on_the_whole_video(make_clip, summary_of):
    hue = np.eye(16)[[0, 0, 3, 3]]
    hue[3] = 1 / 16
    clip = make_clip(4, hue=hue)
    assert Degenerate().compute(summary_of(clip, []), clip, None) == {"hue_flat": 0.75}


def test_long_videos_are_judged_by_evenly_spaced_frames_and_every_key_frame(make_clip, summary_of):
    n = 3 * MAX_FRAMES
    hue, gray = np.zeros((n, 16), np.float32), np.zeros((n, 18, 32), np.uint8)
    hue[: n // 3, 0] = hue[n // 3 :, 5] = 1
    gray[n // 3 :] = 51
    gray[7] = 255  # no judged frame
    clip = make_clip(n, hue=hue, gray=gray)
    one, odd, both = (summary_of(clip, frames) for frames in ([0], [7], [0, n - 1]))
    for metric in COVERING:
        assert set(metric.compute(both, clip, None).values()) == {1.0}
    assert FidelityHue().compute(one, clip, None)["fidelity_mean_hue"] == pytest.approx(1 / 3, abs=1e-3)
    assert FidelityGray().compute(one, clip, None)["fidelity_gray"] == pytest.approx(0.8)
    assert FidelityGray().compute(odd, clip, None)["fidelity_gray"] == pytest.approx(0.0)
    # Two levels that share the frames p to 1 - p are 1 / (p (1 - p)) apart when standardised.
    alone = RepresentativenessGray().compute(one, clip, None)["represent_gray"]
    assert alone == pytest.approx(np.exp(-2 / 3 / (2 / 9)), abs=1e-3)
