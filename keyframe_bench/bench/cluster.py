"""Videos on a Ray cluster that exists already. Ray alone schedules; its workers need the same paths as this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import UnavailableError, UsageError, os_reason
from ..video.frame_folder import Timeline, Video
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


class Tasks:
    """Tasks of the cluster that is connected, with ``n_cpus`` cores each: called with a job, it waits for its result.

    None when the worker process is lost; `KeyframeBenchError` when its machine lacks a path. ``room``: twice the tasks
    that the cluster can run now, as joblib does: no machine waits, and a cluster that grows does.
    """

    def __init__(self, work: Callable[[VideoJob], JobResult], n_cpus: int) -> None:
        self._ray, self._running = _ray(), set[Any]()
        self._task = self._ray.remote(num_cpus=n_cpus, max_retries=0)(_run)
        self._work = self._ray.put(work)
        self.room = max(2, 2 * int(self._ray.cluster_resources().get("CPU", 0) // n_cpus))

    def __call__(self, job: VideoJob) -> JobResult | None:
        """Return the result of ``job``."""
        reference = self._task.remote(self._work, job)
        self._running.add(reference)
        try:
            found: JobResult = self._ray.get(reference)
            return found
        except self._ray.exceptions.RayTaskError as error:  # what the task itself raised
            raise error.cause from error
        except self._ray.exceptions.RayError:
            return None
        finally:
            self._running.discard(reference)

    def stop(self) -> None:
        """Cancel what is running."""
        for reference in list(self._running):
            self._ray.cancel(reference, force=True)


def _run(work: Callable[[VideoJob], JobResult], job: VideoJob) -> JobResult:
    return work(job)


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


def check_shared(out: Path, video: Video | Timeline) -> None:
    """Raise `UsageError`, which names this machine, unless the run's folder and the video are there."""
    if not os.access(out / "cells", os.W_OK):
        raise _missing(out.absolute(), "the run's folder")
    if not isinstance(video, Timeline) and not os.access(video, os.R_OK):
        raise _missing(Path(video).absolute(), "a video")


def _missing(path: str | Path, what: str) -> UsageError:
    return UsageError(
        f"the worker on {socket.gethostname()} cannot use {str(path)!r} ({what}): workers on other machines need the "
        "same paths, on a file system that they share"
    )
