"""Sequential decoding: the decoder's ordinal is the frame's identity, its PTS the time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from ..core.errors import VideoError
from .container import (
    READ_ERRORS,
    DeclaredLength,
    error_text,
    frame_seconds,
    is_empty,
    open_stream,
    refuse_memory_error,
)
from .cost_meter import CostMeter
from .frame import Frame, has_known_matrix, is_mirrored
from .health import Health

_STEPS = 32  # distances of packets that say how long a frame without a time lasts

_threads: int | None = None


def set_decoder_threads(n: int | None) -> None:
    """Set how many threads each decoder of this process has from now on; None leaves it to FFmpeg.

    That is one more than there are cores. With 1 features are not computed beside the decoder either: the process then
    keeps to one core.
    """
    global _threads  # noqa: PLW0603 - of the whole process, as cv2.setNumThreads
    if n is not None and n < 1:
        raise ValueError(f"{n} decoder threads: at least 1, or None")
    _threads = n


def decoder_threads() -> int | None:
    """Return what `set_decoder_threads` set."""
    return _threads


class Reader(ABC):
    """Read one video from start to end, once.

    Use it as a context manager and iterate; `health`, `times` and `pts` are complete after the last frame.
    ``meter`` is shared by the frames, for cost accounting.
    """

    health: Health
    frame_s: float  # nominal duration of one frame

    def __init__(self, path: Any, meter: CostMeter | None = None) -> None:
        self.path = path
        self.meter = meter
        self.width = self.height = 0  # upright, of the first frame, in pixels
        self._pts, self._seconds, self._keys = array("q"), array("d"), array("b")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order; `VideoError` at the end where there was none."""

    @abstractmethod
    def close(self) -> None:
        """Release what was opened."""

    @property
    def seekable(self) -> bool:
        """Whether PTS identify frames, so that single ones can be sought: they strictly increase."""
        return len(self._pts) > 0 and bool(np.all(np.diff(self.pts) > 0))

    @property
    def times(self) -> NDArray[np.float64]:
        """PTS of the frames read so far, in seconds, float64 [N]."""
        return np.array(self._seconds, dtype=np.float64)

    @property
    def pts(self) -> NDArray[np.int64]:
        """PTS of the frames read so far in the video's time base (continued where missing), int64 [N]."""
        return np.array(self._pts, dtype=np.int64)

    @property
    def keys(self) -> NDArray[np.bool_]:
        """Key flag of the frames read so far, bool [N]."""
        return np.array(self._keys, dtype=np.bool_)

    def _note(self, frame: Frame, pts: int) -> None:
        if not self._pts:
            self.width, self.height = frame.width, frame.height
        self._pts.append(pts)
        self._seconds.append(frame.time)
        self._keys.append(frame.key_frame)


class VideoReader(Reader):
    """Decode one file from start to end, once; see `Reader`. The frames share ``meter``, for cost accounting.

    Raises `VideoError` when the file cannot be opened, has no video, or (at the end of iteration) gave no frame.
    """

    def __init__(self, path: str | Path, meter: CostMeter | None = None) -> None:
        super().__init__(path, meter)
        self.container, self.stream = open_stream(path)
        self.stream.thread_type = "AUTO"
        if _threads is not None:
            self.stream.codec_context.thread_count = _threads
        self.frame_s = frame_seconds(self.stream)
        self._length = DeclaredLength(self.container, self.stream, path)
        start_s = float((self.stream.start_time or 0) * (self.stream.time_base or 1))
        declared_s = self._length.seconds(np.array([start_s]))  # an estimate, until all packets are read
        self.health = Health(declared_frames=self.stream.frames or None, declared_duration_s=declared_s)
        # AVI stores no presentation times: what the demuxer calls PTS is in decode order there
        self._dts_only = self.container.format.name == "avi"
        self._first_dts: int | None = None
        self._dts_delay = 0
        self._dts: deque[int] = deque(maxlen=_STEPS + 1)  # of the latest packets
        self._held = array("q")  # ticks at which the image before is still shown
        self._coded = (0, 0)

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    @property
    def seekable(self) -> bool:
        """Whether PTS identify frames: all present, strictly increasing, no decode error."""
        health = self.health
        damage = health.missing_pts or health.decode_errors or health.corrupt_frames
        return not (damage or self._dts_only) and super().seekable

    def __iter__(self) -> Iterator[Frame]:
        for raw in self._raw_frames():
            yield self._frame(raw)
        if self._pts:
            self._judge()
        if not self._pts or self.health.truncated_tail or self.health.corrupt_frames:
            refuse_memory_error()
        if not self._pts:
            lost = self.health.decode_errors
            reason = f"no frame could be decoded ({lost} packets failed)" if lost else "it holds no frame"
            raise VideoError(self.path, reason)

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
                if packet.dts is not None:
                    self._note_ticks(packet)
                if not is_empty(packet):
                    yield from self._decoded(packet.decode)
        except READ_ERRORS as error:
            refuse_memory_error(error)
            self.health.truncated_tail = True
            self.health.notes.append(f"reading stopped early: {error_text(error)}")
            yield from self._decoded(lambda: self.stream.codec_context.decode(None))

    def _note_ticks(self, packet: Any) -> None:
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
        except READ_ERRORS as error:
            refuse_memory_error(error)
            self.health.decode_errors += 1
        return []

    def _frame(self, raw: av.VideoFrame) -> Frame:
        ordinal = len(self._pts)
        base = raw.time_base or Fraction(self.frame_s)
        pts = self._presentation_time(raw, base)
        if ordinal == 0:
            self._mirrored = is_mirrored(raw)
        frame = Frame(raw, ordinal, pts * base.numerator / base.denominator, self.meter, mirrored=self._mirrored)
        if ordinal == 0:
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
            if not self._pts:  # the decoder's reordering delay is not part of the image's time
                self._dts_delay = raw.dts - (self._first_dts or 0)
                self.health.notes.append("AVI stores no presentation times: its frame clock is used")
            return int(raw.dts) - self._dts_delay
        if raw.pts is not None and not self._dts_only:
            return int(raw.pts)
        self.health.missing_pts += not self._dts_only
        if not self._pts:
            return 0
        steps = np.diff(self._dts)  # the usual distance of the latest packets, or what is declared without any
        steps = steps[steps > 0]
        return self._pts[-1] + (int(np.median(steps)) if len(steps) else max(1, round(self.frame_s / base)))

    def _note_picture(self, frame: Frame) -> None:
        raw, notes = frame.raw, self.health.notes
        if int(raw.color_trc) in (16, 18):  # SMPTE ST 2084 (PQ), ARIB STD-B67 (HLG)
            notes.append("high dynamic range: images are not tone-mapped")
        if not has_known_matrix(raw):
            notes.append(f"colour matrix {int(raw.colorspace)} (ITU-T H.273) is read as BT.601: colours are wrong")
        if 1 < raw.rotation % 90 < 89:  # PyAV cuts the angle to whole degrees
            notes.append(f"display rotation of {raw.rotation} degrees rounded to {90 * frame.turns}")
        if frame.mirrored:
            notes.append("the display matrix mirrors the image")
