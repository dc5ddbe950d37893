"""How much memory a process holds."""

from __future__ import annotations

import math
import mmap


def anonymous_mb(process: int | str = "self") -> float:
    """Return the resident anonymous memory of a process in MB (10^6 bytes); 0 where the system does not tell.

    File-backed pages (libraries, memory-mapped feature columns) do not count: the system can drop them at will.

    Parameters
    ----------
    process : int or "self"
        Its id; one that has ended holds nothing.
    """
    return _resident_mb(process, "RssAnon:")


def proportional_mb(process: int) -> float:
    """Return the anonymous memory of a process in MB, pages that several processes share divided among them.

    A forked worker has its parent's pages until it writes to them. 0 where the system does not tell; looking takes
    longer than `anonymous_mb`.
    """
    try:
        with open(f"/proc/{process}/smaps_rollup", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("Pss_Anon:"):
                    return int(line.split()[1]) * 1024 / 1e6
    except OSError:  # no Linux, or it has just ended
        pass
    return 0.0


def shared_mb(process: int | str = "self") -> float:
    """Return the resident shared memory of a process in MB: files of a temporary folder in memory show here."""
    return _resident_mb(process, "RssShmem:")


def _resident_mb(process: int | str, field: str) -> float:
    try:
        with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(field):
                    return int(line.split()[1]) * 1024 / 1e6
    except OSError:  # no Linux, or it has just ended: nothing is claimed
        pass
    return 0.0


def has_room(n_bytes: int) -> bool:
    """Say whether the system would give this process so much memory now; it is given back at once."""
    try:
        mmap.mmap(-1, n_bytes).close()
    except (OSError, MemoryError):
        return False
    return True


def address_limit() -> float:
    """Return how many bytes of address space this process may have (``ulimit -v``); infinite without a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return math.inf
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit
