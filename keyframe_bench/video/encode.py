"""Encoding images as H.264 in MP4, or without loss: streaming, reproducible, written atomically."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..core.errors import OutputError, UsageError, os_reason

if TYPE_CHECKING:
    from .frame import Frame

_BT601 = 6  # H.273: what cv2.COLOR_RGB2YUV_I420 computes is BT.601 at 525 lines in limited range
_SWS_BT601 = 5  # the same in libswscale
_LIMITED, _FULL = 1, 2  # AVColorRange
# One thread: how x264 splits its rate control depends on the number of cores, and with it every byte. cpu-independent:
# without it, assembly of its macroblock tree gave other bytes at every second call (seen with PyAV 18.1).
_RENDERED = {"preset": "veryfast", "threads": "1", "x264-params": "cpu-independent=1"}
# About the bytes of the packets it replaces: 0.9 to 1.5 times, 40 to 46 dB, on four surveillance videos.
_TRANSCODED = {**_RENDERED, "crf": "23"}
# One thread: images of several sizes have an encoder each, and none may lag behind. More compression takes three
# times as long and saves a tenth.
_PNG = {"threads": "1", "compression_level": "1", "pred": "mixed"}


def write_h264(path: str | Path, frames: Iterable[NDArray[Any]], fps: float = 25, *, crf: float = 21) -> int:
    """Encode ``frames`` as H.264 (yuv420p, BT.601 tagged so, B-frames and GOP as x264 chooses) in MP4; return how many.

    The file appears under its name only when it is complete; one image is held at a time. The same images give the same
    bytes on one machine and version. Raises `UsageError` if the name does not end in ``.mp4``, there is no image, or
    sizes are odd or differ; `OutputError` if the file cannot be written. ``path``: ends in ``.mp4``. Missing folders
    are made, an existing file is replaced; ``frames`` (iterable of uint8 [H, W, 3]): RGB images of one size, height and
    width even; ``fps``: frames per second; 29.97 and the like become the nearest fraction with a denominator up to
    1001; ``crf``: x264's constant rate factor, 0 (best) to 51.
    """
    return _write(path, ".mp4", frames, fps, {**_RENDERED, "crf": str(crf)})


def write_lossless(path: str | Path, frames: Iterable[NDArray[Any]], fps: float = 25) -> int:
    """Encode ``frames`` as PNG in a QuickTime file, from which exactly these pixels are decoded; see `write_h264`.

    Sizes may differ from image to image: other lossless codecs have one for the whole stream. ``path``: ends in
    ``.mov``; ``frames`` (iterable of uint8 [H, W, 3]): RGB images. Raises `UsageError` if the name does not end in
    ``.mov``, or there is no image; `OutputError` if the file cannot be written.
    """
    return _write(path, ".mov", frames, fps, _PNG)


def _write(
    path: str | Path, suffix: str, frames: Iterable[NDArray[Any]], fps: float, options: Mapping[str, str]
) -> int:
    import av

    target = Path(path)
    if target.suffix.lower() != suffix:
        raise UsageError(f"rendered videos are {suffix[1:].upper()} files; {target.name!r} must end in {suffix}")
    temporary = target.parent / f".tmp-{os.getpid()}-{secrets.token_hex(4)}{suffix}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A file object keeps FFmpeg from reading protocols into names such as "a:b.mp4".
        with open(temporary, "xb") as file:
            with av.open(file, "w", format=suffix[1:]) as container:
                count = _encode(container, frames, Fraction(fps).limit_denominator(1001), options)
                if not count:
                    raise UsageError("a video needs at least one image")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(target, write_error_text(error)) from error
    finally:
        with suppress(OSError):  # renamed away, never made, or on a file system that just broke
            temporary.unlink()
    return count


def write_error_text(error: BaseException) -> str:
    """Return why writing failed: PyAV wraps what the file object raised."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return os_reason(error)


def _encode(container: Any, frames: Iterable[NDArray[Any]], rate: Fraction, options: Mapping[str, str]) -> int:
    """Encode RGB pictures as H.264 of one size, or as PNG, where each size has an encoder of its own."""
    import av
    import cv2

    lossless = options is _PNG
    stream: Any = container.add_stream("png" if lossless else "libx264", rate=rate)
    encoders: dict[tuple[int, ...], Any] = {}
    count = 0
    for count, picture in enumerate(frames, start=1):
        size = picture.shape[:2]
        if size not in encoders:
            if encoders and not lossless:
                raise UsageError(f"image {count - 1} has size {size}, the first has {next(iter(encoders))}")
            context: Any = av.CodecContext.create("png", "w") if encoders else stream.codec_context
            context.height, context.width = size
            context.time_base, context.options = 1 / rate, dict(options)
            context.pix_fmt = "rgb24" if lossless else "yuv420p"
            if not lossless:
                _check_even(*size)
                context.colorspace = context.color_primaries = context.color_trc = _BT601
                context.color_range = _LIMITED
            encoders[size] = context
        coded: Any = picture if lossless else cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
        frame = av.VideoFrame.from_ndarray(coded, format="rgb24" if lossless else "yuv420p")
        frame.pts, frame.time_base = count - 1, 1 / rate
        for packet in encoders[size].encode(frame):
            packet.stream = stream
            container.mux(packet)
    if count:
        container.mux(stream.encode())
    return count


def _check_even(height: int, width: int) -> None:
    if height % 2 or width % 2 or min(height, width) < 2:
        raise UsageError(f"height={height} and width={width} must be even: yuv420p halves the colour planes")


def transcode(
    out: Any,
    frames: Iterable[Frame],  # as decoded; they are changed
    stamps: Sequence[int],  # PTS of each frame in units of ``time_base``, strictly increasing
    *,
    time_base: Fraction,  # seconds per unit
    fps: float,  # what the stream states as its mean rate; 0 if not known
    pixel_shape: Fraction | None,  # width of a pixel over its height
) -> None:
    """Encode decoded ``frames`` as H.264 into the open container ``out``, one at a time, looking as they did.

    The chroma format is kept, with 10 bits where there are more than 8; it is 4:4:4 where a side is odd, since H.264
    halves the colour planes of even sizes only. Rotation, mirroring and the colour description are kept; RGB becomes
    BT.601. A frame of another size is scaled to that of the first.
    """
    stream = None
    for frame, stamp in zip(frames, stamps, strict=True):
        if stream is None:
            stream = _transcoded_stream(out, frame, time_base, fps)
            if pixel_shape is not None:
                stream.codec_context.sample_aspect_ratio = pixel_shape
        raw = _converted(frame, stream)
        raw.pts, raw.time_base = stamp, time_base
        raw.pict_type = 0  # none: else the encoder repeats the source's choice of key pictures
        out.mux(stream.encode(raw))
    if stream is not None:
        out.mux(stream.encode())


def _transcoded_stream(out: Any, frame: Frame, time_base: Fraction, fps: float) -> Any:
    from .frame import display_matrix

    raw = frame.raw
    stream = out.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001) or 25)
    stream.height, stream.width, stream.pix_fmt = raw.height, raw.width, _pixel_format(frame)
    context = stream.codec_context
    context.time_base, context.options = time_base, dict(_TRANSCODED)
    context.color_range, context.colorspace = _colors(frame)
    context.color_primaries, context.color_trc = int(raw.color_primaries), int(raw.color_trc)
    if (frame.turns or frame.mirrored) and (matrix := display_matrix(raw)):
        stream.set_display_matrix(matrix)
    return stream


def _pixel_format(frame: Frame) -> str:
    """Return the format libx264 takes that loses least."""
    raw, name = frame.raw, frame.layout
    chroma = "420" if name == "gray" else next((c for c in ("420", "422") if c in name), "444")
    if raw.width % 2 or (raw.height % 2 and chroma == "420"):
        chroma = "444"
    return f"yuv{chroma}p" + "10le" * (max(part.bits for part in raw.format.components) > 8)


def _colors(frame: Frame) -> tuple[int, int]:
    """Return AVColorRange and AVColorSpace of what is encoded."""
    if frame.is_rgb:
        return _LIMITED, _BT601
    return (_FULL if frame.full_range else _LIMITED), int(frame.raw.colorspace)


def _converted(frame: Frame, stream: Any) -> Any:
    raw = frame.raw
    if (raw.format.name, raw.height, raw.width) == (stream.pix_fmt, stream.height, stream.width):
        return raw
    span, size = _colors(frame)[0], {"height": stream.height, "width": stream.width}
    source = {"dst_colorspace": _SWS_BT601} if frame.is_rgb else {"src_color_range": span}
    return raw.reformat(format=stream.pix_fmt, dst_color_range=span, **source, **size)
