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
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..core.registry import load_plugins, plugin_files
from ..video.decode import decoder_threads, set_decoder_threads
from .cluster import Start, Tasks, check_shared, connected
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
    for done, result in enumerate(_apart(spec, jobs), start=1):
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


class Processes:
    """Worker processes of this machine, one a thread: called with a job, it waits for its result; None if it dies."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._pools: dict[int, Any] = {}  # by thread

    def __call__(self, job: VideoJob) -> JobResult | None:
        """Return the result of ``job``."""
        from joblib.externals.loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

        thread = threading.get_ident()
        if thread not in self._pools:
            variables = dict.fromkeys(_VARIABLES, str(self.work.threads))
            # Ctrl-C, which a terminal sends workers too, is this process's to answer.
            deaf = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
            self._pools[thread] = ProcessPoolExecutor(1, env=variables, **deaf)
        try:
            found: JobResult = self._pools[thread].submit(self.work, job).result()
            return found
        except BrokenProcessPool:
            del self._pools[thread]
            return None

    def stop(self) -> None:
        """End the processes, and what they have started."""
        from joblib.externals.loky.backend.utils import kill_process_tree

        # Not shutdown(kill_workers=True): loky then trips over a job that is being handed over.
        for pool in list(self._pools.values()):
            for process in list((pool._processes or {}).values()):
                kill_process_tree(process)


def _apart(spec: RunSpec, jobs: Sequence[VideoJob]) -> Iterator[JobResult]:
    """Compute ``jobs`` in other processes, as many at a time as there is room for; one may die (`run_apart`)."""
    attempt: Tasks | Processes
    if spec.backend == "ray":
        work = replace(_work(spec, spec.threads or 1), start=Start.here())
        attempt = Tasks(work, work.threads)
        n_workers = spec.n_jobs or attempt.room
    else:
        from joblib import cpu_count

        assert spec.n_jobs is not None  # RunSpec: only a cluster has no number of its own
        n_workers = min(spec.n_jobs, len(jobs))
        attempt = Processes(_work(spec, spec.threads or max(1, cpu_count() // n_workers)))
    stopped, threads = threading.Event(), ThreadPoolExecutor(n_workers)

    def computed(job: VideoJob) -> JobResult | None:
        if stopped.is_set():
            raise CancelledError
        return attempt(job)

    try:
        running = [threads.submit(run_apart, job, spec.out, spec.on_error, computed) for job in jobs]
        for future in as_completed(running):
            yield future.result()
    finally:
        stopped.set()
        threads.shutdown(wait=False, cancel_futures=True)
        attempt.stop()


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
