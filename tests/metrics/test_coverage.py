import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.metrics.coverage import CoverageGray, CoverageHue, CoverageTime
from keyframe_bench.metrics.distances import gray_distance, hue_distance
from keyframe_bench.metrics.looks import MAX_FRAMES
from keyframe_bench.metrics.temporal import TOLERANCES

VISUAL = (CoverageHue(), CoverageGray())


def test_time_by_hand(make_clip, summary_of):
    clip = make_clip(100)  # 0.0, 0.1, ... 9.9 s
    result = CoverageTime().compute(summary_of(clip, [0, 50]), clip, None)
    assert result["coverage_0_5s"] == pytest.approx((6 + 11) / 100)  # 0.0-0.5 and 4.5-5.5 s, both ends included
    assert result["coverage_5s"] == 1.0


@given(st.sets(st.integers(0, 39), max_size=6).map(sorted), st.permutations(range(40)))
@settings(max_examples=60, deadline=None)
def test_time_agrees_with_plain_loops_whatever_the_order_of_times(make_clip, summary_of, chosen, order):
    times = np.array(order) / 4
    clip = make_clip(40, times=times)
    result = CoverageTime().compute(summary_of(clip, chosen), clip, None)
    for suffix, tau in TOLERANCES.items():
        expected = np.mean([any(abs(times[i] - times[k]) <= tau for k in chosen) for i in range(40)])
        assert result[f"coverage_{suffix}"] == pytest.approx(expected, abs=1e-6)
    values = list(result.values())
    assert values == sorted(values)


def test_visual_by_hand(make_clip, summary_of):
    gray = np.stack([np.full((18, 32), level, np.uint8) for level in (100, 124, 125, 200)])
    hue = np.zeros((4, 16))
    hue[:, 0], hue[:, 1] = [1, 0.8, 0.75, 0], [0, 0.2, 0.25, 1]
    clip = make_clip(4, gray=gray, hue=hue)
    one = summary_of(clip, [0])
    assert CoverageGray().compute(one, clip, None) == {"coverage_gray": 0.5}  # 24 of 255 is near, 25 is not
    assert CoverageHue().compute(one, clip, None) == {"coverage_hue": 0.5}  # L1 0.4 is near, 0.5 is not
    assert CoverageGray().compute(summary_of(clip, [0, 3]), clip, None) == {"coverage_gray": 0.75}


def test_visual_agrees_with_plain_loops_on_random_video(make_clip, summary_of):
    rng = np.random.default_rng(1)
    for _ in range(10):
        n = int(rng.integers(2, 40))
        scenes = rng.integers(0, 256, (4, 18, 32))
        gray = np.clip(scenes[rng.integers(0, 4, n)] + rng.normal(0, 22, (n, 18, 32)), 0, 255).astype(np.uint8)
        hue = rng.dirichlet(np.full(16, 0.15), n).astype(np.float32)
        clip = make_clip(n, gray=gray, hue=hue)
        chosen = np.sort(rng.choice(n, int(rng.integers(1, n)), replace=False))
        rms = [[np.sqrt(np.mean((gray[i].astype(float) - gray[k]) ** 2)) for k in chosen] for i in range(n)]
        l1 = [[np.abs(hue[i].astype(float) - hue[k]).sum() for k in chosen] for i in range(n)]
        assert gray_distance(gray, gray[chosen]) == pytest.approx(np.array(rms), abs=1e-6)
        assert hue_distance(hue, hue[chosen]) == pytest.approx(np.array(l1), abs=1e-6)
        summary = summary_of(clip, chosen)
        grey, colour = (m.compute(summary, clip, None)[m.name] for m in (CoverageGray(), CoverageHue()))
        assert grey == pytest.approx(np.mean(np.min(rms, axis=1) < 25), abs=1e-6)
        assert colour == pytest.approx(np.mean(np.min(l1, axis=1) < 0.5), abs=1e-6)


def test_gray_distance_is_exact_at_its_extremes():
    black, white = np.zeros((1, 18, 32), np.uint8), np.full((1, 18, 32), 255, np.uint8)
    assert gray_distance(black, white)[0, 0] == 255
    assert gray_distance(white, white)[0, 0] == 0
    one_level = white.copy()
    one_level[0, 3, 4] = 254
    assert gray_distance(white, one_level)[0, 0] == pytest.approx(1 / 24, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_more_key_frames_cover_no_less_and_all_cover_all(make_clip, summary_of, seed):
    rng = np.random.default_rng(seed)
    gray = (rng.integers(0, 3, (30, 18, 1)) * 20 + rng.integers(0, 20, (30, 18, 32))).astype(np.uint8)
    clip = make_clip(30, gray=gray, hue=rng.dirichlet(np.full(16, 0.2), 30))
    order = rng.permutation(30)
    for metric in (*VISUAL, CoverageTime()):
        few, more, all_of_them = (metric.compute(summary_of(clip, np.sort(order[:k])), clip, None) for k in (3, 9, 30))
        for name in metric.columns:
            assert 0 <= few[name] <= more[name] <= all_of_them[name] == 1.0


def test_empty_and_single(make_clip, summary_of):
    clip = make_clip(7)
    for metric in (*VISUAL, CoverageTime()):
        assert set(metric.compute(summary_of(clip, []), clip, None).values()) == {0.0}
        assert set(metric.compute(summary_of(make_clip(1), [0]), make_clip(1), None).values()) == {1.0}


def test_long_video_is_covered_by_evenly_spaced_frames(make_clip, summary_of):
    n = 3 * MAX_FRAMES
    hue = np.zeros((n, 16), np.float32)
    hue[: n // 3, 0] = hue[n // 3 :, 5] = 1
    clip = make_clip(n, hue=hue)
    assert CoverageHue().compute(summary_of(clip, [0]), clip, None)["coverage_hue"] == pytest.approx(1 / 3, abs=1e-3)
    assert CoverageHue().compute(summary_of(clip, [0, n - 1]), clip, None)["coverage_hue"] == 1.0
