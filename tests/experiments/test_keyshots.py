"""The rows of docs/keyshots.md are those that were measured, and say what is expected of people and of chance."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from keyframe_bench.cli.table_command import replaced

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "experiments" / "keyshots" / "reference_rows.py"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


def test_the_table_in_the_page_is_not_stale(script):
    text = (ROOT / "docs" / "keyshots.md").read_text("utf-8")
    table = script["markdown"](json.loads(SCRIPT.with_suffix(".json").read_text("utf-8")))
    assert replaced(text, "keyshots", table, "docs/keyshots.md") == text, "stale: run the script with --from-json"


def test_annotators_who_agree_and_chance(script):
    times, units = np.arange(3000) / 30, np.arange(0, 3000, 60)
    alike = np.tile(np.repeat(np.random.default_rng(0).integers(1, 6, 50), 60), (4, 1)).astype(np.float32)
    f = script["agreement"](alike, times, units, np.random.default_rng(1), 50)
    assert f["human"] == (1.0, 1.0)
    assert 0.08 < f["random"][0] < 0.22  # 0.14 by chance: 7 of 50 units
    ranks = script["correlation"](alike, times, units, np.random.default_rng(1), 50)
    assert ranks["human"] == pytest.approx((1.0, 1.0))
    assert abs(ranks["random"][0]) < 0.1
