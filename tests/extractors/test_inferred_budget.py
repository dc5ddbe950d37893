"""Running methods with a number of key frames that is inferred from the video."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from keyframe_bench.core.budget import Budget
from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import ContractError, UsageError
from keyframe_bench.core.keyframes import KeyFrames
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors._inferred import COVERAGE, budget_features, run_at_budget, unsupported
from keyframe_bench.extractors.base import Extractor, ScoreExtractor, run_extractor
from keyframe_bench.extractors.ffmpeg_scene import FfmpegScene
from keyframe_bench.extractors.histogram_distance import HistogramDistance
from keyframe_bench.extractors.pixel_distance import PixelDistance
from keyframe_bench.extractors.random import Random
from keyframe_bench.features.gray_std import GrayStd
from keyframe_bench.metrics.distances import GRAY, GRAY_LIMIT, gray_distance
from keyframe_bench.video.arrays import clip_from_images

INFERRED, COVERING = Budget.parse("inferred"), Budget.parse("inferred-coverage")
METHODS = (PixelDistance(), HistogramDistance(), FfmpegScene())


class Contrast(ScoreExtractor):
    """What a student writes: a score, nothing else."""

    name = "contrast_of_tests"

    @property
    def needs(self) -> tuple[GrayStd, ...]:
        return (GrayStd(),)

    def score(self, clip: Clip) -> NDArray[np.floating]:
        return clip[self.needs[0]]


def scenes(*lengths: int, size: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """Pictures of as many scenes, slightly noisy."""
    rng = np.random.default_rng(1)
    pictures = []
    for length in lengths:
        blocks = rng.integers(0, 256, (3, 4, 3)).repeat(size[0] // 3, 0).repeat(size[1] // 4, 1)
        pictures += [np.clip(blocks + rng.normal(0, 2, blocks.shape), 0, 255) for _ in range(length)]
    return np.asarray(pictures, dtype=np.uint8)


def run(extractor: Extractor, clip: Clip, budget: Budget) -> tuple[KeyFrames, int | None]:
    return run_at_budget(extractor, clip, budget, len(clip), rng=rng_for(0))


@pytest.mark.parametrize("extractor", METHODS[:2], ids=lambda e: e.name)
@pytest.mark.parametrize("budget", [INFERRED, COVERING], ids=str)
def test_one_key_frame_a_scene(extractor: Extractor, budget: Budget) -> None:
    clip = clip_from_images(scenes(9, 5, 12, 7), (*extractor.needs, *budget_features(budget)))
    found, k = run(extractor, clip, budget)
    assert k == 4
    assert found.frames.tolist() == [4, 11, 19, 29]


def test_the_scene_score_gives_the_cuts() -> None:
    clip = clip_from_images(scenes(9, 5, 12, 7), FfmpegScene().needs)
    assert run(FfmpegScene(), clip, INFERRED)[0].frames.tolist() == [9, 14, 26]


def test_peaks_are_counted_with_their_gap() -> None:
    scores = np.array([0, 9, 8, 0, 1, 0, 7, 0, 0, 0, 1, 0], np.float32)  # the 8 lies beside the 9
    clip = Clip(VideoInfo("v", 12, 0.0, 6.0), np.arange(12), np.arange(12) / 2, {GrayStd().key: scores})
    found, k = run(Contrast(), clip, INFERRED)
    assert (k, found.frames.tolist()) == (2, [1, 6])


@pytest.mark.parametrize("extractor", [*METHODS, Contrast()], ids=lambda e: e.name)
@pytest.mark.parametrize("n", [1, 2, 6])
def test_a_static_video_needs_one(extractor: Extractor, n: int) -> None:
    for budget in (INFERRED, COVERING):
        clip = clip_from_images(scenes(1).repeat(n, 0), (*extractor.needs, *budget_features(budget)))
        found, k = run(extractor, clip, budget)
        assert k == len(found) == 1


@pytest.mark.parametrize("extractor", [*METHODS, Contrast()], ids=lambda e: e.name)
def test_coverage_is_reached_and_not_with_one_fewer(extractor: Extractor) -> None:
    rng = np.random.default_rng(5)
    clip = clip_from_images(scenes(*rng.integers(1, 9, 12)), (*extractor.needs, GRAY))

    def covered(frames: NDArray[np.int64]) -> float:
        return float((gray_distance(clip[GRAY], clip[GRAY][frames]) < GRAY_LIMIT).any(axis=1).mean())

    found, k = run(extractor, clip, COVERING)
    assert k is not None and k > 1
    assert covered(found.frames) >= COVERAGE
    assert covered(run_extractor(extractor, clip, k - 1, rng=rng_for(0)).frames) < COVERAGE


@pytest.mark.parametrize("scale", [0.25, 4.0])
def test_the_knee_does_not_depend_on_how_strong_the_motion_is(scale: float) -> None:
    change = np.random.default_rng(2).gamma(0.4, 5, 80).astype(np.float32)
    key = PixelDistance().needs[0].key
    clips = [Clip(VideoInfo("v", 80), np.arange(80), np.arange(80) / 2, {key: c}) for c in (change, change * scale)]
    first, second = (run(PixelDistance(), clip, INFERRED) for clip in clips)
    assert first[1] == second[1] and first[1] is not None and first[1] > 1
    assert first[0].frames.tolist() == second[0].frames.tolist()


def test_who_cannot_says_who_can() -> None:
    clip = clip_from_images(scenes(4), ())
    with pytest.raises(
        UsageError, match=r"'random', budget=inferred: it takes no inferred budget \(it supports fixed\)"
    ) as e:
        run(Random(), clip, INFERRED)
    for method in METHODS:
        assert method.name in str(e.value)
        assert unsupported(method, INFERRED) is None
    assert "\n" not in str(e.value)
    assert "give a number such as budget=8" in str(unsupported(Random(), Budget.parse("free")))


def test_other_budgets_are_as_before() -> None:
    clip = clip_from_images(scenes(6, 4), PixelDistance().needs)
    results: list[Any] = [run(PixelDistance(), clip, Budget.parse(text)) for text in ("3", "50%", "free")]
    assert [k for _, k in results] == [3, 5, None]
    assert [len(found) for found, _ in results] == [3, 5, 2]


def test_declaring_it_without_scores_is_told() -> None:
    class Scoreless(Random):
        """No score."""

        name = "scoreless_of_tests"
        supports = frozenset({"fixed", "inferred"})

    with pytest.raises(ContractError, match="supports an inferred budget but gives no frame_scores"):
        run(Scoreless(), clip_from_images(scenes(4), ()), INFERRED)
