"""A pass over a file that computes only what no run before has kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.clip import VideoInfo
from ..core.errors import VideoError, memory_errors_named
from ..core.feature import Feature
from ..core.grammar import EVERY, Sampling
from .feature_pass import Column, ColumnId, Progress, columns_of, parse_requests
from .fingerprint import fingerprint_of, package_fingerprint
from .frame_folder import VideoPath, as_video, check_video, file_stamp, sha256_of_video, video_name
from .health import Health
from .onepass import Pass, Rows, read_pass
from .store import Entry, EntryKey, FeatureStore

_ARRAYS = ("times", "pts", "keys", "checksums")
_FACTS = ("n_frames", "start_s", "duration_s", "width", "height", "rotation")


@memory_errors_named()
def read_stored_pass(
    path: VideoPath,
    requests: Mapping[Any, Iterable[Feature]],
    store: FeatureStore,
    *,
    name: str | None = None,
    sha256: str | None = None,
    progress: Progress | None = None,
    limit: int | None = None,
) -> Pass:
    """Return what `read_pass` returns, taking from ``store`` what it holds and keeping there what is new.

    When nothing is missing the file is not decoded. Costs are those of the pass that computed the rows.

    Parameters
    ----------
    path, requests, name, sha256, progress, limit
        As for `read_pass`; ``sha256`` must be the file's. With a ``limit`` the store is not used, nor when the
        package's files were edited after it was loaded.
    store : FeatureStore
        Its ``problems`` say what could not be kept; that stops nothing.

    Returns
    -------
    Pass

    Raises
    ------
    VideoError, OutputError
        As `read_pass`.
    """
    package = package_fingerprint()
    if limit is not None or package is None:
        return read_pass(path, requests, name=name, sha256=sha256, progress=progress, limit=limit)
    wanted = parse_requests(requests)
    features = [feature for of_sampling in wanted.values() for feature in of_sampling]
    check_video(path, features)
    stamp, sha256 = file_stamp(path), sha256 or sha256_of_video(path)
    columns = columns_of(wanted)
    # A pass over packets takes another time than one that decoded.
    kind = "pass over frames" if any(feature.source == "frames" for feature in features) else "pass over packets"
    key = EntryKey(sha256, kind, "", package)
    done = _restored(store.load(key, _ARRAYS), name or video_name(path), sha256)
    if done is None:
        done = read_pass(path, wanted, name=name, sha256=sha256, progress=progress)
        _keep(store, path, sha256, {key: _entry_of(done)} | _entries(columns, done, sha256))
        return done
    done.grids = {sampling: _grid(sampling, done.times) for sampling in wanted}
    missing = {id_: column for id_, column in columns.items() if not _restore(store, id_, column, done)}
    if missing:
        lacking = {s: [column.feature for column in missing.values() if s in column.samplings] for s in wanted}
        fresh = read_pass(path, lacking, name=name, sha256=sha256, progress=progress)
        if not (np.array_equal(fresh.times, done.times) and np.array_equal(fresh.pts, done.pts)):
            # It does not decode alike every time: nothing of it is worth keeping.
            return read_pass(path, wanted, name=name, sha256=sha256, progress=progress)
        done.columns |= fresh.columns
        done.peak_mb = max(done.peak_mb, fresh.peak_mb)
        _keep(store, path, sha256, _entries(missing, fresh, sha256))
    elif progress is not None:
        progress(float(done.times[-1]))
    done.stamp, done.path = file_stamp(path), str(as_video(path).absolute())
    if done.stamp != stamp:
        raise VideoError(path, "the file changed while it was read")
    return done


def is_stored(sampling: Sampling | str, features: Sequence[Feature], store: FeatureStore, sha256: str) -> bool:
    """Say whether the rows of a video are kept, so that `read_stored_pass` will not decode it; nothing is read."""
    columns = columns_of(parse_requests({sampling: features})).values()
    return all(any(key in store for key in _keys(column, sha256)) for column in columns)


def _keys(column: Column, sha256: str) -> list[EntryKey]:
    """Return the entries that may hold a column, best first: rows of every frame include those of some."""
    code = fingerprint_of(column.feature)
    every = [] if column.feature.depends_on_sampling else [str(EVERY)]
    coverages = dict.fromkeys([*every, column.coverage])
    return [] if code is None else [EntryKey(sha256, column.feature.key, coverage, code) for coverage in coverages]


def _grid(sampling: Sampling, times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the ordinals of ``sampling`` as a pass finds them."""
    keep = sampling.keeper()
    since = (times - times[0]).tolist()
    return np.array([ordinal for ordinal, seconds in enumerate(since) if keep(ordinal, seconds)], dtype=np.int64)


def _restore(store: FeatureStore, id_: ColumnId, column: Column, done: Pass) -> bool:
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
            done.columns[id_] = Rows(ordinals, rows, float(entry.facts["seconds"]))
            done.peak_mb = max(done.peak_mb, float(entry.facts["peak_mb"]))
            return True
    return False


def _restored(entry: Entry | None, name: str, sha256: str) -> Pass | None:
    if entry is None:
        return None
    facts = entry.facts
    times, pts, keys, checksums = (np.array(entry.arrays[of]) for of in _ARRAYS)
    info, health = VideoInfo(name, **facts["info"], sha256=sha256), Health(**facts["health"])
    return Pass(info, health, times, pts, keys, facts["seekable"], checksums, facts["decode_s"], facts["peak_mb"])


def _entry_of(done: Pass) -> Entry:
    info = {name: getattr(done.info, name) for name in _FACTS}
    costs = {"decode_s": done.decode_s, "peak_mb": done.peak_mb}
    facts = {"info": info, "health": done.health.to_json(), "seekable": done.seekable, **costs}
    return Entry({of: getattr(done, of) for of in _ARRAYS}, facts)


def _entries(columns: Mapping[ColumnId, Column], done: Pass, sha256: str) -> dict[EntryKey, Entry]:
    found = {}
    for id_, column in columns.items():
        ordinals, rows, seconds = done.columns[id_]
        for key in _keys(column, sha256):
            if key.coverage == column.coverage:
                found[key] = Entry({"rows": rows, "ordinals": ordinals}, {"seconds": seconds, "peak_mb": done.peak_mb})
    return found


def _keep(store: FeatureStore, path: VideoPath, sha256: str, entries: Mapping[EntryKey, Entry]) -> None:
    """Write entries; what is kept under a hash must be of these bytes, so that is checked again."""
    if sha256_of_video(path) != sha256:
        raise VideoError(path, "the file changed since its hash was taken")
    store.save(entries)
