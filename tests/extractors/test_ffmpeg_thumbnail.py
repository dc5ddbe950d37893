"""The thumbnail filter: the same frames as FFmpeg's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import UsageError, VideoError
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors import ffmpeg_thumbnail
from keyframe_bench.extractors.base import Extractor, run_extractor
from keyframe_bench.extractors.ffmpeg_thumbnail import FfmpegThumbnail
from keyframe_bench.features.plane_histogram import PlaneHistogram
from keyframe_bench.video.decode import VideoReader

FEATURE = PlaneHistogram()


class NativeFilter:
    """libavfilter's own ``thumbnail``; frames are known by their ordinal."""

    def __init__(self, stream: av.VideoStream, n: int) -> None:
        self.graph = av.filter.Graph()
        source, sink = self.graph.add_buffer(template=stream), self.graph.add("buffersink")
        thumbnail = self.graph.add("thumbnail", f"n={n}")
        source.link_to(thumbnail)
        thumbnail.link_to(sink)
        self.graph.configure()
        self.chosen: list[int] = []

    def push(self, frame: av.VideoFrame | None) -> None:
        self.graph.push(frame)
        while True:
            try:
                self.chosen.append(self.graph.pull().pts)
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def read(path: Path, sizes: tuple[int, ...]) -> tuple[Clip, dict[int, list[int]], str]:
    """Decode once: the clip of histograms, what the native filter chose for each n, and the pixel format."""
    rows, batch, natives, pixel_format = [], [], {}, ""
    with VideoReader(path) as reader:
        for frame in reader:
            natives = natives or {n: NativeFilter(reader.stream, n) for n in sizes}
            rows.append(FEATURE.compute([frame]))
            pixel_format = frame.raw.format.name
            frame.raw.pts = frame.ordinal
            for native in natives.values():
                native.push(frame.raw)
    for native in natives.values():
        native.push(None)
    return clip_of(np.concatenate([*rows, *batch])), {n: f.chosen for n, f in natives.items()}, pixel_format


def clip_of(histograms: np.ndarray) -> Clip:
    n = len(histograms)
    return Clip(VideoInfo("v", n, 0.0, n / 25), np.arange(n), np.arange(n) / 25, {FEATURE.key: histograms})


def run(extractor: Extractor, clip: Clip, k: int | None = None) -> list[int]:
    return run_extractor(extractor, clip, k, rng=rng_for(0)).frames.tolist()


def pictures(n: int) -> Iterator[np.ndarray]:
    """A drifting texture with a flash, a static stretch and a cut."""
    texture = np.random.default_rng(3).integers(0, 255, (50, 200, 3), dtype=np.uint8)
    for i in range(n):
        picture = np.roll(texture, -min(i, 40), axis=1)[:, :66]
        yield picture // 2 if i > n // 2 else np.full_like(picture, 250) if i == 7 else picture


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuvj420p", "yuv422p"])
def test_rendered_h264_gives_the_filters_frames(tmp_path: Path, pixel_format: str) -> None:
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "28"})
        stream.width, stream.height, stream.pix_fmt = 66, 50, pixel_format
        for picture in pictures(123):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip, native, seen = read(path, (2, 7, 30, 100, 123, 500))
    assert seen == pixel_format and len(clip) == 123
    for n, expected in native.items():
        assert run(FfmpegThumbnail(n=n), clip) == expected
        assert len(expected) == -(-123 // n)


def test_packed_rgb_gives_the_filters_frames(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 66, 50, "bgr24"
        for picture in pictures(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
    clip, native, seen = read(path, (2, 9, 100))
    assert seen == "bgr24"
    for n, expected in native.items():
        assert run(FfmpegThumbnail(n=n), clip) == expected


def test_the_frame_nearest_to_the_batch_mean_wins_and_the_earliest_of_equals() -> None:
    rows = np.zeros((6, 768), dtype=np.int32)
    rows[:, 0] = [0, 10, 6, 4, 4, 100]  # batches of three: means 5.3 and 36
    assert run(FfmpegThumbnail(n=3), clip_of(rows)) == [2, 3]
    assert run(FfmpegThumbnail(n=3), clip_of(np.ones((7, 768), np.int32))) == [0, 3, 6]


@pytest.mark.parametrize("k", [1, 2, 3, 9, 10, 11, 50])
def test_a_budget_is_met_with_batches_of_equal_length(k: int) -> None:
    rows = np.random.default_rng(0).integers(0, 50, (10, 768)).astype(np.int32)
    found = run_extractor(FfmpegThumbnail(), clip_of(rows), k, rng=rng_for(0))
    assert len(found) == min(k, 10)
    lengths = np.diff(found.segments, axis=1)
    assert lengths.max() - lengths.min() <= 1
    assert found.segments[0, 0] == 0 and found.segments[-1, 1] == 10
    assert np.all((found.frames >= found.segments[:, 0]) & (found.frames < found.segments[:, 1]))


def test_reading_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 5000, (300, 768)).astype(np.int32)
    whole = run(FfmpegThumbnail(n=250), clip_of(rows))
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", dtype=np.int32, mode="r", shape=rows.shape)
    monkeypatch.setattr(ffmpeg_thumbnail, "_CHUNK", 64)
    assert run(FfmpegThumbnail(n=250), clip_of(mapped)) == whole


def test_batches_of_one_are_refused() -> None:
    with pytest.raises(UsageError, match="n=1 is not a whole number at least 2"):
        Extractor.registry.build("ffmpeg_thumbnail", {"n": 1})


def test_counts_of_a_large_plane_are_exact() -> None:
    from keyframe_bench.features.plane_histogram import _counts

    plane = np.zeros((4100, 4100), dtype=np.uint8)  # more pixels than float32 can count one by one
    plane[0, 0] = 255
    counts = _counts(plane)
    assert counts[0] == plane.size - 1 and counts[255] == 1


@pytest.mark.data
@pytest.mark.parametrize(
    "pattern", ["action/[g-m]*", *(pytest.param(p, marks=pytest.mark.slow) for p in ("edited/*", "surveillance/*"))]
)
def test_real_files_give_the_filters_frames(data_root: Path, pattern: str) -> None:
    seen = 0
    for path in sorted((data_root / "videos").glob(pattern)):
        if path.suffix == ".txt":
            continue
        try:
            clip, native, _ = read(path, (2, 30, 100))
        except VideoError:
            continue
        seen += 1
        for n, expected in native.items():
            assert run(FfmpegThumbnail(n=n), clip) == expected, (path.name, n)
    assert seen >= 5
