"""Writing small files of any codec, pixel format and container for the decoder to read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest

from keyframe_bench.core.feature import Feature
from keyframe_bench.video.decode import set_decoder_threads
from keyframe_bench.video.store import FeatureStore

_BT601, _LIMITED = 5, 1  # AVColorSpace, AVColorRange


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Sequence[int] | None = None,
    unit: Fraction = Fraction(1, 25),
    rotation: int | None = None,
    color_range: int | None = None,
    colorspace: int | None = None,
    trc: int | None = None,
    options: dict[str, str] | None = None,
    mux: dict[str, str] | None = None,
) -> Path:
    """Encode RGB images of one size; colours are converted by swscale, tags are written only where given."""
    first, *others = pictures
    with av.open(str(path), "w", options=mux or {}) as container:
        stream: Any = container.add_stream(codec, rate=1 / unit, options=options or {})
        stream.height, stream.width, stream.pix_fmt = first.shape[0], first.shape[1], pix_fmt
        if rotation is not None:
            stream.set_display_rotation(rotation)
        stream.codec_context.time_base = unit
        for tag, value in {"color_range": color_range, "colorspace": colorspace, "color_trc": trc}.items():
            if value is not None:
                setattr(stream.codec_context, tag, value)
        tags = {"dst_colorspace": colorspace or _BT601, "dst_color_range": color_range or _LIMITED}
        for i, picture in enumerate([first, *others]):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format=pix_fmt, **tags)
            frame.pts, frame.time_base = (pts[i] if pts else i), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def encode(tmp_path: Path) -> Callable[..., Path]:
    """Write a file into the test's folder: ``encode(name, images, codec=..., pix_fmt=..., ...)``."""
    return lambda name, pictures, **how: write_video(tmp_path / name, pictures, **how)


@pytest.fixture(scope="session")
def pictures() -> Callable[..., list[np.ndarray]]:
    """``pictures(n, height=48, width=64)``: smooth texture that drifts, every frame different, with a cut halfway."""

    def drifting(n: int, *, height: int = 48, width: int = 64, seed: int = 0) -> list[np.ndarray]:
        coarse = np.random.default_rng(seed).integers(0, 256, (2, height // 8 + 2, width // 4 + n, 3))
        big = np.kron(coarse, np.ones((1, 8, 4, 1))).astype(np.uint8)
        return [big[int(i >= n // 2), :height, 2 * i : 2 * i + width] for i in range(n)]

    return drifting


def x264(keyint: int = 12, bframes: int = 3, open_groups: int = 0) -> dict[str, str]:
    """Options for groups of ``keyint`` frames exactly."""
    params = f"keyint={keyint}:min-keyint={keyint}:scenecut=0:b-adapt=0:bframes={bframes}:open-gop={open_groups}"
    return {"crf": "16", "x264-params": params}


UNEVEN = np.cumsum([0, *np.random.default_rng(0).integers(20, 90, 59)]).tolist()
VP8 = {"g": "12", "crf": "10", "b": "2M"}
X265 = "log-level=none:keyint=12:crf=16"
CODINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "b frames": ("v.mp4", {"options": x264()}),
    "no b frames": ("v.mov", {"options": x264(bframes=0)}),
    "open groups": ("v.mp4", {"options": x264(open_groups=1)}),
    "gradual refresh": ("v.mp4", {"options": {"x264-params": "intra-refresh=1:keyint=10"}}),
    "fragmented": ("v.mp4", {"options": x264(), "mux": {"movflags": "frag_keyframe+empty_moov"}}),
    "matroska": ("v.mkv", {"options": x264()}),
    "variable rate": ("v.mp4", {"options": x264(), "unit": Fraction(1, 1000), "pts": UNEVEN}),
    "late start": ("v.mkv", {"options": x264(), "pts": range(100, 160)}),
    "rotated": ("v.mp4", {"options": x264(), "rotation": 90}),
    "ten bits": ("v.mp4", {"options": x264(), "pix_fmt": "yuv420p10le"}),
    "full range": ("v.mp4", {"options": x264(), "color_range": 2}),
    "h265": ("v.mp4", {"codec": "libx265", "options": {"x265-params": f"{X265}:open-gop=0"}}),
    "h265 open groups": ("v.mp4", {"codec": "libx265", "options": {"x265-params": X265}}),
    "vp8": ("v.webm", {"codec": "libvpx", "options": VP8}),
    "vp8 hidden": ("v.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "12"}}),
    "vp9": ("v.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "g": "12"}}),
    "mpeg2 ts": ("v.ts", {"codec": "mpeg2video", "options": {"bf": "2", "g": "9", "b": "2M"}}),
    "mpeg4 ts": ("v.ts", {"codec": "mpeg4", "options": {"g": "12", "bf": "2", "qscale": "2"}}),
    "h264 ts": ("v.ts", {"options": x264()}),
    "h264 ts open": ("v.ts", {"options": x264(open_groups=1)}),
    "h264 fields": ("v.mkv", {"options": {"x264-params": "tff=1:slices=4:keyint=12"}}),
    "h265 ts": ("v.ts", {"codec": "libx265", "options": {"x265-params": X265}}),
    "mpeg1 mpg": ("v.mpg", {"codec": "mpeg1video", "options": {"bf": "2", "g": "9", "b": "2M"}}),
    "av1": ("v.mp4", {"codec": "libsvtav1", "options": {"preset": "12", "g": "12", "crf": "20"}}),
    "flv1": ("v.flv", {"codec": "flv", "options": {"g": "12", "b": "2M"}}),
    "flv": ("v.flv", {"options": x264()}),
    "mpeg4 avi": ("v.avi", {"codec": "mpeg4", "options": {"g": "12", "qscale": "2"}}),
    "h264 avi": ("v.avi", {"options": {"bf": "2"}}),
    "mjpeg": ("v.mkv", {"codec": "mjpeg", "pix_fmt": "yuvj420p", "color_range": 2, "options": {"b": "8M"}}),
    "rgb": ("v.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
    "elementary stream": ("v.h264", {"options": x264()}),
}


@pytest.fixture(scope="session")
def coded(tmp_path_factory: pytest.TempPathFactory, pictures: Any) -> Callable[[str], Path]:
    """``coded(kind)``: the same 60 images in many containers and codecs, not to be changed."""

    @cache
    def of(kind: str) -> Path:
        name, how = CODINGS[kind]
        policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
        try:
            return write_video(tmp_path_factory.mktemp("coded") / name, pictures(60), **how)
        finally:  # as root, SVT-AV1 gives its caller real-time priority: what that starts would starve others
            os.sched_setscheduler(0, policy, priority)

    return of


@pytest.fixture(params=CODINGS)
def coding(request: pytest.FixtureRequest) -> str:
    """Every kind of `coded`."""
    return request.param


@pytest.fixture
def path(encode: Callable[..., Path], pictures: Callable[..., list[np.ndarray]]) -> Path:
    """70 frames at 25 frames per second with B-frames."""
    return encode("v.mp4", pictures(70))


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """An empty store of a gigabyte."""
    return FeatureStore(tmp_path / "features", 10**9)


@pytest.fixture
def ordinals() -> type[Feature]:
    """A feature whose rows are ordinals: ``seen`` notes those it was given, and ``do(frames)`` is called with each."""

    class Ordinals(Feature):
        name = "ordinals_of_test"
        seen: ClassVar[list[int]] = []
        do = staticmethod(lambda frames: None)

        def compute(self, frames: Any) -> Any:
            type(self).seen.extend(frame.ordinal for frame in frames)
            type(self).do(frames)
            return np.array([frame.ordinal for frame in frames])

    return Ordinals


@pytest.fixture
def windows(ordinals: Any) -> type[Feature]:
    """The same over windows: a row is the ordinals of its frames."""

    class Windows(ordinals):  # type: ignore[misc]
        name = "windows_of_test"
        seen: ClassVar[list[int]] = []

        def __init__(self, window: int = 4, hop: int = 4) -> None:
            self.window = window
            self.hop = hop

        def compute_window(self, rows: Any) -> Any:
            return rows

    return Windows


@pytest.fixture
def threads() -> Iterator[Callable[[int | None], None]]:
    """`set_decoder_threads`, undone at the end."""
    yield set_decoder_threads
    set_decoder_threads(None)


@pytest.fixture(scope="session")
def picture_hash() -> Callable[[av.VideoFrame], int]:
    """Hash of the first plane's visible bytes."""

    def of(frame: av.VideoFrame) -> int:
        plane = frame.planes[0]
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, abs(plane.line_size))
        return hash(lines[:, : plane.width].tobytes())

    return of


@pytest.fixture(scope="session")
def plain_decode(picture_hash: Any) -> Callable[[Path], tuple[list[int | None], list[int], Fraction]]:
    """Decode with PyAV alone, one thread: PTS as the decoder states them, a hash of every image, the time base."""

    def decode(path: Path) -> tuple[list[int | None], list[int], Fraction]:
        av.logging.restore_default_callback()
        stamps, sums = [], []
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            stream = container.streams.best("video")
            stream.thread_type = "NONE"
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    continue
                stamps += [frame.pts for frame in frames]
                sums += [picture_hash(frame) for frame in frames]
            return stamps, sums, stream.time_base

    return decode
