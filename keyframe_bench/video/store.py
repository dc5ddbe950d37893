"""Arrays kept on disk from one run to the next, under a hash of everything they depend on."""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core import files
from ..core.errors import KeyframeBenchError, OutputError, os_reason

FORMAT = "keyframe_bench/feature@1"
RESERVE_BYTES = 500_000_000  # left free on the disk: results matter more than features that can be had again
TRIM_TO = 0.9  # of the limit, so that the next entry does not trim again
_NAME = re.compile(r"([0-9a-f]{20})-[0-9a-f]{20}")
_BLOCK = 1 << 20
_SMALL_BYTES = 1 << 18  # an array below is read: a mapped one keeps a file open

# Bytes that this process may still write before it looks how full a folder is, by folder and limit: looking at every
# entry takes longer than writing one.
_room: dict[tuple[Path, int], int] = {}


@dataclass(frozen=True)
class EntryKey:
    """Everything that an entry depends on."""

    video: str  # sha256 of the video's bytes
    what: str  # key of the feature, or what else was found
    coverage: str  # which frames there are rows for
    fingerprint: str  # hash of code and versions

    @property
    def name(self) -> str:
        """Name of the entry's folder; entries of one video begin alike."""
        return f"{files.digest(self.video)}-{files.digest(asdict(self))}"


@dataclass(frozen=True)
class StoredEntry:
    """Arrays by name, and facts about them as plain data."""

    arrays: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Usage:
    """What a store holds, or what was removed from it."""

    bytes: int
    entries: int
    videos: int


class _Found(NamedTuple):
    used_ns: int
    bytes: int
    path: Path


class FeatureStore:
    """Entries that are written once and never changed; any number of processes may use one folder.

    An entry appears and disappears as a whole. One that is torn, was cut off or was put there by somebody else counts
    as absent. A folder that cannot be written to stops nothing: ``problems`` says so. ``folder``: created when
    something is written; ``limit_bytes``: when entries take more, those not used for longest are removed. Kept to
    approximately while several processes write; what one call writes is never removed by it.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.problems: list[str] = []  # why something was not kept, a sentence each

    def __contains__(self, key: EntryKey) -> bool:
        """Say whether there is an entry, sound or not."""
        return os.path.lexists(self.folder / key.name)

    def load(self, key: EntryKey, names: Sequence[str]) -> StoredEntry | None:
        """Return an entry with its arrays ``names``, read-only, large ones memory-mapped; None if it is not sound."""
        if key not in self:
            return None
        path = self.folder / key.name
        try:
            told = json.loads((path / "entry.json").read_text("utf-8"))
            if told["format"] != FORMAT or any(told[name] != value for name, value in asdict(key).items()):
                raise ValueError(f"{path} is another entry")
            arrays = {name: _read(path / f"{name}.npy", told["crc32"][name]) for name in names}
            facts = dict(told["facts"])
            if _crc32_of(facts) != told["crc32"]["entry.json"]:
                raise ValueError(f"{path}: its facts are damaged")
        except (FileNotFoundError, NotADirectoryError, EOFError, ValueError, KeyError, TypeError, RecursionError):
            files.withdraw(path)
            return None
        except OSError:  # no permission, or the disk fails: it may be sound all the same
            return None
        with suppress(OSError):
            os.utime(path)
        return StoredEntry(arrays, facts)

    def save(self, entries: Mapping[EntryKey, StoredEntry]) -> None:
        """Write entries; those that exist already stay as they are. What fails is told in ``problems``.

        Arrays of Python objects and without a byte are left out: they cannot be memory-mapped.
        """
        arrays = {key: entry.arrays.values() for key, entry in entries.items()}
        kept = {k: entries[k] for k, of in arrays.items() if all(a.nbytes and not a.dtype.hasobject for a in of)}
        size = sum(array.nbytes for key in kept for array in arrays[key])
        if size > self.limit_bytes:
            self._note(f"those of one video take more than cache_gb={self.limit_bytes / 1e9:g} allows; raise it")
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free - size < RESERVE_BYTES:
                self._note(f"the disk of {str(self.folder)!r} is nearly full; make room")
                return
            for key, entry in kept.items():
                self._write(key, entry)
            self._trim(size, {key.name for key in kept})
        except (OSError, OutputError) as error:
            reason = error.reason if isinstance(error, OutputError) else os_reason(error)
            self._note(f"cannot write {str(self.folder)!r} ({reason}); KEYFRAME_BENCH_CACHE=DIR names another cache")

    def usage(self) -> Usage:
        """Return how much there is; `KeyframeBenchError` when the folder cannot be read."""
        try:
            return _usage(self._scan())
        except OSError as error:
            raise KeyframeBenchError(f"cannot read {str(self.folder)!r}: {os_reason(error)}") from error

    def clear(self) -> Usage:
        """Remove every entry and return how much that was; what is no entry stays.

        Raises `KeyframeBenchError` when the folder cannot be written to.
        """
        if not self.folder.exists():
            return Usage(0, 0, 0)
        try:
            with files.locked(self.folder):
                removed = [found for found in self._scan() if files.withdraw(found.path)]
                files.remove_leftovers(self.folder)
                left = self._scan()
        except OSError as error:
            raise KeyframeBenchError(f"cannot clear {str(self.folder)!r}: {os_reason(error)}") from error
        if left and not removed:
            raise KeyframeBenchError(f"cannot clear {str(self.folder)!r}: its entries cannot be removed")
        return _usage(removed)

    def _note(self, reason: str) -> None:
        self.problems.append(f"features are not kept for the next run: {reason}, or set cache_gb=0")

    def _write(self, key: EntryKey, entry: StoredEntry) -> None:
        hidden = files.make_hidden_folder(self.folder)
        try:
            for name, array in entry.arrays.items():
                with open(hidden / f"{name}.npy", "wb") as file:
                    np.save(file, array, allow_pickle=False)  # from a memory-mapped array page by page
            crc32 = {name: _crc32(hidden / f"{name}.npy") for name in entry.arrays}
            told = {
                "format": FORMAT,
                **asdict(key),
                "facts": dict(entry.facts),
                "crc32": crc32 | {"entry.json": _crc32_of(entry.facts)},
                "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            }
            (hidden / "entry.json").write_text(files.canonical_json(told), "utf-8")
            files.publish_folder(hidden, self.folder / key.name)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)

    def _trim(self, written: int, fresh: set[str]) -> None:
        """Remove what was not used for longest, if there is too much; ``fresh`` entries stay."""
        mine = (self.folder.absolute(), self.limit_bytes)
        _room[mine] = _room.get(mine, 0) - written
        if _room[mine] > 0:
            return
        with files.locked(self.folder):
            found = self._scan()
            total = sum(entry.bytes for entry in found)
            if total > self.limit_bytes:
                for entry in sorted(found):
                    if total <= TRIM_TO * self.limit_bytes:
                        break
                    if entry.path.name not in fresh and files.withdraw(entry.path):
                        total -= entry.bytes
            files.remove_leftovers(self.folder)
        _room[mine] = min(max(0, self.limit_bytes - total) // 8, self.limit_bytes // 100)  # others write as well

    def _scan(self) -> list[_Found]:
        found = []
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
        except FileNotFoundError:
            return []
        for name in names:
            path = self.folder / name
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError), os.scandir(path) as inside:
                found.append(_Found(path.stat().st_mtime_ns, sum(file.stat().st_size for file in inside), path))
        return found


def features_folder() -> Path:
    """Return where features are kept; `UsageError` when there is neither a cache nor a home folder."""
    return files.cache_folder() / "features"


def _usage(found: Sequence[_Found]) -> Usage:
    videos = {entry.path.name.partition("-")[0] for entry in found}
    return Usage(sum(entry.bytes for entry in found), len(found), len(videos))


def _read(path: Path, crc32: int) -> NDArray[Any]:
    found = path.stat()
    if _known_crc32(path, (found.st_ino, found.st_size, found.st_mtime_ns)) != crc32:
        raise ValueError(f"{path} is damaged")
    # A mapped file stays open. Who writes to its array all the same gets pages of his own.
    array = np.load(path, mmap_mode="c" if found.st_size > _SMALL_BYTES else None, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} is an archive")
    array.flags.writeable = False
    return array.view(np.ndarray)  # a plain array over the mapped file, as a pass gives


def _crc32_of(facts: Mapping[str, Any]) -> int:
    return zlib.crc32(files.canonical_json(dict(facts)).encode())


@lru_cache(maxsize=4096)
def _known_crc32(path: Path, state: tuple[int, ...]) -> int:  # noqa: ARG001 - a file that changed is read again
    """Return the checksum of a file, which a process reads once."""
    return _crc32(path)


def _crc32(path: Path) -> int:
    """Return the checksum of a file: a machine that loses power may leave one of the right length."""
    state = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            state = zlib.crc32(block, state)
    return state
