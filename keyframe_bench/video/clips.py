"""Parts of a video as files of their own: copied packet by packet where the cut points allow, else encoded again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..core.errors import OutputError, VideoError, raise_out_of_memory
from ..core.files import make_folder
from .container import READ_ERRORS, open_stream, refuse_memory_error
from .encode import transcode, write_error_text
from .fetch import fetch_frames
from .frame_folder import FrameFolder, VideoPath, as_video, file_stamp
from .onepass import Pass
from .packets import scan_packets

# Codecs whose packets can be proved to be one shown frame each, and the container of their copies.
_CONTAINERS = {"h264": "mp4", "hevc": "mp4", "vp8": "webm"}
_ROUNDING_S = 1e-6
_SLOWEST_S = 1000  # MP4 has 32 bits for how long a picture lasts


@dataclass(frozen=True)
class ClipFile:
    """One part of a video, planned or written."""

    name: str  # file name: ``clip_001.mp4``; copies of VP8 are ``.webm``
    # Its frames, as a half-open range of the source's ordinals; wider than asked for where packets were copied
    first: int
    end: int
    copied: bool  # true for the source's own packets, False for pictures that were encoded again (H.264)
    reason: str  # why the one or the other
    bytes: int = 0  # size of the file


def write_clips(
    path: VideoPath, spans: Sequence[tuple[int, int]], folder: str | Path, read: Pass, *, snap_s: float
) -> tuple[list[ClipFile], int]:
    """Write parts of a video to files in ``folder``, in which some may be left when anything fails.

    Each file holds exactly the frames promised, at the distances in time that they have in the source, with the
    source's rotation, mirroring, pixel shape and colour description, and the video stream alone: no sound. Frames that
    cannot be copied are encoded as H.264 in MP4 (`transcode`); times that repeat or step back are then moved to one
    unit of time after the frame before. One image is held at a time. Raises `VideoError` when the file changed since it
    was read, or cannot be read any more; `OutputError` when the folder cannot be written.

    Parameters
    ----------
    path : str or Path
    spans : sequence of (int, int)
        Half-open ranges of ordinals, none empty, in order, without overlap.
    folder : str or Path
        It is made; there must be no files of these names in it.
    read : Pass
        The pass over the same file.
    snap_s : float
        A part may be widened by up to so many seconds at either end so that it can be copied; 0: exactly the spans.

    Returns
    -------
    list of ClipFile
        One for each span.
    int
        Bytes of the source's video packets.
    """
    if file_stamp(path) != read.stamp:
        raise VideoError(path, "the file changed since it was read")
    points = _cut_points(path, read)
    planned = _plan(spans, points, read.times, snap_s)
    target = Path(folder)
    if spans:
        make_folder(target)
    files = _write_copies(path, planned, spans, points, read, target)
    _write_encoded(path, files, points, read, target)
    return [replace(file, bytes=(target / file.name).stat().st_size) for file in files], points.video_bytes


@dataclass(frozen=True, eq=False)
class _CutPoints:
    """Facts of the packets of the main video stream."""

    doubt: str  # why no packet of this file can be copied; empty if some can
    time_base: Fraction  # seconds per unit of ``pts``
    container: str  # FFmpeg's name of the format that copies are written in
    pixel_shape: Fraction | None  # width of a pixel over its height, where it is stated
    video_bytes: int  # of all packets
    # Ordinals of the frames at which a copy may begin, and before which it may end, increasing; the number of frames is
    # among ``ends``
    starts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    ends: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    pts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # PTS in the order of decoding


def _cut_points(path: VideoPath, read: Pass) -> _CutPoints:
    """Return where ``path`` can be cut, from its packets alone.

    A copy may begin at a key picture before which exactly those are decoded that are shown before it, and across which
    nothing refers back: an instantaneous refresh of H.264, a random access picture of HEVC without leading pictures
    (H.265, 7.4.2.2), a key frame of VP8 (RFC 6386, 9.7). It may end where the packets so far are the frames so far.
    """
    if isinstance(video := as_video(path), FrameFolder):
        if video.time_base > _SLOWEST_S:
            raise VideoError(path, f"key clips show at least one image in {_SLOWEST_S} s; give a larger fps")
        return _CutPoints("images of a folder are encoded", video.time_base, "", None, video.stamp()[0])
    table = scan_packets(video)
    doubt = table.reason
    if not doubt and not (read.seekable and np.array_equal(table.pts, read.pts)):
        doubt = "decoding does not give the frames that the packets promise"
    points = _CutPoints(doubt, table.time_base, _CONTAINERS.get(table.codec, ""), table.pixel_shape, table.n_bytes)
    if doubt:
        return points
    places = np.arange(len(table))  # in the order of decoding
    clean = np.append(True, np.maximum.accumulate(table.order) == places)
    starts = np.flatnonzero(clean[:-1] & (table.order == places) & table.keys[table.order])
    return replace(points, starts=starts, ends=np.flatnonzero(clean), pts=table.pts[table.order])


def _plan(
    spans: Sequence[tuple[int, int]], points: _CutPoints, times: NDArray[np.float64], snap_s: float
) -> list[ClipFile]:
    """Return what is to be written: a part is widened if it can be copied then, but never into its neighbours."""
    files: list[ClipFile] = []
    digits = max(3, len(str(len(spans))))
    for n, (first, end) in enumerate(spans, start=1):
        room = (files[-1].end if files else 0, spans[n][0] if n < len(spans) else len(times))
        start, stop, copied, reason = _cut(first, end, room, points, times, snap_s)
        name = f"clip_{n:0{digits}d}.{points.container if copied else 'mp4'}"
        files.append(ClipFile(name, start, stop, copied, reason))
    return files


def _cut(
    first: int, end: int, room: tuple[int, int], points: _CutPoints, times: NDArray[np.float64], snap_s: float
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


def _write_copies(
    path: VideoPath,
    planned: list[ClipFile],
    spans: Sequence[tuple[int, int]],
    points: _CutPoints,
    read: Pass,
    folder: Path,
) -> list[ClipFile]:
    """Copy what can be copied; return the plan, with those to be encoded whose copy does not read as promised."""
    if not any(file.copied for file in planned):
        return planned
    files, at = [], 0
    source, stream = open_stream(path)
    with source:
        packets = _packets(path, source, stream)
        for file, span in zip(planned, spans, strict=True):
            if file.copied:
                part, pts = islice(packets, file.first - at, file.end - at), points.pts[file.first : file.end]
                at, target = file.end, folder / file.name
                copy = partial(_copy, stream=stream, packets=part, pts=pts, pixel_shape=points.pixel_shape)
                _write(target, points.container, copy)
                if not _as_promised(target, file, read):
                    target.unlink()
                    reason = "its packets, when copied, do not read as the same frames"
                    files.append(ClipFile(target.with_suffix(".mp4").name, *span, False, reason))
                    continue
            files.append(file)
    return files


def _packets(path: VideoPath, source: Any, stream: Any) -> Iterator[Any]:
    try:
        yield from (packet for packet in source.demux(stream) if packet.size)
    except READ_ERRORS as error:
        refuse_memory_error(error)
        raise VideoError(path, "reading its packets stops early") from error


def _copy(out: Any, stream: Any, packets: Iterator[Any], pts: NDArray[np.int64], pixel_shape: Fraction | None) -> None:
    """Copy packets with the given PTS, all in the order of decoding."""
    shown = np.sort(pts)
    # Times of decoding as late as they may be: not all containers state them, and those after a cut need a new origin.
    decoded = shown - (shown - pts).max()
    copy = out.add_stream_from_template(stream)
    if pixel_shape is not None:  # the container's word, which the template leaves out
        copy.codec_context.sample_aspect_ratio = pixel_shape
    for packet, shown_at, decoded_at in zip(packets, pts - shown[0], decoded - shown[0], strict=True):
        packet.stream = copy
        packet.pts, packet.dts = int(shown_at), int(decoded_at)
        out.mux(packet)


def _as_promised(path: Path, file: ClipFile, read: Pass) -> bool:
    """Say whether the packets of a copy are those frames, and a decoder will give each of them."""
    try:
        table = scan_packets(path)
    except VideoError as error:
        raise_out_of_memory(error)
        return False
    shape = (table.height, table.width, table.health.rotation)
    if not table.trusted or len(table) != file.end - file.first:
        return False
    times = read.times[file.first : file.end]
    same = np.allclose(table.times - table.times[0], times - times[0], rtol=0, atol=1e-6)
    return same and shape == (read.info.height, read.info.width, read.info.rotation)


def _write_encoded(path: VideoPath, files: Sequence[ClipFile], points: _CutPoints, read: Pass, folder: Path) -> None:
    encoded = [file for file in files if not file.copied]
    frames = fetch_frames(path, (n for file in encoded for n in range(file.first, file.end)), read)
    facts: dict[str, Any] = {"time_base": points.time_base, "fps": read.info.fps, "pixel_shape": points.pixel_shape}
    for file in encoded:
        part, stamps = islice(frames, file.end - file.first), _stamps(read.pts[file.first : file.end])
        _write(folder / file.name, "mp4", partial(transcode, frames=part, stamps=stamps, **facts))


def _stamps(pts: NDArray[np.int64]) -> list[int]:
    """Return PTS from 0 that increase strictly: an encoder takes no others."""
    places = np.arange(len(pts))
    stamps: list[int] = (np.maximum.accumulate(pts - pts[0] - places) + places).tolist()
    return stamps


def _write(path: Path, container: str, fill: Callable[[Any], None]) -> None:
    """Make the file ``path``, let ``fill`` put its packets into it, and close it; `OutputError` names its folder."""
    try:
        # A file object keeps FFmpeg from reading protocols into names.
        with open(path, "xb") as file, av.open(file, "w", format=container) as out:
            fill(out)
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(path.parent, write_error_text(error)) from error
