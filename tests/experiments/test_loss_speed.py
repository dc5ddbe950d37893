"""The benchmark of the losses runs, and mix costs no more than the network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "speed" / "losses.py"


def ratios(*arguments: object) -> dict[str, float]:
    """Seconds of mix over those of the network, by precision."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=550, check=True).stdout
    assert {"l2", "ssim", "mix, pyramid", "mix of prepared frames"} <= set(re.findall(r"^(\S.*?)  +\d", out, re.M))
    return {name: float(x) for name, x in re.findall(r"^mix / network, (\S+): ([\d.]+),", out, flags=re.MULTILINE)}


@pytest.mark.slow
def test_losses_are_timed_beside_the_network() -> None:
    found = ratios("--width", 0.05, "--geometry", 0.25, "--batch", 2, "--rounds", 1)
    assert "fp32" in found


@pytest.mark.slow
def test_mix_costs_at_most_as_much_as_the_network() -> None:
    found = ratios("--rounds", 3, "--threads", 1)  # more would wait for whatever else runs
    assert found and max(found.values()) < 1
