"""A pass over a file of which only that is computed which no run before has kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.budget import EVERY, Sampling
from ..core.clip import VideoInfo
from ..core.errors import VideoError, memory_errors_named
from ..core.feature import Feature
from .collect import Progress, column_id
from .frame_folder import VideoPath, as_video
from .health import Health
from .made_by import made_by, package_digest
from .onepass import Pass, read_pass
from .opening import check_tools, check_video, file_stamp, sha256_of_video, video_name
from .store import Entry, EntryKey, FeatureStore

__all__ = ["read_stored_pass"]

_ARRAYS = ("times", "pts", "keys", "checksums")
_FACTS = ("n_frames", "start_s", "duration_s", "width", "height", "rotation")
_ID = tuple[str, str]  # of a column, see `column_id`
_Wanted = dict[str, list[Feature]]


@dataclass
class _Column:
    """One column that is wanted: its feature and the samplings that it is wanted on."""

    feature: Feature
    samplings: list[str] = field(default_factory=list)

    @property
    def coverage(self) -> str:
        """Which frames a pass computes rows for."""
        every = str(EVERY)
        return every if every in self.samplings else "+".join(sorted(self.samplings))

    @property
    def coverages(self) -> list[str]:
        """Which stored coverages will do, best first: rows of every frame are those of some as well."""
        exact = self.coverage
        return [exact] if self.feature.depends_on_sampling else list(dict.fromkeys([str(EVERY), exact]))


@memory_errors_named()
def read_stored_pass(
    path: VideoPath,
    requests: Mapping[str, Iterable[Feature]],
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
        As for `read_pass`; ``sha256`` must be the file's. With a ``limit`` the store is left alone, and where the
        package's files were edited after it was loaded.
    store : FeatureStore
        What cannot be kept is told by its ``problems`` and stops nothing.

    Returns
    -------
    Pass

    Raises
    ------
    VideoError, OutputError
        As `read_pass`.
    """
    package = package_digest()
    if limit is not None or package is None:
        return read_pass(path, requests, name=name, sha256=sha256, progress=progress, limit=limit)
    check_video(path)
    stamp = file_stamp(path)
    sha256 = sha256 or sha256_of_video(path)
    wanted = {str(Sampling.parse(s)): list(dict.fromkeys(f)) for s, f in requests.items()}
    check_tools(path, (feature for features in wanted.values() for feature in features))
    columns = _columns_of(wanted)
    # A pass over packets is no pass that decoded: it takes another time.
    pixels = any(feature.source == "frames" for features in wanted.values() for feature in features)
    told = EntryKey(sha256, "pass over frames" if pixels else "pass over packets", "", package)
    done = _recalled(store.load(told, _ARRAYS), name or video_name(path), sha256)
    if done is None:
        done = read_pass(path, wanted, name=name, sha256=sha256, progress=progress)
        _keep(store, path, sha256, {told: _told(done)} | _entries(columns, done, sha256))
        return done
    done.grids = {sampling: _grid(sampling, done.times) for sampling in wanted}
    missing = {id_: column for id_, column in columns.items() if not _recall(store, id_, column, done)}
    if missing:
        lacking = {s: [c.feature for c in missing.values() if s in c.samplings] for s in wanted}
        fresh = read_pass(path, lacking, name=name, sha256=sha256, progress=progress)
        if not _joined(done, fresh):  # it does not decode alike every time: nothing of it is worth keeping
            return read_pass(path, wanted, name=name, sha256=sha256, progress=progress)
        _keep(store, path, sha256, _entries(missing, fresh, sha256))
    elif progress is not None:
        progress(float(done.times[-1]))
    done.stamp, done.path = file_stamp(path), str(as_video(path).absolute())
    if done.stamp != stamp:
        raise VideoError(path, "the file changed while it was read")
    return done


def is_stored(sampling: str, features: Sequence[Feature], store: FeatureStore, sha256: str) -> bool:
    """Say whether the rows of a video are kept, so that `read_stored_pass` will not decode it; nothing is read."""
    columns = _columns_of({sampling: list(features)}).values()
    keys = [[_key(column, coverage, sha256) for coverage in column.coverages] for column in columns]
    return all(any(key is not None and key in store for key in of_column) for of_column in keys)


def _columns_of(wanted: _Wanted) -> dict[_ID, _Column]:
    columns: dict[_ID, _Column] = {}
    for sampling, features in wanted.items():
        for feature in features:
            if feature.source != "file":  # its column is the path
                columns.setdefault(column_id(feature, sampling), _Column(feature)).samplings.append(sampling)
    return columns


def _grid(sampling: str, times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the ordinals of ``sampling`` as a pass finds them."""
    keep = Sampling.parse(sampling).keeper()
    since = (times - times[0]).tolist()
    return np.array([ordinal for ordinal, seconds in enumerate(since) if keep(ordinal, seconds)], dtype=np.int64)


def _key(column: _Column, coverage: str, sha256: str) -> EntryKey | None:
    maker = made_by(column.feature)
    return None if maker is None else EntryKey(sha256, column.feature.key, coverage, maker)


def _recall(store: FeatureStore, id_: _ID, column: _Column, done: Pass) -> bool:
    """Put the stored rows of a column into ``done``, or return False."""
    for coverage in column.coverages:
        key = _key(column, coverage, done.info.sha256)
        entry = None if key is None else store.load(key, ("rows", "ordinals"))
        if entry is None:
            continue
        if coverage == str(EVERY):
            ordinals = np.arange(done.info.n_frames, dtype=np.int64)
        else:
            ordinals = np.unique(np.concatenate([done.grids[sampling] for sampling in column.samplings]))
        rows, n_rows = entry.arrays["rows"], len(column.feature.windows(len(ordinals)))
        if len(rows) != n_rows or not np.array_equal(entry.arrays["ordinals"], ordinals):
            continue
        done._columns[id_] = ordinals, rows
        done._seconds[id_] = float(entry.facts["seconds"])
        done.peak_mb = max(done.peak_mb, float(entry.facts["peak_mb"]))
        return True
    return False


def _joined(done: Pass, fresh: Pass) -> bool:
    """Put the columns of ``fresh`` into ``done``; False when the two did not see the same frames."""
    if not (np.array_equal(fresh.times, done.times) and np.array_equal(fresh.pts, done.pts)):
        return False
    done._columns |= fresh._columns
    done._seconds |= fresh._seconds
    done.peak_mb = max(done.peak_mb, fresh.peak_mb)
    return True


def _recalled(entry: Entry | None, name: str, sha256: str) -> Pass | None:
    if entry is None:
        return None
    times, pts, keys, sums = (np.array(entry.arrays[of]) for of in _ARRAYS)
    facts = entry.facts
    try:
        info = VideoInfo(name, **facts["info"], sha256=sha256)
        health = Health(**facts["health"])
        done = Pass(info, health, times, pts, keys, facts["seekable"], sums)
        done.decode_s, done.peak_mb = facts["decode_s"], facts["peak_mb"]
        return done
    except (KeyError, TypeError):
        return None


def _told(done: Pass) -> Entry:
    facts = {
        "info": {name: getattr(done.info, name) for name in _FACTS},
        "health": done.health.to_json(),
        "seekable": bool(done.seekable),
        "decode_s": done.decode_s,
        "peak_mb": done.peak_mb,
    }
    return Entry({of: getattr(done, of) for of in _ARRAYS}, facts)


def _entries(columns: Mapping[_ID, _Column], done: Pass, sha256: str) -> dict[EntryKey, Entry]:
    found = {}
    for id_, column in columns.items():
        ordinals, rows = done._columns[id_]
        key = _key(column, column.coverage, sha256)
        if key is not None:
            facts = {"seconds": done._seconds[id_], "peak_mb": done.peak_mb}
            found[key] = Entry({"rows": rows, "ordinals": ordinals}, facts)
    return found


def _keep(store: FeatureStore, path: VideoPath, sha256: str, entries: Mapping[EntryKey, Entry]) -> None:
    """Write entries; what is kept under a hash must be of these bytes, so that is looked at again."""
    if sha256_of_video(path) != sha256:
        raise VideoError(path, "the file changed since its hash was taken")
    store.save(entries)
