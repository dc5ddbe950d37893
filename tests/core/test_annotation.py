"""What people chose is aligned with what was decoded, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyframe_bench.core.annotation import Annotation, UserSummary, annotation_json
from keyframe_bench.core.errors import UsageError

TIMES = 10 + np.arange(50) / 25


def spans(*ranges: tuple[int, int]) -> np.ndarray:
    return np.array(ranges, dtype=np.int64).reshape(-1, 2)


def aligned(user: UserSummary, times: np.ndarray = TIMES) -> list[int]:
    """The frames of a user; their times are those of the frames."""
    (found,) = Annotation((user,)).aligned(times, "v").users
    assert found.frames is not None and found.times is not None
    assert found.times.tolist() == times[found.frames].tolist()
    return found.frames.tolist()


def test_users_get_both_ordinals_and_times() -> None:
    assert aligned(UserSummary("ordinals", frames=np.array([30, 3, 3]))) == [3, 30]
    assert aligned(UserSummary("times", times=np.array([10.0, 10.13, 11.96]))) == [0, 3, 49]
    assert aligned(UserSummary("one", times=np.array([10.0])), TIMES[:1]) == [0]
    assert aligned(UserSummary("nothing", frames=np.zeros(0, dtype=np.int64))) == []
    assert Annotation().aligned(TIMES, "v").users == ()


@given(st.lists(st.floats(0, 8), min_size=1, max_size=60, unique=True), st.lists(st.floats(0, 8), max_size=9))
def test_times_become_the_nearest_frame(times: list[float], wanted: list[float]) -> None:
    """Also where times step back; independent of the order in which the frames come."""
    clock = np.array([0.0, 8.0, *times])
    found = aligned(UserSummary("u", times=np.sort(np.array(wanted))), clock)
    distances = np.abs(clock[:, None] - np.array(wanted)).min(axis=0) if wanted else np.zeros(0)
    reached = np.abs(clock[found][:, None] - np.array(wanted)).min(axis=0) if wanted else np.zeros(0)
    assert reached == pytest.approx(distances)


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (Annotation((UserSummary("eva", frames=np.array([50])),)), "user 'eva' name frame 50"),
        (Annotation((UserSummary("eva", frames=np.array([-1])),)), "frame -1"),
        (Annotation((UserSummary("eva", times=np.array([99.0])),)), "99 s"),
        (Annotation(shots=spans((0, 51))), "shots name frame 50"),
        (Annotation(shots=spans((-2, 10))), "shots name frame -2"),
        (Annotation(events=spans((3, 60))), "events name frame 59"),
        (Annotation(scenes=(TIMES[None, :2], np.array([[99.0, 99.5]]))), "scenes name 99 s"),
    ],
)
def test_what_lies_outside_the_video_is_refused(annotation: Annotation, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        annotation.aligned(TIMES, "my video")
    assert "'my video'" in str(caught.value)


def test_ranges_may_end_with_the_video() -> None:
    whole = Annotation(shots=spans((0, 25), (25, 50)), events=spans())
    assert whole.aligned(TIMES, "v").shots is whole.shots


def test_scenes_may_end_after_the_video_and_are_left_out_of_a_part() -> None:
    scenes = (np.array([TIMES[:2], [TIMES[-1], TIMES[-1] + 5]]),)
    whole = Annotation(scenes=scenes).aligned(TIMES, "v")
    assert whole.scenes is scenes and whole.within(0, 10).scenes is None
    known = [annotation_json(Annotation(scenes=given)) for given in (scenes, (scenes[0][:1],), None)]
    assert known[0] != known[1] != known[2]


def test_leaving_one_person_out() -> None:
    users = tuple(UserSummary(name, frames=np.array([n])) for n, name in enumerate("abc"))
    left = Annotation(users, shots=spans((0, 5))).without_user(1)
    assert [u.name for u in left.users] == ["a", "c"] and left.shots is not None


def test_a_published_annotation_may_be_a_little_longer_or_shorter_than_the_file() -> None:
    scores = np.arange(51, dtype=np.float32)
    users = (UserSummary("eva", frames=np.array([7, 50]), importance=scores),)
    (found,) = Annotation(users, shots=spans((0, 20), (20, 51)), tolerance=0.02).aligned(TIMES, "v").users
    assert found.frames is not None and found.frames.tolist() == [7, 49]
    assert found.importance is not None and found.importance.tolist() == scores[:50].tolist()
    shorter = Annotation((UserSummary("eva", importance=scores[:49], frames=np.array([3])),), tolerance=0.02)
    (found,) = shorter.aligned(TIMES, "v").users
    assert found.importance is not None and found.importance[-2:].tolist() == [48, 48]
    for tolerance in (0.0, 0.02):
        far = Annotation((UserSummary("eva", importance=scores[:40], frames=np.array([3])),), tolerance=tolerance)
        with pytest.raises(UsageError, match="scored 40 frames, but the video has 50"):
            far.aligned(TIMES, "v")


def test_importance_moves_with_the_frames_of_a_later_part() -> None:
    scores = np.arange(50, dtype=np.float32)
    whole = Annotation((UserSummary("eva", frames=np.array([3, 30]), importance=scores),)).aligned(TIMES, "v")
    (found,) = whole.within(20, 50).moved(-20).users
    assert found.frames is not None and found.frames.tolist() == [10]
    assert found.importance is not None and found.importance.tolist() == scores[20:].tolist()
