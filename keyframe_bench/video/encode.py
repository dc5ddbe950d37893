"""Writing pictures as H.264 in MP4, or without loss: streaming, reproducible, never leaving half a file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..core.errors import OutputError, UsageError

# H.273 code points: what cv2.COLOR_RGB2YUV_I420 computes is BT.601 at 525 lines in limited range.
_BT601 = 6
_LIMITED = 1
# One thread: how x264 splits its rate control depends on the number of cores, and with it every byte. cpu-independent:
# without it, assembly of its macroblock tree gave other bytes at every second call (seen with PyAV 18.1).
_OPTIONS = {"preset": "veryfast", "crf": "21", "threads": "1", "x264-params": "cpu-independent=1"}

# One thread: pictures of several sizes have an encoder each, and none may lag behind. More compression takes three
# times as long and saves a tenth.
_PNG_OPTIONS = {"threads": "1", "compression_level": "1", "pred": "mixed"}


def write_h264(path: str | Path, frames: Iterable[NDArray[Any]], fps: float = 25) -> int:
    """Encode ``frames`` as H.264 (yuv420p, BT.601 tagged so, B-frames and GOP as x264 chooses) in an MP4 file.

    The file appears under its name only when it is complete; one picture is held at a time. The same pictures give the
    same bytes on one machine and version.

    Parameters
    ----------
    path : str or Path
        Where; the name ends in ``.mp4``. Missing folders are made, an existing file is replaced.
    frames : iterable of uint8 [H, W, 3]
        RGB pictures of one size, height and width even.
    fps : float
        Frames per second; 29.97 and the like become the nearest fraction with a denominator up to 1001.

    Returns
    -------
    int
        Frames written, at least 1.

    Raises
    ------
    UsageError
        If the name does not end in ``.mp4``, there is no picture, or sizes are odd or differ.
    OutputError
        If the file cannot be written.
    """
    return _write(path, ".mp4", lambda file: _encode(file, frames, Fraction(fps).limit_denominator(1001)))


def write_lossless(path: str | Path, frames: Iterable[NDArray[Any]], fps: float = 25) -> int:
    """Encode ``frames`` as PNG in a QuickTime file, from which exactly these pixels are decoded; see `write_h264`.

    Sizes may differ from picture to picture: other lossless codecs have one for the whole stream.

    Parameters
    ----------
    path : str or Path
        Where; the name ends in ``.mov``.
    frames : iterable of uint8 [H, W, 3]
        RGB pictures.
    fps : float

    Returns
    -------
    int
        Frames written, at least 1.

    Raises
    ------
    UsageError
        If the name does not end in ``.mov``, or there is no picture.
    OutputError
        If the file cannot be written.
    """
    return _write(path, ".mov", lambda file: _encode_png(file, frames, Fraction(fps).limit_denominator(1001)))


def _write(path: str | Path, suffix: str, encode: Callable[[Any], int]) -> int:
    import av

    target = Path(path)
    if target.suffix.lower() != suffix:
        raise UsageError(f"rendered videos are {suffix[1:].upper()} files; {target.name!r} must end in {suffix}")
    # A file object keeps FFmpeg from reading protocols into names such as "a:b.mp4".
    temporary = target.parent / f".tmp-{os.getpid()}-{secrets.token_hex(4)}{suffix}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            count = encode(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(target, _reason(error)) from error
    finally:
        with suppress(OSError):  # renamed away, never made, or on a file system that just broke
            temporary.unlink()
    return count


def _reason(error: BaseException) -> str:
    """Return why writing failed: PyAV wraps what the file object raised."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return getattr(error, "strerror", None) or str(error)


def _encode(file: Any, frames: Iterable[NDArray[Any]], rate: Fraction) -> int:
    import av
    import cv2

    size, count = None, 0
    with av.open(file, "w", format="mp4") as container:
        for count, picture in enumerate(frames, start=1):
            if size is None:
                size = picture.shape
                stream = _stream(container, rate, height=size[0], width=size[1])
            if picture.shape != size:
                raise UsageError(f"picture {count - 1} has size {picture.shape[:2]}, the first has {size[:2]}")
            planes: Any = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = count - 1, 1 / rate
            container.mux(stream.encode(frame))
        if size is None:
            raise UsageError("a video needs at least one picture")
        container.mux(stream.encode())
    return count


def _encode_png(file: Any, frames: Iterable[NDArray[Any]], rate: Fraction) -> int:
    import av

    count = 0
    encoders: dict[tuple[int, ...], Any] = {}
    with av.open(file, "w", format="mov") as container:
        for count, picture in enumerate(frames, start=1):
            if not encoders:
                stream: Any = container.add_stream("png", rate=rate)
            size = picture.shape[:2]
            if size not in encoders:
                context: Any = av.CodecContext.create("png", "w") if encoders else stream.codec_context
                (context.height, context.width), context.pix_fmt = size, "rgb24"
                context.time_base, context.options = 1 / rate, dict(_PNG_OPTIONS)
                encoders[size] = context
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = count - 1, 1 / rate
            for packet in encoders[size].encode(frame):
                packet.stream = stream
                container.mux(packet)
        if not count:
            raise UsageError("a video needs at least one picture")
    return count


def _stream(container: Any, rate: Fraction, *, height: int, width: int) -> Any:
    if height % 2 or width % 2 or min(height, width) < 2:
        raise UsageError(f"height={height} and width={width} must be even: yuv420p halves the colour planes")
    stream = container.add_stream("libx264", rate=rate)
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / rate
    context.colorspace = context.color_primaries = context.color_trc = _BT601
    context.color_range = _LIMITED
    context.options = dict(_OPTIONS)
    return stream
