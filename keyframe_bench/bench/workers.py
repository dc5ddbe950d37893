"""Where videos are computed: in this process, in worker processes on this machine, or on a Ray cluster.

A method that ends its process (``os._exit``, a crash in compiled code, no memory left) is a failed row where it runs in
a worker; with ``executor=serial`` there is no other process to tell of it, and the run ends there and then.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..core.registry import load_plugins, plugin_files
from ..video.decode import decoder_threads, set_decoder_threads
from .cluster import Start, check_shared, compute_on_cluster, connected
from .failures import error_record
from .plan import VideoJob
from .run import JobResult, run_apart, run_video
from .spec import OnError, RunSpec

# Called with (videos finished, videos in all, video id, seconds that are decoded of it or None when it is finished).
VideoReport = Callable[[int, int, str, "float | None"], None]


def workers_ready(spec: RunSpec) -> AbstractContextManager[None]:
    """Return the connection to the cluster that ``spec`` names, for a ``with`` block; other executors need nothing.

    Raises `UnavailableError` on entering, before anything is planned or written.
    """
    return connected(spec.address, spec.threads or 1) if spec.backend == "ray" else nullcontext()


def map_videos(spec: RunSpec, jobs: Sequence[VideoJob], report: VideoReport | None) -> Iterator[JobResult]:
    """Compute ``jobs`` with the executor of ``spec``, inside `workers_ready`; results come as they are finished.

    Raises `KeyframeBenchError` when a worker process lacks a path, or, with ``on_error=raise``, died. What was written
    before is kept; `WorkerError` with ``on_error=raise``, for an error that cannot be pickled.
    """
    if spec.backend == "serial" or not jobs:
        yield from _in_this_process(spec, jobs, report)
        return
    results = _on_cluster(spec, jobs) if spec.backend == "ray" else _on_this_machine(spec, jobs)
    for done, result in enumerate(results, start=1):
        if report is not None:
            report(done, len(jobs), result.video, None)
        yield result


def _in_this_process(spec: RunSpec, jobs: Sequence[VideoJob], report: VideoReport | None) -> Iterator[JobResult]:
    total = len(jobs)
    with limited_threads(spec.threads):
        for done, job in enumerate(jobs):
            progress = None if report is None else partial(report, done, total, job.item.id)
            yield run_video(job, spec.out, spec.on_error, progress)
            if report is not None:
                report(done + 1, total, job.item.id, None)


def _on_this_machine(spec: RunSpec, jobs: Sequence[VideoJob]) -> Iterator[JobResult]:
    from joblib import cpu_count

    assert spec.n_jobs is not None  # RunSpec: only a cluster has no number of its own
    waiting = {job.item.id: job for job in jobs}
    n_workers = min(spec.n_jobs, len(jobs))  # loky would start all of them
    work = _work(spec, spec.threads or max(1, cpu_count() // n_workers))

    while waiting:
        with _Pool(work, n_workers) as pool:
            for result in pool.results(list(waiting.values())):
                del waiting[result.video]
                yield result
        # A worker that dies takes the pool with it; jobs begin in order, so that it had one of the first that are left.
        with _Pool(work, 1) as alone:
            for name in list(waiting)[:n_workers]:
                yield run_apart(waiting.pop(name), spec.out, spec.on_error, alone.result)


class _Pool:
    """Worker processes of their own; when one has died, all are started again for the next jobs."""

    def __init__(self, work: Work, n_workers: int) -> None:
        self.work, self.n_workers = work, n_workers
        self._pool: Any = None

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(kill_workers=True)
        self._pool = None

    def results(self, jobs: Sequence[VideoJob]) -> Iterator[JobResult]:
        """Compute ``jobs``; where a worker dies, results of the unfinished do not come."""
        from concurrent.futures import as_completed

        from joblib.externals.loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.n_workers, env=dict.fromkeys(_VARIABLES, str(self.work.threads)))
        futures = []
        with _children_deaf_to_interrupts(), suppress(BrokenProcessPool):  # one may die before all are handed over
            for job in jobs:
                futures.append(self._pool.submit(self.work, job))
        n_lost = len(jobs) - len(futures)
        for future in as_completed(futures):
            try:
                result = future.result()
            except BrokenProcessPool:
                n_lost += 1
                continue
            yield result
        if n_lost:
            self.__exit__()

    def result(self, job: VideoJob) -> JobResult | None:
        """Compute one job; None when its process dies."""
        return next(iter(list(self.results([job]))), None)


@contextmanager
def _children_deaf_to_interrupts() -> Iterator[None]:
    """Let processes started inside the ``with`` block ignore Ctrl-C, which a terminal sends them too.

    This process ends them; each would print a traceback first.
    """
    if threading.current_thread() is not threading.main_thread():  # where nobody may say how signals are handled
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _on_cluster(spec: RunSpec, jobs: Sequence[VideoJob]) -> Iterator[JobResult]:
    work = replace(_work(spec, spec.threads or 1), start=Start.here())
    last = partial(run_apart, out=spec.out, on_error=spec.on_error)
    return compute_on_cluster(work, jobs, n_cpus=work.threads, at_once=spec.n_jobs, last=last)


def _work(spec: RunSpec, threads: int) -> Work:
    return Work(spec.out, spec.on_error, tuple(plugin_files()), threads)


@dataclass(frozen=True)
class Work:
    """What a worker process does with a video. It knows no plug-in yet, and shares the cores with its siblings."""

    out: Path  # the run's folder
    on_error: OnError
    plugins: tuple[str, ...]  # files to load first
    threads: int  # its share of the cores
    # For a worker that did not inherit the folder and the environment of the process that started the run
    start: Start | None = None

    def __call__(self, job: VideoJob) -> JobResult:
        """Compute ``job`` and write its cells; an error that cannot be pickled comes as a `WorkerError`."""
        try:
            if self.start is not None:
                self.start.enter()
                check_shared(self.out, job.item.path)
            with limited_threads(self.threads):
                load_plugins(self.plugins)
                return run_video(job, self.out, self.on_error)
        except Exception as error:
            if _can_travel(error):
                raise
            raise WorkerError(*error_record(error).values()) from None


class WorkerError(Exception):
    """What stands for an error of a worker that cannot be pickled: type, message and traceback of it as text."""

    def __str__(self) -> str:
        kind, message, text = self.args
        return f"{kind}: {message}\n\n{text}"


def _can_travel(error: Exception) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:  # noqa: BLE001 - classes of plug-ins raise anything here
        return False


# Read by libraries when they are loaded: these may be loaded later, or by a peer's process.
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def limited_threads(n: int | None) -> Iterator[None]:
    """Let the decoder, OpenCV, BLAS and OpenMP have ``n`` threads each inside the ``with`` block; None changes nothing.

    A library that is loaded inside the block keeps its ``n`` afterwards.
    """
    if n is None:
        yield
        return
    import cv2
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    decoder, opencv = decoder_threads(), cv2.getNumThreads()
    environment = {name: os.environ.get(name) for name in _VARIABLES}
    set_decoder_threads(n)
    cv2.setNumThreads(n)
    os.environ.update(dict.fromkeys(_VARIABLES, str(n)))
    try:
        with threadpool_limits(n):
            yield
    finally:
        set_decoder_threads(decoder)
        cv2.setNumThreads(opencv)
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
