"""Writing small files of any codec, pixel format and container for the decoder to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

Encode = Callable[..., Path]

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
    """Encode RGB pictures of one size; colours are converted by swscale, tags are written only where given."""
    space, span = colorspace or _BT601, color_range or _LIMITED
    pictures = iter(pictures)
    first = next(pictures)
    with av.open(str(path), "w", options=mux or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(1) / unit, options=options or {})
        stream.height, stream.width, stream.pix_fmt = first.shape[0], first.shape[1], pix_fmt
        if rotation is not None:
            stream.set_display_rotation(rotation)
        context: Any = stream.codec_context
        context.time_base = unit
        for tag, value in {"color_range": color_range, "colorspace": colorspace, "color_trc": trc}.items():
            if value is not None:
                setattr(context, tag, value)
        for i, picture in enumerate([first, *pictures]):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format=pix_fmt, dst_colorspace=space, dst_color_range=span)
            frame.pts, frame.time_base = (pts[i] if pts else i), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Write a file into the test's folder: ``encode(name, pictures, codec=..., pix_fmt=..., ...)``."""

    def write(name: str, pictures: Iterable[np.ndarray], **how: Any) -> Path:
        return write_video(tmp_path / name, pictures, **how)

    return write


def drifting(n: int, *, height: int = 48, width: int = 64, seed: int = 0) -> list[np.ndarray]:
    """Smooth texture that drifts, every frame different, with a hard cut in the middle."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (2, height // 8 + 2, width // 4 + n, 3))
    big = np.kron(coarse, np.ones((1, 8, 4, 1))).astype(np.uint8)
    return [big[int(i >= n // 2), :height, 2 * i : 2 * i + width] for i in range(n)]


@pytest.fixture(scope="session")
def pictures() -> Callable[..., list[np.ndarray]]:
    """``pictures(n, height=48, width=64)``: RGB pictures of a moving scene with one cut."""
    return drifting


@pytest.fixture(scope="session")
def plain_decode() -> Callable[[Path], tuple[list[int | None], list[int], Fraction]]:
    """Decode with PyAV alone, one thread: PTS as the decoder states them, a hash of every picture, the time base."""

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
                for frame in frames:
                    stamps.append(frame.pts)
                    sums.append(checksum(frame))
            return stamps, sums, stream.time_base

    return decode


def checksum(frame: av.VideoFrame) -> int:
    """Hash of the first plane's visible bytes."""
    plane = frame.planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, abs(plane.line_size))
    return hash(lines[:, : plane.width].tobytes())


@pytest.fixture(scope="session")
def picture_hash() -> Callable[[av.VideoFrame], int]:
    """The checksum that `plain_decode` gives."""
    return checksum
