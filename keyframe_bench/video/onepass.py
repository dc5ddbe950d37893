"""One pass over a file: every requested feature on every requested sampling, from one decode or from the store."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, VideoInfo
from ..core.errors import VideoError, memory_errors_named
from ..core.feature import Feature, opens_file
from ..core.grammar import EVERY, Sampling
from .decode import Reader
from .feature_pass import (
    ColumnId,
    ComputedColumn,
    FeaturePass,
    PacketFrame,
    Progress,
    RequestedColumn,
    Requests,
    column_id,
    columns_of,
    parse_requests,
)
from .fingerprint import fingerprint_of, package_fingerprint
from .folder_reader import open_video
from .frame import checksum
from .frame_folder import Timeline, VideoPath, as_video, check_video, file_stamp, sha256_of_video, video_name
from .health import Health
from .packets import PacketTable, trusted_packets
from .prefetch import Prefetch
from .store import EntryKey, FeatureStore, StoredEntry

__all__ = ["Pass", "Progress", "is_stored", "read_pass"]

_ARRAYS = ("times", "pts", "keys", "checksums")
_KEPT_BYTES = 8_000_000
_FACTS = ("n_frames", "start_s", "duration_s", "width", "height", "rotation")


@dataclass
class Pass:
    """What one pass over a video gave."""

    info: VideoInfo
    health: Health
    times: NDArray[np.float64]  # PTS of every frame, seconds
    pts: NDArray[np.int64]  # the same in the stream's time base
    keys: NDArray[np.bool_]  # key flag of every frame
    seekable: bool  # whether PTS identify frames, so that images may be sought
    checksums: NDArray[np.uint32]  # of every image, by `checksum`; 0 after a pass over packets
    decode_s: float  # seconds the decoder took, or reading the packets; highest anonymous memory of the process seen
    peak_mb: float
    grids: dict[Sampling, NDArray[np.int64]] = field(default_factory=dict)  # `Sampling` to ordinals, int64; see `grid`
    # `ColumnId` to the rows of a feature and what they took; see `clip` and `cost`
    columns: dict[ColumnId, ComputedColumn] = field(default_factory=dict)
    stamp: tuple[int, int] = (0, 0)  # size and modification time of the file, by `file_stamp`
    path: str = ""  # the file, absolute
    # Ordinal to the decoder's frame, and whether it is mirrored; empty unless `read_pass` keeps them
    frames: _Kept = field(default_factory=dict)

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
    # `Sampling` or its text ("2fps", "every") to the features wanted on it (may be none: the grid alone)
    requests: Mapping[Any, Iterable[Feature]],
    *,
    # What is new is kept there, and costs are those of the pass that computed the rows. Its ``problems`` say what could
    # not be kept; that stops nothing. It is not used with a ``limit``, nor when the package's files were edited after
    # it was loaded.
    store: FeatureStore | None = None,
    name: str | None = None,  # the video's name in tables (default: its file name) and hash (default: computed)
    sha256: str | None = None,
    progress: Progress | None = None,  # called with the PTS reached, in seconds
    limit: int | None = None,  # stop after so many frames: a probe
    keep: bool = False,  # keep the decoded frames, for `fetch_frames`, where all of them take at most 8 MB
) -> Pass:
    """Decode ``path`` once and compute all features, or only those that ``store`` does not hold yet.

    When nothing that was asked for needs pixels and the packets prove frame identity, or nothing is missing in the
    store, nothing is decoded at all; of a `Timeline`, no feature has rows. The decoder runs ahead of the features in a
    thread of its own, as far as a bounded queue lets it (`Prefetch`). Raises `VideoError` when the file gives no frame,
    or changes while it is read; `UnavailableError` when a feature opens the file itself, and it is a folder of images;
    `OutputError` when features must be kept on disk and it is full.
    """
    wanted = parse_requests(requests)
    if isinstance(path, Timeline):
        return _timed(path, wanted, name or path.name)
    check_video(path, (feature for of_sampling in wanted.values() for feature in of_sampling))
    stamp, sha256 = file_stamp(path), sha256 or sha256_of_video(path)
    name = name or video_name(path)
    compute = partial(_computed, path, name=name, sha256=sha256, progress=progress, limit=limit, keep=keep)
    package = None if store is None or limit is not None else package_fingerprint()
    if store is None or package is None:
        done = compute(wanted)
    else:
        key = EntryKey(sha256, f"pass over {'frames' if _needs_pixels(wanted) else 'packets'}", "", package)
        done, new = _completed(wanted, store, key, name, compute)
        if new:
            if sha256_of_video(path) != sha256:  # what is kept under a hash must be of these bytes
                raise VideoError(path, "the file changed since its hash was taken")
            store.save(new)
        elif progress is not None:
            progress(float(done.times[-1]))
    done.stamp, done.path = file_stamp(path), str(as_video(path).absolute())
    if done.stamp != stamp:
        raise VideoError(path, "the file changed while it was read")
    return done


def _needs_pixels(wanted: Requests) -> bool:
    return any(feature.source == "frames" for features in wanted.values() for feature in features)


def _timed(video: Timeline, wanted: Requests, name: str) -> Pass:
    """Return the pass over a video without pixels: times and grids, no rows of features, no cost."""
    times = video.times
    info = VideoInfo(name, len(times), 0.0, video.duration_s, sha256=video.sha256())
    health = Health(decoded_frames=len(times), decoded_duration_s=video.duration_s)
    order, no_keys, no_sums = np.arange(len(times)), np.zeros(len(times), bool), np.zeros(len(times), np.uint32)
    grids = {sampling: sampling.ordinals(times - times[0]) for sampling in wanted}
    return Pass(info, health, times, order, no_keys, False, no_sums, 0.0, 0.0, grids)


# ---- computing ----------------------------------------------------------------------------------


def _computed(
    path: VideoPath, wanted: Requests, *, name: str, sha256: str, progress: Progress | None, **options: Any
) -> Pass:
    feature_pass = FeaturePass(wanted, progress)
    found = None if _needs_pixels(wanted) else _read_packets(path, feature_pass)
    source, checksums, decode_s, kept = found or _read_frames(path, feature_pass, **options)
    columns = feature_pass.finish()
    times, health = source.times, source.health
    facts = (len(times), float(times[0]), health.decoded_duration_s, source.width, source.height, health.rotation)
    grids = {sampling: np.array(ordinals, dtype=np.int64) for sampling, ordinals in feature_pass.grids.items()}
    return Pass(
        VideoInfo(name, *facts, sha256=sha256),
        *(health, times, source.pts, source.keys, source.seekable, checksums, decode_s, feature_pass.peak_mb),
        *(grids, columns),
        frames=kept,
    )


_Kept = dict[int, tuple[VideoFrame, bool]]
_Read = tuple[Reader | PacketTable, NDArray[np.uint32], float, _Kept]  # facts, checksums, seconds of decoding, frames


def _read_packets(path: VideoPath, feature_pass: FeaturePass) -> _Read | None:
    """Go through the packets alone; None where they do not prove frame identity."""
    if (found := trusted_packets(path)) is None:
        return None
    table, scan_s = found
    for ordinal, (seconds, key) in enumerate(zip(table.times.tolist(), table.keys.tolist(), strict=True)):
        feature_pass.take(PacketFrame(ordinal, seconds, key, table.width, table.height))
    return table, np.zeros(len(table), dtype=np.uint32), scan_s, {}


def _read_frames(path: VideoPath, feature_pass: FeaturePass, limit: int | None, keep: bool) -> _Read:
    checksums, kept, room = array("L"), _Kept(), _KEPT_BYTES if keep else 0
    with open_video(path, feature_pass.meter) as reader:
        with Prefetch(reader, limit) as frames:
            for frame in frames:
                checksums.append(checksum(frame))
                if room > 0 and (room := room - frame.held_bytes) >= 0:
                    kept[frame.ordinal] = frame.raw, frame.mirrored
                elif kept:  # all or none
                    kept, room = {}, 0
                feature_pass.take(frame)
        if len(reader.times) == limit:  # else the reader has come to its end and judged
            reader.health.judge_times(reader.times, reader.frame_s)
    return reader, np.array(checksums, dtype=np.uint32), frames.decode_s, kept


# ---- storing ------------------------------------------------------------------------------------


def is_stored(sampling: Sampling | str, features: Sequence[Feature], store: FeatureStore, sha256: str) -> bool:
    """Say whether the rows of a video are kept, so that `read_pass` will not decode it; nothing is read."""
    columns = columns_of(parse_requests({sampling: features})).values()
    return all(any(key in store for key in _keys(column, sha256)) for column in columns)


def _completed(
    wanted: Requests, store: FeatureStore, key: EntryKey, name: str, compute: Callable[[Requests], Pass]
) -> tuple[Pass, dict[EntryKey, StoredEntry]]:
    """Return the pass, by computing only what ``store`` lacks, and the entries to be kept."""
    columns = columns_of(wanted)
    entry = store.load(key, _ARRAYS)
    if entry is None:
        done = compute(wanted)
        return done, {key: _entry_of(done)} | _entries(columns, done)
    done = _restored(entry, name, key.video)
    done.grids = {sampling: sampling.ordinals(done.times - done.times[0]) for sampling in wanted}
    missing = {id_: column for id_, column in columns.items() if not _restore(store, id_, column, done)}
    if not missing:
        return done, {}
    lacking = {s: [column.feature for column in missing.values() if s in column.samplings] for s in wanted}
    fresh = compute(lacking)
    if not (np.array_equal(fresh.times, done.times) and np.array_equal(fresh.pts, done.pts)):
        return compute(wanted), {}  # it does not decode alike every time: nothing of it is worth keeping
    done.columns |= fresh.columns
    done.peak_mb = max(done.peak_mb, fresh.peak_mb)
    return done, _entries(missing, fresh)


def _keys(column: RequestedColumn, sha256: str) -> list[EntryKey]:
    """Return the entries that may hold a column, best first: rows of every frame include those of some."""
    code = fingerprint_of(column.feature)
    every = [] if column.feature.depends_on_sampling else [str(EVERY)]
    coverages = dict.fromkeys([*every, column.coverage])
    return [] if code is None else [EntryKey(sha256, column.feature.key, coverage, code) for coverage in coverages]


def _restore(store: FeatureStore, id_: ColumnId, column: RequestedColumn, done: Pass) -> bool:
    """Put the stored rows of a column into ``done``, or return False."""
    for key in _keys(column, done.info.sha256):
        entry = store.load(key, ("rows", "ordinals"))
        if entry is None:
            continue
        if key.coverage == str(EVERY):
            ordinals = np.arange(done.info.n_frames, dtype=np.int64)
        else:
            ordinals = np.unique(np.concatenate([done.grids[sampling] for sampling in column.samplings]))
        rows, n_rows = entry.arrays["rows"], len(column.feature.windows(len(ordinals)))
        if len(rows) == n_rows and np.array_equal(entry.arrays["ordinals"], ordinals):
            done.columns[id_] = ComputedColumn(ordinals, rows, float(entry.facts["seconds"]))
            done.peak_mb = max(done.peak_mb, float(entry.facts["peak_mb"]))
            return True
    return False


def _restored(entry: StoredEntry, name: str, sha256: str) -> Pass:
    facts = entry.facts
    times, pts, keys, checksums = (np.array(entry.arrays[of]) for of in _ARRAYS)
    info, health = VideoInfo(name, **facts["info"], sha256=sha256), Health(**facts["health"])
    return Pass(info, health, times, pts, keys, facts["seekable"], checksums, facts["decode_s"], facts["peak_mb"])


def _entry_of(done: Pass) -> StoredEntry:
    info = {name: getattr(done.info, name) for name in _FACTS}
    costs = {"decode_s": done.decode_s, "peak_mb": done.peak_mb}
    facts = {"info": info, "health": done.health.to_json(), "seekable": done.seekable, **costs}
    return StoredEntry({of: getattr(done, of) for of in _ARRAYS}, facts)


def _entries(columns: Mapping[ColumnId, RequestedColumn], done: Pass) -> dict[EntryKey, StoredEntry]:
    found = {}
    for id_, column in columns.items():
        ordinals, rows, seconds = done.columns[id_]
        for key in _keys(column, done.info.sha256):
            if key.coverage == column.coverage:
                facts = {"seconds": seconds, "peak_mb": done.peak_mb}
                found[key] = StoredEntry({"rows": rows, "ordinals": ordinals}, facts)
    return found
