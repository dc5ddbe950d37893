"""The benchmark of the slow selections runs, and they are as quick as promised."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "speed" / "selection.py"
EVOLUTION_S, SPECTRAL_S = 5.0, 10.0


def measured(*arguments: object) -> tuple[dict[tuple[str, int], float], list[float]]:
    """Median seconds by (case, frames), and the slopes."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=550, check=True).stdout
    rows = re.findall(r"^(\S+ .*?) +(\d+) +([\d.]+) +[\d.]+ +[\d.]+$", out, flags=re.MULTILINE)
    return {(case, int(n)): float(s) for case, n, s in rows}, [float(x) for x in re.findall(r"power (\S+)$", out, re.M)]


def test_selections_are_timed_by_size(video: Path) -> None:
    seconds, slopes = measured(video, "--frames", 10, 20, 9999, "--repeats", 1)
    assert {n for case, n in seconds if case == "spectral budget=8"} == {10, 20, 30}
    assert ("differential_evolution fitness=ssim budget=free", 6) in seconds
    assert len(slopes) == 2


@pytest.mark.slow
def test_three_minutes_evolve_in_5_s_and_5000_frames_are_clustered_in_10_s() -> None:
    seconds, slopes = measured()
    assert seconds["differential_evolution fitness=ssim budget=8", 360] < EVOLUTION_S
    assert seconds["spectral budget=8", 5000] < SPECTRAL_S
    assert max(slopes) < 2  # all pairs of frames, and eigenvectors of a full matrix, would be 2 to 3
