import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.metrics.looks import MAX_FRAMES
from keyframe_bench.metrics.reconstruction import PERFECT_DB, ShotReconstruction


def compute(summary, clip):
    result = ShotReconstruction().compute(summary, clip, None)
    return result["srd_db"], result["srd_hold_db"]


def psnr(error):
    return 10 * np.log10(255**2 / error**2)


def ramp(levels):
    return np.stack([np.full((18, 32), level, np.uint8) for level in levels])


def test_by_hand(make_clip, summary_of):
    clip = make_clip(5, gray=ramp([10, 20, 50, 40, 70]))
    # Key frames 0 and 3: the blends of frames 1 and 2 are 20 and 30; frame 4 holds 40.
    blend, hold = compute(summary_of(clip, [0, 3]), clip)
    assert blend == pytest.approx((PERFECT_DB + psnr(20) + psnr(30)) / 3)
    assert hold == pytest.approx((psnr(10) + psnr(40) + psnr(30)) / 3)
    # One key frame is held before and after itself.
    assert compute(summary_of(clip, [1]), clip) == pytest.approx([(psnr(10) + psnr(30) + psnr(20) + psnr(50)) / 4] * 2)


def test_blends_follow_presentation_times(make_clip, summary_of):
    clip = make_clip(3, gray=ramp([0, 90, 100]), times=[0.0, 9.0, 10.0])
    assert compute(summary_of(clip, [0, 2]), clip) == pytest.approx((PERFECT_DB, psnr(90)))
    late = make_clip(3, gray=ramp([0, 90, 100]), times=[0.0, 1.0, 10.0])
    assert compute(summary_of(late, [0, 2]), late)[0] == pytest.approx(psnr(80))


def test_the_worst_is_0_db_and_the_best_that_of_rounding(make_clip, summary_of):
    assert pytest.approx(58.9, abs=0.05) == PERFECT_DB
    clip = make_clip(2, gray=ramp([0, 255]))
    assert compute(summary_of(clip, [0]), clip) == pytest.approx((0, 0))
    assert compute(summary_of(clip, []), clip) == (0, 0)
    assert compute(summary_of(clip, [0, 1]), clip) == (PERFECT_DB, PERFECT_DB)  # nothing is skipped
    static = make_clip(9)
    assert compute(summary_of(static, [4]), static) == (PERFECT_DB, PERFECT_DB)
    assert compute(summary_of(make_clip(1), [0]), make_clip(1)) == (PERFECT_DB, PERFECT_DB)


def test_even_motion_is_blended_without_error(make_clip, summary_of):
    clip = make_clip(51, gray=ramp(range(0, 255, 5)))
    blend, hold = compute(summary_of(clip, [0, 50]), clip)
    assert blend == pytest.approx(PERFECT_DB)
    assert hold < 12


@given(st.integers(0, 2**32 - 1), st.integers(2, 70))
@settings(max_examples=40, deadline=None)
def test_within_bounds_and_the_same_backwards(make_clip, summary_of, seed, k):
    rng = np.random.default_rng(seed)
    gray = rng.integers(0, 256, (80, 18, 32), dtype=np.uint8)
    times = np.cumsum(rng.random(80) + 0.01)
    forth, back = make_clip(80, gray=gray, times=times), make_clip(80, gray=gray[::-1].copy(), times=-times[::-1])
    frames = np.sort(rng.choice(80, k, replace=False))
    blend, hold = compute(summary_of(forth, frames), forth)
    assert 0 <= blend <= PERFECT_DB
    assert 0 <= hold <= PERFECT_DB
    assert compute(summary_of(back, np.sort(79 - frames)), back)[0] == pytest.approx(blend, abs=1e-6)


def test_long_videos_use_every_key_frame(make_clip, summary_of):
    n = 2 * MAX_FRAMES
    gray = np.repeat(ramp(np.arange(n // 10) % 7 * 30), 10, axis=0)
    clip = make_clip(n, gray=gray)
    everywhere = range(0, n, 10)
    assert compute(summary_of(clip, everywhere), clip)[1] == pytest.approx(PERFECT_DB)
