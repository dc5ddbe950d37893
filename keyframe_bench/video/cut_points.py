"""Where a video can be cut by copying packets, and which parts are copied or encoded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..core.errors import VideoError
from .frame_folder import FrameFolder, VideoPath, as_video
from .onepass import Pass
from .packets import scan_packets

# Codecs whose packets can be proved to be one shown frame each, and the container of their copies.
_CONTAINERS = {"h264": "mp4", "hevc": "mp4", "vp8": "webm"}
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
class ClipFile:
    """One part of a video, planned or written.

    Attributes
    ----------
    name : str
        File name: ``clip_001.mp4``; copies of VP8 are ``.webm``.
    first, end : int
        Its frames, as a half-open range of the source's ordinals; wider than asked for where packets were copied.
    copied : bool
        True for the source's own packets, False for pictures that were encoded again (H.264).
    reason : str
        Why the one or the other.
    bytes : int
        Size of the file.
    """

    name: str
    first: int
    end: int
    copied: bool
    reason: str
    bytes: int = 0


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
            raise VideoError(path, f"key clips show at least one image in {_SLOWEST_S} s; give a larger fps")
        doubt = "images of a folder are encoded"
        return CutPoints(nowhere, nowhere, doubt, nowhere, video.time_base, "", None, video.stamp()[0])
    table = scan_packets(video)
    doubt = table.reason
    if not doubt and not (read.seekable and np.array_equal(table.pts, read.pts)):
        doubt = "decoding does not give the frames that the packets promise"
    facts = (table.time_base, _CONTAINERS.get(table.codec, ""), table.pixel_shape, table.n_bytes)
    if doubt:
        return CutPoints(nowhere, nowhere, doubt, nowhere, *facts)
    places = np.arange(len(table))  # in the order of decoding
    clean = np.append(True, np.maximum.accumulate(table.order) == places)
    starts = np.flatnonzero(clean[:-1] & (table.order == places) & table.keys[table.order])
    return CutPoints(starts, np.flatnonzero(clean), "", table.pts[table.order], *facts)


def plan_clips(
    spans: Sequence[tuple[int, int]], points: CutPoints, times: NDArray[np.float64], snap_s: float
) -> list[ClipFile]:
    """Return what is to be written for each of ``spans``.

    Parameters
    ----------
    spans : sequence of (int, int)
        Half-open ranges of ordinals, in order, without overlap.
    points : CutPoints
    times : float64 [N]
        PTS of every frame in seconds.
    snap_s : float
        A part is widened by at most this much at either end, never into its neighbours, if it can be copied then.
    """
    files: list[ClipFile] = []
    digits = max(3, len(str(len(spans))))
    for n, (first, end) in enumerate(spans, start=1):
        room = (files[-1].end if files else 0, spans[n][0] if n < len(spans) else len(times))
        start, stop, copied, reason = _cut(first, end, room, points, times, snap_s)
        files.append(
            ClipFile(f"clip_{n:0{digits}d}.{points.container if copied else 'mp4'}", start, stop, copied, reason)
        )
    return files


def _cut(
    first: int, end: int, room: tuple[int, int], points: CutPoints, times: NDArray[np.float64], snap_s: float
) -> tuple[int, int, bool, str]:
    """Return the frames that are written, whether their packets are copied, and why."""
    if points.doubt:
        return first, end, False, points.doubt
    start = int(points.starts[np.searchsorted(points.starts, first, side="right") - 1])
    stop = int(points.ends[np.searchsorted(points.ends, end)])
    earlier_s, later_s = float(times[first] - times[start]), float(times[stop - 1] - times[end - 1])
    refused = ""
    if earlier_s > snap_s + _ROUNDING_S:
        refused = f"the key picture before it is {earlier_s:.2f} s earlier"
    elif start < room[0]:
        refused = "the key picture before it belongs to the clip before"
    elif later_s > snap_s + _ROUNDING_S:
        refused = f"packets can be cut only {later_s:.2f} s after its end"
    elif stop > room[1]:
        refused = "packets can be cut only inside the clip after"
    if refused:
        return first, end, False, refused
    begins = f"begins {earlier_s:.2f} s earlier, at a key picture" if start < first else "begins at a key picture"
    ends = f"ends {later_s:.2f} s later, where packets can be cut" if stop > end else "ends where packets can be cut"
    return start, stop, True, f"{begins}, {ends}"
