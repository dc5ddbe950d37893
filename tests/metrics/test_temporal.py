import numpy as np
import pytest

from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.temporal import TOLERANCES


def test_coverage_by_hand(make_clip, score):
    result = score("coverage_time", make_clip(100), [0, 50])  # 0.0, 0.1, ... 9.9 s
    assert result["coverage_0_5s"] == pytest.approx((6 + 11) / 100)  # 0.0-0.5 and 4.5-5.5 s, both ends included
    assert result["coverage_5s"] == 1.0
    assert set(score("coverage_time", make_clip(100), []).values()) == {0.0}


@pytest.mark.parametrize(
    ("chosen", "users", "expected"),
    [
        # Key frames at 1.0, 5.0, 9.0 s; user 0 at 1.4, 6.0 s; user 1 at 9.0 s: one match each within 0.5 s, and 5.0 to
        # 6.0 is exactly a second.
        ([10, 50, 90], [[14, 60], [90]], {"f1_0_5s": (2 / 5 + 2 / 4) / 2, "p_0_5s": 1 / 3, "r_0_5s": 3 / 4}),
        ([10, 50, 90], [[14, 60], [90]], {"f1_1s": (4 / 5 + 2 / 4) / 2, "f1_1s_max": 4 / 5, "p_1s_max": 2 / 3}),
        ([10, 50, 90], [[14, 60], [90]], {"r_0_5s_max": 1, "f1_area": (0.55 * 0.5 + 0.65 * 4) / 4.5}),
        ([50], [[48, 49, 50, 51, 52]], {"p_1s": 1.0, "r_1s": 0.2}),  # one key frame matches one frame only
        # Key frames 0.0 and 0.8 s, user 0.7 and 1.6 s: nearest first takes (0.8, 0.7) and leaves 0.0 and 1.6 alone.
        ([0, 8], [[7, 16]], {"f1_1s": 1.0, "f1_1s_greedy": 0.5}),
        ([0, 9, 33], [[0, 9, 33]], dict.fromkeys(Metric.registry.get("temporal").columns, 1.0)),
        ([], [[5], [7]], dict.fromkeys(Metric.registry.get("temporal").columns, 0.0)),
        ([5], [[40], [5]], {"f1_1s": 0.5, "f1_1s_max": 1.0}),
    ],
)
def test_by_hand(make_clip, score, annotated, chosen, users, expected):
    clip = make_clip(100)
    result = score("temporal", clip, chosen, annotated(clip, *users))
    assert {name: result[name] for name in expected} == pytest.approx(expected)


def test_the_tolerance_is_inclusive_whatever_the_rounding_of_the_times(make_clip, score, annotated):
    for fps in (10, 24, 25, 30, 50, 60):
        clip = make_clip(fps * 40, times=1234.567 + np.arange(fps * 40) / fps)
        starts = np.arange(0, fps * 36, 3 * fps + 1)
        at, beyond = (score("temporal", clip, starts, annotated(clip, starts + fps + extra)) for extra in (0, 1))
        assert (at["r_1s"], beyond["r_1s"]) == (1.0, 0.0)


def test_larger_random_cases_agree_with_a_sweep_in_time(make_clip, score, annotated):
    rng = np.random.default_rng(3)
    clip = make_clip(3000, fps=30.0)
    for _ in range(20):
        chosen = np.sort(rng.choice(3000, 40, replace=False))
        users = [np.sort(rng.choice(3000, rng.integers(1, 60), replace=False)) for _ in range(5)]
        result = score("temporal", clip, chosen, annotated(clip, *users))
        for suffix, tau in TOLERANCES.items():
            expected = np.mean([_f1(_sweep(chosen, u, 30 * tau), 40, len(u)) for u in users])
            assert result[f"f1_{suffix}"] == pytest.approx(expected, abs=1e-6)


def test_presentation_times_may_be_out_of_order(make_clip, score, annotated):
    clip = make_clip(4, times=[0.0, 9.0, 3.0, 6.0])
    result = score("temporal", clip, [1, 2], annotated(clip, [1, 3]))
    assert (result["f1_0_5s"], result["f1_5s"]) == (0.5, 1.0)


def test_many_key_frames_need_little_memory(make_clip, score, annotated):
    clip = make_clip(60_000, fps=30.0)
    users = [range(i, 60_000, 600) for i in range(20)]  # all pairs at once would be 120 million
    result = score("temporal", clip, range(60_000), annotated(clip, *users))
    assert result["r_0_5s"] == 1.0
    assert result["p_0_5s"] == pytest.approx(100 / 60_000)


def _f1(m, p, r):
    return 1.0 if p == r == 0 else 2 * m / (p + r)


def _sweep(a, b, limit):
    i = j = count = 0
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= limit:
            i, j, count = i + 1, j + 1, count + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return count
