"""Parts of a video as files of their own: copied packet by packet where the cut points allow, else encoded again."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import OutputError, VideoError, raise_out_of_memory
from ..core.files import make_hidden_folder
from .cut_points import Cut, CutPoints, packets_with_data, plan_cuts, read_cut_points
from .decode import open_container, video_stream
from .encode import _reason
from .frame_folder import VideoPath
from .onepass import Pass
from .opening import file_stamp
from .packets import scan_packets
from .pictures import fetch_pictures
from .transcode import transcode


@dataclass(frozen=True)
class ClipFile:
    """One part that was written.

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
    bytes: int


def write_clips(
    path: VideoPath, spans: Sequence[tuple[int, int]], folder: str | Path, read: Pass, *, snap_s: float
) -> tuple[list[ClipFile], int]:
    """Write parts of a video to files in ``folder``: all of them, or none when anything fails (but a kill).

    Each file holds exactly the frames promised, at the distances in time that they have in the source, with the
    source's rotation, mirroring, pixel shape and colour description, and the video stream alone: no sound. Frames
    that cannot be copied are encoded as H.264 in MP4 (`transcode`); times that repeat or step back are then moved to
    one unit of time after the frame before. One picture is held at a time.

    Parameters
    ----------
    path : str or Path
    spans : sequence of (int, int)
        Half-open ranges of ordinals, none empty, in order, without overlap.
    folder : str or Path
        It is made; files of the same names in it are replaced.
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

    Raises
    ------
    VideoError
        When the file changed since it was read, or cannot be read any more.
    OutputError
        When the folder cannot be written; it is then left as it was before.
    """
    if file_stamp(path) != read.stamp:
        raise VideoError(path, "the file changed since it was read")
    points = read_cut_points(path, read)
    cuts = plan_cuts(spans, points, read.times, snap_s)
    target = Path(folder)
    is_new = not target.exists()
    hidden = make_hidden_folder(target)
    try:
        cuts = _copied(path, cuts, spans, points, read, hidden)
        _encode(path, cuts, points, read, hidden)
        files = [
            ClipFile(name, cut.first, cut.end, cut.copied, cut.reason, (hidden / name).stat().st_size)
            for name, cut in zip(_names(cuts, points), cuts, strict=True)
        ]
        _publish([file.name for file in files], hidden, target)
    except OSError as error:
        raise OutputError(target, _reason(error)) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        if is_new:
            with suppress(OSError):  # it is not empty
                target.rmdir()
    return files, points.video_bytes


def _publish(names: Sequence[str], hidden: Path, target: Path) -> None:
    """Move files from ``hidden`` to ``target``; when one cannot be moved, what was there before is put back."""
    for name in names:
        if (target / name).is_dir():
            raise IsADirectoryError(errno.EISDIR, f"there is a folder {name!r} in it")
    moved = []
    try:
        for name in names:
            with suppress(FileNotFoundError):
                (target / name).rename(hidden / f"before_{name}")
            moved.append(name)
            os.replace(hidden / name, target / name)
    except BaseException:
        for name in moved:
            with suppress(OSError):
                (target / name).unlink(missing_ok=True)
                (hidden / f"before_{name}").rename(target / name)
        raise


def _names(cuts: Sequence[Cut], points: CutPoints) -> list[str]:
    digits = max(3, len(str(len(cuts))))
    return [f"clip_{n:0{digits}d}.{points.container if c.copied else 'mp4'}" for n, c in enumerate(cuts, start=1)]


def _copied(
    path: VideoPath,
    cuts: list[Cut],
    spans: Sequence[tuple[int, int]],
    points: CutPoints,
    read: Pass,
    folder: Path,
) -> list[Cut]:
    """Copy what can be copied; return the cuts, with those to be encoded whose copy does not read as promised."""
    if not any(cut.copied for cut in cuts):
        return cuts
    done, at = [], 0
    with open_container(path) as source:
        stream = video_stream(source, path)
        packets = packets_with_data(source, stream, path)
        for cut, span, name in zip(cuts, spans, _names(cuts, points), strict=True):
            if not cut.copied:
                done.append(cut)
                continue
            part = islice(packets, cut.first - at, cut.end - at)
            at = cut.end
            pts = points.pts[cut.first : cut.end]
            copy = partial(_copy, stream=stream, packets=part, pts=pts, pixel_shape=points.pixel_shape)
            _write(folder / name, points.container, copy)
            if _as_promised(folder / name, cut, read):
                done.append(cut)
            else:
                (folder / name).unlink()
                done.append(Cut(*span, False, "its packets, when copied, do not read as the same frames"))
    return done


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


def _as_promised(path: Path, cut: Cut, read: Pass) -> bool:
    """Say whether the packets of a copy are those frames, and a decoder will give each of them."""
    try:
        table = scan_packets(path)
    except VideoError as error:
        raise_out_of_memory(error)
        return False
    shape = (table.height, table.width, table.rotation)
    if not table.trusted or len(table) != cut.end - cut.first:
        return False
    times = read.times[cut.first : cut.end]
    same = np.allclose(table.times - table.times[0], times - times[0], rtol=0, atol=1e-6)
    return same and shape == (read.info.height, read.info.width, read.info.rotation)


def _encode(path: VideoPath, cuts: Sequence[Cut], points: CutPoints, read: Pass, folder: Path) -> None:
    parts = [(cut, name) for cut, name in zip(cuts, _names(cuts, points), strict=True) if not cut.copied]
    frames = fetch_pictures(path, (n for cut, _ in parts for n in range(cut.first, cut.end)), read)
    for cut, name in parts:
        encode = partial(
            transcode,
            frames=islice(frames, cut.end - cut.first),
            stamps=_stamps(read.pts[cut.first : cut.end]),
            time_base=points.time_base,
            fps=read.info.fps,
            pixel_shape=points.pixel_shape,
        )
        _write(folder / name, "mp4", encode)


def _stamps(pts: NDArray[np.int64]) -> list[int]:
    """Return PTS from 0 that increase strictly: an encoder takes no others."""
    places = np.arange(len(pts))
    stamps: list[int] = (np.maximum.accumulate(pts - pts[0] - places) + places).tolist()
    return stamps


def _write(path: Path, container: str, fill: Callable[[Any], None]) -> None:
    """Make the file ``path``, let ``fill`` put its packets into it, and close it; `OutputError` names its folder."""
    import av

    try:
        # A file object keeps FFmpeg from reading protocols into names.
        with open(path, "xb") as file, av.open(file, "w", format=container) as out:
            fill(out)
    except (OSError, av.error.FFmpegError) as error:
        raise OutputError(path.parent.parent, _reason(error)) from error
