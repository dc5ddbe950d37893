"""Where videos are computed: in this process, in worker processes on this machine, or on a Ray cluster."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import KeyframeBenchError
from ..core.registry import load_plugins, plugin_files
from ..video.decode import decoder_threads, set_decoder_threads
from .cluster import Start, check_shared, cluster_ready, compute_on_cluster
from .plan import VideoJob
from .run import JobResult, run_video
from .spec import OnError, RunSpec

# Called with (videos finished, videos in all, video id, share of the current video or 1.0).
Report = Callable[[int, int, str, float], None]


@contextmanager
def workers_ready(spec: RunSpec) -> Iterator[None]:
    """Connect to the cluster that ``spec`` names, for the ``with`` block; other executors need nothing.

    Raises
    ------
    UnavailableError
        Before anything is planned or written.
    """
    if spec.backend == "ray":
        with cluster_ready(spec.address, spec.threads or 1):
            yield
    else:
        yield


def map_videos(spec: RunSpec, jobs: Sequence[VideoJob], report: Report | None) -> Iterator[JobResult]:
    """Compute ``jobs`` with the executor of ``spec``, inside `workers_ready`; results come as they are finished.

    Raises
    ------
    KeyframeBenchError
        When a worker process was lost, or lacks a path. What was written before is kept.
    """
    if spec.backend != "ray" and (spec.n_jobs == 1 or len(jobs) < 2):
        yield from _in_this_process(spec, jobs, report)
        return
    results = _on_cluster(spec, jobs) if spec.backend == "ray" else _on_this_machine(spec, jobs)
    for done, result in enumerate(results, start=1):
        if report is not None:
            report(done, len(jobs), result.video, 1.0)
        yield result


def _in_this_process(spec: RunSpec, jobs: Sequence[VideoJob], report: Report | None) -> Iterator[JobResult]:
    total = len(jobs)
    with limited_threads(spec.threads):
        for done, job in enumerate(jobs):
            yield run_video(job, spec.out, spec.on_error, _video_progress(report, done, total, job))
            if report is not None:
                report(done + 1, total, job.item.id, 1.0)


def _video_progress(report: Report | None, done: int, total: int, job: VideoJob) -> Callable[[float], None] | None:
    if report is None:
        return None
    return lambda seconds: report(done, total, job.item.id, seconds)


def _on_this_machine(spec: RunSpec, jobs: Sequence[VideoJob]) -> Iterator[JobResult]:
    from joblib import Parallel, cpu_count, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    assert spec.n_jobs is not None  # RunSpec: only a cluster has no number of its own
    n_workers = min(spec.n_jobs, len(jobs))  # loky would start all of them
    threads = spec.threads or max(1, cpu_count() // n_workers)
    work = Work(spec.out, spec.on_error, tuple(plugin_files()), threads)
    with parallel_config(spec.backend, n_jobs=n_workers, inner_max_num_threads=threads):
        pool = Parallel(return_as="generator_unordered")
    try:
        with _children_deaf_to_interrupts():
            results = pool(delayed(work)(job) for job in jobs)
        yield from results
    except BrokenProcessPool as error:
        raise KeyframeBenchError(
            "a worker process was killed, perhaps for want of memory; finished videos are kept: "
            f"run the same command again, with fewer than executor.n_jobs={spec.n_jobs}"
        ) from error


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
    threads = spec.threads or 1
    work = Work(spec.out, spec.on_error, tuple(plugin_files()), threads, Start.here())
    return compute_on_cluster(work, jobs, n_cpus=threads, at_once=spec.n_jobs)


@dataclass(frozen=True)
class Work:
    """What a worker process does with a video. It knows no plug-in yet, and shares the cores with its siblings.

    Attributes
    ----------
    out : Path
        The run's folder.
    on_error : {"raise", "warn", "skip"}
    plugins : tuple of str
        Files to load first.
    threads : int
        Its share of the cores.
    start : Start, optional
        For a worker that did not inherit the folder and the environment of the process that started the run.
    """

    out: Path
    on_error: OnError
    plugins: tuple[str, ...]
    threads: int
    start: Start | None = None

    def __call__(self, job: VideoJob) -> JobResult:
        """Compute ``job`` and write its cells."""
        if self.start is not None:
            self.start.enter()
            check_shared(self.out, job.item.path)
        with limited_threads(self.threads):
            load_plugins(self.plugins)
            return run_video(job, self.out, self.on_error)


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
