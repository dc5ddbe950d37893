"""Forked workers share pages with their parent: they count once."""

from __future__ import annotations

import sys
import tempfile

from keyframe_bench.core import processes
from keyframe_bench.core.processes import run_watched

_FORKS = """
import os, time
held = b"x" * (150 << 20)
for _ in range(3):
    if os.fork() == 0:
        time.sleep(1.5)
        os._exit(0)
time.sleep(1.5)
"""


def test_pages_that_forked_processes_share_count_once() -> None:
    with tempfile.TemporaryFile() as output:
        done = run_watched([sys.executable, "-c", _FORKS], output=output)
    assert done.status == 0
    assert 150 < done.peak_mb < 300


def test_a_program_that_is_being_started_does_not_count_its_parents_pages(monkeypatch) -> None:
    """Until it runs it has the address space of the process that starts it, which no look can tell apart."""
    looks = iter([{1}, {1, 2}, {1}, {1, 3}, {1, 3}])
    monkeypatch.setattr(processes, "processes_of", lambda *_: next(looks))
    for held in ("anonymous_mb", "proportional_mb"):
        monkeypatch.setattr(processes, held, {1: 200.0, 2: 200.0, 3: 50.0}.__getitem__)
    watch = processes._Watch(1, None, 0.02)
    for expected in (200.0, 200.0, 200.0, 200.0, 250.0):
        watch._look()
        assert watch.peak_mb == expected
