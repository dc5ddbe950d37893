"""Running a command while measuring time and memory of all its processes; memory in MB (10^6 bytes)."""

from __future__ import annotations

import gc
import math
import mmap
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, BinaryIO


# Not psutil: it takes several times as long, and does not tell anonymous memory from that of files.
def anonymous_mb(process: int | str = "self") -> float:
    """Return the resident anonymous memory of a process in MB, 0 where unknown.

    File-backed pages (libraries, memory-mapped feature columns) do not count: the system can drop them at will.
    """
    return _reported_mb(f"/proc/{process}/status", "RssAnon:")


def proportional_mb(process: int) -> float:
    """Return the anonymous memory of a process in MB, shared pages divided among their processes; 0 where unknown.

    A forked worker shares its parent's pages until it writes to them. Slower than `anonymous_mb`.
    """
    return _reported_mb(f"/proc/{process}/smaps_rollup", "Pss_Anon:")


def shared_mb(process: int | str = "self") -> float:
    """Return the resident shared memory of a process in MB, files in tmpfs included; 0 where unknown."""
    return _reported_mb(f"/proc/{process}/status", "RssShmem:")


def _reported_mb(file: str, field: str) -> float:
    with suppress(OSError):  # no Linux, or it has just ended
        for line in Path(file).read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def has_room(n_bytes: int) -> bool:
    """Return whether this process could allocate so much memory now; it is freed at once."""
    try:
        mmap.mmap(-1, n_bytes).close()
    except (OSError, MemoryError):
        return False
    return True


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Search for no cycles of garbage inside the ``with`` block: a sixth of the time where much is read or imported."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def address_limit() -> float:
    """Return how many bytes of address space this process may have (``ulimit -v``); infinite without a limit."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit


_PROC = Path("/proc")
_STEP_S = 0.02  # between memory samples: a higher peak in between is not seen
_EXACT_S = 0.5  # between exact samples of pages that several processes share


@dataclass(frozen=True)
class Finished:
    """Exit status and cost of a command."""

    status: int | None  # exit status; minus the signal that killed it; None after a timeout
    wall_s: float  # seconds from start to exit
    cpu_s: float  # CPU seconds, user and system, of it and of every descendant that was waited for
    # Highest sampled sum of anonymous memory over it and its descendants, MB; pages shared by forked processes count
    # once. Several processes are sampled only twice a second. 0 where the system does not report it.
    peak_mb: float
    shared_mb: float  # the same of resident shared memory; pages that several processes share count in each


def run_watched(
    command: Sequence[str],  # program and arguments; standard input is empty
    *,
    output: BinaryIO,  # takes standard output and standard error
    cwd: Path | None = None,  # its current folder
    env: Mapping[str, str] | None = None,  # variables to add to this process's own
    limit_s: float | None = None,  # timeout after which all its processes are killed
) -> Finished:
    """Run ``command`` in a session of its own; what is left of the session when it ends is killed.

    Raises `OSError` when the program cannot be started.
    """
    start = time.perf_counter()
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
    variables = {**os.environ, **(env or {})}
    process = subprocess.Popen(command, cwd=cwd, env=variables, start_new_session=True, **streams)
    watch = _Watch(process.pid, limit_s)
    try:
        watch.start()
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # it is gone: Popen need not wait for it
    finally:
        watch.done.set()
        if watch.ident is not None:  # else its thread could not be started
            watch.join()
        _kill_group(process.pid)  # orphaned workers of a pool
        if process.returncode is None:  # interrupted
            process.wait()
    ended = None if watch.too_late else process.returncode
    return Finished(ended, wall_s, used.ru_utime + used.ru_stime, watch.peak_mb, watch.shared_mb)


class _Watch(Thread):
    """Samples the memory of a process and its descendants until stopped; kills them after a timeout."""

    def __init__(self, leader: int, limit_s: float | None) -> None:
        super().__init__(name="keyframe_bench-watch", daemon=True)
        self.leader = leader
        self.end = math.inf if limit_s is None else time.perf_counter() + limit_s
        self.peak_mb = self.shared_mb = self._next_exact = 0.0
        self.too_late = False
        self.done = Event()
        self._known = {leader}

    def run(self) -> None:
        while not self.done.wait(_STEP_S):
            self._look()
            if time.perf_counter() >= self.end:
                self.too_late = True
                _kill_group(self.leader)
                return

    def _look(self) -> None:
        before, self._known = self._known, processes_of(self.leader, self._known)
        # A process just started by vfork still has its parent's address space, which would count twice: count it from
        # the second sample on.
        counted = before & self._known
        at_most = sum(map(anonymous_mb, counted))
        now = time.perf_counter()
        if len(counted) == 1:
            self.peak_mb = max(self.peak_mb, at_most)
        elif at_most > self.peak_mb and now >= self._next_exact:  # the exact sample is slow and stalls the process
            self._next_exact = now + _EXACT_S
            self.peak_mb = max(self.peak_mb, sum(map(proportional_mb, counted)))
        self.shared_mb = max(self.shared_mb, sum(map(shared_mb, counted)))


def processes_of(leader: int, known: Iterable[int] = ()) -> set[int]:
    """Return the ids of a session's leader and of its living descendants.

    Follows the kernel's lists of children; without them, returns all processes of the session. ``known``: those found
    before: orphans are in no list of children.
    """
    if not (_PROC / "self" / "task" / str(os.getpid()) / "children").exists():
        return {int(folder.name) for folder in _PROC.glob("[0-9]*") if _session(int(folder.name)) == leader}
    found: set[int] = set()
    waiting = [leader, *(process for process in known if _session(process) == leader)]
    while waiting:
        process = waiting.pop()
        if process not in found:
            found.add(process)
            with suppress(OSError):  # it has just ended
                for thread in (_PROC / str(process) / "task").iterdir():
                    with suppress(OSError):  # this thread has
                        waiting += map(int, (thread / "children").read_text("ascii").split())
    return found


def _session(process: int) -> int | None:
    try:
        return os.getsid(process)
    except OSError:  # it has just ended
        return None


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # all have ended already
        os.killpg(leader, signal.SIGKILL)
