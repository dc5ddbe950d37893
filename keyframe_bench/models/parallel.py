"""Pictures side by side: one core each, instead of all cores on every operation of one picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the ``with`` block: in short operations threads only wait for each other.

    On a machine that does other work too, 800 distances of frames took 170 s in two threads and 14 s in one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return ``[function(item) for item in items]``, in as many threads as torch may use, each with one of its own.

    Torch's own way is to spread each operation over all cores, which wait for the slowest at its end. What comes out
    here does not depend on the number of threads.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return [function(item) for item in items]

    def alone(item: T) -> R:
        torch.set_num_threads(1)  # of this thread, and of threads that torch has not seen yet
        return function(item)

    try:
        return list(_pool(os.getpid(), threads).map(alone, items))
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=2)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:  # noqa: ARG001 - threads do not live on in a forked process
    return ThreadPoolExecutor(threads, thread_name_prefix="keyframe_bench-pictures")
