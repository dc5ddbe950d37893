"""Forked workers share pages with their parent: they count once."""

from __future__ import annotations

import sys
import tempfile

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
