"""Trainings on clips in memory."""

import numpy as np
import pytest

import keyframe_bench as kb
from keyframe_bench.core.checkpoint import read_record
from keyframe_bench.training.clips import Clips


class NearestLevel(kb.Trainable, kb.ScoreExtractor):
    """Frames about as bright as the mean of those that it learned from."""

    name = "nearest_level_of_tests"

    def __init__(self, checkpoint: str = "", scale: float = 1.0) -> None:
        self.checkpoint = checkpoint
        self.scale = scale

    @property
    def needs(self):
        return (kb.Gray(height=4, width=4),)

    def fit(self, train, validation, session):
        levels = [float(part.rows(self.needs[0])[:].mean()) for part in (train, validation)]
        return session.checkpoint({"level": np.array(levels[0])}, seen=levels)

    def score(self, clip):
        level = self.learned().tensors["level"]
        return -self.scale * np.abs(clip[self.needs[0]].mean(axis=(1, 2)) - level)


def clip_of(*levels):
    images = [np.full((8, 8, 3), level, dtype=np.uint8) for level in levels]
    return kb.clip_from_images(images, NearestLevel().needs, name=f"levels {levels}")


def test_a_method_trained_on_clips_keeps_its_parameters(tmp_path):
    method = NearestLevel(scale=2.0)
    trained = kb.fit_clips(method, [clip_of(90, 110), clip_of(100)], tmp_path / "new", validation=[clip_of(10)])
    assert (trained.scale, method.checkpoint) == (2.0, "")
    assert trained.select(clip_of(0, 50, 101, 200), 1, rng=np.random.default_rng(0)).frames.tolist() == [2]
    assert trained.learned().numbers["seen"] == pytest.approx([100, 10], abs=1)
    record = read_record(trained.checkpoint, "nearest_level_of_tests")
    assert [(one["part"], one["video"]) for one in record["trained_on"]] == [
        ("train", "levels (90, 110)"),
        ("train", "levels (100,)"),
        ("validation", "levels (10,)"),
    ]


def test_equal_trainings_give_equal_bytes(tmp_path):
    first, again = (kb.fit_clips(NearestLevel(), [clip_of(90, 110)], tmp_path / name) for name in "ab")
    assert first.depends_on == again.depends_on


def test_wrong_options_are_told(tmp_path):
    with pytest.raises(kb.UsageError, match="trainer has no option 'epochs'"):
        kb.fit_clips(NearestLevel(), [clip_of(1)], tmp_path, options={"epochs": 3})


def test_an_untrained_method_says_so():
    assert "it is not trained" in NearestLevel().unavailable()
    with pytest.raises(kb.UnavailableError, match="it is not trained"):
        NearestLevel().select(clip_of(1), 1, rng=np.random.default_rng(0))


def test_clips_in_memory_are_rows_in_order():
    clips = Clips.of([clip_of(1, 2), clip_of(3)])
    assert (len(clips), clips.n_frames) == (2, 3)
    assert [len(clip) for clip in clips] == [2, 1]
    assert clips.rows(NearestLevel().needs[0])[:].max(axis=(1, 2)).tolist() == [1, 2, 3]
