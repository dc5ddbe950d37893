"""VSUMM1 and VSUMM2."""

from __future__ import annotations

import warnings
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyframe_bench.core.clip import Clip, KeyFrames, VideoInfo
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
    extractor, n = Vsumm(**options), len(rows)
    values = (rows, np.broadcast_to(np.float32(contrast), n))
    columns = {feature.key: value for feature, value in zip(extractor.needs, values, strict=True)}
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


MIXED = [{RED: 0.8, GREEN: 0.2}, {RED: 0.7, GREEN: 0.3}, {RED: 0.6, GREEN: 0.4}]


@pytest.mark.parametrize(
    ("rows", "k", "options", "expected"),
    [
        # Every change above the limit adds a cluster: RED to 0.3 GREEN is 0.6 apart in L1 (a change), to 0.2 GREEN 0.4.
        ([RED, MIXED[1]], None, {}, [0, 1]),
        ([RED, MIXED[0]], None, {}, [0]),
        # In L2 the same steps are 0.42 and 0.28: no change; full steps are 1.41.
        ([RED, MIXED[1]], None, {"distance": "l2"}, [0]),
        ([RED, GREEN], None, {"distance": "l2"}, [0, 1]),
        # Blank frames are dropped before anything else; an entirely blank video still gives key frames.
        ([GREEN, RED, RED, BLUE], None, {"contrast": np.float32([7.9, 50, 50, 8.0])}, [1, 3]),
        ([GREEN, RED, RED, BLUE], None, {"contrast": np.float32([7.9, 50, 50, 8.0]), "mono_std": 0}, [0, 1, 3]),
        ([RED, RED, GREEN], None, {"contrast": 0.0}, [0, 2]),
        # vsumm2 keeps clusters larger than half the mean. Sizes 9, 2 and 1: 2 is not larger than 2; 8, 3 and 1: 3 is.
        ([RED] * 9 + [GREEN] * 2 + [BLUE], None, {}, [0, 9, 11]),
        ([RED] * 9 + [GREEN] * 2 + [BLUE], None, {"variant": "vsumm2"}, [0]),
        ([RED] * 8 + [GREEN] * 3 + [BLUE], None, {"variant": "vsumm2"}, [0, 8]),
        # The later of two similar key frames, 0.4 apart, is dropped.
        ([RED] * 4 + [MIXED[0]] * 4, 2, {}, [0]),
        ([RED] * 4 + [MIXED[0]] * 4, 2, {"similar": 0.3}, [0, 4]),
        ([RED] * 4 + [MIXED[0]] * 4, 2, {"similar": 0}, [0, 4]),
        # A chain of steps of 0.4: the second falls to the first, the third is 0.8 from the first and stays.
        ([RED, MIXED[0], MIXED[2]], 3, {}, [0, 2]),
    ],
)
def test_by_hand(rows: list[Any], k: int | None, options: dict[str, Any], expected: list[int]) -> None:
    assert (run(hues(*rows), k, **options).frames // 25).tolist() == expected


def test_equally_near_frames_give_the_earlier() -> None:
    """The six orders of three shares are equally far from their mean, up to rounding."""
    for share in np.linspace(0.05, 0.3, 20):
        mixtures = [{i: 0.6, j: 0.4 - share, k: share} for i, j, k in permutations((RED, GREEN, BLUE))]
        assert (run(hues(*mixtures), k=1).frames // 25).tolist() == [0]


@pytest.mark.parametrize("init", ["temporal", "kmeans++"])
@pytest.mark.parametrize("variant", ["vsumm1", "vsumm2"])
@pytest.mark.parametrize("k", [None, 1, 3, 99])
@pytest.mark.parametrize("n", [1, 12])
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
