"""Which stream of a file is its video, which packets hold nothing, and how long the video is said to be."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# Formats whose header states when the last stream ends, counted from zero and not from the first frame.
_STATE_ENDS = ("matroska", "nut", "asf")
_ROUNDING_S = 0.5


def main_video(streams: Any) -> Any | None:
    """Return FFmpeg's choice of a video stream, but no cover, thumbnail or still image; None if none is left."""
    best = streams.best("video")
    if best is None or not best.disposition & _PICTURES:
        return best
    moving = [stream for stream in streams.video if not stream.disposition & _PICTURES]
    return max(moving, key=lambda s: (bool(s.disposition & Disposition.default), s.bit_rate or 0), default=None)


def is_empty(packet: Any) -> bool:
    """Say whether a packet of the file holds nothing: it makes no frame, and the picture before it lasts longer.

    What PyAV gives at the end of a stream, to flush the decoder, has neither data nor a time.
    """
    return not packet.size and (packet.dts is not None or bool(packet.buffer_ptr))


class DeclaredLength:
    """How long a file says that its main video, ``stream``, is.

    Where it states only the length of the whole, other streams may be what lasts so long: they are looked at as well.
    """

    def __init__(self, container: Any, stream: Any, path: str | Path) -> None:
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
            return None  # the length of the sound or the like says nothing of the video's
        # Some writers count from the first frame all the same.
        return round(self._end_s - first_s if self._end_s > first_s else self._end_s, 6)


def _seconds(text: str) -> float | None:
    found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _written_in_one_go(path: str | Path) -> bool:
    """Say whether the size of a Matroska segment is unknown (RFC 8794, 6.2): no duration was known, any is a copy."""
    with open(os.fspath(path), "rb") as file:
        head = file.read(4096)
    size = head[head.find(b"\x18\x53\x80\x67") + 4 :][:8]
    return size[:1] == b"\xff" or size == b"\x01" + b"\xff" * 7
