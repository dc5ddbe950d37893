"""Metrics by appearance: by hand, at their bounds, on odd videos (test_plain_loops.py compares them with loops)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.distances import MAX_FRAMES
from keyframe_bench.metrics.visual import PERFECT_DB

COVERING = [f"{name}_{family}" for name in ("coverage", "fidelity", "representativeness") for family in ("hue", "gray")]
BETWEEN = [f"{name}_{family}" for name in ("diversity", "redundancy") for family in ("hue", "gray")]
SEEDS = st.integers(0, 2**32 - 1)


def levels(*values):
    return np.stack([np.full((18, 32), value, np.uint8) for value in values])


def psnr(error):
    return 10 * np.log10(255**2 / error**2)


LEVELS = (0, 51, 102, 255)
HUES = [[1, 0], [0.9, 0.1], [0.5, 0.5], [0, 1]] @ np.eye(2, 16)
PAIRS = np.eye(16)[[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("name", "frames", "gray", "hue", "expected"),
    [
        ("coverage_gray", [0], (100, 124, 125, 200), HUES, [0.5]),  # 24 of 255 is near, 25 is not
        ("coverage_gray", [0, 3], (100, 124, 125, 200), HUES, [0.75]),
        ("coverage_hue", [0], LEVELS, [[1, 0], [0.8, 0.2], [0.75, 0.25], [0, 1]] @ np.eye(2, 16), [0.5]),  # 0.4 and 0.5
        ("fidelity_gray", [1], LEVELS, HUES, [0.2, 1 - (0.2 + 0 + 0.2 + 0.8) / 4]),
        ("fidelity_gray", [1, 3], LEVELS, HUES, [0.8, 0.9]),
        ("fidelity_hue", [0], LEVELS, HUES, [0.0, 1 - (0 + 0.1 + 0.5 + 1) / 4]),
        # 0, 0, 0, 4 have mean 1 and variance 3, so the two levels are 16 / 3 apart.
        ("representativeness_gray", [0], (9, 9, 9, 13), HUES, [np.exp(-16 / 3 / 4)]),
        ("representativeness_gray", [3], (9, 9, 9, 13), HUES, [np.exp(-16 / 3 * 3 / 4)]),
        ("representativeness_gray", [0, 3], (9, 9, 9, 13), HUES, [1.0]),
        ("redundancy_gray", [0, 1, 3], LEVELS, HUES, [(0.8 + 0.8 + 0.2) / 3]),
        ("redundancy_hue", [0, 1, 2], LEVELS, PAIRS, [2 / 3]),
        ("diversity_hue", [0, 1, 2], LEVELS, PAIRS, [2 / 3]),
        # Uniform grey levels differ in length only; black has no direction.
        ("diversity_gray", [1, 2], LEVELS, HUES, [0.0]),
        ("diversity_gray", [0, 1, 2], LEVELS, HUES, [2 / 3]),
        ("degenerate", [], LEVELS, np.concatenate([np.eye(16)[[0, 0, 3]], np.full((1, 16), 1 / 16)]), [0.75]),
        # Key frames 0 and 3: the blends of frames 1 and 2 are 20 and 30.
        ("srd", [0, 3], (10, 20, 50, 40), HUES, [(PERFECT_DB + psnr(20)) / 2, (psnr(10) + psnr(40)) / 2]),
        ("srd", [0, 2], (10, 20, 50, 20), HUES, [(psnr(10) + psnr(30)) / 2, (psnr(10) + psnr(30)) / 2]),
        # One key frame is held before and after itself; the worst is 0 dB; the best is that of rounding.
        ("srd", [1], (10, 20, 50, 40), HUES, [(psnr(10) + psnr(30) + psnr(20)) / 3] * 2),
        ("srd", [0], (0, 255, 255, 255), HUES, [0.0, 0.0]),
        ("srd", [], LEVELS, HUES, [0.0, 0.0]),
        ("srd", range(4), LEVELS, HUES, [PERFECT_DB] * 2),
        ("srd", [2], (7, 7, 7, 7), HUES, [PERFECT_DB] * 2),
    ],
)
def test_by_hand(make_clip, score, name, frames, gray, hue, expected):
    clip = make_clip(4, gray=levels(*gray), hue=hue)
    assert list(score(name, clip, frames).values()) == pytest.approx(expected, abs=1e-6)


def test_the_rounding_limit_of_a_reconstruction_is_58_9_db():
    assert pytest.approx(58.9, abs=0.05) == PERFECT_DB


def test_blends_follow_presentation_times(make_clip, score):
    late, early = (make_clip(3, gray=levels(0, 90, 100), times=[0.0, t, 10.0]) for t in (9.0, 1.0))
    assert score("srd", late, [0, 2]) == pytest.approx({"srd_db": PERFECT_DB, "srd_hold_db": psnr(90)})
    assert score("srd", early, [0, 2])["srd_db"] == pytest.approx(psnr(80))


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_more_key_frames_show_no_less_and_all_show_all(make_clip, score, seed):
    rng = np.random.default_rng(seed)
    gray = (rng.integers(0, 3, (30, 18, 1)) * 20 + rng.integers(0, 20, (30, 18, 32))).astype(np.uint8)
    clip = make_clip(30, gray=gray, hue=rng.dirichlet(np.full(16, 0.2), 30))
    order = rng.permutation(30)
    for name in (*COVERING, "coverage_time"):
        few, more, everything = (score(name, clip, np.sort(order[:k])) for k in (3, 9, 30))
        for column in few:
            assert 0 <= few[column] <= more[column] <= everything[column] == 1.0


def test_long_videos_are_judged_by_evenly_spaced_frames_and_every_key_frame(make_clip, score):
    n = 3 * MAX_FRAMES
    hue, gray = np.zeros((n, 16), np.float32), np.zeros((n, 18, 32), np.uint8)
    hue[: n // 3, 0] = hue[n // 3 :, 5] = 1
    gray[n // 3 :] = 51
    gray[7] = 255  # no judged frame
    clip = make_clip(n, hue=hue, gray=gray)
    for name in COVERING:
        assert set(score(name, clip, [0, n - 1]).values()) == {1.0}
    assert score("coverage_hue", clip, [0])["coverage_hue"] == pytest.approx(1 / 3, abs=1e-3)
    assert score("fidelity_hue", clip, [0])["fidelity_mean_hue"] == pytest.approx(1 / 3, abs=1e-3)
    assert score("fidelity_gray", clip, [0])["fidelity_gray"] == pytest.approx(0.8)
    assert score("fidelity_gray", clip, [7])["fidelity_gray"] == pytest.approx(0.0)
    # Two levels that share the frames p to 1 - p are 1 / (p (1 - p)) apart when standardised.
    alone = score("representativeness_gray", clip, [0])["represent_gray"]
    assert alone == pytest.approx(np.exp(-2 / 3 / (2 / 9)), abs=1e-3)


def test_long_summaries_use_every_key_frame(make_clip, score):
    n = 2 * MAX_FRAMES
    hue = np.eye(16)[np.arange(n) // 2 % 16]  # in pairs: every key frame has its like beside it
    clip = make_clip(n, gray=levels(*np.arange(n // 10) % 7 * 30).repeat(10, axis=0), hue=hue)
    assert score("redundancy_hue", clip, range(n))["redundancy_hue"] == 1.0
    assert score("srd", clip, range(0, n, 10))["srd_hold_db"] == pytest.approx(PERFECT_DB)


def test_the_diversity_of_more_key_frames_than_a_batch_is_that_of_all_pairs(make_clip, score):
    rng, n = np.random.default_rng(0), 1100
    gray, hue = rng.integers(0, 256, (n, 18, 32), dtype=np.uint8), rng.dirichlet(np.full(16, 0.2), n)
    gray[[3, 700, 1050]] = 0  # black in each batch: no direction
    clip = make_clip(n, gray=gray, hue=hue)
    for name, rows in (("diversity_gray", gray.reshape(n, -1).astype(float)), ("diversity_hue", hue)):
        size = np.linalg.norm(rows, axis=1)[:, None]
        unit = rows / np.where(size > 0, size, 1)
        cosines = unit @ unit.T + (size == 0) * (size == 0).T  # black is as black
        expected = 1 - (cosines.sum() - n) / (n * (n - 1))
        assert score(name, clip, range(n))[name] == pytest.approx(expected, abs=1e-6)


def test_both_families_stand_for_every_measure():
    visual = {name for name in Metric.registry.names() if name.endswith(("_hue", "_gray"))} - {"cus_gray"}
    assert visual == {*COVERING, *BETWEEN}
