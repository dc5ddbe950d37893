"""The memory bound of experiments/speed holds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from keyframe_bench.core.memory import anonymous_mb

SPEED = Path(__file__).parents[2] / "experiments" / "speed"
BOUND_MB = 400
GROWTH_MB = 30  # from 6000 frames, more than any metric keeps, to 12000: nothing may be kept for every frame


@pytest.mark.slow
def test_memory_is_bounded_and_does_not_grow_with_the_length() -> None:
    if not anonymous_mb():
        pytest.skip("this system does not tell anonymous memory")
    found = subprocess.run(
        [sys.executable, str(SPEED / "memory.py"), "--minutes", "4", "8"],
        capture_output=True, text=True, timeout=550, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    rows = re.findall(r"^ +(\d+) +\d+ (.{28}) +(\d+) +(\d+)", found.stdout, flags=re.MULTILINE)
    peaks = {(int(minutes), command.strip()): int(peak) for minutes, command, peak, _ in rows}
    assert len(peaks) == 6
    assert max(peaks.values()) < BOUND_MB
    for (minutes, command), peak in peaks.items():
        if minutes == 8:
            assert peak - peaks[4, command] < GROWTH_MB, command
