"""Atomic writes, locks between processes, the cache folder, file names, JSON and hashes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from .errors import OutputError, UsageError
from .threads import in_order

_HIDDEN = ".tmp-"
MAX_JSON_BYTES = 256_000_000
_MAX_DEPTH = 50  # of nested JSON: far from where Python stops
_LONGEST_NAME = 200  # bytes; file systems take 255, some that encrypt names fewer


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file atomically: a temporary file beside ``path``, then a rename; `OutputError` names path and reason.

    Bytes and name are on disk when it returns: a power cut leaves no empty file.
    """
    write_together({path: data})


def write_together(files: Mapping[Path, bytes | str]) -> None:
    """Write several files as `write_atomic` does, in little more time than one takes."""
    contents = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
    temporaries = {path: _hidden(path.parent) for path in files}
    path = Path()
    try:
        for path, data in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporaries[path], "xb") as file:
                file.write(data)
        for path in files:
            _sync(temporaries[path])
        for path in files:
            os.replace(temporaries[path], path)
        for folder in {path.parent for path in files}:
            with suppress(OSError):  # some network file systems sync no folders
                _sync(folder)
    except OSError as error:
        for temporary in temporaries.values():
            with suppress(OSError):
                temporary.unlink()
        raise OutputError(path, error) from error


def _hidden(folder: Path) -> Path:
    """Return a new path in ``folder`` that `remove_leftovers` recognises."""
    return folder / f"{_HIDDEN}{uuid.uuid4().hex}"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_over(files: Mapping[Path, bytes | str]) -> None:
    """Write as `write_together` does; a folder in the way of a file is moved aside."""
    for path in files:
        if path.is_dir() and not path.is_symlink():
            try:
                path.rename(path.with_name(f"{path.name}.moved-{uuid.uuid4().hex[:8]}"))
            except OSError as error:
                raise OutputError(path, f"a folder of that name is in the way: {error.strerror}") from error
    write_together(files)


def read_file(path: str | Path, limit: int = 1 << 32) -> bytes:
    """Return the bytes of a regular file of at most ``limit`` bytes; `OSError` for anything else; never blocks."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if about.st_size > limit:
            raise OSError(errno.EFBIG, f"it is larger than {limit / 1e6:.0f} MB")
        return file.read(about.st_size + 1)  # not the limit: it would be allocated


def make_folder(path: Path) -> Path:
    """Create ``path`` and check that a file can be written there; `OutputError` otherwise."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(path, error) from error
    return path


def make_hidden_folder(parent: Path) -> Path:
    """Create ``parent`` and a temporary folder in it, for `publish_folder`; `OutputError` otherwise."""
    hidden = _hidden(parent)
    try:
        hidden.mkdir(parents=True)
    except OSError as error:
        raise OutputError(parent, error) from error
    return hidden


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files and folders that a killed process left directly in ``folder`` more than an hour ago."""
    for left in folder.glob(f"{_HIDDEN}*"):
        with suppress(OSError):  # another process was faster
            if time.time() - left.stat().st_mtime >= 3600:  # else another process may be writing it
                _remove(left)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


# Not filelock: it polls where the system can wait, and has no locks on parts of a file.
@contextmanager
def _open_to_lock(file: Path) -> Iterator[int | None]:
    """Open a file for locks, which end with the ``with`` block; None where it cannot be written."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:  # the write that follows reports it
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process holds the lock of ``folder``, and hold it inside the ``with`` block.

    For read-modify-write: without it, a slow process overwrites the work of a faster one. It is a lock of the operating
    system on ``folder/.lock``, released when its process ends, even if killed. On network file systems mounted without
    locks it does nothing. Not reentrant.
    """
    with _open_to_lock(folder / ".lock") as handle:
        if handle is not None:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def claimed(file: Path, keys: Sequence[str], *, wait: bool = False) -> Iterator[list[str]]:
    """Yield those of ``keys`` that no other process has claimed, which no other can claim inside the ``with`` block.

    With ``wait``, wait for the other processes and yield all of them. A claim is a lock of the operating system on a
    byte of ``file``, so a killed process holds none; without locks (see `locked`) every claim succeeds.
    """

    def claim(handle: int, key: str) -> bool:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, int(digest(key)[:15], 16))
        except OSError as error:
            return error.errno not in (errno.EACCES, errno.EAGAIN)
        return True

    with _open_to_lock(file) as handle:
        # One order for all processes: no deadlock.
        yield [key for key in sorted(keys) if handle is None or claim(handle, key)]


def publish_folder(hidden: Path, target: Path) -> bool:
    """Rename a finished hidden folder to ``target``; False if another process was faster; `OSError`."""
    try:
        hidden.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True


def withdraw(path: Path) -> bool:
    """Remove a file or folder atomically; return whether it is gone.

    It is renamed first; `remove_leftovers` deletes what a killed process leaves behind.
    """
    hidden = _hidden(path.parent)
    with suppress(OSError):  # another process was faster, or it cannot be removed
        path.rename(hidden)
        _remove(hidden)
    return not path.exists()


def cache_folder() -> Path:
    """Return the folder for rendered videos and features: ``$KEYFRAME_BENCH_CACHE``, else one in the user's cache.

    That is ``keyframe_bench`` in ``$XDG_CACHE_HOME`` if this is an absolute path, else in ``~/.cache``. Nothing is
    created. Raises `UsageError` if there is no home folder either.
    """
    # Not platformdirs: the same rule is a few lines, and it takes relative paths of XDG_CACHE_HOME.
    own = os.environ.get("KEYFRAME_BENCH_CACHE")
    if own:
        return Path(own).absolute()
    shared = os.environ.get("XDG_CACHE_HOME", "")
    if Path(shared).is_absolute():  # the XDG specification has relative paths ignored
        return Path(shared) / "keyframe_bench"
    try:
        return Path.home() / ".cache" / "keyframe_bench"
    except RuntimeError:
        raise UsageError(
            "there is no home folder to keep rendered videos and features in; set KEYFRAME_BENCH_CACHE=DIR"
        ) from None


def file_name(text: str) -> str:
    """Return ``text`` as a file name; one too long for a file system is cut and gets a digest."""
    raw = os.fsencode(text)
    if len(raw) <= _LONGEST_NAME:
        return text
    return f"{raw[: _LONGEST_NAME - 9].decode(errors='ignore')}-{hashlib.sha256(raw).hexdigest()[:8]}"


def printable(text: str) -> str:
    r"""Return ``text`` with the bytes of a file name that are not UTF-8 as backslash escapes.

    >>> printable("caf\udce9.mp4")
    'caf\\xe9.mp4'
    """
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a key that sorts numbers in names by their value.

    >>> sorted(["cam_10", "cam_2", "cam_02"], key=natural)
    ['cam_02', 'cam_2', 'cam_10']
    """
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts], name


# Invisible or interpreted by terminals: control characters (but tab and line end), marks, embeddings and
# isolates of the writing direction, line separators, zero-width characters that join nothing, single surrogates.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Return ``text`` safe to display: control and invisible characters become escapes.

    >>> visible("evil\u202egpj.mp4\x1b[31m")
    'evil\\u202egpj.mp4\\x1b[31m'
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: object) -> str:
    r"""Return text on one line, safe to display (`visible`).

    >>> one_line("a\n b\x1b[31m")
    'a b\\x1b[31m'
    """
    return visible(" ".join(part for part in re.split(r"[ \t\r\n\f\v]+", str(text)) if part))


def canonical_json(value: Any) -> str:
    """Return ``value`` as JSON with sorted keys and no spaces: equal values give equal text. NaN is refused."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse_json(text: str) -> Any:
    """Parse JSON; `ValueError` for invalid text, non-finite numbers and very deep nesting."""
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if text.count("[") + text.count("{") > _MAX_DEPTH and _deeper(value, _MAX_DEPTH):
        raise ValueError("it is nested too deeply")
    return value


def read_json(path: str | Path) -> Any:
    """Parse a JSON file; `OSError` as `read_file`, `ValueError` as `parse_json` and for other encodings."""
    return parse_json(read_file(path, MAX_JSON_BYTES).decode())


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is not a finite number")
    return value


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _deeper(value: Any, depth: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < 0 or any(_deeper(part, depth - 1) for part in parts if isinstance(part, (dict, list)))


def digest(value: Any) -> str:
    """Return the first 20 hex digits of the sha256 of ``value`` as canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:20]


def sha256_of_file(path: str | Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    state = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def remembered_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file; it is read again only when its size or modification time has changed.

    Raises `OSError` if it cannot be read or is not a regular file.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{os.fspath(path)!r} is not a regular file")
    return _sha256(str(Path(path).absolute()), status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: str, size: int, mtime_ns: int) -> str:  # noqa: ARG001 - a changed file is hashed again
    return sha256_of_file(path)


def sha256_of_all(paths: Sequence[Path]) -> list[str | None]:
    """Return `remembered_sha256` of each file in order, None where one cannot be read."""
    return list(in_order(_or_none, paths))


def _or_none(path: Path) -> str | None:
    try:
        return remembered_sha256(path)
    except OSError:
        return None
