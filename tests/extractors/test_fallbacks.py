"""Key frames that only stand in, and fewer than asked for, say so: no number may pass for a result of the rule."""

import numpy as np
import pytest

from keyframe_bench.core.clip import KeyFrames
from keyframe_bench.core.errors import ContractError
from keyframe_bench.core.grammar import Budget
from keyframe_bench.core.registry import register
from keyframe_bench.extractors.asked import budget_features, run_at_budget
from keyframe_bench.extractors.base import Extractor, ScoreExtractor
from keyframe_bench.extractors.checks import CHECKS
from keyframe_bench.video.arrays import clip_from_images

RULES = ("mean", "mean+std", "absolute", "rolling", "adaptive")


def still(n=12, textured=True):
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8) if textured else 0
    return np.full((n, 48, 64, 3), picture, dtype=np.uint8)


def changing(n=12):
    """Three textured scenes, yellow, blue and cyan, of different brightness."""
    noise = np.random.default_rng(1).integers(0, 40, (3, 48, 64, 1))
    colours = np.array([[215, 215, 10], [10, 10, 60], [10, 215, 215]])[:, None, None]
    return (noise + colours).astype(np.uint8)[np.arange(n) * 3 // n]


def found(extractor, images, budget="free", **more):
    wanted = Budget.parse(budget)
    clip = clip_from_images(images, (*extractor.needs, *budget_features(wanted)), **more)
    return run_at_budget(extractor, clip, wanted, len(clip), rng=np.random.default_rng(0))[0]


def built(name, **params):
    return Extractor.registry.build(name, params)


THRESHOLDS = [
    *[("pixel_distance", {"threshold": rule}) for rule in RULES],
    *[("histogram_distance", {"threshold": rule}) for rule in RULES],
    *[("ffmpeg_scene", {}), ("vsumm", {"rate": "run"})],
]


@pytest.mark.parametrize(("name", "params"), THRESHOLDS, ids=str)
def test_nothing_above_the_threshold_is_a_fallback(name, params):
    extractor = built(name, **params)
    result = found(extractor, still())
    assert (len(result), result.fallback) == (1, "nothing above the threshold")
    assert found(extractor, changing()).fallback == ""
    fixed = found(extractor, still(), 1)
    assert (fixed.fallback, fixed.shortfall) == ("", "")  # one was asked for


@pytest.mark.parametrize("params", [{}, {"emit_first": False}], ids=str)
def test_the_auto_encoders_first_frame_alone_is_a_fallback(params):
    extractor = built("autoencoder", distance_space="input", threshold=0.03, **params)
    assert found(extractor, still()).fallback == "nothing above the threshold"
    assert found(extractor, changing()).fallback == ""
    few = found(extractor, still(), 3)
    assert len(few) == 1 and "equal the latest key frame" in few.shortfall


@pytest.mark.parametrize("name", ["pixel_distance", "histogram_distance", "ffmpeg_scene"])
def test_an_inferred_budget_with_nothing_above_the_knee_is_a_fallback(name):
    result = found(built(name), still(), "inferred")
    assert len(result) == 1 and "knee" in result.fallback
    assert found(built(name), changing(), "inferred").fallback == ""
    assert found(built(name), still(), "inferred-coverage").fallback == ""  # one covers everything: a result


def test_vsumm_says_that_frames_are_blank_and_why_there_are_fewer():
    extractor = built("vsumm", rate="run")
    for budget in ("free", "1", "3"):
        assert "blank" in found(extractor, still(textured=False), budget).fallback
    result = found(extractor, changing(), 8)
    assert len(result) < 8 and result.shortfall == extractor.may_return_fewer


def test_files_without_marked_frames_are_a_fallback():
    extractor = built("coded_frames")
    clip = clip_from_images(still(), extractor.needs)
    unmarked = {key: np.zeros_like(rows) for key, rows in clip.columns.items()}
    clip = clip.__class__(clip.video, clip.ordinals, clip.times, unmarked)
    result, _ = run_at_budget(extractor, clip, Budget.parse("3"), len(clip), rng=np.random.default_rng(0))
    assert result.frames.tolist() == [0] and "no frame" in result.fallback
    assert result.shortfall == extractor.may_return_fewer


@pytest.mark.parametrize("name", ["uniform", "random", "pixel_distance", "ffmpeg_scene", "spectral"])
def test_a_short_video_has_no_more_frames(name):
    result = found(built(name), changing(6), 10)
    assert len(result) == 6 and "no more sampled frames" in result.shortfall
    assert found(built(name), changing(6), 6).shortfall == ""


def test_plug_ins_need_do_nothing(own_registry):
    @register("brightness_of_tests")
    class Brightness(ScoreExtractor):
        """Bright frames."""

        def score(self, clip):
            return np.zeros(len(clip))

    @register("two_of_tests")
    class Two(Extractor):
        """Two frames, and a threshold that no score reaches."""

        supports = frozenset({"fixed", "free"})
        may_return_fewer = "two by definition"

        def select(self, clip, k=None, *, rng):
            scores = np.zeros(len(clip))
            return clip.pick([0, 1][:k], frame_scores=scores, thresholds=scores + 1 if k is None else None)

    assert found(Brightness(), still()).fallback == found(Two(), still()).fallback == "nothing above the threshold"
    assert found(Two(), still(), 5).shortfall == "two by definition"
    assert found(Two(), still(), 2).shortfall == found(Two(), still(), 1).shortfall == ""


def test_a_fallback_is_said_in_words(own_registry):
    @register("odd_of_tests")
    class Odd(Extractor):
        """One frame."""

        def select(self, clip, k=None, *, rng):
            return clip.pick([0], fallback=True)

    with pytest.raises(ContractError, match=r"odd_of_tests.*fallback=True"):
        found(Odd(), still(), 1)
    with pytest.raises(ContractError, match="fallback=True is no text"):
        CHECKS["returns_keyframes"](Odd())


def test_marks_survive_json():
    marked = KeyFrames(np.array([3]), np.array([0.1]), fallback="nothing above the threshold", shortfall="few")
    again = KeyFrames.from_json(marked.to_json())
    assert (again.fallback, again.shortfall) == ("nothing above the threshold", "few")
    old = {name: value for name, value in marked.to_json().items() if name not in ("fallback", "shortfall")}
    assert (KeyFrames.from_json(old).fallback, KeyFrames.from_json(old).shortfall) == ("", "")
