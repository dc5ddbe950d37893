"""VSUMM1 and VSUMM2."""

from __future__ import annotations

import warnings
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.keyframes import KeyFrames
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import run_extractor
from keyframe_bench.extractors.vsumm import Vsumm

RED, GREEN, BLUE = 0, 5, 11


def hues(*mixtures: dict[int, float] | int) -> np.ndarray:
    """Histogram rows: one bin, or shares of several."""
    rows = np.zeros((len(mixtures), 16), dtype=np.float32)
    for row, mixture in zip(rows, mixtures, strict=True):
        for where, share in mixture.items() if isinstance(mixture, dict) else [(mixture, 1.0)]:
            row[where] = share
    return rows


def run(rows: np.ndarray, k: int | None = None, contrast: Any = 50.0, seed: int = 0, **options: Any) -> KeyFrames:
    extractor = Vsumm(**options)
    histogram, std = extractor.needs
    n = len(rows)
    columns = {histogram.key: rows, std.key: np.broadcast_to(np.float32(contrast), n)}
    clip = Clip(VideoInfo("v", n * 25, 0.0, float(n)), np.arange(n) * 25, np.arange(float(n)), columns)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return run_extractor(extractor, clip, k, rng=rng_for(seed))


def test_one_key_frame_per_scene_near_its_centre() -> None:
    """Three scenes; in each the middle frame is the mean of its neighbours, hence nearest to the centroid."""
    rows = []
    for scene in (RED, GREEN, BLUE):
        rows += [{scene: 1 - s, scene + 1: s} for s in (0.0, 0.1, 0.2)]
    found = run(hues(*rows))
    assert (found.frames // 25).tolist() == [1, 4, 7]
    assert found.scores is not None
    assert found.scores.tolist() == pytest.approx([1 / 3] * 3)


def test_number_of_clusters_grows_with_every_change_above_the_limit() -> None:
    """RED to a 0.3 mixture is 0.6 apart in L1 (a change), to a 0.2 mixture 0.4 (none)."""
    assert len(run(hues(RED, {RED: 0.7, GREEN: 0.3}))) == 2
    assert len(run(hues(RED, {RED: 0.8, GREEN: 0.2}))) == 1
    # In L2 the same steps are 0.42 and 0.28: no change; full steps are 1.41.
    assert len(run(hues(RED, {RED: 0.7, GREEN: 0.3}), distance="l2")) == 1
    assert len(run(hues(RED, GREEN), distance="l2")) == 2


def test_blank_frames_are_dropped_before_anything_else() -> None:
    rows = hues(GREEN, RED, RED, BLUE)
    contrast = np.array([7.9, 50, 50, 8.0], dtype=np.float32)
    assert (run(rows, contrast=contrast).frames // 25).tolist() == [1, 3]
    assert (run(rows, contrast=contrast, mono_std=0).frames // 25).tolist() == [0, 1, 3]


def test_an_entirely_blank_video_still_gives_a_key_frame() -> None:
    assert len(run(hues(RED, RED, GREEN), contrast=0.0)) == 2


def test_vsumm2_keeps_only_clusters_larger_than_half_the_mean() -> None:
    """Sizes 9, 2 and 1: the mean is 4, half of it is 2, and 2 is not larger than 2."""
    rows = hues(*[RED] * 9, *[GREEN] * 2, BLUE)
    assert (run(rows).frames // 25).tolist() == [0, 9, 11]
    assert (run(rows, variant="vsumm2").frames // 25).tolist() == [0]
    # Sizes 8, 3 and 1: 3 is larger than 2.
    rows = hues(*[RED] * 8, *[GREEN] * 3, BLUE)
    assert (run(rows, variant="vsumm2").frames // 25).tolist() == [0, 8]


def test_the_later_of_two_similar_key_frames_is_dropped() -> None:
    """Two clusters 0.4 apart in L1."""
    rows = hues(*[RED] * 4, *[{RED: 0.8, GREEN: 0.2}] * 4)
    assert (run(rows, k=2).frames // 25).tolist() == [0]
    assert (run(rows, k=2, similar=0.3).frames // 25).tolist() == [0, 4]
    assert (run(rows, k=2, similar=0).frames // 25).tolist() == [0, 4]


def test_similarity_is_judged_against_the_frames_that_stay() -> None:
    """A chain of steps of 0.4: the second falls to the first, the third is 0.8 from the first and stays."""
    rows = hues({RED: 1}, {RED: 0.8, GREEN: 0.2}, {RED: 0.6, GREEN: 0.4})
    assert (run(rows, k=3).frames // 25).tolist() == [0, 2]


def test_equally_near_frames_give_the_earlier() -> None:
    """The six orders of three shares are equally far from their mean, up to rounding."""
    for share in np.linspace(0.05, 0.3, 20):
        mixtures = [{i: 0.6, j: 0.4 - share, k: share} for i, j, k in permutations((RED, GREEN, BLUE))]
        assert (run(hues(*mixtures), k=1).frames // 25).tolist() == [0]


@pytest.mark.parametrize("init", ["temporal", "kmeans++"])
@pytest.mark.parametrize("variant", ["vsumm1", "vsumm2"])
@pytest.mark.parametrize("k", [None, 1, 3, 50])
@pytest.mark.parametrize("n", [1, 2, 12])
def test_static_and_tiny_videos_neither_warn_nor_fail(init: str, variant: str, k: int | None, n: int) -> None:
    assert run(hues(*[RED] * n), k, init=init, variant=variant).frames.tolist() == [0]


def test_scenes_that_return_make_equal_first_centres_and_no_warning() -> None:
    """RED GREEN RED GREEN ...: every temporal piece of even length has the same mean."""
    found = run(hues(*[RED, GREEN] * 8), k=4)
    assert 1 <= len(found) <= 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3), min_size=16, max_size=16).filter(any), min_size=1, max_size=25),
    st.one_of(st.none(), st.integers(1, 30)),
    st.sampled_from(["temporal", "kmeans++"]),
    st.sampled_from(["vsumm1", "vsumm2"]),
)
def test_any_video(counts: list[list[int]], k: int | None, init: str, variant: str) -> None:
    rows = np.array(counts, dtype=np.float32)
    rows /= rows.sum(axis=1, keepdims=True)
    found = run(rows, k, init=init, variant=variant)
    chosen = rows[found.frames // 25].astype(np.float64)
    apart = np.abs(chosen[:, None] - chosen).sum(axis=-1)
    assert np.all(apart[np.triu_indices(len(chosen), 1)] >= 0.5)
    assert 1 <= len(found) <= min(k or len(rows), len(rows))
    if init == "temporal":  # no random choice at all
        assert found.frames.tolist() == run(rows, k, seed=1, variant=variant).frames.tolist()


def test_only_kmeans_plus_plus_is_stochastic() -> None:
    assert not Vsumm().stochastic
    assert Vsumm(init="kmeans++").stochastic
    rows = rng_for(0, "vsumm").dirichlet(np.full(16, 0.3), 60).astype(np.float32)
    drawn = [run(rows, 6, seed=seed, init="kmeans++", similar=0).frames.tolist() for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[2] != drawn[0] or drawn[3] != drawn[0]


def test_it_samples_one_frame_per_second_unless_told_otherwise() -> None:
    assert Vsumm().sampling == "1fps"
    assert Vsumm(rate="run").sampling is None


@pytest.mark.data
def test_real_film_gives_one_frame_for_each_look(data_root: Path) -> None:
    """Big Buck Bunny's four shots start at 0, 285, 378, 553: key frames of VSUMM1 lie in at least three of them."""
    from keyframe_bench.video.onepass import read_pass

    extractor = Vsumm()
    done = read_pass(data_root / "videos" / "edited" / "big_buck_bunny_30s.mp4", {"1fps": extractor.needs})
    clip = done.clip("1fps", extractor.needs)
    found = run_extractor(extractor, clip, None, rng=rng_for(0))
    shots = np.searchsorted([285, 378, 553], found.frames, side="right")
    assert len(set(shots)) >= 3
    assert 3 <= len(found) <= 8
    fewer = run_extractor(Vsumm(variant="vsumm2"), clip, None, rng=rng_for(0))
    assert set(fewer.frames) <= set(found.frames)
