"""SHA-256 of files, computed once per process and state of the file, by all cores."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from .files import sha256_of_file
from .threads import in_order

_known: dict[tuple[str, int, int], str] = {}


def sha256_of_all(paths: Sequence[Path]) -> list[str | None]:
    """Return the hashes of files in order, None where one cannot be read.

    A file whose size and time of change are as before is not read again.
    """
    return list(in_order(_sha256, paths))


def _sha256(path: Path) -> str | None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading from a pipe may never end
            return None
        key = str(path.absolute()), status.st_size, status.st_mtime_ns
        found = _known.get(key)
        if found is None:
            found = _known[key] = sha256_of_file(path)
    except OSError:
        return None
    return found
