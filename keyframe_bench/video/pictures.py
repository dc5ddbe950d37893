"""Pictures of chosen frames: sought by exact PTS where that is safe, else by decoding from the start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import av.error
import numpy as np
from numpy.typing import NDArray

from ..core.errors import VideoError
from .decode import VideoReader, open_container, video_stream
from .frame import Frame, is_mirrored
from .onepass import Pass, file_stamp


def fetch_pictures(path: str | Path, ordinals: Iterable[int], read: Pass) -> Iterator[Frame]:
    """Yield the frames with the given ordinals, in order.

    Seeks to the key frame before each wanted PTS when a PTS names one frame of an undamaged file and that decodes
    clearly fewer frames than going through the file; a frame not met at its exact PTS is fetched by decoding.

    Parameters
    ----------
    path : str or Path
    ordinals : iterable of int
        Wanted frames, in any order.
    read : Pass
        The pass over the same file.

    Raises
    ------
    VideoError
        When the file changed since, or a frame that decoded before cannot be had now.
    """
    if file_stamp(path) != read.stamp:
        raise VideoError(path, "the file changed since it was read")
    wanted = sorted({int(n) for n in ordinals})
    groups = _by_key_frame(wanted, read.keys)
    cost = sum(group[-1] - key + 1 for key, group in groups)
    if read.seekable and cost < 0.6 * len(read.pts):
        for frame in _by_seeking(path, groups, read):
            yield frame
            wanted.pop(0)
    if wanted:
        yield from _by_decoding(path, wanted)


def _by_key_frame(wanted: list[int], keys: NDArray[np.bool_]) -> list[tuple[int, list[int]]]:
    """Group the wanted ordinals by the key frame they are decoded from."""
    starts = np.flatnonzero(keys)
    groups: dict[int, list[int]] = {}
    for ordinal in wanted:
        before = int(np.searchsorted(starts, ordinal, side="right")) - 1
        groups.setdefault(int(starts[before]) if before >= 0 else 0, []).append(ordinal)
    return list(groups.items())


def _by_seeking(path: str | Path, groups: list[tuple[int, list[int]]], read: Pass) -> Iterator[Frame]:
    """Yield frames in order until one is not met at its exact PTS; the caller goes on by decoding."""
    container = open_container(path)
    try:
        stream = video_stream(container, path)
        stream.thread_type = "AUTO"
        mirrored: bool | None = None
        for _, group in groups:
            container.seek(int(read.pts[group[0]]), stream=stream, backward=True, any_frame=False)
            frames = container.decode(stream)
            for ordinal in group:
                target = int(read.pts[ordinal])
                raw = next((f for f in frames if f.pts is None or f.pts >= target), None)
                if raw is None or raw.pts != target or raw.is_corrupt:
                    return
                mirrored = is_mirrored(raw) if mirrored is None else mirrored
                yield Frame(raw, ordinal, float(read.times[ordinal]), mirrored=mirrored)
    except (av.error.FFmpegError, ValueError):
        return
    finally:
        container.close()


def _by_decoding(path: str | Path, wanted: list[int]) -> Iterator[Frame]:
    missing = set(wanted)
    with VideoReader(path) as reader:
        for frame in reader:
            if frame.ordinal in missing:
                missing.discard(frame.ordinal)
                yield frame
            if not missing:
                return
    raise VideoError(path, f"frame {min(missing)} is gone; it decoded before")
