"""Positions become ordinals and seconds in one place; a clip shows only what was declared."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import ContractError
from keyframe_bench.core.keyframes import KeyFrames
from keyframe_bench.features.gray import Gray
from keyframe_bench.features.gray_std import GrayStd


def make_clip() -> Clip:
    """Every third of 20 frames at 10 fps that start at 5 s."""
    ordinals = np.arange(0, 20, 3)
    columns = {Gray(1, 1).key: np.arange(7)[:, None, None], GrayStd().key: np.arange(7.0)}
    info = VideoInfo("v", 20, start_s=5.0, duration_s=2.0)
    return Clip(info, ordinals, 5 + ordinals / 10, columns, Annotation())


def test_pick_sorts_and_removes_duplicates_with_what_belongs_to_them() -> None:
    found = make_clip().pick(
        [4, 0, 4, 2],
        scores=[1.0, 2.0, 9.0, 3.0],
        segments=[[3, 7], [0, 2], [0, 0], [2, 3]],
        frame_scores=np.arange(7) / 7,
    )
    assert found.frames.tolist() == [0, 6, 12]
    assert found.times == pytest.approx([5.0, 5.6, 6.2])
    assert found.scores is not None and found.scores.tolist() == [2.0, 3.0, 1.0]
    assert found.segments is not None and found.segments.tolist() == [[0, 6], [6, 9], [9, 20]]
    assert found.frame_scores is not None and found.frame_scores.dtype == np.float32
    assert (found.frames.dtype, found.times.dtype) == (np.int64, np.float64)


@pytest.mark.parametrize("positions", [[], np.zeros(0), np.array([], dtype=int), ()])
def test_nothing_picked(positions: object) -> None:
    found = make_clip().pick(positions)
    assert len(found) == 0 and found.frames.dtype == np.int64 and found.scores is None


@pytest.mark.parametrize(
    ("positions", "more"),
    [
        ([7], {}), ([-1], {}), ([0, 1], {"scores": [1.0]}), ([0], {"segments": [[0, 1], [1, 2]]}),
        ([0], {"frame_scores": [1.0]}),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_clip_is_refused(positions: list[int], more: dict[str, object]) -> None:
    with pytest.raises(ContractError):
        make_clip().pick(positions, **more)


def test_undeclared_features_cannot_be_read() -> None:
    clip = make_clip()
    assert clip[GrayStd()].tolist() == list(range(7))
    with pytest.raises(ContractError, match=r"gray@1\(height=2,width=1\) was not declared"):
        clip[Gray(2, 1)]
    narrow = clip.restricted([GrayStd()], annotation=False)
    assert narrow.annotation is None and clip.annotation is not None
    with pytest.raises(ContractError, match="not declared"):
        narrow[Gray(1, 1)]


def test_frames_near_those_that_annotators_chose() -> None:
    clip = make_clip()  # frames at 5.0, 5.3, 5.6, 5.9, 6.2, 6.5 and 6.8 s
    users = [UserSummary(name, times=np.array(times)) for name, times in (("a", [5.2]), ("b", []), ("c", [6.8]))]
    chosen = replace(clip, annotation=Annotation(users=tuple(users)))
    assert chosen.chosen(0.15).tolist() == [False, True, False, False, False, False, True]
    assert chosen.chosen(10).all() and not clip.chosen(10).any()
    with pytest.raises(ContractError, match="no annotation"):
        replace(clip, annotation=None).chosen(1)


def test_a_prefix_is_what_a_live_stream_would_have_shown() -> None:
    clip = make_clip()
    short = clip.prefix(3)
    assert short.ordinals.tolist() == [0, 3, 6] and len(short[GrayStd()]) == 3
    assert (short.video.n_frames, short.video.duration_s) == (9, pytest.approx(0.9))
    assert clip.prefix(7).video == clip.video


def test_mean_rate_and_its_limit() -> None:
    assert VideoInfo("v", 50, duration_s=2.0).fps == 25
    assert VideoInfo("v", 1).fps == 0.0


# ---- key frames ---------------------------------------------------------------------------------


def test_key_frames_survive_json() -> None:
    curve = np.linspace(0, 1, 7)
    full = make_clip().pick(
        [1, 5], scores=[0.1, 1 / 3], segments=[[0, 3], [3, 7]], frame_scores=curve, thresholds=curve / 3
    )
    full = replace(full, cost={"select_s": 0.25})
    for keyframes in (full, make_clip().pick([]), make_clip().pick([], segments=np.zeros((0, 2)))):
        text = json.dumps(keyframes.to_json(), allow_nan=False)
        back = KeyFrames.from_json(json.loads(text))
        assert back.to_json() == keyframes.to_json()
        for name in ("frames", "times", "scores", "segments", "frame_scores", "thresholds"):
            before, after = getattr(keyframes, name), getattr(back, name)
            if before is None:
                assert after is None
            else:
                assert after.dtype == before.dtype and after.shape == before.shape and np.array_equal(after, before)


def test_key_frames_of_less_json() -> None:
    back = KeyFrames.from_json({"frames": [3], "times": [0.5]})
    assert len(back) == 1 and back.scores is None and dict(back.cost) == {}
