"""Rendered videos: what the file shows is what the annotation says, on the decoder's own frames."""

from __future__ import annotations

import functools
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import PictureType

from keyframe_bench.core.errors import OutputError, UsageError
from keyframe_bench.core.files import cache_folder
from keyframe_bench.rendering.films import demo_annotation, demo_video, draw_frames, render_video
from keyframe_bench.rendering.plan import KINDS, FilmPlan
from keyframe_bench.video.encode import write_h264

SMALL = {"height": 120, "width": 160}


def decode(path: Path):
    """Return grey images int16 [N, H, W], PTS float64 [N] and the frames, by decoding everything."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    times = np.array([float(f.pts * f.time_base) for f in frames])
    return np.stack([f.to_ndarray(format="gray") for f in frames]).astype(np.int16), times, frames


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Render and decode a kind once for the whole module."""
    path = tmp_path_factory.mktemp("rendered") / "v.mp4"
    return functools.cache(lambda kind, seed=3: (render_video(path, kind, seed, duration_s=8, **SMALL), *decode(path)))


def changes(pictures):
    """Mean absolute difference of successive images, float [N - 1]; entry i - 1 is the step onto frame i."""
    return np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_decoded_frames_are_those_that_were_rendered(rendered, kind):
    truth, pictures, times, frames = rendered(kind)
    assert pictures.shape == (200, 120, 160) and np.allclose(times, np.arange(200) / 25, atol=1e-9)
    assert PictureType.B in {PictureType(f.pict_type) for f in frames}
    assert (int(frames[0].colorspace), int(frames[0].color_range)) == (6, 1)
    ends = truth.shots[:, 1].tolist()
    assert truth.shots.dtype == np.int64 and truth.shots[:, 0].tolist() == [0, *ends[:-1]] and ends[-1] == 200
    assert [user.name for user in truth.users] == ["truth"]
    truth.aligned(times, kind)  # raises when a frame lies outside
    if kind != "noise":  # which H.264 takes away
        drawn = next(draw_frames(FilmPlan(kind, 3, duration_s=8), **SMALL))
        error = frames[0].to_ndarray(format="rgb24").astype(int) - drawn
        assert np.abs(error).mean() < 4 and np.abs(error.mean(axis=(0, 1))).max() < 1.5


@pytest.mark.parametrize("kind", ["cuts", "pans", "noise"])
@pytest.mark.parametrize("seed", [3, 4])
def test_a_hard_cut_changes_the_picture_exactly_at_the_first_frame_of_a_shot(rendered, kind, seed):
    truth, pictures, *_ = rendered(kind, seed)
    cuts = truth.shots[1:, 0]
    assert len(cuts) >= 2
    steps = changes(pictures)
    largest = np.sort(np.argsort(steps)[-len(cuts) :]) + 1
    assert largest.tolist() == cuts.tolist()
    assert steps[cuts - 1].min() > 2 * np.delete(steps, cuts - 1).max()


def test_shots_differ_in_hue(rendered):
    truth, _, _, frames = rendered("cuts")
    histograms = []
    for middle in truth.users[0].frames:
        hsv = cv2.cvtColor(frames[middle].to_ndarray(format="rgb24"), cv2.COLOR_RGB2HSV)
        histograms.append(np.bincount(hsv[..., 0].ravel().astype(int) * 16 // 180, minlength=16) / hsv[..., 0].size)
    distance = np.abs(np.diff(histograms, axis=0)).sum(axis=1)
    assert distance.min() > 0.5  # the threshold under which CUS calls two images the same


def test_a_dissolve_has_no_jump(rendered):
    truth, pictures, *_ = rendered("dissolves")
    middles, steps = truth.users[0].frames, changes(pictures)
    assert len(middles) >= 3
    for one, two in pairwise(middles):
        assert steps[one:two].max() < 0.35 * np.abs(pictures[two] - pictures[one]).mean()


def test_the_boundary_of_a_dissolve_is_its_middle():
    plan = FilmPlan("dissolves", 3, duration_s=8)
    for shot in plan.shots:
        shot.motion = "still"  # only the fades move
    drawn = np.array([picture.astype(float) for picture in draw_frames(plan, **SMALL)])
    for shot, border in zip(plan.shots, plan.annotation.shots[1:, 0], strict=False):
        half = shot.fade // 2
        assert half >= 4
        start, end = border - half - 1, border + half  # the last frame of one shot alone, the first of the other
        way = drawn[end] - drawn[start]
        share = ((drawn[start : end + 1] - drawn[start]) * way).sum(axis=(1, 2, 3)) / (way**2).sum()
        assert np.allclose(share, np.arange(2 * half + 2) / (2 * half + 1), atol=0.01)  # even steps about the border
        assert np.array_equal(drawn[start - 1], drawn[start])


def test_a_flash_is_no_boundary(rendered):
    truth, pictures, *_ = rendered("flashes")
    light = pictures.mean(axis=(1, 2))
    flashes = [shot.flash for shot in FilmPlan("flashes", 3, duration_s=8).shots if shot.flash[1]]
    assert len(flashes) >= 2
    for start, end in flashes:
        assert light[start:end].min() > light[start - 1] + 40
        assert np.abs(pictures[end] - pictures[start - 1]).mean() < 8  # the same place before and after
        inside = (truth.shots[:, 0] < start) & (end < truth.shots[:, 1])
        assert inside.sum() == 1
        assert not np.isin(truth.users[0].frames, np.arange(start, end)).any()


def test_nothing_moves_in_static(rendered):
    truth, pictures, *_ = rendered("static")
    assert np.abs(pictures - pictures[0]).mean(axis=(1, 2)).max() < 1.5
    assert (truth.users[0].frames.tolist(), truth.shots.tolist()) == ([100], [[0, 200]])


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_camera_shows_something_in_exactly_the_frames_of_its_events(rendered, seed):
    truth, pictures, *_ = rendered("camera", seed)
    empty = np.median(pictures, axis=0)
    blocks = np.abs(pictures - empty).reshape(200, 30, 4, 40, 4).mean(axis=(2, 4)).max(axis=(1, 2))
    busy = np.isin(np.arange(200), np.concatenate([np.arange(*event) for event in truth.events]))
    assert len(truth.events) >= 2
    assert blocks[busy].min() > blocks[~busy].max()
    chosen = truth.users[0].frames
    assert len(chosen) == len(truth.events) + 1 == busy[chosen].sum() + 1
    assert set(truth.events.sum(axis=1) // 2) < set(chosen)


def test_noise_is_strong(rendered):
    assert np.median(changes(rendered("noise")[1])) > 3 * np.median(changes(rendered("cuts")[1]))


def test_mixed_has_every_ingredient():
    shots = FilmPlan("mixed", 0).shots
    assert {"live", "pan", "still"} <= {shot.motion for shot in shots}
    assert all(any(what) for what in zip(*((shot.noise, shot.fade, shot.flash[1]) for shot in shots), strict=True))


@pytest.mark.parametrize("kind", ["pans", "mixed"])
def test_same_seed_same_bytes_other_seed_other_video(tmp_path, kind):
    def render(seed):
        truth = render_video(tmp_path / "a.mp4", kind, seed, duration_s=3)
        return (tmp_path / "a.mp4").read_bytes(), truth.shots.tolist()

    first = render(1)
    assert all(render(1) == first for _ in range(4))
    assert render(2) != first


@pytest.mark.parametrize("name", ["-dash.mp4", "a 'b' \"c\".mp4", "x=1,y(2).mp4", "http:x.mp4", "<i>.mp4", "é.MP4"])
def test_any_name_can_be_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    render_video(name, "static", 0, height=16, width=16, duration_s=0.1)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert len(decode(tmp_path / name)[0]) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 5, 13])
def test_very_short_videos(tmp_path, kind, n):
    truth = render_video(tmp_path / "v.mp4", kind, 0, height=32, width=32, duration_s=n / 25)
    times = decode(tmp_path / "v.mp4")[1]
    assert len(times) == n and len(truth.aligned(times, kind).users[0]) >= 1


def test_the_rate_is_kept_and_an_hour_is_drawn_lazily(tmp_path):
    render_video(tmp_path / "v.mp4", "cuts", 0, height=32, width=32, fps=29.97, duration_s=3)
    times = decode(tmp_path / "v.mp4")[1]
    assert len(times) == 90 and times[-1] == pytest.approx(89 * 1001 / 30000, abs=1e-4)
    render_video(tmp_path / "v.mp4", "mixed", 0, height=32, width=32, fps=0.1, duration_s=100)
    assert decode(tmp_path / "v.mp4")[1] == pytest.approx(np.arange(10) * 10)
    plan = FilmPlan("mixed", 0, duration_s=3600)
    assert plan.n_frames == 90_000 and next(draw_frames(plan, height=32, width=48)).shape == (32, 48, 3)


def test_an_interrupted_rendering_leaves_the_old_file(tmp_path):
    def broken():
        yield from [np.zeros((16, 16, 3), np.uint8)] * 5
        raise KeyboardInterrupt

    (tmp_path / "v.mp4").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        write_h264(tmp_path / "v.mp4", broken())
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"before"]


def test_what_cannot_be_written_is_one_typed_error_and_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.mp4").mkdir()
    for path, words in (("file/v.mp4", "cannot write"), ("folder.mp4", r"folder\.mp4")):
        with pytest.raises(OutputError, match=words):
            render_video(tmp_path / path, "cuts", 0, height=16, width=16, duration_s=0.1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limits[1]))  # as on a full disk
    try:
        with pytest.raises(OutputError, match=r"v\.mp4.*File too large"):
            render_video(tmp_path / "v.mp4", "noise", 0, duration_s=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.mp4"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("kind", "cutz"), ("seed", -1), ("seed", 1.5), ("height", 121), ("width", 8), ("fps", float("nan"))],
        *[("fps", 0.09), ("duration_s", 0), ("duration_s", 1e-4), ("duration_s", float("inf")), ("path", "v.avi")],
    ],
)
def test_wrong_arguments_are_named(tmp_path, monkeypatch, name, value):
    monkeypatch.chdir(tmp_path)
    words = {"kind": "cuts, dissolves", "path": ".mp4"}.get(name, f"{name}={value}")
    with pytest.raises(UsageError, match=words):
        render_video(**{"path": "v.mp4", "kind": "cuts", "seed": 0, "duration_s": 0.1, name: value})
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_one_even_size(tmp_path):
    black = np.zeros((16, 16, 3), np.uint8)
    for frames, words in (([], "at least one"), ([black, black[:8]], "image 1"), ([black[:15]], "must be even")):
        with pytest.raises(UsageError, match=words):
            write_h264(tmp_path / "v.mp4", frames)
    assert list(tmp_path.iterdir()) == []


def test_demo_video_is_rendered_once_and_its_answer_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "cache"))
    path = demo_video()
    assert path.is_relative_to(tmp_path / "cache")
    stamp = path.stat().st_mtime_ns, path.stat().st_ino
    assert demo_video() == path and (path.stat().st_mtime_ns, path.stat().st_ino) == stamp
    pictures, times, _ = decode(path)
    truth = demo_annotation()
    assert pictures.shape == (truth.shots[-1, 1], 240, 320) == (300, 240, 320)
    assert len(truth.aligned(times, "demo").users[0]) == len(truth.shots) >= 5
    assert demo_video(tmp_path / "mine.mp4").read_bytes() == path.read_bytes()


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("KEYFRAME_BENCH_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "keyframe_bench"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / "home" / ".cache" / "keyframe_bench"
    monkeypatch.setenv("KEYFRAME_BENCH_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    assert list(tmp_path.iterdir()) == []
