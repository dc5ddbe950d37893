"""An ordered map over threads with bounded look-ahead."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import count
from typing import TypeVar

from .errors import OutOfMemoryError

T = TypeVar("T")
R = TypeVar("R")
_LOOK_S = 2.0  # how often a wait looks whether threads still live
_numbers = count()


def in_order(
    function: Callable[[T], R], items: Iterable[T], *, threads: int | None = None, room: Callable[[], int] | None = None
) -> Generator[R, None, None]:
    """Yield ``function(item)`` in order, computed by threads; the number of pending results is bounded.

    ``threads``: default: one per core; ``room``: returns how many results may be pending now; default: four per thread.
    Raises `OutOfMemoryError` if the threads ended without a result: with no memory left, a thread cannot even say so.
    """
    threads = threads or n_cores()
    name = f"keyframe_bench-{next(_numbers)}"
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def result(future: Future[R]) -> R:
        while not wait([future], timeout=_LOOK_S).done:
            if not any(thread.name.startswith(f"{name}_") for thread in threading.enumerate()) and not future.done():
                raise OutOfMemoryError("the threads ended")
        return future.result()

    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            while len(waiting) >= (4 * threads if room is None else max(1, room())):
                yield result(waiting.popleft())
        while waiting:
            yield result(waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def n_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
