"""Where a video can be cut by copying packets, and what is to be done for each part that is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import VideoError
from .decode import _READ_ERRORS, open_container, refuse_memory_error, video_stream
from .frame_folder import FrameFolder, VideoPath, as_video
from .onepass import Pass
from .packets import scan_packets

# Codecs whose packets can be proved to be one shown frame each, and the container that takes them.
CONTAINERS = {"h264": "mp4", "hevc": "mp4", "vp8": "webm"}
_ROUNDING_S = 1e-6
_SLOWEST_S = 1000  # MP4 has 32 bits for how long a picture lasts


@dataclass(frozen=True, eq=False)
class CutPoints:
    """Facts of the packets of the main video stream.

    Attributes
    ----------
    starts, ends : int64 [.]
        Ordinals of the frames at which a copy may begin, and before which it may end, increasing; the number of frames
        is among ``ends``.
    doubt : str
        Why no packet of this file can be copied; empty if some can.
    pts : int64 [N]
        PTS in the order of decoding, in units of ``time_base``.
    time_base : Fraction
        Seconds per unit.
    container : str
        FFmpeg's name of the format that copies are written in.
    pixel_shape : Fraction or None
        Width of a pixel over its height, where it is stated.
    video_bytes : int
        Of all packets.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    doubt: str
    pts: NDArray[np.int64]
    time_base: Fraction
    container: str
    pixel_shape: Fraction | None
    video_bytes: int


@dataclass(frozen=True)
class Cut:
    """One part of a video to be written: frames ``first`` to ``end``, half-open, copied or encoded, and why."""

    first: int
    end: int
    copied: bool
    reason: str


def packets_with_data(container: Any, stream: Any, path: VideoPath) -> Iterator[Any]:
    """Yield the packets of ``stream`` that hold something, in the order of decoding; `VideoError` where that ends."""
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except _READ_ERRORS as error:
        refuse_memory_error(error)
        raise VideoError(path, f"reading its packets stops early ({type(error).__name__})") from error


def read_cut_points(path: VideoPath, read: Pass) -> CutPoints:
    """Return where ``path`` can be cut, from its packets alone.

    A copy may begin at a key picture before which exactly those are decoded that are shown before it, and across which
    nothing refers back: an instantaneous refresh of H.264, a random access picture of HEVC without leading pictures
    (H.265, 7.4.2.2), a key frame of VP8 (RFC 6386, 9.7). It may end where the packets so far are the frames so far.

    Parameters
    ----------
    path : str or Path
    read : Pass
        The pass over the same file: what packets promise must be what was decoded.

    Raises
    ------
    VideoError
    """
    nowhere = np.zeros(0, dtype=np.int64)
    if isinstance(video := as_video(path), FrameFolder):
        if video.time_base > _SLOWEST_S:
            raise VideoError(path, f"key clips show at least a picture in {_SLOWEST_S} s; give a larger fps")
        return CutPoints(
            nowhere, nowhere, "pictures of a folder are encoded", nowhere, video.time_base, "", None, video.stamp()[0]
        )
    pts: list[int | None] = []
    keys: list[bool] = []
    size, doubt = 0, ""
    with open_container(video) as container:
        stream = video_stream(container, video)
        codec = stream.codec_context.codec.canonical_name
        time_base, pixel_shape = Fraction(stream.time_base or 1), stream.sample_aspect_ratio or None
        try:
            for packet in packets_with_data(container, stream, video):
                pts.append(packet.pts)
                keys.append(packet.is_keyframe)
                size += packet.size
        except VideoError as error:
            doubt = error.reason
    table = scan_packets(video)
    doubt = doubt or table.reason
    if not doubt and codec not in CONTAINERS:
        doubt = f"codec {codec} is not copied"
    if not doubt and not (read.seekable and np.array_equal(table.pts, read.pts)):
        doubt = "decoding does not give the frames that the packets promise"
    facts = (time_base, CONTAINERS.get(codec, ""), pixel_shape, size)
    if doubt:
        return CutPoints(nowhere, nowhere, doubt, nowhere, *facts)
    decoded = np.array(pts, dtype=np.int64)
    ordinals = np.searchsorted(table.pts, decoded)
    places = np.arange(len(ordinals))  # in the order of decoding
    clean = np.append(True, np.maximum.accumulate(ordinals) == places)
    starts = np.flatnonzero(clean[:-1] & (ordinals == places) & np.array(keys, dtype=bool))
    return CutPoints(starts, np.flatnonzero(clean), "", decoded, *facts)


def plan_cuts(
    spans: Sequence[tuple[int, int]], points: CutPoints, times: NDArray[np.float64], snap_s: float
) -> list[Cut]:
    """Return what is to be written for each of ``spans``.

    Parameters
    ----------
    spans : sequence of (int, int)
        Half-open ranges of ordinals, in order, without overlap.
    points : CutPoints
    times : float64 [N]
        PTS of every frame in seconds.
    snap_s : float
        A part is widened by at most this much at either end, never into its neighbours, where it can be copied then.
    """
    cuts: list[Cut] = []
    for i, (first, end) in enumerate(spans):
        low = cuts[-1].end if cuts else 0
        high = spans[i + 1][0] if i + 1 < len(spans) else len(times)
        cuts.append(_cut(first, end, low, high, points, times, snap_s))
    return cuts


def _cut(
    first: int, end: int, low: int, high: int, points: CutPoints, times: NDArray[np.float64], snap_s: float
) -> Cut:
    if points.doubt:
        return Cut(first, end, False, points.doubt)
    start = int(points.starts[np.searchsorted(points.starts, first, side="right") - 1])
    stop = int(points.ends[np.searchsorted(points.ends, end)])
    earlier_s, later_s = float(times[first] - times[start]), float(times[stop - 1] - times[end - 1])
    refused = ""
    if earlier_s > snap_s + _ROUNDING_S:
        refused = f"the key picture before it is {earlier_s:.2f} s earlier"
    elif start < low:
        refused = "the key picture before it belongs to the clip before"
    elif later_s > snap_s + _ROUNDING_S:
        refused = f"packets can be cut only {later_s:.2f} s after its end"
    elif stop > high:
        refused = "packets can be cut only inside the clip after"
    if refused:
        return Cut(first, end, False, refused)
    begins = f"begins {earlier_s:.2f} s earlier, at a key picture" if start < first else "begins at a key picture"
    ends = f"ends {later_s:.2f} s later, where packets can be cut" if stop > end else "ends where packets can be cut"
    return Cut(start, stop, True, f"{begins}, {ends}")
