"""Video files as PyAV opens them: which stream is the video, which packets are empty, how long it is declared."""

from __future__ import annotations

import errno
import functools
import math
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple, cast

import av
import av.error
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from ..core.errors import OutOfMemoryError, VideoError, os_reason, raise_out_of_memory
from ..core.processes import has_room
from .frame_folder import check_file

READ_ERRORS = (av.error.FFmpegError, OSError, ValueError)

_ROOM_BYTES = 128_000_000  # a decoder that has less may have failed for that, whatever it says
# Formats whose files name other files or addresses, or that look for more files beside their own.
_LISTS = {"concat", "dash", "ffmetadata", "hls", "imf", "lavfi", "mlv", "rtp", "rtsp", "sap", "sdp", "vobsub"}
_STILLS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# Formats whose header states when the last stream ends, counted from zero and not from the first frame.
_STATE_ENDS = ("matroska", "nut", "asf")
_ROUNDING_S = 0.5
_MICRO = 1_000_000


def open_container(path: str | os.PathLike[str]) -> av.container.InputContainer:
    """Open ``path`` for reading; `VideoError` says why it cannot be."""
    check_file(path)
    # Damage is counted in the health record and not printed. FFmpeg's own callback replaces PyAV's, which takes the
    # interpreter's lock in a decoder thread and so can deadlock with a codec that is being freed.
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.PANIC)
    try:
        # "file:" keeps names with a colon or a leading dash from being read as a protocol or an option
        return av.open(f"file:{os.fspath(path)}", options=_only_this_file(), metadata_errors="replace")
    except READ_ERRORS as error:
        refuse_memory_error(error)
        reason = f"no video container ({error_text(error)})"
        if getattr(error, "errno", None) == errno.EINVAL:  # what `format_whitelist` answers
            reason = (
                "it is a playlist or another list, whose files are not opened, or a format that does not say what it "
                "holds; give the video files themselves"
            )
        raise VideoError(path, reason) from error


@functools.cache
def _only_this_file() -> dict[str, str]:
    """Return the options with which FFmpeg opens no file but the one it is given, whatever that holds or is called."""
    formats = ",".join(sorted(av.formats_available - _LISTS))
    return {"format_whitelist": formats, "protocol_whitelist": "file", "pattern_type": "none"}


def refuse_memory_error(error: Exception | None = None) -> None:
    """Raise `OutOfMemoryError` if what looks like damage may come from a lack of memory.

    FFmpeg's decoders report failed allocations as invalid data too, or that no thread can be started.
    """
    if error is not None:
        raise_out_of_memory(error)
    if isinstance(error, av.error.BlockingIOError) or not has_room(_ROOM_BYTES):
        raise OutOfMemoryError("decoding failed") from error


def error_text(error: Exception) -> str:
    """Return FFmpeg's words without the file's name."""
    text = os_reason(error)
    return str(text).split(": 'file:")[0].split(";")[0].strip().lower()


def video_stream(container: av.container.InputContainer, path: str | os.PathLike[str]) -> av.VideoStream:
    """Return FFmpeg's choice of a video stream, but no cover, thumbnail or still image; `VideoError` without one."""
    stream: Any = container.streams.best("video")
    if stream is not None and stream.disposition & _STILLS:
        moving = [other for other in container.streams.video if not other.disposition & _STILLS]
        default = Disposition.default
        stream = max(moving, key=lambda s: (bool(s.disposition & default), s.bit_rate or 0), default=None)
    if stream is None or stream.codec_context is None:
        refuse_memory_error()
        raise VideoError(path, "it has no video stream" if stream is None else "no decoder for its video codec")
    return cast("av.VideoStream", stream)


def open_stream(path: str | os.PathLike[str]) -> tuple[av.container.InputContainer, av.VideoStream]:
    """Open ``path``, which the caller closes, and choose its `video_stream`; `VideoError` says why it cannot be."""
    container = open_container(path)
    try:
        return container, video_stream(container, path)
    except (VideoError, OutOfMemoryError):
        container.close()
        raise


def frame_seconds(stream: av.VideoStream) -> float:
    """Return the nominal duration of one frame in seconds."""
    rate = stream.average_rate or stream.guessed_rate
    return float(1 / rate) if rate else 0.04


class Clock(NamedTuple):
    """What a file says of its time.

    ``base``: seconds per unit of PTS; ``start``: the PTS at which its earliest stream begins; ``timecode`` of the
    first frame, as it is written, "" if there is none; ``rate``: frames per second of the video, 0 if not known.
    """

    base: Fraction
    start: int
    sound: bool
    timecode: str
    rate: Fraction


def clock_of(path: Any) -> Clock:
    """Return the clock of a video: a file, as of `open_container`, or a `FrameFolder`."""
    if (base := getattr(path, "time_base", None)) is not None:
        return Clock(base, 0, False, "", Fraction(0))
    container, stream = open_stream(path)
    with container:
        base, start = Fraction(stream.time_base or 1), Fraction(container.start_time or 0, _MICRO)
        own, sound = stream.start_time, bool(container.streams.audio)
        rounded = own is not None and abs(own * base - start) < Fraction(1, _MICRO)  # FFmpeg keeps microseconds
        holders: list[Any] = [stream, container, *container.streams.data]
        tags = [tag for one in holders for tag in one.metadata.items()]
        code = next((value for name, value in tags if name.lower() == "timecode"), "")
        begin = own if own is not None and rounded else round(start / base)
        return Clock(base, begin, sound, code.strip(), Fraction(stream.average_rate or 0))


def is_empty(packet: Any) -> bool:
    """Say whether a packet of the file holds nothing: it makes no frame, and the image before it lasts longer.

    What PyAV gives at the end of a stream, to flush the decoder, has neither data nor a time.
    """
    return not packet.size and (packet.dts is not None or bool(packet.buffer_ptr))


def decoded_frames(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Yield the frames from where ``container`` stands, as its own ``decode`` does, but skip empty packets."""
    for packet in container.demux(stream):
        if not is_empty(packet):
            yield from packet.decode()


class DeclaredLength:
    """How long a file says that its main video, ``stream``, is.

    Where it states only the length of the whole, other streams may last that long: they are read as well.
    """

    def __init__(self, container: Any, stream: Any, path: str | os.PathLike[str]) -> None:
        self._container, self._stream = container, stream
        self._streams = (stream,)
        self._duration_s: float | None = None
        self._end_s: float | None = None
        self._others_end_s = -math.inf
        name = container.format.name
        from_zero = name.startswith(_STATE_ENDS)
        if stream.duration and not from_zero:
            self._duration_s = float(stream.duration * stream.time_base)
        elif container.duration and not (name.startswith("matroska") and _written_in_one_go(path)):
            start_s = 0.0 if from_zero else (container.start_time or 0) / 1e6
            # The length of each track is in a tag, but after remuxing it may be that of the file it comes from.
            tags = [_seconds(text) for key, text in stream.metadata.items() if key.split("-")[0].upper() == "DURATION"]
            own_s, whole_s = min(filter(None, tags), default=math.inf), container.duration / 1e6
            if name == "asf" and stream.duration:  # to the length of the whole FFmpeg has added its start
                whole_s = float(stream.duration * stream.time_base)
            self._end_s = start_s + min(own_s, whole_s)
            if own_s >= whole_s:
                self._streams = tuple(container.streams)

    def packets(self) -> Iterator[Any]:
        """Yield the packets of the video in the order of decoding, empty ones and those that flush too."""
        for packet in self._container.demux(*self._streams):
            if packet.stream is self._stream:
                yield packet
            elif packet.pts is not None:
                end_s = float((packet.pts + packet.duration) * packet.time_base)
                self._others_end_s = max(self._others_end_s, end_s)

    def seconds(self, times: NDArray[np.float64]) -> float | None:
        """Return the declared duration of the video, whose frames are at ``times``, once all packets are read."""
        if self._end_s is None or not len(times):
            return self._duration_s
        first_s, late_s = float(times.min()), self._end_s - _ROUNDING_S
        if self._others_end_s > late_s > times.max():
            return None  # another stream, such as sound, lasts that long
        # Some writers count from the first frame all the same.
        return round(self._end_s - first_s if self._end_s > first_s else self._end_s, 6)


def _seconds(text: str) -> float | None:
    found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _written_in_one_go(path: str | os.PathLike[str]) -> bool:
    """Say whether the size of a Matroska segment is unknown (RFC 8794, 6.2): no duration was known, any is a copy."""
    with open(path, "rb") as file:
        head = file.read(4096)
    size = head[head.find(b"\x18\x53\x80\x67") + 4 :][:8]
    return size[:1] == b"\xff" or size == b"\x01" + b"\xff" * 7
