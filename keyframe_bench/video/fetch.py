"""Fetching chosen frames: by seeking where the result agrees with the pass, else by decoding from the start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ..core.errors import VideoError
from .container import READ_ERRORS, is_empty
from .decode import VideoReader
from .folder_reader import read_pictures
from .frame import Frame, checksum, is_mirrored
from .frame_folder import FrameFolder, VideoPath, as_video, file_stamp
from .onepass import Pass


def fetch_frames(path: VideoPath, ordinals: Iterable[int], read: Pass) -> Iterator[Frame]:
    """Yield the frames with the given ordinals, in order; those that the pass kept are not decoded again.

    Seeks to the key frame before each requested frame when PTS identify the frames of an undamaged file and that
    decodes clearly fewer frames than going through the file. Where decoding does not begin at that very key frame, or a
    frame on the way differs in PTS or checksum from the pass, the rest is decoded from the start. After a pass over
    packets there are no checksums: such packets are proved to refer to nothing before a key frame. Raises `VideoError`
    when the file changed since, or a frame does not decode.
    """
    if file_stamp(path) != read.stamp:
        raise VideoError(path, "the file changed since it was read")
    wanted = sorted({int(n) for n in ordinals})
    if isinstance(video := as_video(path), FrameFolder):
        yield from read_pictures(video, wanted, read.pts, read.checksums)
        return
    if read.frames.keys() >= set(wanted):
        for n in wanted:
            raw, mirrored = read.frames[n]
            yield Frame(raw, n, float(read.times[n]), mirrored=mirrored)
        return
    groups = _by_key_frame(wanted, read.keys)
    cost = sum(group[-1] - key + 1 for key, group in groups)
    if read.seekable and cost < 0.6 * len(read.pts):
        for frame in _by_seeking(video, groups, read):
            yield frame
            wanted.pop(0)
    if wanted:
        yield from _by_decoding(video, wanted, read)


def _by_key_frame(wanted: list[int], keys: NDArray[np.bool_]) -> list[tuple[int, list[int]]]:
    """Group the wanted ordinals by the key frame they are decoded from (the first frame where there is none)."""
    starts = np.append(0, np.flatnonzero(keys))
    groups: dict[int, list[int]] = {}
    for ordinal in wanted:
        groups.setdefault(int(starts[np.searchsorted(starts, ordinal, side="right") - 1]), []).append(ordinal)
    return list(groups.items())


def _by_seeking(path: str | Path, groups: list[tuple[int, list[int]]], read: Pass) -> Iterator[Frame]:
    """Yield frames in order until one is not proved to be that of the pass; the caller goes on by decoding."""
    with VideoReader(path) as reader:
        if read.health.from_packets:  # what stands in for damaged parts depends on what was decoded before
            reader.stream.codec_context.options = {"err_detect": "explode"}
        mirrored: bool | None = None
        try:
            for key, group in groups:
                for ordinal, raw in enumerate(_frames_from(reader, int(read.pts[key])), start=key):
                    mirrored = is_mirrored(raw) if mirrored is None else mirrored
                    frame = Frame(raw, ordinal, float(read.times[ordinal]), mirrored=mirrored)
                    if not _agrees(frame, read):
                        return
                    if ordinal in group:
                        yield frame
                    if ordinal == group[-1]:
                        break
                else:
                    return
        except READ_ERRORS:
            return


def _agrees(frame: Frame, read: Pass) -> bool:
    """Say whether a frame is, by all that the pass knows, the one of its ordinal."""
    raw, n = frame.raw, frame.ordinal
    if raw.pts != read.pts[n] or raw.is_corrupt or (read.keys[n] and not frame.key_frame):
        return False
    return read.health.from_packets or checksum(frame) == int(read.checksums[n])


def _frames_from(reader: VideoReader, key_pts: int) -> Iterator[av.VideoFrame]:
    """Yield what is decoded from a key frame on and not shown before it: that may refer to frames before it."""
    for packet in _packets_from(reader, key_pts):
        if not is_empty(packet):
            yield from (raw for raw in packet.decode() if raw.pts is None or raw.pts >= key_pts)


def _packets_from(reader: VideoReader, key_pts: int) -> Iterator[av.Packet[av.VideoStream]]:
    """Yield the packets from that of a key frame on; none where seeking does not lead to it."""
    second = round(1 / (reader.stream.time_base or 1))
    for early in (0, second):  # some containers are sought by the time of decoding, and without regard to key frames
        reader.container.seek(key_pts - early, stream=reader.stream)
        found = False
        for packet in reader.container.demux(reader.stream):
            found = found or (packet.pts == key_pts and packet.is_keyframe)
            if found:
                yield packet
            elif not early or packet.dts is None or packet.dts > key_pts:
                break
        if found:
            return


def _by_decoding(path: str | Path, wanted: list[int], read: Pass) -> Iterator[Frame]:
    """Yield frames by their ordinals, or by their PTS where these come from packets: one of them may not decode."""
    by_pts = read.health.from_packets
    missing = {int(read.pts[n]) if by_pts else n: n for n in wanted}
    with VideoReader(path) as reader:
        for frame in reader:
            name = frame.raw.pts if by_pts else frame.ordinal
            if name in missing:
                frame.ordinal = missing.pop(name)
                yield frame
            if not missing:
                return
    raise VideoError(path, f"frame {min(missing.values())} does not decode")
