"""The scene score: the same frames as FFmpeg's own filter ``select``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from keyframe_bench.core.clip import Clip, VideoInfo
from keyframe_bench.core.errors import VideoError
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import run_extractor
from keyframe_bench.extractors.ffmpeg_scene import FfmpegScene
from keyframe_bench.features.scene_score import SceneScore
from keyframe_bench.video.decode import VideoReader

FEATURE = SceneScore()
THRESHOLDS = (0.0, 0.002, 0.01, 0.03, 0.1, 0.3, 0.4)


class NativeFilter:
    """libavfilter's own ``select``: ordinals above a threshold; with ``scores``, what it thought of every frame."""

    def __init__(self, stream: av.VideoStream, expression: str, scores: Path | None = None) -> None:
        self.graph = av.filter.Graph()
        chain = [self.graph.add_buffer(template=stream), self.graph.add("select", expression)]
        if scores is not None:
            chain.append(self.graph.add("metadata", f"mode=print:file={scores}:direct=1"))
        chain.append(self.graph.add("buffersink"))
        for one, other in itertools.pairwise(chain):
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


def read(path: Path, log: Path) -> tuple[Clip, dict[float, list[int]], np.ndarray, str]:
    """Decode once: our clip, what the filter chose for each threshold, its scores, and the pixel format."""
    rows, natives, pixel_format = [], {}, ""
    feature = FEATURE.fresh()
    with VideoReader(path) as reader:
        for frame in reader:
            if not natives:
                natives = {t: NativeFilter(reader.stream, f"gt(scene,{t})") for t in THRESHOLDS}
                natives[-1.0] = NativeFilter(reader.stream, "gte(scene,-1)", log)
            rows.append(feature.compute([frame]))
            pixel_format = frame.raw.format.name
            frame.raw.pts = frame.ordinal
            for native in natives.values():
                native.push(frame.raw)
    for native in natives.values():
        native.push(None)
    scores = np.array([float(s) for s in re.findall(r"scene_score=(\S+)", log.read_text())])
    chosen = {t: f.chosen for t, f in natives.items() if t >= 0}
    return clip_of(np.concatenate(rows)), chosen, scores, pixel_format


def clip_of(scores: np.ndarray) -> Clip:
    n = len(scores)
    return Clip(VideoInfo("v", n, 0.0, n / 25), np.arange(n), np.arange(n) / 25, {FEATURE.key: scores})


def run(extractor: FfmpegScene, clip: Clip, k: int | None = None) -> list[int]:
    return run_extractor(extractor, clip, k, rng=rng_for(0)).frames.tolist()


def require_same(clip: Clip, chosen: dict[float, list[int]]) -> None:
    for threshold, expected in chosen.items():
        # Where the filter selects nothing, the contract asks for a frame: the highest score.
        wanted = expected or [int(clip[FEATURE].argmax())]
        assert run(FfmpegScene(threshold), clip) == wanted, threshold


def pictures(n: int) -> Iterator[np.ndarray]:
    """A drifting texture with a flash, a static stretch and a cut."""
    texture = np.random.default_rng(3).integers(0, 255, (50, 200, 3), dtype=np.uint8)
    for i in range(n):
        picture = np.roll(texture, -min(i, 40), axis=1)[:, :66]
        yield picture // 2 if i > n // 2 else np.full_like(picture, 250) if i == 7 else picture


def encoded(path: Path, codec: str, pixel_format: str, n: int = 90) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "28"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = 66, 50, pixel_format
        for picture in pictures(n):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "pixel_format"),
    [
        *(("libx264", f) for f in ("yuv420p", "yuvj420p", "yuv422p", "yuv444p")),
        *(("rawvideo", f) for f in ("bgr24", "rgb24", "gray", "yuv411p")),
    ],
)
def test_eight_bit_formats_give_the_filters_frames_and_scores(tmp_path: Path, codec: str, pixel_format: str) -> None:
    path = encoded(tmp_path / ("v.mp4" if codec == "libx264" else "v.nut"), codec, pixel_format)
    clip, chosen, scores, seen = read(path, tmp_path / "scores")
    assert len(clip) == len(scores) == 90
    assert seen == pixel_format
    require_same(clip, chosen)
    assert len({len(frames) for frames in chosen.values()}) > 2
    assert clip[FEATURE] == pytest.approx(scores, abs=6e-7)  # the filter prints six decimals


def test_an_alpha_plane_counts_as_a_component_in_the_filter_only(tmp_path: Path) -> None:
    clip, _, scores, seen = read(encoded(tmp_path / "v.nut", "rawvideo", "rgba", n=20), tmp_path / "scores")
    assert seen == "rgba"
    assert clip[FEATURE] * 3 / 4 == pytest.approx(scores, abs=6e-7)


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p10le", "yuv444p10le"])
def test_ten_bits_differ_in_the_third_decimal(tmp_path: Path, pixel_format: str) -> None:
    """The pictures are reduced to 8 bits first; the filter compares 10-bit values."""
    clip, _, scores, seen = read(encoded(tmp_path / "v.mp4", "libx264", pixel_format), tmp_path / "scores")
    assert seen == pixel_format
    assert np.abs(clip[FEATURE] - scores).max() < 0.005
    assert run(FfmpegScene(0.1), clip) == np.flatnonzero(scores > 0.1).tolist()


def test_score_by_hand() -> None:
    """Changes 0, 20, 20, 30, 0, 200: steady change scores nothing, a jump at most 1."""

    class Flat:
        def __init__(self, level: int) -> None:
            self.level = level

        def planes(self) -> list[np.ndarray]:
            return [np.full((4, 6), self.level, np.uint8), *[np.zeros((2, 3), np.uint8)] * 2]

    frames = [Flat(level) for level in (10, 30, 50, 20, 20, 220)]
    found = SceneScore().compute(frames)  # type: ignore[arg-type]  # only planes are read
    assert found == pytest.approx([0, 0.2, 0, 0.1, 0, 1])
    assert found.dtype == np.float32
    feature = SceneScore()
    parts = [feature.compute(frames[i:j]) for i, j in ((0, 1), (1, 4), (4, 6))]  # type: ignore[arg-type]
    assert np.array_equal(np.concatenate(parts), found)  # batches change nothing


def test_a_budget_takes_the_highest_scores_side_by_side_if_need_be() -> None:
    clip = clip_of(np.array([0, 0.125, 0.875, 0.5, 0.25, 0.125], np.float32))
    assert run(FfmpegScene(), clip, 2) == [2, 3]
    assert run(FfmpegScene(), clip, 4) == [1, 2, 3, 4]
    assert run(FfmpegScene(), clip) == [2, 3]
    assert run(FfmpegScene(0.5), clip) == [2]  # above, not at


def test_without_a_score_above_the_threshold_the_highest_is_kept_and_said_so() -> None:
    clip = clip_of(np.array([0, 0.1, 0.3, 0.3], np.float32))
    result = run_extractor(FfmpegScene(), clip, None, rng=rng_for(0))
    assert result.frames.tolist() == [2]
    assert result.thresholds is not None and result.thresholds.tolist() == pytest.approx([0.4] * 4)
    assert "no score is above the threshold 0.4" in FfmpegScene().why(clip, result, 2, None)
    assert run(FfmpegScene(), clip_of(np.zeros(5, np.float32))) == [0]


@pytest.mark.data
@pytest.mark.parametrize(
    "pattern", ["edited/[f-s]*", "surveillance/b*", "surveillance/v*", "action/[g-m]*", "awkward/video_*"]
)
def test_real_files_give_the_filters_frames(data_root: Path, tmp_path: Path, pattern: str) -> None:
    seen = 0
    for path in sorted((data_root / "videos").glob(pattern)):
        if path.suffix == ".txt":
            continue
        try:
            clip, chosen, scores, pixel_format = read(path, tmp_path / f"{seen}")
        except VideoError:
            continue
        if "10" in pixel_format:
            continue
        seen += 1
        require_same(clip, chosen)
        assert clip[FEATURE] == pytest.approx(scores, abs=6e-7), path.name
    assert seen >= 1
