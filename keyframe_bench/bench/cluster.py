"""Videos on a Ray cluster that exists already. Ray alone schedules; its workers need the same paths as this machine."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import UnavailableError, UsageError, os_reason
from ..video.frame_folder import Video
from .plan import VideoJob
from .run import JobResult

_ANSWER_S = 5  # how long a cluster may take to accept a connection; Ray itself waits for minutes, then ends the process


@contextmanager
def connected(address: str, n_cpus: int = 1) -> Iterator[None]:
    """Connect to the cluster at ``address`` for the ``with`` block, or use the connection that this process has.

    The address is HOST:PORT, or "auto": ``$RAY_ADDRESS``, else the cluster of which this machine is a part. None is
    started. Some machine there must have ``n_cpus`` cores. Raises `UnavailableError` when Ray is not installed, no such
    cluster answers, or no machine of it is large enough.
    """
    # What Ray's workers print is in Ray's own logs; a driver shows its warnings unless told so before Ray is imported.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^")
    ray = _ray()
    if is_new := not ray.is_initialized():
        found = _found(address)
        try:
            ray.init(address=found, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UnavailableError(f"the Ray cluster at {found} cannot be used: {error}") from error
    try:
        largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
        if 0 < largest < n_cpus:  # a cluster without cores may be one that grows when it is asked to
            raise UnavailableError(
                f"executor.threads={n_cpus}: the largest machine of the Ray cluster has {largest:.0f} cores; "
                "give at most that"
            )
        yield
    finally:
        if is_new:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UnavailableError("Ray is not installed: pip install 'keyframe_bench[cluster]'") from None
    return ray


def _found(address: str) -> str:
    """Return HOST:PORT of the cluster, after seeing that something answers there."""
    asked = f"executor.address={address}"
    if address == "auto" and os.environ.get("RAY_ADDRESS"):
        asked = f"RAY_ADDRESS={os.environ['RAY_ADDRESS']}"
    way_out = (
        "start one with `ray start --head`, or name one with RAY_ADDRESS=HOST:PORT in the environment "
        "(with executor=ray also by executor.address=)"
    )
    try:
        from ray._private.services import canonicalize_bootstrap_address  # no public function says what "auto" means

        found = canonicalize_bootstrap_address(address)
        host, _, port = str(found).rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S):
            return str(found)
    except (ImportError, OSError, ValueError, OverflowError) as error:
        reason = "" if address == "auto" and "RAY_ADDRESS" not in asked else f" ({error})"
        raise UnavailableError(f"no Ray cluster answers at {asked}{reason}; {way_out}") from error


def compute_on_cluster(
    work: Callable[[VideoJob], JobResult],
    jobs: Sequence[VideoJob],
    *,
    n_cpus: int,
    at_once: int | None,
    last: Callable[..., JobResult],
) -> Iterator[JobResult]:
    """Compute ``jobs`` as tasks of the cluster that is connected, with ``n_cpus`` cores each, as they are finished.

    A video whose worker process is lost does not stop the others: when they are done, ``last`` computes it, given the
    job and ``attempt`` (`bench.run.run_apart`). At most ``at_once`` videos run at a time; None leaves it to Ray, which
    is always given some more than it has room for. Raises `KeyframeBenchError` when a worker's machine lacks a path.
    """
    ray = _ray()
    task = ray.remote(num_cpus=n_cpus, max_retries=0)(_run)

    def result_of(reference: Any) -> JobResult | None:
        try:
            found: JobResult = ray.get(reference)
            return found
        except ray.exceptions.RayTaskError as error:  # what the task itself raised
            raise error.cause from error
        except ray.exceptions.RayError:
            return None

    waiting, lost = iter(jobs), []
    running: dict[Any, VideoJob] = {}
    try:
        while True:
            room = (at_once or _room(ray, n_cpus)) - len(running)
            running |= {task.remote(work, job): job for job in itertools.islice(waiting, max(0, room))}
            if not running:
                break
            (ready, *_), _ = ray.wait(list(running))
            job, result = running.pop(ready), result_of(ready)
            if result is None:
                lost.append(job)
            else:
                yield result
    finally:
        for left in running:
            ray.cancel(left, force=True)
    for job in lost:
        yield last(job, attempt=lambda part: result_of(task.remote(work, part)))


def _run(work: Callable[[VideoJob], JobResult], job: VideoJob) -> JobResult:
    return work(job)


def _room(ray: Any, n_cpus: int) -> int:
    """Twice the tasks that the cluster can run now, as joblib does: no machine waits, and a cluster that grows does."""
    return max(2, 2 * int(ray.cluster_resources().get("CPU", 0) // n_cpus))


@dataclass(frozen=True)
class Start:
    """Where a run was started: the current folder and the program's own environment variables."""

    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Start:
        """Return those of this process."""
        return cls(str(Path.cwd()), {k: v for k, v in os.environ.items() if k.startswith("KEYFRAME_BENCH_")})

    def enter(self) -> None:
        """Make them this process's own; `UsageError` when this machine has no such folder."""
        os.environ.update(self.environment)
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise _missing(self.folder, os_reason(error)) from error


def check_shared(out: Path, video: Video) -> None:
    """Raise `UsageError`, which names this machine, unless the run's folder and the video are there."""
    if not os.access(out / "cells", os.W_OK):
        raise _missing(out.absolute(), "the run's folder")
    if not os.access(video, os.R_OK):
        raise _missing(Path(video).absolute(), "a video")


def _missing(path: str | Path, what: str) -> UsageError:
    return UsageError(
        f"the worker on {socket.gethostname()} cannot use {str(path)!r} ({what}): workers on other machines need the "
        "same paths, on a file system that they share"
    )
