"""SHA-256 of files, cached per process and modification time, in parallel."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from .files import sha256_of_file
from .threads import in_order


def remembered_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file; it is read again only when its size or modification time has changed.

    Raises
    ------
    OSError
        If it cannot be read or is not a regular file.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{os.fspath(path)!r} is no regular file")
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
