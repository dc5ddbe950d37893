"""One pass over a file: every requested feature on every requested sampling, from one decode."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.budget import Sampling
from ..core.clip import Clip, VideoInfo
from ..core.errors import VideoError, memory_errors_named
from ..core.feature import Feature, opens_file
from .ahead import DecodedAhead
from .checksum import checksum
from .collect import Loop, PacketFrame, Progress, column_id
from .frame_folder import VideoPath, as_video
from .health import Health
from .opening import check_tools, check_video, file_stamp, open_video, sha256_of_video, video_name
from .packets import PacketTable, scan_packets

__all__ = ["Pass", "Progress", "file_stamp", "packets_seconds", "read_pass"]


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
        Whether PTS identify frames, so that pictures may be sought.
    checksums : uint32 [N]
        Of every picture, by `checksum`; 0 after a pass over packets.
    grids : dict
        Sampling text to ordinals, int64.
    decode_s, peak_mb : float
        Seconds spent waiting for the decoder; highest anonymous memory of the process seen.
    stamp : tuple of int
        Size and time of change of the file, by `file_stamp`.
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
    grids: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    decode_s: float = 0.0
    peak_mb: float = 0.0
    stamp: tuple[int, int] = (0, 0)
    path: str = ""
    _columns: dict[tuple[str, str], tuple[NDArray[np.int64], NDArray[Any]]] = field(default_factory=dict)
    _seconds: dict[tuple[str, str], float] = field(default_factory=dict)

    def clip(self, sampling: str, features: Iterable[Feature] = (), annotation: Annotation | None = None) -> Clip:
        """Return the clip of one sampling with the rows of ``features`` (all requested before)."""
        grid = self.grids[sampling]
        columns, spans = {}, {}
        for feature in features:
            if feature.window is not None:
                spans[feature.key] = feature.windows(len(grid))
            if feature.source == "file":
                columns[feature.key] = np.broadcast_to(np.array(self.path), len(grid))
                continue
            ordinals, rows = self._columns[column_id(feature, sampling)]
            same = len(ordinals) == len(grid)
            columns[feature.key] = rows if same else rows[np.searchsorted(ordinals, grid)]
        for rows in columns.values():
            rows.flags.writeable = False
        return Clip(self.info, grid, self.times[grid], columns, annotation, spans)

    def cost(self, sampling: str, features: Iterable[Feature]) -> dict[str, float]:
        """Return ``decode_s, features_s, peak_mb`` as if only ``features`` had been asked for.

        A black box that opens the file itself pays for its own decoding while it selects. What else it needs only finds
        its answer among the frames: neither is charged to it here.
        """
        wanted = list(features)
        if opens_file(wanted):
            return {"decode_s": 0.0, "features_s": 0.0, "peak_mb": self.peak_mb}
        n, spent = len(self.grids[sampling]), 0.0
        for feature in wanted:
            name = column_id(feature, sampling)
            spent += self._seconds[name] * n / len(self._columns[name][0])  # others may have asked for more frames
        return {"decode_s": self.decode_s, "features_s": spent, "peak_mb": self.peak_mb}


@memory_errors_named()
def read_pass(
    path: VideoPath,
    requests: Mapping[str, Iterable[Feature]],
    *,
    name: str | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
    limit: int | None = None,
) -> Pass:
    """Decode ``path`` once and compute all features.

    When nothing that was asked for needs pixels and the packets prove frame identity, nothing is decoded at all.
    The decoder runs ahead of the features in a thread of its own, as far as a bounded queue lets it (`DecodedAhead`).

    Parameters
    ----------
    path : str, Path or FrameFolder
    requests : mapping
        Sampling text ("2fps", "every") to the features wanted on it (may be none: the grid alone).
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
        When a feature opens the file itself, and it is a folder of pictures.
    OutputError
        When features must be kept on disk and it is full.
    """
    check_video(path)
    wanted = {str(Sampling.parse(s)): list(dict.fromkeys(f)) for s, f in requests.items()}
    check_tools(path, (feature for features in wanted.values() for feature in features))
    stamp = file_stamp(path)
    info = VideoInfo(name or video_name(path), 0, sha256=sha256 or sha256_of_video(path))
    done = _read(path, wanted, info, progress, limit)
    done.stamp = file_stamp(path)
    done.path = str(as_video(path).absolute())
    if done.stamp != stamp:
        raise VideoError(path, "the file changed while it was read")
    return done


def _read(
    path: VideoPath, wanted: dict[str, list[Feature]], info: VideoInfo, progress: Progress | None, limit: int | None
) -> Pass:
    if all(feature.source != "frames" for features in wanted.values() for feature in features):
        start = time.perf_counter()
        table = scan_packets(path)
        if table.trusted:
            return _pass_from_packets(table, wanted, info, time.perf_counter() - start)
    return _pass_from_frames(path, wanted, info, progress, limit)


def packets_seconds(path: VideoPath) -> float | None:
    """Return what a pass over the packets alone takes, in seconds; None where they do not prove frame identity."""
    start = time.perf_counter()
    return time.perf_counter() - start if scan_packets(path).trusted else None


def _pass_from_frames(
    path: VideoPath, wanted: dict[str, list[Feature]], info: VideoInfo, progress: Progress | None, limit: int | None
) -> Pass:
    loop, checksums = Loop(wanted, progress), array("L")
    with open_video(path, loop.ledger) as reader:
        with DecodedAhead(reader, limit) as frames:
            for frame in frames:
                checksums.append(checksum(frame))
                loop.take(frame)
        if limit is not None and len(reader.times) == limit:  # else the reader has come to its end and judged
            reader.health.judge_times(reader.times, reader.frame_s)
    health, times = reader.health, reader.times
    facts = replace(info, width=reader.width, height=reader.height, rotation=health.rotation)
    facts = _timed(facts, times, health)
    sums = np.array(checksums, dtype=np.uint32)
    done = Pass(facts, health, times, reader.pts, reader.keys, reader.seekable, sums, decode_s=frames.decode_s)
    return _filled(done, loop)


def _pass_from_packets(table: PacketTable, wanted: dict[str, list[Feature]], info: VideoInfo, scan_s: float) -> Pass:
    loop = Loop(wanted)
    for ordinal, (seconds, key) in enumerate(zip(table.times.tolist(), table.keys.tolist(), strict=True)):
        loop.take(PacketFrame(ordinal, seconds, key, table.width, table.height))
    health = Health(
        declared_frames=table.declared_frames,
        declared_duration_s=table.declared_duration_s,
        rotation=table.rotation,
        from_packets=True,
    )
    health.judge_times(table.times, table.frame_s)
    facts = replace(info, width=table.width, height=table.height, rotation=table.rotation)
    facts = _timed(facts, table.times, health)
    sums = np.zeros(len(table), dtype=np.uint32)
    return _filled(Pass(facts, health, table.times, table.pts, table.keys, True, sums, decode_s=scan_s), loop)


def _timed(info: VideoInfo, times: NDArray[np.float64], health: Health) -> VideoInfo:
    return replace(info, n_frames=len(times), start_s=float(times[0]), duration_s=health.decoded_duration_s)


def _filled(done: Pass, loop: Loop) -> Pass:
    """Return ``done`` with grids, columns and costs."""
    loop.finish()
    for collector in loop.collectors:
        done._columns[collector.name] = (np.array(collector.ordinals, np.int64), collector.writer.finish())
        done._seconds[collector.name] = collector.seconds
    done.grids = {sampling: np.array(ordinals, dtype=np.int64) for sampling, ordinals in loop.grids.items()}
    done.peak_mb = loop.peak_mb
    return done
