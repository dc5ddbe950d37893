"""Sequential decoding: the decoder's ordinal is the frame's identity, its PTS the time."""

from __future__ import annotations

import errno
import functools
import os
import stat
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np

from ..core.errors import OutOfMemoryError, VideoError, raise_out_of_memory
from ..core.memory import has_room
from .frame import Frame, has_known_matrix, is_mirrored
from .health import Health
from .ledger import Ledger
from .reader import Reader
from .stream import DeclaredLength, is_empty, main_video

_READ_ERRORS = (av.error.FFmpegError, OSError, ValueError)
_ROOM_BYTES = 128_000_000  # a decoder that has less may have failed for that, whatever it says
# Formats whose files name other files or addresses, or that look for more files beside their own.
_LISTS = {"concat", "dash", "ffmetadata", "hls", "imf", "lavfi", "mlv", "rtp", "rtsp", "sap", "sdp", "vobsub"}
_STEPS = 32  # distances of packets that say how long a frame without a time lasts

_threads: int | None = None


def set_decoder_threads(n: int | None) -> None:
    """Set how many threads each decoder of this process has from now on.

    Parameters
    ----------
    n : int or None
        None leaves it to FFmpeg (one more than there are cores). With 1 features are not computed beside the decoder
        either: the process then keeps to one core.
    """
    global _threads  # noqa: PLW0603 - of the whole process, as cv2.setNumThreads
    if n is not None and n < 1:
        raise ValueError(f"{n} decoder threads: at least 1, or None")
    _threads = n


def decoder_threads() -> int | None:
    """Return what `set_decoder_threads` set."""
    return _threads


def check_file(path: str | os.PathLike[str]) -> None:
    """Raise `VideoError` with the reason when ``path`` is no readable, non-empty regular file."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise VideoError(
                path, "it is a folder; use keyframe-bench run dataset=folder dataset.root=DIR for many videos"
            )
        if not stat.S_ISREG(status.st_mode):
            raise VideoError(path, "it is not a regular file")
        if status.st_size == 0:
            raise VideoError(path, "the file is empty")
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise VideoError(path, "no such file") from None
    except (OSError, ValueError) as error:
        raise VideoError(path, getattr(error, "strerror", None) or str(error)) from error


def open_container(path: str | os.PathLike[str]) -> av.container.InputContainer:
    """Open ``path`` for reading; `VideoError` says why it cannot be."""
    check_file(path)
    _silence()
    try:
        # "file:" keeps names with a colon or a leading dash from being read as a protocol or an option
        return av.open(f"file:{os.fspath(path)}", options=_only_this_file(), metadata_errors="replace")
    except _READ_ERRORS as error:
        refuse_memory_error(error)
        if getattr(error, "errno", None) == errno.EINVAL:  # what `format_whitelist` answers
            raise VideoError(
                path,
                "it is a playlist or another list, whose files are not opened, or a format that does not say what it "
                "holds; give the video files themselves",
            ) from error
        raise VideoError(path, f"no video container ({_reason(error)})") from error


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


def _silence() -> None:
    """Keep the decoder from printing: damage is counted in the health record.

    FFmpeg's own callback replaces PyAV's, which takes the interpreter's lock in a decoder thread and so can deadlock
    with a codec that is being freed.
    """
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.PANIC)


def video_stream(container: av.container.InputContainer, path: str | os.PathLike[str]) -> av.VideoStream:
    """Return the main video stream (`main_video`), or raise `VideoError`."""
    stream = main_video(container.streams)
    if stream is None or stream.codec_context is None:
        refuse_memory_error()
        raise VideoError(path, "it has no video stream" if stream is None else "no decoder for its video codec")
    return cast("av.VideoStream", stream)


def decoded_frames(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Yield the frames from where ``container`` stands, as its own ``decode`` does, but pass over empty packets."""
    for packet in container.demux(stream):
        if not is_empty(packet):
            yield from packet.decode()


class VideoReader(Reader):
    """Decode one file from start to end, once.

    Use it as a context manager and iterate; `health`, `times` and `pts` are complete after the last frame.

    Parameters
    ----------
    path : str or Path
    ledger : Ledger, optional
        Shared by the frames, for cost accounting.

    Raises
    ------
    VideoError
        When the file cannot be opened, has no video, or (at the end of iteration) gave no frame.
    """

    def __init__(self, path: str | Path, ledger: Ledger | None = None) -> None:
        super().__init__(path, ledger)
        self.container = open_container(path)
        try:
            self.stream = video_stream(self.container, path)
        except (VideoError, OutOfMemoryError):
            self.container.close()
            raise
        self.stream.thread_type = "AUTO"
        if _threads is not None:
            self.stream.codec_context.thread_count = _threads
        rate = self.stream.average_rate or self.stream.guessed_rate
        self.frame_s = float(1 / rate) if rate else 0.04
        self._length = DeclaredLength(self.container, self.stream, path)
        start_s = float((self.stream.start_time or 0) * (self.stream.time_base or 1))
        declared_s = self._length.seconds(np.array([start_s]))  # a first word, until all packets are read
        self.health = Health(declared_frames=self.stream.frames or None, declared_duration_s=declared_s)
        # AVI stores no presentation times: what the demuxer calls PTS is in decode order there
        self._dts_only = self.container.format.name == "avi"
        self._first_dts: int | None = None
        self._dts_delay = 0
        self._dts: deque[int] = deque(maxlen=_STEPS + 1)  # of the latest packets
        self._held = array("q")  # ticks at which the picture before is still shown
        self._coded = (0, 0)

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    @property
    def seekable(self) -> bool:
        """Whether PTS identify frames: all present, strictly increasing, no decode error."""
        damage = self.health.missing_pts or self.health.decode_errors or self.health.corrupt_frames
        sound = not (damage or self._dts_only)
        return sound and len(self._pts) > 0 and bool(np.all(np.diff(self.pts) > 0))

    def __iter__(self) -> Iterator[Frame]:
        for raw in self._raw_frames():
            yield self._frame(raw)
        if self._pts:
            self._judge()
        if not self._pts or self.health.truncated_tail or self.health.corrupt_frames:
            refuse_memory_error()
        if not self._pts:
            lost = self.health.decode_errors
            raise VideoError(
                self.path, f"no frame could be decoded ({lost} packets failed)" if lost else "it holds no frame"
            )

    def _judge(self) -> None:
        health, base = self.health, self.stream.time_base or Fraction(1)
        health.declared_duration_s = self._length.seconds(self.times)
        held = (np.array(self._held, dtype=np.int64) - self._dts_delay) * base.numerator / base.denominator
        health.judge_times(self.times, self.frame_s, held)
        if self._dts_only and health.empty_packets and not health.truncated_tail:  # those at the end are not seen
            health.empty_packets = max(health.empty_packets, (health.declared_frames or 0) - health.decoded_frames)

    def _raw_frames(self) -> Iterator[av.VideoFrame]:
        try:
            for packet in self._length.packets():
                self._note_ticks(packet)
                if not is_empty(packet):
                    yield from self._decoded(packet.decode)
        except _READ_ERRORS as error:
            refuse_memory_error(error)
            self.health.truncated_tail = True
            self.health.notes.append(f"reading stopped early: {_reason(error)}")
            yield from self._decoded(lambda: self.stream.codec_context.decode(None))

    def _note_ticks(self, packet: Any) -> None:
        if packet.dts is None:
            return
        if self._first_dts is None:
            self._first_dts = packet.dts
        empty, tick = int(is_empty(packet)), packet.dts if packet.pts is None else packet.pts
        if self._dts_only and self._dts:  # AVI's demuxer gives no empty chunks, but counts them
            empty, tick = packet.dts - self._dts[-1] - 1, packet.dts - 1
        if empty > 0:
            self.health.empty_packets += empty
            self._held.append(tick)
        self._dts.append(packet.dts)

    def _decoded(self, decode: Callable[[], list[av.VideoFrame]]) -> list[av.VideoFrame]:
        try:
            return decode()
        except av.error.EOFError:
            pass
        except _READ_ERRORS as error:
            refuse_memory_error(error)
            self.health.decode_errors += 1
        return []

    def _frame(self, raw: av.VideoFrame) -> Frame:
        ordinal = len(self._pts)
        base = raw.time_base or Fraction(self.frame_s)
        pts = self._presentation_time(raw, base)
        if ordinal == 0:
            self._mirrored = is_mirrored(raw)
        frame = Frame(raw, ordinal, pts * base.numerator / base.denominator, self.ledger, mirrored=self._mirrored)
        if ordinal == 0:
            self.width, self.height = frame.width, frame.height
            self.health.rotation = 90 * frame.turns
            self._note_picture(frame)
        elif (raw.width, raw.height) != self._coded:
            self.health.size_changes += 1
        self._coded = (raw.width, raw.height)
        self.health.corrupt_frames += bool(raw.is_corrupt)
        self._note(frame, pts)
        return frame

    def _presentation_time(self, raw: av.VideoFrame, base: Fraction) -> int:
        if self._dts_only and raw.dts is not None:
            if not self._pts:  # the decoder's reordering delay is not part of the picture's time
                self._dts_delay = raw.dts - (self._first_dts or 0)
                self.health.notes.append("AVI stores no presentation times: its frame clock is used")
            return int(raw.dts) - self._dts_delay
        if raw.pts is not None and not self._dts_only:
            return int(raw.pts)
        self.health.missing_pts += not self._dts_only
        return self._pts[-1] + self._step(base) if self._pts else 0

    def _step(self, base: Fraction) -> int:
        """Return the usual distance of the latest packets in ticks, or what is declared where they have no times."""
        steps = np.diff(self._dts)
        steps = steps[steps > 0]
        return int(np.median(steps)) if len(steps) else max(1, round(self.frame_s / base))

    def _note_picture(self, frame: Frame) -> None:
        raw, notes = frame.raw, self.health.notes
        if int(raw.color_trc) in (16, 18):  # SMPTE ST 2084 (PQ), ARIB STD-B67 (HLG)
            notes.append("high dynamic range: pictures are not tone-mapped")
        if not has_known_matrix(raw):
            notes.append(f"colour matrix {int(raw.colorspace)} (ITU-T H.273) is read as BT.601: colours are wrong")
        if 1 < raw.rotation % 90 < 89:  # PyAV cuts the angle to whole degrees
            notes.append(f"display rotation of {raw.rotation} degrees rounded to {90 * frame.turns}")
        if frame.mirrored:
            notes.append("the display matrix mirrors the picture")


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).split(": 'file:")[0].split(";")[0].strip().lower()
