"""One pass over a file: every requested feature on every requested sampling, from one decode."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, VideoInfo
from ..core.errors import VideoError, memory_errors_named
from ..core.feature import Feature, opens_file
from ..core.grammar import Sampling
from .decode import Reader
from .feature_pass import ColumnId, FeaturePass, PacketFrame, Progress, column_id, parse_requests
from .folder_reader import open_video
from .frame import checksum
from .frame_folder import FrameFolder, VideoPath, as_video, check_video, file_stamp, sha256_of_video, video_name
from .health import Health
from .packets import PacketTable, scan_packets
from .prefetch import Prefetch

__all__ = ["Pass", "Progress", "read_pass"]


class Rows(NamedTuple):
    """One column of a pass: ordinals int64 [N], rows [N, ...] (or [W, ...] of windows), seconds they took."""

    ordinals: NDArray[np.int64]
    rows: NDArray[Any]
    seconds: float


@dataclass
class Pass:
    """What one pass over a video gave.

    Attributes
    ----------
    info : VideoInfo
    health : Health
    times : float64 [N]
        PTS of every frame, seconds.
    pts : int64 [N]
        The same in the stream's time base.
    keys : bool [N]
        Key flag of every frame.
    seekable : bool
        Whether PTS identify frames, so that images may be sought.
    checksums : uint32 [N]
        Of every image, by `checksum`; 0 after a pass over packets.
    grids : dict
        `Sampling` to ordinals, int64; see `grid`.
    decode_s, peak_mb : float
        Seconds spent waiting for the decoder; highest anonymous memory of the process seen.
    stamp : tuple of int
        Size and modification time of the file, by `file_stamp`.
    path : str
        The file, absolute.
    """

    info: VideoInfo
    health: Health
    times: NDArray[np.float64]
    pts: NDArray[np.int64]
    keys: NDArray[np.bool_]
    seekable: bool
    checksums: NDArray[np.uint32]
    decode_s: float
    peak_mb: float
    grids: dict[Sampling, NDArray[np.int64]] = field(default_factory=dict)
    columns: dict[ColumnId, Rows] = field(default_factory=dict)
    stamp: tuple[int, int] = (0, 0)
    path: str = ""

    def grid(self, sampling: Sampling | str) -> NDArray[np.int64]:
        """Return the ordinals of a sampling that was requested, int64 [n]."""
        return self.grids[Sampling.parse(sampling)]

    def clip(
        self, sampling: Sampling | str, features: Iterable[Feature] = (), annotation: Annotation | None = None
    ) -> Clip:
        """Return the clip of one sampling with the rows of ``features`` (all requested before)."""
        sampling = Sampling.parse(sampling)
        grid = self.grids[sampling]
        columns, spans = {}, {}
        for feature in features:
            if feature.window is not None:
                spans[feature.key] = feature.windows(len(grid))
            if feature.source == "file":
                columns[feature.key] = np.broadcast_to(np.array(self.path), len(grid))
                continue
            ordinals, rows, _ = self.columns[column_id(feature, sampling)]
            same = len(ordinals) == len(grid)
            columns[feature.key] = rows if same else rows[np.searchsorted(ordinals, grid)]
        for rows in columns.values():
            rows.flags.writeable = False
        return Clip(self.info, grid, self.times[grid], columns, annotation, spans)

    def cost(self, sampling: Sampling | str, features: Iterable[Feature]) -> dict[str, float]:
        """Return ``decode_s, features_s, peak_mb`` as if only ``features`` had been asked for.

        A black box that opens the file itself pays for its own decoding while it selects. What else it needs only finds
        its answer among the frames: neither is charged to it here.
        """
        sampling, wanted = Sampling.parse(sampling), list(features)
        if opens_file(wanted):
            return {"decode_s": 0.0, "features_s": 0.0, "peak_mb": self.peak_mb}
        n, spent = len(self.grids[sampling]), 0.0
        for feature in wanted:
            column = self.columns[column_id(feature, sampling)]
            spent += column.seconds * n / len(column.ordinals)  # others may have asked for more frames
        return {"decode_s": self.decode_s, "features_s": spent, "peak_mb": self.peak_mb}


@memory_errors_named()
def read_pass(
    path: VideoPath,
    requests: Mapping[Any, Iterable[Feature]],
    *,
    name: str | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
    limit: int | None = None,
) -> Pass:
    """Decode ``path`` once and compute all features.

    When nothing that was asked for needs pixels and the packets prove frame identity, nothing is decoded at all.
    The decoder runs ahead of the features in a thread of its own, as far as a bounded queue lets it (`Prefetch`).

    Parameters
    ----------
    path : str, Path or FrameFolder
    requests : mapping
        `Sampling` or its text ("2fps", "every") to the features wanted on it (may be none: the grid alone).
    name, sha256 : str, optional
        The video's name in tables (default: its file name) and hash (default: computed).
    progress : callable, optional
        Called with the PTS reached, in seconds.
    limit : int, optional
        Stop after so many frames: a probe.

    Returns
    -------
    Pass

    Raises
    ------
    VideoError
        When the file gives no frame, or changes while it is read.
    UnavailableError
        When a feature opens the file itself, and it is a folder of images.
    OutputError
        When features must be kept on disk and it is full.
    """
    wanted = parse_requests(requests)
    features = [feature for of_sampling in wanted.values() for feature in of_sampling]
    check_video(path, features)
    stamp, sha256 = file_stamp(path), sha256 or sha256_of_video(path)
    feature_pass = FeaturePass(wanted, progress)
    needs_pixels = any(feature.source == "frames" for feature in features)
    found = None if needs_pixels else _read_packets(path, feature_pass)
    source, checksums, decode_s = found or _read_frames(path, feature_pass, limit)
    feature_pass.finish()
    times, health = source.times, source.health
    facts = (len(times), float(times[0]), health.decoded_duration_s, source.width, source.height, health.rotation)
    done = Pass(
        VideoInfo(name or video_name(path), *facts, sha256=sha256),
        *(health, times, source.pts, source.keys, source.seekable, checksums, decode_s, feature_pass.peak_mb),
        grids={sampling: np.array(ordinals, dtype=np.int64) for sampling, ordinals in feature_pass.grids.items()},
        columns={
            id_: Rows(np.array(one.ordinals, dtype=np.int64), one.buffer.finish(), one.seconds)
            for id_, one in feature_pass.collectors.items()
        },
        stamp=file_stamp(path),
        path=str(as_video(path).absolute()),
    )
    if done.stamp != stamp:
        raise VideoError(path, "the file changed while it was read")
    return done


_Read = tuple[Reader | PacketTable, NDArray[np.uint32], float]  # source of the facts, checksums, seconds of decoding


def _read_packets(path: VideoPath, feature_pass: FeaturePass) -> _Read | None:
    """Go through the packets alone; None where they do not prove frame identity."""
    if isinstance(as_video(path), FrameFolder):
        return None
    start = time.perf_counter()
    table = scan_packets(path)
    if not table.trusted:
        return None
    scan_s = time.perf_counter() - start
    for ordinal, (seconds, key) in enumerate(zip(table.times.tolist(), table.keys.tolist(), strict=True)):
        feature_pass.take(PacketFrame(ordinal, seconds, key, table.width, table.height))
    return table, np.zeros(len(table), dtype=np.uint32), scan_s


def _read_frames(path: VideoPath, feature_pass: FeaturePass, limit: int | None) -> _Read:
    checksums = array("L")
    with open_video(path, feature_pass.meter) as reader:
        with Prefetch(reader, limit) as frames:
            for frame in frames:
                checksums.append(checksum(frame))
                feature_pass.take(frame)
        if len(reader.times) == limit:  # else the reader has come to its end and judged
            reader.health.judge_times(reader.times, reader.frame_s)
    return reader, np.array(checksums, dtype=np.uint32), frames.decode_s
