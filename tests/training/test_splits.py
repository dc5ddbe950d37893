"""Splits: the grammar, whole videos and groups, frames, files; and clips of either part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.grammar import Split
from keyframe_bench.datasets.base import VideoItem
from keyframe_bench.features.images import Gray
from keyframe_bench.training.clips import Clips
from keyframe_bench.training.splits import divided_frames, folds_of, split_document

ITEMS = [VideoItem(f"{c}.mp4", Path(f"{c}.mp4")) for c in "abcdefghij"]


@pytest.mark.parametrize("text", ["temporal:0.8", "videos:0.25", "frames:0.5", "kfold:5", "given", "a/b,c=d.json"])
def test_what_is_printed_is_read(text: str) -> None:
    assert str(Split.parse(text)) == text == str(Split.parse(Split.parse(text)))


@pytest.mark.parametrize("text", ["", "temporal", "temporal:0", "temporal:1", "videos:1.5", "kfold:1", "kfold:x", "a"])
def test_other_words_are_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(UsageError, match="kfold:5"):
        Split.parse(text)


def test_every_video_is_held_out_once() -> None:
    folds = folds_of(Split.parse("kfold:4"), ITEMS, seed=1)
    assert sorted(name for fold in folds for name in fold.test) == [item.id for item in ITEMS]
    for fold in folds:
        assert not set(fold.train) & set(fold.test) and len(fold.train) + len(fold.test) == len(ITEMS)
    assert folds == folds_of(Split.parse("kfold:4"), ITEMS, seed=1) != folds_of(Split.parse("kfold:4"), ITEMS, seed=2)


def test_groups_stay_together() -> None:
    items = [VideoItem(f"{n}.mp4", Path("x"), group=f"g{n // 3}") for n in range(12)]
    for split in ("kfold:4", "videos:0.5"):
        for fold in folds_of(Split.parse(split), items):
            sides = [{int(name.partition(".")[0]) // 3 for name in side} for side in (fold.train, fold.test)]
            assert not sides[0] & sides[1] and all(sides)
    with pytest.raises(UsageError, match="4 groups of videos"):
        folds_of(Split.parse("kfold:5"), items)


def test_a_share_of_the_videos_trains() -> None:
    (fold,) = folds_of(Split.parse("videos:0.8"), ITEMS)
    assert len(fold.train) == 8
    (fold,) = folds_of(Split.parse("videos:0.99"), ITEMS[:2])
    assert len(fold.train) == len(fold.test) == 1
    with pytest.raises(UsageError, match="is 1 video"):
        folds_of(Split.parse("videos:0.5"), ITEMS[:1])


def test_the_data_sets_own_division() -> None:
    items = [VideoItem(name, Path(name), part=part) for name, part in (("a", "train"), ("b", "validation"), ("c", ""))]
    (fold,) = folds_of(Split.parse("given"), items)
    assert (fold.train, fold.test) == (("a",), ("b",))
    with pytest.raises(UsageError, match="choose another split"):
        folds_of(Split.parse("given"), ITEMS)


def test_a_file_gives_the_same_folds_again(tmp_path: Path) -> None:
    folds = folds_of(Split.parse("kfold:3"), ITEMS)
    path = tmp_path / "split.json"
    path.write_text(json.dumps(split_document(folds)))
    assert folds_of(Split.parse(str(path)), ITEMS) == folds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "is not a split file"),
        ("[]", "it should hold"),
        ({"folds": []}, "is not a split file"),
        ({"folds": [{"train": ["a.mp4"]}]}, "'test'.*it should hold"),
        *(
            ({"folds": [{"train": ["a.mp4"], "test": side}]}, "fold 0 has no list of videos 'test'")
            for side in ("b.mp4", {"b.mp4": 1}, [["b.mp4"]], [1], [], None)
        ),
        *(({"folds": folds}, "is not a split file .*no list") for folds in ({"train": []}, ["a.mp4"], None)),
        ({"folds": [{"train": ["a.mp4"], "test": ["z.mp4"]}]}, "'z.mp4', which the data set does not have"),
        ({"folds": [{"train": ["a.mp4"], "test": ["a.mp4"]}]}, "'a.mp4' in train and in test"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "split.json"
    if isinstance(content, dict):
        path.write_text(json.dumps({"format": "keyframe_bench/split@1", **content}))
    elif content is not None:
        path.write_text(str(content))
    with pytest.raises(UsageError, match=message) as caught:
        folds_of(Split.parse(str(path)), ITEMS)
    assert repr(str(path)) in str(caught.value) and "\n" not in str(caught.value)


def test_frames_are_divided_in_time_or_at_random() -> None:
    train, held = divided_frames(10, Split.parse("temporal:0.8"), seed=0)
    assert train.tolist() == list(range(8)) and held.tolist() == [8, 9]
    train, held = divided_frames(100, Split.parse("frames:0.8"), seed=0)
    assert len(train) == 80 and sorted([*train, *held]) == list(range(100)) and train.max() > held.min()
    again, _ = divided_frames(100, Split.parse("frames:0.8"), seed=0)
    other, _ = divided_frames(100, Split.parse("frames:0.8"), seed=1)
    assert np.array_equal(train, again) and not np.array_equal(train, other)


def _clips(lengths: list[int]) -> tuple[list[np.ndarray], Clips]:
    rng = np.random.default_rng(0)
    feature = Gray(height=2, width=3)
    rows = [rng.integers(0, 256, (n, 2, 3), dtype=np.uint8) for n in lengths]

    def opened(video: int) -> Clip:
        n = lengths[video]
        info = VideoInfo(f"v{video}", n, duration_s=n / 10)
        return Clip(info, np.arange(n), np.arange(n) / 10, {feature.key: rows[video]})

    places = np.concatenate([[[v, p] for p in range(1, n)] for v, n in enumerate(lengths)])
    return rows, Clips(opened, places[np.random.default_rng(1).permutation(len(places))])


@pytest.mark.parametrize("lengths", [[7], [4, 9, 3]])
def test_rows_are_those_of_their_places(lengths: list[int]) -> None:
    rows, clips = _clips(lengths)
    found = clips.rows(Gray(height=2, width=3))
    expected = np.stack([rows[video][position] for video, position in clips.places])
    assert found.shape == expected.shape and found.dtype == expected.dtype and found.ndim == 3
    assert np.array_equal(found.take(np.arange(len(found))), expected)
    assert np.array_equal(found[2:5], expected[2:5]) and np.array_equal(found.take([3, 3, 0]), expected[[3, 3, 0]])
    assert len(clips) == len(lengths) and clips.n_frames == len(expected)
    some = clips.thinned(np.array([0, 2]))
    assert np.array_equal(some.rows(Gray(height=2, width=3))[:], expected[[0, 2]])


def test_clips_are_in_order_of_time_and_of_their_part() -> None:
    rows, clips = _clips([4, 9])
    for clip, all_rows in zip(clips, rows, strict=True):
        assert clip.ordinals.tolist() == list(range(1, len(all_rows)))
        assert np.array_equal(clip[Gray(height=2, width=3)], all_rows[1:])
    assert [clip.video.name for clip in clips[:]] == ["v0", "v1"] and clips[-1].video.name == "v1"


def test_an_error_while_a_clip_is_opened_does_not_end_the_clips() -> None:
    def opened(video: int) -> Clip:
        raise IndexError(video)

    with pytest.raises(IndexError):
        list(Clips(opened, np.array([[0, 0], [1, 0]])))
