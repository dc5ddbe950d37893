"""The metrics are timed by experiments/speed/metrics.py, and none needs more than 5 ms."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from keyframe_bench.metrics.base import Metric

SCRIPT = Path(__file__).parents[2] / "experiments" / "speed" / "metrics.py"


def timings(*arguments: str) -> dict[str, float]:
    found = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=300, check=True
    )  # fmt: skip
    return {name: float(ms) for name, ms in re.findall(r"^(\w+) +([\d.]+) ms", found.stdout, flags=re.MULTILINE)}


def test_every_metric_is_timed() -> None:
    assert set(timings("--frames", "300", "--repeats", "1")) == set(Metric.registry.names())


@pytest.mark.slow
def test_twenty_users_and_3000_frames_take_at_most_5_ms_per_metric() -> None:
    rounds = [timings("--repeats", "15") for _ in range(3)]  # the quietest: other programs must not fail it
    assert {name: ms for name in rounds[0] if (ms := min(r[name] for r in rounds)) > 5} == {}
