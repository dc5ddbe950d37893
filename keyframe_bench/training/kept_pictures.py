"""Pictures of one size, kept on disk from one training to the next: written once, memory-mapped afterwards."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..core import LOADED_NS
from ..core.errors import OutputError
from ..core.files import (
    cache_folder,
    canonical_json,
    digest,
    locked,
    make_hidden_folder,
    publish_folder,
    remove_leftovers,
    withdraw,
)
from ..core.records import read_json

Rows = NDArray[np.uint8]
Append = Callable[[Rows], None]
Facts = dict[str, object]

FORMAT = "keyframe_bench/pictures@1"
LIMIT_BYTES = 80_000_000_000  # Caltech 256 at the four sizes of the paper's table 3 takes 36 GB
DECODING = (
    "ahead",
    "decode",
    "frame",
    "health",
    "ledger",
    "reader",
    "stream",
)  # modules of `keyframe_bench.video` that give frames
RESERVE_BYTES = 500_000_000  # left free on the disk
IN_MEMORY_BYTES = 4_000_000_000  # what is held in memory where nothing can be kept on disk
_NAME = re.compile(r"[0-9a-f]{20}")


@dataclass(frozen=True, eq=False)
class Kept:
    """Pictures, uint8 [N, height, width, 3], read-only where they are mapped; and what is known about them."""

    rows: Rows
    facts: Facts


def pictures_folder() -> Path:
    """Return where pictures are kept; `UsageError` when there is neither a cache nor a home folder."""
    return cache_folder() / "pictures"


def keep(
    key: Mapping[str, object], height: int, width: int, n_expected: int, produce: Callable[[Append], Facts]
) -> Kept:
    """Return what ``produce`` makes, from the disk if it was made before.

    Parameters
    ----------
    key : mapping
        Plain data: everything on which pictures and facts depend, but their size, and what reads frames and files:
        the package's decoding, PyAV with FFmpeg, OpenCV.
    height, width : int
        Pixels.
    n_expected : int
        About how many pictures there will be.
    produce : callable
        Called with a function that takes one picture, uint8 [height, width, 3], at a time; returns facts, plain data.
        It is called again when its pictures could not be written.

    Raises
    ------
    OutputError
        When the pictures can neither be kept on disk nor in memory.
    """
    whole = {**key, "format": FORMAT, "height": height, "width": width, **_made_with()}
    folder = pictures_folder()
    path = folder / digest(whole)
    found = _load(path, (height, width, 3))
    if found is not None:
        return found
    expected = n_expected * height * width * 3
    try:
        _write(path, height, width, expected, produce)
    except OutputError as error:
        if expected > IN_MEMORY_BYTES:
            reason = f"{error.reason}; these pictures take {expected / 1e9:.1f} GB: set KEYFRAME_BENCH_CACHE=DIR"
            raise OutputError(folder, reason) from error
        held = bytearray()
        facts = produce(lambda picture: held.extend(picture.tobytes()))
        rows = np.frombuffer(held, dtype=np.uint8).reshape(-1, height, width, 3)
        return Kept(rows, {**facts, "not_kept": f"{folder}: {error.reason}"})
    written = _load(path, (height, width, 3))
    if written is None:
        raise OutputError(path, "it vanished while it was written; is another process clearing the cache?")
    return written


@functools.cache
def _made_with() -> Facts:
    """Return what reads frames and files: versions, and a hash of the code."""
    import av
    import cv2

    folder = files(__name__.partition(".")[0]) / "video"
    sources = [folder / f"{name}.py" for name in DECODING]
    code = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    if any(isinstance(source, Path) and source.stat().st_mtime_ns > LOADED_NS for source in sources):
        code = f"edited while it ran: {LOADED_NS}"  # what runs is not what the files say: for this process alone
    readers = {"pyav": av.__version__, "ffmpeg": dict(av.library_versions), "opencv": cv2.__version__}
    return {"code": code, **readers, "pillow": version("pillow")}


def _load(path: Path, shape: tuple[int, int, int]) -> Kept | None:
    """Return an entry; None when there is no sound one, which is then removed."""
    if not os.path.lexists(path):
        return None
    try:
        facts = dict(read_json(path / "facts.json"))
        rows = np.load(path / "pictures.npy", mmap_mode="r", allow_pickle=False)
        if rows.dtype != np.uint8 or rows.shape[1:] != shape:
            raise ValueError(f"{path} is another entry")
    except (OSError, ValueError, TypeError, EOFError):
        withdraw(path)
        return None
    with suppress(OSError):
        os.utime(path)
    return Kept(rows.view(np.ndarray), facts)


def _write(path: Path, height: int, width: int, expected: int, produce: Callable[[Append], Facts]) -> None:
    folder = path.parent
    hidden = make_hidden_folder(folder)
    try:
        free = shutil.disk_usage(folder).free
        if free - expected < RESERVE_BYTES:
            raise OutputError(folder, f"the disk has only {free / 1e9:.1f} GB left")
        with open(hidden / "pictures.npy", "w+b") as file:
            facts = _Rows(file, folder, height, width).fill(produce)
            os.fsync(file.fileno())
        (hidden / "facts.json").write_text(canonical_json(facts), "utf-8")
        publish_folder(hidden, path)
        _trim(folder, path.name)
    except OSError as error:
        raise OutputError(folder, error.strerror or str(error)) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


class _Rows:
    """An ``.npy`` file to which pictures are appended: how many there are is known at the end."""

    def __init__(self, file: BinaryIO, folder: Path, height: int, width: int) -> None:
        self._file, self._folder, self._shape = file, folder, (height, width, 3)
        self._count = 0
        self._start = self._header()

    def fill(self, produce: Callable[[Append], Facts]) -> Facts:
        facts = produce(self._append)
        self._file.seek(0)
        if self._header() != self._start:  # numpy leaves room for a longer number of rows
            raise OutputError(self._folder, "numpy wrote a header of another length")
        self._file.flush()
        return facts

    def _append(self, picture: Rows) -> None:
        try:
            self._file.write(np.ascontiguousarray(picture).data)
        except OSError as error:  # not to be taken for one of what is read
            raise OutputError(self._folder, error.strerror or str(error)) from error
        self._count += 1

    def _header(self) -> int:
        header = {"descr": "|u1", "fortran_order": False, "shape": (self._count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self._file.tell()


def usage() -> tuple[int, int]:
    """Return how many bytes and entries are kept."""
    found = _entries(pictures_folder())
    return sum(size for _, size, _ in found), len(found)


def clear() -> tuple[int, int]:
    """Remove every entry and return how many bytes and entries that were; pictures in use stay readable."""
    folder = pictures_folder()
    if not folder.is_dir():
        return 0, 0
    with locked(folder):
        removed = [size for _, size, path in _entries(folder) if withdraw(path)]
        remove_leftovers(folder)
    return sum(removed), len(removed)


def _entries(folder: Path) -> list[tuple[int, int, Path]]:
    """Return time of last use, bytes and path of every entry."""
    found = []
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            if _NAME.fullmatch(path.name):
                with suppress(OSError):
                    found.append((path.stat().st_mtime_ns, sum(f.stat().st_size for f in path.iterdir()), path))
    return found


def _trim(folder: Path, fresh: str) -> None:
    """Remove what was not used for longest where there is more than `LIMIT_BYTES`; the entry ``fresh`` stays."""
    with locked(folder):
        found = _entries(folder)
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= LIMIT_BYTES:
                break
            if path.name != fresh and withdraw(path):
                total -= size
        remove_leftovers(folder)
