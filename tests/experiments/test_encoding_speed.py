"""The benchmark of encoding runs: every way beside the matrix rate of the same round, and what features reach."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "speed" / "encoding.py"


@pytest.mark.slow
def test_encoding_is_timed_beside_the_matrix_rate(tmp_path) -> None:
    words = ["--network", "p1_4", "--precisions", "fp32", "--threads", "1", "--clock", "cpu", "--batches", "1"]
    words += ["--ways", "folded, channels last", "--rounds", "1", "--seconds", "0.01"]
    words += ["--save", tmp_path / "found.json"]
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    share = re.search(r"encoding in use, fp32, 1 threads: (\d+)%", done.stdout)
    assert share is not None and int(share[1]) > 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert {row["way"] for row in found["rows"]} == {"folded, channels last", "in use"}
    assert all(row["shares"][0] > 0 for row in found["rows"])
    assert found["matrix"]["fp32 1"] and found["machine"]["cores"]
