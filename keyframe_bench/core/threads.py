"""Work shared by threads, its results in order."""

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
    """Yield ``function(item)`` in order, computed by threads; few results wait at a time.

    Parameters
    ----------
    function : callable
    items : iterable
    threads : int, optional
        Default: a thread a core.
    room : callable, optional
        Says, whenever it is asked, how many results may be computed or wait; default: four a thread.
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
