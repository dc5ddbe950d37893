"""Running methods with a number of key frames that is inferred from the video."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from keyframe_bench.core.clip import Clip, KeyFrames, VideoInfo
from keyframe_bench.core.errors import ContractError, UsageError
from keyframe_bench.core.grammar import Budget
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.asked import (
    COVERAGE,
    Inferred,
    budget_features,
    run_at_budget,
    unsupported,
    what_decided,
)
from keyframe_bench.extractors.base import Extractor, ScoreExtractor, run_extractor
from keyframe_bench.extractors.ffmpeg_scene import FfmpegScene
from keyframe_bench.extractors.histogram_distance import HistogramDistance
from keyframe_bench.extractors.pixel_distance import PixelDistance
from keyframe_bench.extractors.random import Random
from keyframe_bench.features.images import GrayStd
from keyframe_bench.metrics.distances import GRAY, GRAY_THRESHOLD, gray_distance
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


class Drawn(Extractor):
    """Key frames at random, and as random a score."""

    name = "drawn_of_tests"
    supports = frozenset({"fixed", "inferred"})

    def select(self, clip: Clip, k: int | None = None, *, rng: np.random.Generator) -> KeyFrames:
        return clip.pick(rng.permutation(len(clip))[:k], frame_scores=rng.gamma(0.3, 1, len(clip)))


def scenes(*lengths: int, size: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """Images of as many scenes, slightly noisy."""
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


def test_scores_and_peaks_above_the_knee_are_counted_and_told() -> None:
    clip = clip_from_images(scenes(9, 5, 12, 7), FfmpegScene().needs)
    assert run(FfmpegScene(), clip, INFERRED)[0].frames.tolist() == [9, 14, 26]
    scores = np.array([0, 9, 8, 0, 1, 0, 7, 0, 0, 0, 1, 0], np.float32)  # the 8 lies beside the 9
    change = np.array([99, 1, 1, 50, 1, 2, 60, 1], np.float32)  # the first is undefined
    for method, row, wanted, knee in ((Contrast(), scores, 2, 1.0), (PixelDistance(), change, 3, 2.0)):
        n = len(row)
        clip = Clip(VideoInfo("v", n, 0.0, n / 2), np.arange(n), np.arange(n) / 2, {method.needs[0].key: row})
        found, k = run(method, clip, INFERRED)
        assert k == wanted == len(found)
        assert what_decided(method, clip, INFERRED, k, rng=rng_for(0)) == Inferred(threshold=knee)


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
        return float((gray_distance(clip[GRAY], clip[GRAY][frames]) < GRAY_THRESHOLD).any(axis=1).mean())

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


@pytest.mark.parametrize("budget", [INFERRED, COVERING], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_finding_k_does_not_change_what_the_same_rng_chooses_at_that_k(budget: Budget, seed: int) -> None:
    clip = clip_from_images(scenes(9, 5, 12, 7), budget_features(budget))
    rng = rng_for(seed)
    found, k = run_at_budget(Drawn(), clip, budget, len(clip), rng=rng)
    fixed_rng = rng_for(seed)
    fixed = run_extractor(Drawn(), clip, k, rng=fixed_rng)
    assert k is not None and 1 < k < len(clip)
    assert found.frames.tolist() == fixed.frames.tolist()
    assert rng.random() == fixed_rng.random()  # nor what is drawn after it


@pytest.mark.parametrize("lengths", [(9, 5, 12, 7), (1,) * 24])
@pytest.mark.parametrize("seed", range(4))
def test_what_decided_is_told_as_it_was_drawn(seed: int, lengths: tuple[int, ...]) -> None:
    clip = clip_from_images(scenes(*lengths), (GRAY,))
    k = run_at_budget(Drawn(), clip, COVERING, len(clip), rng=rng_for(seed))[1]
    told = what_decided(Drawn(), clip, COVERING, k, rng=rng_for(seed))
    assert k is not None and told.threshold is None
    for n, share in ((k, told.coverage), (k - 1, told.coverage_below)):
        frames = run_extractor(Drawn(), clip, n, rng=rng_for(seed)).frames
        assert share == pytest.approx(
            (gray_distance(clip[GRAY], clip[GRAY][frames]) < GRAY_THRESHOLD).any(axis=1).mean()
        )
    assert told.coverage is not None and told.coverage_below is not None
    assert told.coverage >= COVERAGE > told.coverage_below
    k = run_at_budget(Drawn(), clip, INFERRED, len(clip), rng=rng_for(seed))[1]
    level = what_decided(Drawn(), clip, INFERRED, k, rng=rng_for(seed)).threshold
    trial = run_extractor(Drawn(), clip, 1, rng=rng_for(seed)).frame_scores
    assert trial is not None and level in trial and (trial > level).sum() == k


def test_nothing_decided_where_k_was_given_or_counted_otherwise() -> None:
    class Halves(Contrast):
        """Counts in its own way."""

        name = "halves_of_tests"

        def infer_k(self, clip: Clip, *, rng: np.random.Generator) -> int:
            return max(1, len(clip) // 2)

    clip = clip_from_images(scenes(4, 4), Halves().needs)
    assert run(Halves(), clip, INFERRED)[1] == 4
    for budget, k in ((INFERRED, 4), (Budget.parse("3"), 3), (Budget.parse("free"), None)):
        assert what_decided(Halves(), clip, budget, k, rng=rng_for(0)) == Inferred()


def test_who_cannot_says_who_can() -> None:
    clip = clip_from_images(scenes(4), ())
    with pytest.raises(UsageError, match="'random', budget=inferred") as e:
        run(Random(), clip, INFERRED)
    for method in METHODS:
        assert method.name in str(e.value)
        assert unsupported(method, INFERRED) is None
    assert "\n" not in str(e.value)
    assert "it needs a number, such as 8" in str(unsupported(Random(), Budget.parse("free")))


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
