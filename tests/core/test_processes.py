"""Commands are watched to their end: what they took is counted with their descendants, and nothing outlives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from keyframe_bench.core import processes
from keyframe_bench.core.processes import Finished, anonymous_mb, processes_of, run_watched

LINUX = pytest.mark.skipif(not anonymous_mb(), reason="this system does not tell anonymous memory")
START = "import os, subprocess, sys, time\nfrom pathlib import Path\n"
BURN = "end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
HOLD = "held = os.urandom(150_000_000); time.sleep(1.2)"
FORK = """
held = b"x" * (150 << 20)
for _ in range(3):
    if os.fork() == 0:
        time.sleep(1.5)
        os._exit(0)
time.sleep(1.5)
"""


@pytest.fixture
def watched(tmp_path: Path):
    """Run lines of Python; what was printed is in ``printed``."""

    def run(body: str, **options: object) -> Finished:
        with (tmp_path / "printed").open("wb") as output:
            return run_watched([sys.executable, "-c", START + body], output=output, **options)  # type: ignore[arg-type]

    return run


def child(body: str, call: str = "run") -> str:
    """Return Python that runs ``body`` in a process of its own."""
    return f"subprocess.{call}([sys.executable, '-c', {START + body!r}])"


def waiting_for(file: Path) -> str:
    return f"\nwhile not Path({str(file)!r}).exists(): time.sleep(0.01)"


def test_status_output_folder_and_variables(watched, tmp_path):
    body = "print(os.getcwd(), os.environ['MINE'], sys.stdin.read() == ''); sys.exit(3)"
    assert watched(body, cwd=tmp_path, env={"MINE": "a=b"}).status == 3
    assert (tmp_path / "printed").read_text().split() == [str(tmp_path), "a=b", "True"]
    assert watched("os.kill(os.getpid(), 9)").status == -9
    with (tmp_path / "printed").open("wb") as output, pytest.raises(FileNotFoundError):
        run_watched([str(tmp_path / "no such program")], output=output)


def test_processor_seconds_count_descendants(watched):
    found = watched(child(child(BURN)))
    assert found.status == 0 and found.cpu_s >= 0.5 and found.wall_s >= 0.5


@LINUX
@pytest.mark.parametrize(
    ("body", "at_least", "below"),
    [
        (HOLD, 150, 400),
        (child(child(HOLD)), 150, 400),
        (f"both = [{child(HOLD, 'Popen')} for _ in range(2)]\nfor one in both: one.wait()", 300, 600),
        (FORK, 150, 300),  # pages that forked processes share count once
    ],
    ids=["own", "grandchild", "two", "forked"],
)
def test_memory_counts_descendants(watched, body, at_least, below):
    assert at_least <= watched(body, limit_s=60).peak_mb < below


@LINUX
def test_memory_of_a_process_counts_after_its_parent_has_gone(watched, tmp_path):
    """A daemon's parent ends at once: it is nobody's child any more, and still of this session."""
    done = tmp_path / "done"
    alone = "first = os.getppid()\nwhile os.getppid() == first: time.sleep(0.01)\n"
    orphan = child(f"{alone}{HOLD}\nPath({str(done)!r}).touch()", "Popen")
    assert watched(child(f"{orphan}; time.sleep(0.5)") + waiting_for(done), limit_s=60).peak_mb >= 150


def test_a_program_that_is_being_started_does_not_count_its_parents_pages(monkeypatch):
    """Until it runs it has the address space of the process that starts it, which no look can tell apart."""
    looks = iter([{1}, {1, 2}, {1}, {1, 3}, {1, 3}])
    monkeypatch.setattr(processes, "processes_of", lambda *_: next(looks))
    for held in ("anonymous_mb", "proportional_mb"):
        monkeypatch.setattr(processes, held, {1: 200.0, 2: 200.0, 3: 50.0}.__getitem__)
    watch = processes._Watch(1, None)
    for expected in (200.0, 200.0, 200.0, 200.0, 250.0):
        watch._look()
        assert watch.peak_mb == expected


@pytest.mark.parametrize("end", ["time is up", "ends before its children", "interrupt"])
def test_nothing_outlives_a_command(watched, tmp_path, end):
    """Ctrl-C reaches the waiting process only: the command has a session of its own."""
    note = tmp_path / "note"
    writer = f"while True: open({str(note)!r}, 'a').write('x'); time.sleep(0.02)"

    def press() -> None:
        while not note.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    if end == "time is up":
        found = watched(child(child(writer)), limit_s=1.5)
        assert found.status is None and found.wall_s >= 1.5
    elif end == "ends before its children":
        assert watched(child(writer, "Popen") + waiting_for(note)).status == 0
    else:
        Thread(target=press, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            watched(writer)
    size = note.stat().st_size
    time.sleep(0.3)
    assert note.stat().st_size == size


@LINUX
def test_a_command_that_cannot_be_watched_is_ended(watched, monkeypatch):
    def no_thread(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(processes._Watch, "start", no_thread)
    before = processes_of(os.getpid())
    with pytest.raises(RuntimeError, match="new thread"):
        watched("time.sleep(60)")
    assert processes_of(os.getpid()) <= before


def test_children_of_other_threads_are_found_when_one_has_ended(monkeypatch, tmp_path):
    """A list that cannot be read is a folder here."""
    (tmp_path / "self" / "task" / str(os.getpid()) / "children").mkdir(parents=True)
    for thread in range(12):
        (tmp_path / "1" / "task" / str(thread)).mkdir(parents=True)
        listed = tmp_path / "1" / "task" / str(thread) / "children"
        listed.mkdir() if thread % 2 else listed.write_text(f"{10 + thread} ", "ascii")
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    assert processes_of(1) == {1, 10, 12, 14, 16, 18, 20}


@LINUX
def test_children_are_found_without_the_kernels_list_too(monkeypatch, tmp_path):
    body = START + child("time.sleep(60)", "Popen") + "; time.sleep(60)"
    leader = subprocess.Popen([sys.executable, "-c", body], start_new_session=True)
    try:
        end = time.monotonic() + 300
        while len(listed := processes_of(leader.pid)) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        assert len(listed) == 2 and leader.pid in listed
        (tmp_path / "self").mkdir()  # a /proc without lists of children
        for process in Path("/proc").glob("[0-9]*"):
            (tmp_path / process.name).mkdir()
        monkeypatch.setattr(processes, "_PROC", tmp_path)
        assert processes_of(leader.pid) == listed
    finally:
        processes._kill_group(leader.pid)
        leader.wait()
