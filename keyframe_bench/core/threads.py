"""An ordered map over threads with bounded look-ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    function: Callable[[T], R], items: Iterable[T], *, threads: int | None = None, room: Callable[[], int] | None = None
) -> Iterator[R]:
    """Yield ``function(item)`` in order, computed by threads; the number of pending results is bounded.

    Parameters
    ----------
    function : callable
    items : iterable
    threads : int, optional
        Default: one per core.
    room : callable, optional
        Returns how many results may be pending now; default: four per thread.
    """
    threads = threads or n_cores()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="keyframe_bench-pictures")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            while len(waiting) >= (4 * threads if room is None else max(1, room())):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def n_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
