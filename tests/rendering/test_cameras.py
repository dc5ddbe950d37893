"""Rendered surveillance cameras: events known to the frame, the same everywhere, harder from a to c."""

from __future__ import annotations

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.rendering.cameras import Camera
from keyframe_bench.rendering.places import PLACES
from keyframe_bench.rendering.plan import LEVELS
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.encode import write_h264

SIZE = (72, 128)


@pytest.mark.parametrize(("level", "place"), [("a", None), ("c", None), *(("any", place) for place in sorted(PLACES))])
def test_pictures_change_in_events_and_nowhere_else(level: str, place: str | None) -> None:
    for seed in range(40):
        camera = Camera(level, seed, n_frames=240, fps=4.0)
        if place in (None, *camera._conditions.places):
            break
    camera._light[:] = 1  # images differ by who is there, and by nothing else
    camera._conditions = camera._conditions._replace(noise=0.0, sway=0.0, clock=False)
    empty, busy = np.flatnonzero(~camera.busy), np.flatnonzero(camera.busy)
    assert empty.size and busy.size
    reference = camera.picture(int(empty[0]), SIZE)
    assert all(np.array_equal(camera.picture(int(i), SIZE), reference) for i in empty[1::7])
    changed = [np.any(camera.picture(int(i), SIZE) != reference) for i in busy[::3]]
    assert np.mean(changed) > 0.95  # but where somebody is hidden, or a pixel wide


def test_events_are_the_union_of_the_visits_disjoint_and_in_order() -> None:
    for camera in (Camera(level, seed, n_frames=300, fps=5) for level in LEVELS for seed in range(5)):
        seen = {frame for visit in camera.visits for frame in visit.frames}
        flat = camera.events.ravel()
        assert camera.events.dtype == np.int64 and len(camera.events) >= 1
        assert flat[0] > 0 and flat[-1] <= 300 and np.all(np.diff(flat) > 0)
        assert seen == {frame for event in camera.events for frame in range(*event)}


def test_events_do_not_depend_on_the_rate() -> None:
    slow, fast = (Camera("a", 4, n_frames=round(60 * fps), fps=fps) for fps in (5, 20))
    assert slow.events / 5 == pytest.approx(fast.events / 20, abs=0.21)


def test_the_same_seed_gives_the_same_picture_in_any_order() -> None:
    one, two, other = (Camera("c", seed, n_frames=50, fps=5) for seed in (7, 7, 8))
    late = one.picture(40, SIZE)
    assert late.shape == (*SIZE, 3) and late.dtype == np.uint8
    assert np.array_equal([*two.pictures(SIZE)][40], late)
    assert np.abs(other.picture(40, SIZE).astype(int) - late).mean() > 10


def residual(pictures: np.ndarray, n_train: int, n_components: int = 12) -> float:
    """Mean absolute error of later images in the principal components of earlier ones: how hard a camera is."""
    rows = pictures.reshape(len(pictures), -1) / 255.0
    mean = rows[:n_train].mean(axis=0)
    _, _, axes = np.linalg.svd(rows[:n_train] - mean, full_matrices=False)
    held = rows[n_train:] - mean
    return float(np.abs(held - held @ axes[:n_components].T @ axes[:n_components]).mean())


@pytest.mark.slow
def test_c_is_hardest_and_a_easiest() -> None:
    """Over 150 s: in the last 10 of 50 a single walker who comes for the first time is harder than camera b."""
    found = {}
    for level in "abc":
        cameras = [Camera(level, seed, n_frames=300, fps=2) for seed in range(3)]
        found[level] = [residual(np.array(list(camera.pictures(SIZE))), 240) for camera in cameras]
    assert max(found["a"]) < min(found["b"]) and max(found["b"]) < min(found["c"])


def test_a_video_and_its_annotation(tmp_path) -> None:
    camera = Camera("a", 3, n_frames=60, fps=5)
    write_h264(tmp_path / "a.mp4", camera.pictures((48, 64)), fps=5)
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert sum(1 for _ in reader) == 60
    (truth,) = camera.annotation.aligned(np.arange(60) / 5, "a.mp4").users
    middles = camera.annotation.events.sum(axis=1) // 2
    assert camera.annotation.shots.tolist() == [[0, 60]]
    assert {*middles.tolist()} <= {*truth.frames.tolist()} and len(truth.frames) == len(middles) + 1


@pytest.mark.parametrize(
    ("wrong", "word"),
    [({"level": "d"}, "a, b, c, any"), ({"seed": -1}, "seed"), ({"n_frames": 0}, "n_frames"), ({"fps": 0.0}, "fps")],
)
def test_wrong_arguments_are_named(wrong, word) -> None:
    with pytest.raises(UsageError, match=word):
        Camera(**{"level": "a", "seed": 0, "n_frames": 10, "fps": 5.0, **wrong})
