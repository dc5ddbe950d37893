"""Rendered surveillance cameras: events known to the frame, the same everywhere, harder from a to c."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keyframe_bench.core.errors import UsageError
from keyframe_bench.rendering.cameras import LEVELS, make_camera, render_camera
from keyframe_bench.video.decode import VideoReader

SIZE = (72, 128)


def still(level: str, seed: int, n_frames: int = 240, fps: float = 4.0):
    """A camera without noise, changes of the light and wind: pictures differ by who is there."""
    camera = make_camera(level, seed, n_frames=n_frames, fps=fps)
    camera._light[:] = 1
    camera._shifts[:] = 0
    camera._conditions = replace(camera._conditions, sway=0.0, clock=False)
    return camera


@pytest.mark.parametrize(("level", "seed"), [("a", 0), ("a", 2), ("b", 2), ("c", 1), ("any", 3)])
def test_pictures_change_in_events_and_nowhere_else(level: str, seed: int) -> None:
    camera = still(level, seed)
    inside = np.zeros(camera.n_frames, dtype=bool)
    for first, end in camera.events:
        inside[first:end] = True
    empty = np.flatnonzero(~inside)
    assert empty.size and inside.any()
    reference = camera.picture(int(empty[0]), *SIZE)
    assert all(np.array_equal(camera.picture(int(i), *SIZE), reference) for i in empty[1::7])
    changed = [np.any(camera.picture(int(i), *SIZE) != reference) for i in np.flatnonzero(inside)[::3]]
    assert np.mean(changed) > 0.95  # but where somebody is hidden, or a pixel wide


def test_events_are_half_open_disjoint_and_in_order() -> None:
    for level in LEVELS:
        for seed in range(5):
            camera = make_camera(level, seed, n_frames=300, fps=5)
            events = camera.events
            assert events.dtype == np.int64 and events.shape[1] == 2
            assert len(events) >= 1
            flat = events.ravel()
            assert flat[0] > 0 and flat[-1] <= 300 and np.all(np.diff(flat) > 0)
            seen = np.zeros(301, dtype=int)
            for visit in camera.visits:
                seen[visit.first : visit.stop] = 1
            assert np.array_equal(np.flatnonzero(np.diff(seen)) + 1, flat[flat < 300]) or flat[-1] == 300


def test_events_do_not_depend_on_rate_or_size() -> None:
    slow, fast = (make_camera("a", 4, n_frames=round(60 * fps), fps=fps) for fps in (5, 20))
    assert len(slow.events) == len(fast.events)
    assert slow.events / 5 == pytest.approx(fast.events / 20, abs=0.21)
    again = make_camera("a", 4, n_frames=300, fps=5)
    again.picture(0, *SIZE)
    assert np.array_equal(again.events, slow.events)


def test_the_same_seed_gives_the_same_picture_in_any_order() -> None:
    one, two = (make_camera("c", 7, n_frames=50, fps=5) for _ in range(2))
    late = one.picture(40, *SIZE)
    assert late.shape == (*SIZE, 3) and late.dtype == np.uint8
    for frame in range(3):
        two.picture(frame, *SIZE)
    assert np.array_equal(two.picture(40, *SIZE), late)
    other = make_camera("c", 8, n_frames=50, fps=5)
    assert np.abs(other.picture(40, *SIZE).astype(int) - late).mean() > 10


def residual(pictures: np.ndarray, n_train: int, n_components: int = 12) -> float:
    """Mean absolute error of later pictures in the principal components of earlier ones: how hard a camera is."""
    rows = pictures.reshape(len(pictures), -1) / 255.0
    mean = rows[:n_train].mean(axis=0)
    _, _, axes = np.linalg.svd(rows[:n_train] - mean, full_matrices=False)
    held = rows[n_train:] - mean
    return float(np.abs(held - held @ axes[:n_components].T @ axes[:n_components]).mean())


@pytest.mark.slow
def test_c_is_hardest_and_a_easiest() -> None:
    found = {}
    for level in "abc":
        cameras = [make_camera(level, seed, n_frames=100, fps=2) for seed in range(3)]
        found[level] = [residual(np.array(list(camera.pictures(*SIZE))), 80) for camera in cameras]
    assert max(found["a"]) < min(found["b"]) and max(found["b"]) < min(found["c"])


def test_a_video_and_its_annotation(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    annotation = render_camera(path, "a", 3, height=48, width=64, fps=5, duration_s=12)
    with VideoReader(path) as reader:
        assert sum(1 for _ in reader) == 60
    aligned = annotation.aligned(np.arange(60) / 5, "a.mp4")
    assert annotation.shots.tolist() == [[0, 60]]
    (truth,) = aligned.users
    middles = annotation.events.sum(axis=1) // 2
    assert set(middles.tolist()) <= set(truth.frames.tolist())
    assert len(truth.frames) == len(middles) + 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"level": "d"}, "a, b, c, any"),
        ({"seed": -1}, "seed=-1"),
        ({"n_frames": 0}, "n_frames=0"),
        ({"fps": float("nan")}, "fps=nan"),
    ],
)
def test_wrong_arguments_are_named(change, said) -> None:
    given = {"level": "a", "seed": 0, "n_frames": 10, "fps": 5.0, **change}
    with pytest.raises(UsageError, match=said):
        make_camera(given.pop("level"), given.pop("seed"), **given)
