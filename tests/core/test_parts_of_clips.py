"""Parts of a clip: frames, windows and annotations that lie inside."""

import numpy as np

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.features.gray import Gray
from keyframe_bench.features.motion_energy import MotionEnergy

N = 12
WINDOWS = MotionEnergy(window=4, hop=2)


def _clip() -> Clip:
    rows = {Gray().key: np.arange(N), WINDOWS.key: np.arange(5) * 10}
    users = (UserSummary("a", np.array([1, 8]), np.array([0.1, 0.8])),)
    known = Annotation(users, shots=np.array([[0, 5], [5, 12]]), events=np.array([[0, 3], [9, 11]]))
    spans = {WINDOWS.key: WINDOWS.windows(N)}
    info = VideoInfo("v", N, duration_s=1.2)
    return Clip(info, np.arange(N), np.arange(N) / 10, rows, known, spans)


def test_all_frames_are_the_clip() -> None:
    clip = _clip()
    assert clip.taken(np.arange(N)) is clip


def test_later_frames_keep_their_ordinals_windows_and_annotation() -> None:
    part = _clip().taken(np.arange(4, N))
    assert part.ordinals.tolist() == list(range(4, N)) and part[Gray()].tolist() == list(range(4, N))
    assert part[WINDOWS].tolist() == [20, 30, 40] and part.windows(WINDOWS).tolist() == [[0, 4], [2, 6], [4, 8]]
    assert part.annotation is not None
    assert part.annotation.users[0].frames.tolist() == [8]
    assert part.annotation.shots.tolist() == [[4, 5], [5, 12]] and part.annotation.events.tolist() == [[9, 11]]
    assert part.pick([0]).frames.tolist() == [4]


def test_windows_with_a_gap_inside_are_left_out() -> None:
    part = _clip().taken(np.array([0, 1, 2, 3, 5, 6, 7, 8, 9]))
    assert part[WINDOWS].tolist() == [0, 30] and part.windows(WINDOWS).tolist() == [[0, 4], [5, 9]]
    assert part[Gray()].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
