"""Writing files so that a killed process never leaves half of one and none undoes another's, and the cache's place."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import OutputError, UsageError

_HIDDEN = ".tmp-"
_LONGEST_NAME = 200  # bytes; file systems take 255, some that encrypt names fewer


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write ``data`` to a temporary name beside ``path``, then rename; `OutputError` names the path and the reason.

    Bytes and name are on the disk when it returns: no power cut leaves an empty file under the name.
    """
    write_together({path: data})


def write_together(files: Mapping[Path, bytes | str]) -> None:
    """Write files as `write_atomic` does: many are on the disk nearly as soon as one, which waits for the disk too."""
    temporaries: dict[Path, str] = {}
    path, texts = Path(), {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporaries[path] = tempfile.mkstemp(prefix=_HIDDEN, dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(text)
        for path in files:
            os.chmod(temporaries[path], 0o666 & ~_umask())  # mkstemp makes it private
            with open(temporaries[path], "rb+") as file:
                os.fsync(file.fileno())
        for path in files:
            os.replace(temporaries[path], path)
        for folder in dict.fromkeys(path.parent for path in files):
            _sync_folder(folder)
    except OSError as error:
        for temporary in temporaries.values():
            with suppress(OSError):
                os.unlink(temporary)
        raise OutputError(path, error.strerror or str(error)) from error


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # Windows opens no folders, and some network file systems sync none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_file(path: str | Path, limit: int = 1 << 32) -> bytes:
    """Return the bytes of a regular file of at most ``limit`` bytes; `OSError` for anything else, without waiting."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        about = os.fstat(handle)
        if stat.S_ISDIR(about.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if about.st_size > limit:
            raise OSError(errno.EFBIG, f"it is larger than {limit / 1e6:.0f} MB")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(about.st_size + 1)  # not the limit, for which there might be no memory
    finally:
        os.close(handle)


def write_over(files: Mapping[Path, bytes | str]) -> None:
    """Write as `write_together` does; a folder that stands at a path is moved aside, since nothing can replace it."""
    for path in files:
        if path.is_dir() and not path.is_symlink():
            try:
                path.rename(path.with_name(f"{path.name}.moved-{uuid.uuid4().hex[:8]}"))
            except OSError as error:
                raise OutputError(path, f"a folder of that name is in the way: {error.strerror}") from error
    write_together(files)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def make_folder(path: Path) -> Path:
    """Create ``path`` and check that a file can be written there; `OutputError` otherwise."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from error
    return path


def make_hidden_folder(parent: Path) -> Path:
    """Create ``parent`` and a temporary folder in it, which `remove_leftovers` knows; `OutputError` otherwise."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_HIDDEN, dir=parent))
    except OSError as error:
        raise OutputError(parent, error.strerror or str(error)) from error


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files and folders that a killed process left directly in ``folder`` more than an hour ago."""
    for left in folder.glob(f"{_HIDDEN}*"):
        try:
            if time.time() - left.stat().st_mtime < 3600:  # another process may be writing it
                continue
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
        except OSError:  # another process was quicker
            continue


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process holds the lock of ``folder``, and hold it inside the ``with`` block.

    For what is read and then written as a whole: without it, a slow process overwrites what a quicker one has written
    meanwhile. The lock is the system's own, on ``folder/.lock``, and ends with its process, even a killed one. Where
    there is none (Windows, network file systems mounted without locks) nobody waits. It must not be taken twice.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:  # what cannot be written here will be said by who writes
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def claimed(file: Path, keys: Sequence[str], *, wait: bool = False) -> Iterator[list[str]]:
    """Yield those of ``keys`` that no other process has claimed, which no other can claim inside the ``with`` block.

    With ``wait`` it is all of them, when the others are done. A claim is a lock of the system's own on a byte of
    ``file``, so that a killed process holds none; where there are no locks (see `locked`) everything can be claimed.
    """
    try:
        import fcntl

        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except (ImportError, OSError):
        yield list(keys)
        return
    try:
        mine = []
        for key in sorted(keys):  # all wait in the same order: nobody waits for somebody who waits
            place = int(digest(key)[:15], 16)
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, place)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    continue
            mine.append(key)
        yield mine
    finally:
        os.close(handle)


def publish_folder(hidden: Path, target: Path) -> bool:
    """Give a finished hidden folder beside ``target`` that name; False when another process was quicker.

    Raises
    ------
    OSError
    """
    os.chmod(hidden, 0o777 & ~_umask())  # mkdtemp makes it private
    try:
        hidden.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True


def withdraw(path: Path) -> bool:
    """Remove a file or folder so that nobody sees half of it, and say whether it is gone.

    It is renamed first: what a process that is killed meanwhile leaves behind, `remove_leftovers` knows.
    """
    hidden = path.with_name(f"{_HIDDEN}{uuid.uuid4().hex}")
    try:
        path.rename(hidden)
        if hidden.is_dir():
            shutil.rmtree(hidden)
        else:
            hidden.unlink()
    except FileNotFoundError:  # another process was quicker
        return True
    except OSError:
        return not path.exists()
    return True


def cache_folder() -> Path:
    """Return the folder for rendered videos and features: ``$KEYFRAME_BENCH_CACHE``, else one in the user's cache.

    That is ``keyframe_bench`` in ``$XDG_CACHE_HOME`` if this is an absolute path, else in ``~/.cache``. Nothing is
    created.

    Raises
    ------
    UsageError
        If there is no home folder either.
    """
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
    """Return ``text`` as the name of a file or folder: one that is too long for a file system is cut, with a digest."""
    raw = os.fsencode(text)
    if len(raw) <= _LONGEST_NAME:
        return text
    return f"{raw[: _LONGEST_NAME - 9].decode(errors='ignore')}-{hashlib.sha256(raw).hexdigest()[:8]}"


def printable(text: str) -> str:
    r"""Return ``text`` with bytes of a file name that are not UTF-8 as backslash escapes: it can be stored anywhere.

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


# What a terminal obeys or a reader cannot see: control characters (but tab and line end), marks, embeddings and
# isolates of the writing direction, line separators, zero-width characters that join nothing, single surrogates.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Return ``text`` as it may be shown: characters that steer a terminal or hide what is written as escapes.

    >>> visible("evil\u202egpj.mp4\x1b[31m")
    'evil\\u202egpj.mp4\\x1b[31m'
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: object) -> str:
    r"""Return text on one line as it may be shown (`visible`).

    >>> one_line("a\n b\x1b[31m")
    'a b\\x1b[31m'
    """
    return visible(" ".join(part for part in re.split(r"[ \t\r\n\f\v]+", str(text)) if part))


def canonical_json(value: Any) -> str:
    """Return ``value`` as JSON with sorted keys and no spaces: equal values give equal text. NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the first 20 hex digits of the sha256 of ``value`` as canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:20]


def sha256_of_file(path: str | Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file)


def _sha256(file: Any) -> str:  # Python 3.10 has no hashlib.file_digest
    state = hashlib.sha256()
    while block := file.read(1 << 20):
        state.update(block)
    return state.hexdigest()
