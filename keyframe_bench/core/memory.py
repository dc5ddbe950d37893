"""How much anonymous memory this process holds."""

from __future__ import annotations


def anonymous_mb() -> float:
    """Return the resident anonymous memory of this process in MB (10^6 bytes); 0 where the system does not tell.

    File-backed pages (libraries, memory-mapped feature columns) do not count: the system can drop them at will.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024 / 1e6
    except OSError:  # no Linux: nothing is claimed
        pass
    return 0.0
