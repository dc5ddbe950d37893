"""The scene score and the thumbnail: the same frames as FFmpeg's own filters ``select`` and ``thumbnail``."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from keyframe_bench.core.errors import VideoError
from keyframe_bench.extractors import ffmpeg_thumbnail
from keyframe_bench.extractors.ffmpeg_scene import FfmpegScene
from keyframe_bench.extractors.ffmpeg_thumbnail import FfmpegThumbnail
from keyframe_bench.features.change import SceneScore
from keyframe_bench.video.decode import VideoReader

SCENES = tuple(FfmpegScene(threshold) for threshold in (0.0, 0.002, 0.01, 0.03, 0.1, 0.3, 0.4))
THUMBNAILS = tuple(FfmpegThumbnail(n=n) for n in (2, 7, 30, 100, 123, 500))


class NativeFilter:
    """libavfilter's own filter; frames are known by their ordinal."""

    def __init__(self, stream: av.VideoStream, *filters: tuple[str, str]) -> None:
        self.graph = av.filter.Graph()
        chain = [self.graph.add_buffer(template=stream), *(self.graph.add(*f) for f in filters)]
        for one, other in itertools.pairwise([*chain, self.graph.add("buffersink")]):
            one.link_to(other)
        self.graph.configure()
        self.chosen: list[int] = []

    def push(self, frame: av.VideoFrame | None) -> None:
        self.graph.push(frame)
        while True:
            try:
                self.chosen.append(self.graph.pull().pts)
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def filter_of(extractor: Any) -> tuple[str, str]:
    scene = isinstance(extractor, FfmpegScene)
    return ("select", f"gt(scene,{extractor.threshold})") if scene else ("thumbnail", f"n={extractor.n}")


def read(path: Path, extractors: Any, log: Path) -> tuple[np.ndarray, list[list[int]], np.ndarray, str]:
    """Decode once: rows, what the filter chose for each extractor, what ``select`` thought, and the pixel format."""
    rows, natives, pixel_format, feature = [], [], "", extractors[0].needs[0].fresh()
    with VideoReader(path) as reader:
        for frame in reader:
            if not natives:
                natives = [NativeFilter(reader.stream, filter_of(extractor)) for extractor in extractors]
                metadata = ("metadata", f"mode=print:file={log}:direct=1")
                natives.append(NativeFilter(reader.stream, ("select", "gte(scene,-1)"), metadata))
            rows.append(feature.compute([frame]))
            pixel_format = frame.raw.format.name
            frame.raw.pts = frame.ordinal
            for native in natives:
                native.push(frame.raw)
    for native in natives:
        native.push(None)
    scores = np.array([float(s) for s in re.findall(r"scene_score=(\S+)", log.read_text())])
    return np.concatenate(rows), [native.chosen for native in natives[:-1]], scores, pixel_format


@pytest.fixture
def require_same(run, clip_of, tmp_path):
    """Compare with the filter's choice on a file; return the rows, the filter's scores and the pixel format."""

    def compare(path, extractors):
        rows, chosen, scores, pixel_format = read(path, extractors, tmp_path / "scores")
        for extractor, expected in zip(extractors, chosen, strict=True):
            # Where `select` takes nothing, the contract asks for a frame: the highest score.
            wanted = expected or [int(rows.argmax())]
            assert run(extractor, clip_of(extractor, rows)).frames.tolist() == wanted, (path.name, extractor.params)
        return rows, scores, pixel_format, chosen

    return compare


def encoded(path: Path, codec: str, pixel_format: str, n: int = 123) -> Path:
    """Write a drifting texture with a flash, a static stretch and a cut."""
    texture = np.random.default_rng(3).integers(0, 255, (50, 200, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "28"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = 66, 50, pixel_format
        for i in range(n):
            image = np.roll(texture, -min(i, 40), axis=1)[:, :66]
            image = image // 2 if i > n // 2 else np.full_like(image, 250) if i == 7 else image
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        *(("libx264", f) for f in ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")),
        *(("rawvideo", f) for f in ("bgr24", "rgb24", "gray", "yuv411p")),
    ],
)
def test_eight_bit_formats_give_the_filters_frames_and_scores(tmp_path, require_same, codec, pixel_format):
    path = encoded(tmp_path / ("v.mp4" if codec == "libx264" else "v.nut"), codec, pixel_format)
    rows, scores, seen, chosen = require_same(path, SCENES)
    assert (len(rows), len(scores), seen) == (123, 123, pixel_format)
    assert len({len(frames) for frames in chosen}) > 2
    assert rows == pytest.approx(scores, abs=6e-7)  # the filter prints six decimals
    *_, chosen = require_same(path, THUMBNAILS)
    assert [len(frames) for frames in chosen] == [-(-123 // extractor.n) for extractor in THUMBNAILS]


def test_an_alpha_plane_counts_as_a_component_in_the_filter_only(tmp_path):
    path = encoded(tmp_path / "v.nut", "rawvideo", "rgba", n=20)
    rows, _, scores, seen = read(path, SCENES[:1], tmp_path / "scores")
    assert seen == "rgba" and rows * 3 / 4 == pytest.approx(scores, abs=6e-7)


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p10le", "yuv444p10le"])
def test_ten_bits_differ_in_the_third_decimal(tmp_path, run, clip_of, pixel_format):
    """The images are reduced to 8 bits first; the filter compares 10-bit values."""
    path = encoded(tmp_path / "v.mp4", "libx264", pixel_format)
    rows, _, scores, seen = read(path, SCENES[:1], tmp_path / "scores")
    assert seen == pixel_format and np.abs(rows - scores).max() < 0.005
    found = run(FfmpegScene(0.1), clip_of(FfmpegScene(), rows))
    assert found.frames.tolist() == np.flatnonzero(scores > 0.1).tolist()


def test_scene_score_by_hand():
    """Changes 0, 20, 20, 30, 0, 200: steady change scores nothing, a jump at most 1."""

    class Flat:
        def __init__(self, level: int) -> None:
            self.level = level

        def planes(self) -> list[np.ndarray]:
            return [np.full((4, 6), self.level, np.uint8), *[np.zeros((2, 3), np.uint8)] * 2]

    frames: Any = [Flat(level) for level in (10, 30, 50, 20, 20, 220)]
    found, feature = SceneScore().compute(frames), SceneScore()
    assert found == pytest.approx([0, 0.2, 0, 0.1, 0, 1]) and found.dtype == np.float32
    parts = [feature.compute(frames[i:j]) for i, j in ((0, 1), (1, 4), (4, 6))]
    assert np.array_equal(np.concatenate(parts), found)  # batches change nothing


@pytest.mark.parametrize(
    ("extractor", "k", "frames"),
    [
        *((FfmpegScene(), 2, [2, 3]), (FfmpegScene(), 4, [1, 2, 3, 4]), (FfmpegScene(), None, [2, 3])),
        (FfmpegScene(0.5), None, [2]),
    ],
)
def test_the_highest_scores_are_taken_side_by_side_if_need_be(run, clip_of, extractor, k, frames):
    clip = clip_of(extractor, np.array([0, 0.125, 0.875, 0.5, 0.25, 0.125], np.float32))
    assert run(extractor, clip, k).frames.tolist() == frames  # above a threshold, not at it


def test_without_a_score_above_the_threshold_the_highest_is_kept_and_said_so(run, clip_of):
    method = FfmpegScene()
    clip = clip_of(method, np.array([0, 0.1, 0.3, 0.3], np.float32))
    found = run(method, clip)
    assert found.frames.tolist() == [2] and found.thresholds.tolist() == pytest.approx([0.4] * 4)
    assert "no score is above the threshold 0.4" in method.why(clip, found, 2, None)


def test_the_frame_nearest_to_the_batch_mean_wins_and_the_earliest_of_equals(run, clip_of):
    method, rows = FfmpegThumbnail(n=3), np.zeros((6, 768), dtype=np.int32)
    rows[:, 0] = [0, 10, 6, 4, 4, 100]  # batches of three: means 5.3 and 36
    assert run(method, clip_of(method, rows)).frames.tolist() == [2, 3]
    assert run(method, clip_of(method, np.ones((7, 768), np.int32))).frames.tolist() == [0, 3, 6]


@pytest.mark.parametrize("k", [1, 2, 3, 9, 10, 11, 50])
def test_a_budget_is_met_with_batches_of_equal_length(run, clip_of, k):
    rows = np.random.default_rng(0).integers(0, 50, (10, 768)).astype(np.int32)
    found = run(FfmpegThumbnail(), clip_of(FfmpegThumbnail(), rows), k)
    start, end = found.segments.T
    assert len(found) == min(k, 10) and np.ptp(end - start) <= 1 and (start[0], end[-1]) == (0, 10)
    assert np.all((found.frames >= start) & (found.frames < end))


def test_reading_in_chunks_changes_nothing(monkeypatch, tmp_path, run, clip_of):
    method, rows = FfmpegThumbnail(n=250), np.random.default_rng(0).integers(0, 5000, (300, 768)).astype(np.int32)
    whole = run(method, clip_of(method, rows)).frames.tolist()
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", dtype=np.int32, mode="r", shape=rows.shape)
    monkeypatch.setattr(ffmpeg_thumbnail, "_CHUNK", 64)
    assert run(method, clip_of(method, mapped)).frames.tolist() == whole


SLOW = ("edited/*", "surveillance/*")


@pytest.mark.data
@pytest.mark.parametrize(
    ("extractors", "pattern"),
    [
        *((SCENES, p) for p in ("edited/[f-s]*", "surveillance/[bv]*", "action/[g-m]*", "awkward/video_*")),
        (THUMBNAILS, "action/[g-m]*"),
        *(pytest.param(THUMBNAILS, pattern, marks=pytest.mark.slow) for pattern in SLOW),
    ],
)
def test_real_files_give_the_filters_frames(data_root, require_same, extractors, pattern):
    seen = 0
    for path in sorted(p for p in (data_root / "videos").glob(pattern) if p.suffix != ".txt"):
        with VideoReader(path) as reader:
            ten_bits = "10" in (reader.stream.pix_fmt or "")
        if ten_bits and extractors is SCENES:
            continue
        try:
            rows, scores, *_ = require_same(path, extractors)
        except VideoError:
            continue
        seen += 1
        assert extractors is THUMBNAILS or rows == pytest.approx(scores, abs=6e-7), path.name
    assert seen >= 1
