"""Positions become ordinals and seconds in one place; a clip shows only what was declared; parts of it are clips."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.clip import Clip, KeyFrames, VideoInfo
from keyframe_bench.core.errors import ContractError
from keyframe_bench.features.change import MotionEnergy
from keyframe_bench.features.images import Gray, GrayStd

N, WINDOWS = 12, MotionEnergy(window=4, hop=2)


def make_clip() -> Clip:
    """Every third of 20 frames at 10 fps that start at 5 s: 5.0, 5.3, 5.6, 5.9, 6.2, 6.5 and 6.8 s."""
    ordinals = np.arange(0, 20, 3)
    columns = {Gray(1, 1).key: np.arange(7)[:, None, None], GrayStd().key: np.arange(7.0)}
    info = VideoInfo("v", 20, start_s=5.0, duration_s=2.0)
    return Clip(info, ordinals, 5 + ordinals / 10, columns, Annotation())


def with_windows() -> Clip:
    rows = {Gray().key: np.arange(N), WINDOWS.key: np.arange(5) * 10}
    users = (UserSummary("a", np.array([1, 8]), np.array([0.1, 0.8])),)
    known = Annotation(users, shots=np.array([[0, 5], [5, 12]]), events=np.array([[0, 3], [9, 11]]))
    info = VideoInfo("v", N, duration_s=1.2)
    return Clip(info, np.arange(N), np.arange(N) / 10, rows, known, {WINDOWS.key: WINDOWS.windows(N)})


def test_pick_sorts_and_removes_duplicates_with_what_belongs_to_them() -> None:
    segments = [[3, 7], [0, 2], [0, 0], [2, 3]]
    found = make_clip().pick([4, 0, 4, 2], scores=[1.0, 2.0, 9.0, 3.0], segments=segments, frame_scores=np.ones(7))
    assert found.frames.tolist() == [0, 6, 12] and found.times == pytest.approx([5.0, 5.6, 6.2])
    assert found.scores is not None and found.scores.tolist() == [2.0, 3.0, 1.0]
    assert found.segments is not None and found.segments.tolist() == [[0, 6], [6, 9], [9, 20]]
    assert found.frame_scores is not None and found.frame_scores.dtype == np.float32
    for nothing in ([], np.zeros(0), ()):
        empty = make_clip().pick(nothing)
        assert len(empty) == 0 and empty.scores is None
        assert (empty.frames.dtype, empty.times.dtype) == (np.int64, np.float64)


@pytest.mark.parametrize(
    ("positions", "more"),
    [
        *(([7], {}), ([-1], {}), ([0, 1], {"scores": [1.0]}), ([0], {"segments": [[0, 1], [1, 2]]})),
        *(([0], {"frame_scores": [1.0]}), ([0], {"thresholds": [1.0]})),
    ],
)
def test_what_does_not_fit_the_clip_is_refused(positions: list[int], more: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        make_clip().pick(positions, **more)


def test_undeclared_features_cannot_be_read() -> None:
    clip = make_clip()
    with pytest.raises(ContractError, match=r"gray@1\(height=2,width=1\)"):
        clip[Gray(2, 1)]
    narrow = clip.restricted([GrayStd()], annotation=False)
    assert narrow.annotation is None and clip.annotation is not None and narrow[GrayStd()].tolist() == list(range(7))
    with pytest.raises(ContractError, match="not declared"):
        narrow[Gray(1, 1)]


def test_frames_near_those_that_annotators_chose() -> None:
    clip = make_clip()
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
    assert VideoInfo("v", 50, duration_s=2.0).fps == 25 and VideoInfo("v", 1).fps == 0.0


def test_parts_of_a_clip_keep_ordinals_windows_inside_and_annotation() -> None:
    clip = with_windows()
    assert clip.taken(np.arange(N)) is clip
    part = clip.taken(np.arange(4, N))
    assert part.ordinals.tolist() == part[Gray()].tolist() == list(range(4, N)) and part.pick([0]).frames == [4]
    assert part[WINDOWS].tolist() == [20, 30, 40] and part.windows(WINDOWS).tolist() == [[0, 4], [2, 6], [4, 8]]
    assert part.annotation is not None and part.annotation.users[0].frames.tolist() == [8]
    assert part.annotation.shots.tolist() == [[4, 5], [5, 12]] and part.annotation.events.tolist() == [[9, 11]]
    gap = clip.taken(np.array([0, 1, 2, 3, 5, 6, 7, 8, 9]))
    assert gap[WINDOWS].tolist() == [0, 30] and gap.windows(WINDOWS).tolist() == [[0, 4], [5, 9]]
    assert gap[Gray()].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_key_frames_survive_json() -> None:
    curve, segments = np.linspace(0, 1, 7), [[0, 3], [3, 7]]
    full = make_clip().pick([1, 5], scores=[0.1, 1 / 3], segments=segments, frame_scores=curve, thresholds=curve / 3)
    full = replace(full, cost={"select_s": 0.25}, fallback="f", shortfall="s")
    for keyframes in (full, make_clip().pick([]), make_clip().pick([], segments=np.zeros((0, 2)))):
        back = KeyFrames.from_json(json.loads(json.dumps(keyframes.to_json(), allow_nan=False)))
        assert back.to_json() == keyframes.to_json()
        for name in ("frames", "times", "scores", "segments", "frame_scores", "thresholds"):
            before, after = getattr(keyframes, name), getattr(back, name)
            assert (before is None) == (after is None)
            assert before is None or (after.dtype, after.shape) == (before.dtype, before.shape)
    less = KeyFrames.from_json({"frames": [3], "times": [0.5]})
    assert len(less) == 1 and less.scores is None and dict(less.cost) == {}
