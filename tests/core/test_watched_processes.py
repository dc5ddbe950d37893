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
from keyframe_bench.core.memory import anonymous_mb
from keyframe_bench.core.processes import Finished, processes_of, run_watched

LINUX = pytest.mark.skipif(not anonymous_mb(), reason="this system does not tell anonymous memory")


@pytest.fixture
def watched(tmp_path: Path):
    """Run lines of Python; what was printed is in ``printed``."""

    def run(body: str, **options: object) -> Finished:
        with (tmp_path / "printed").open("wb") as output:
            return run_watched([sys.executable, "-c", body], output=output, **options)  # type: ignore[arg-type]

    return run


def in_grandchild(body: str) -> str:
    """Return Python that runs ``body`` in a child of its child."""
    inner = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {body!r}], check=True)"
    return f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"


def test_status_output_folder_and_variables(watched, tmp_path):
    found = watched(
        "import os, sys; print(os.getcwd(), os.environ['MINE'], sys.stdin.read() == ''); sys.exit(3)",
        cwd=tmp_path,
        env={"MINE": "a=b"},
    )
    assert found.status == 3
    assert (tmp_path / "printed").read_text().split() == [str(tmp_path), "a=b", "True"]
    assert watched("import os; os.kill(os.getpid(), 9)").status == -9


def test_a_program_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with (tmp_path / "printed").open("wb") as output, pytest.raises(FileNotFoundError):
        run_watched([str(tmp_path / "no such program")], output=output)


BURN = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"


@pytest.mark.parametrize("body", [BURN, in_grandchild(BURN)], ids=["own", "grandchild"])
def test_processor_seconds_count_descendants(watched, body):
    found = watched(body)
    assert found.status == 0
    assert found.cpu_s >= 0.5
    assert found.wall_s >= 0.5


HOLD = "import os, time; held = os.urandom(150_000_000); time.sleep(1.2)"


@LINUX
@pytest.mark.parametrize("body", [HOLD, in_grandchild(HOLD)], ids=["own", "grandchild"])
def test_memory_counts_descendants(watched, body):
    assert 150 <= watched(body).peak_mb < 400


WAIT = "import os, subprocess, sys, time\nfrom pathlib import Path\n"


@LINUX
def test_memory_of_a_process_counts_after_its_parent_has_gone(watched, tmp_path):
    """A daemon's parent ends at once: it is nobody's child any more, and still of this session."""
    done = tmp_path / "done"
    alone = "first = os.getppid()\nwhile os.getppid() == first: time.sleep(0.01)"
    orphan = f"{WAIT}{alone}\n{HOLD}\nPath({str(done)!r}).touch()"
    parent = f"{WAIT}subprocess.Popen([sys.executable, '-c', {orphan!r}]); time.sleep(0.5)"
    until_done = f"while not Path({str(done)!r}).exists(): time.sleep(0.01)"
    outer = f"{WAIT}subprocess.run([sys.executable, '-c', {parent!r}])\n{until_done}"
    assert watched(outer, limit_s=60).peak_mb >= 150


@LINUX
def test_memory_of_several_processes_is_summed(watched, tmp_path):
    notes = [str(tmp_path / name) for name in "ab"]
    until_both = f"while not all(Path(note).exists() for note in {notes!r}): time.sleep(0.01)\ntime.sleep(1.2)"
    one = f"{WAIT}held = os.urandom(150_000_000); Path(sys.argv[1]).touch()\n{until_both}"
    both = f"{WAIT}for p in [subprocess.Popen([sys.executable, '-c', {one!r}, n]) for n in {notes!r}]: p.wait()"
    assert watched(both, limit_s=60).peak_mb >= 300


def still_writing(note: Path) -> bool:
    size = note.stat().st_size
    time.sleep(0.3)
    return note.stat().st_size > size


def writer(note: Path) -> str:
    return f"import time\nwhile True: open({str(note)!r}, 'a').write('x'); time.sleep(0.02)"


@pytest.mark.parametrize("depth", ["own", "grandchild"])
def test_nothing_outlives_a_command_whose_time_is_up(watched, tmp_path, depth):
    body = writer(tmp_path / "note")
    found = watched(body if depth == "own" else in_grandchild(body), limit_s=1.5)
    assert found.status is None
    assert found.wall_s >= 1.5
    assert not still_writing(tmp_path / "note")


def test_nothing_outlives_a_command_that_ends_before_its_children(watched, tmp_path):
    note = tmp_path / "note"
    body = f"import pathlib, subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {writer(note)!r}])\n"
    found = watched(body + f"while not pathlib.Path({str(note)!r}).exists(): time.sleep(0.01)")
    assert found.status == 0
    assert not still_writing(note)


def test_nothing_outlives_an_interrupt(watched, tmp_path):
    """Ctrl-C reaches the waiting process only: the command has a session of its own."""
    note = tmp_path / "note"

    def press() -> None:
        while not note.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        watched(writer(note))
    assert not still_writing(note)


@LINUX
def test_children_are_found_without_the_kernels_list_too(monkeypatch, tmp_path):
    child = "import time; time.sleep(60)"
    body = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
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
