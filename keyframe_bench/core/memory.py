"""Memory of processes in MB (10^6 bytes); 0 for a process that has ended or where the system does not report it."""

from __future__ import annotations

import math
import mmap
import resource
from contextlib import suppress
from pathlib import Path


def anonymous_mb(process: int | str = "self") -> float:
    """Return the resident anonymous memory of a process, in MB.

    File-backed pages (libraries, memory-mapped feature columns) do not count: the system can drop them at will.
    """
    return _told_mb(f"/proc/{process}/status", "RssAnon:")


def proportional_mb(process: int) -> float:
    """Return the anonymous memory of a process in MB, pages that several processes share divided among them.

    A forked worker shares its parent's pages until it writes to them. Slower than `anonymous_mb`.
    """
    return _told_mb(f"/proc/{process}/smaps_rollup", "Pss_Anon:")


def shared_mb(process: int | str = "self") -> float:
    """Return the resident shared memory of a process in MB: files in tmpfs count here."""
    return _told_mb(f"/proc/{process}/status", "RssShmem:")


def _told_mb(file: str, field: str) -> float:
    with suppress(OSError):  # no Linux, or it has just ended
        for line in Path(file).read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def has_room(n_bytes: int) -> bool:
    """Return whether this process could allocate so much memory now; it is freed at once."""
    try:
        mmap.mmap(-1, n_bytes).close()
    except (OSError, MemoryError):
        return False
    return True


def address_limit() -> float:
    """Return how many bytes of address space this process may have (``ulimit -v``); infinite without a limit."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit
