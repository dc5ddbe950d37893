"""The scripts of experiments/scale run on something small, their arithmetic is right, and their page is not stale."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keyframe_bench.cli.table_command import replaced
from keyframe_bench.extractors.base import Extractor

SCALE = Path(__file__).parents[2] / "experiments" / "scale"
MACHINE = {"date": "2020-01-01", "commit": "", "cores": 2, "python": "3.11", "versions": {}, "load": 0.1, "note": ""}


def script(name: str, *arguments: object, status: int = 0) -> str:
    """Run a script as the README says; what it prints (its errors when it must fail)."""
    found = subprocess.run(
        [sys.executable, str(SCALE / f"{name}.py"), *map(str, arguments)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert found.returncode == status, found.stdout + found.stderr
    return found.stderr if status else found.stdout


def cells_of(text: str) -> dict[str, list[str]]:
    """Rows of the Markdown tables in ``text`` by their first column."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    return {first: rest for first, *rest in rows}


@pytest.fixture
def cost_record(tmp_path: Path) -> Path:
    """Two minutes of video: 60 CPU seconds to decode, 6 to demux; a run of 10 cells that leaves 1 MB of each kind."""

    def row(name: str, cpu_s: float) -> dict[str, Any]:
        return {"name": name, "cpu_s": cpu_s, "wall_s": 2 * cpu_s, "peak_mb": 50}

    run = {"cells": 10, "files": 30, "disk": dict.fromkeys(("cells", "results", "thumbs", "videos", "features"), 10**6)}
    video = {"width": 854, "height": 480, "codec": "h264", "frames": 3000, "duration_s": 120.0, "bytes": 15_000_000}
    video |= {"rows": [row("slow", 60.0), row("quick", 6.0)], "run": run}
    record = {"machine": MACHINE, "budget": "10", "sampling": "2fps", "rounds": 3, "networks": [], "videos": [video]}
    file = tmp_path / "cost.json"
    file.write_text(json.dumps(record))
    return file


def test_core_hours_machines_and_disk(cost_record: Path) -> None:
    """Half a core for a million hours: 500,000 core-hours; 16 cores at 0.8 do 9216 of them in 30 days."""
    text = script("cost", "--from", cost_record, "--efficiency", 0.8)
    rows = cells_of(text)
    assert rows["slow"] == ["1,800.0", "3,600.0", "500,000", "55", "50"]  # 54.25 machines
    assert rows["quick"] == ["180.0", "360.0", "50,000", "6", "50"]  # 5.43
    assert list(rows).index("quick") < list(rows).index("slow")
    assert "1.0 Mbit/s, 0.45 GB per hour" in text and "at an efficiency of 0.80 (as given)" in text
    # by video: 6 million of ten minutes, 1 MB each; by hour: 30 MB an hour
    assert rows["thumbnails"] == ["1,000 kB", "", "6.00 TB"]
    assert rows["record of the video"] == ["1,000 kB", "30.0 MB", "30.00 TB"]
    assert "6,000,000 videos, 60,000,000 cells" in text
    # 4 cores at full efficiency do 4 * 24 * 7 = 672 core-hours in a week; 50 are needed for 100 hours
    wish = ("--hours", 100, "--cores", 4, "--days", 7, "--efficiency", 1, "--minutes", 60)
    rows = cells_of(script("cost", "--from", cost_record, *wish))
    assert rows["slow"][2:4] == ["50", "1"] and rows["thumbnails"][2] == "0.00 TB"


def test_efficiency_is_one_worker_over_n_times_n_workers(tmp_path: Path) -> None:
    def timing(s: float, start_s: float, cpu_s: float) -> dict[str, float]:
        return {"s": s, "start_s": start_s, "cpu_s": cpu_s, "others_s": 0.0, "plan_s": 0.5, "collect_s": 0.25}

    timings = {
        "run": {"1": [timing(100.0, 2.0, 100.0)] * 3, "2": [timing(s, 4.0, 125.0) for s in (50.0, 62.5, 80.0)]},
        "decode": {"1": [timing(10.0, 0.0, 10.0)] * 3, "2": [timing(5.0, 0.0, 10.0)] * 3},
    }
    record = {"machine": MACHINE, "videos": 20, "megabytes": 1.0, "source": "clips", "size": []}
    record["extractors"] = ["vsumm"]
    file = tmp_path / "efficiency.json"
    file.write_text(json.dumps({**record, "workers": 2, "timings": timings}))
    text = script("efficiency", "--from", file)
    rows = cells_of(text)
    assert rows["`keyframe-bench run`"] == ["100.0 s", "62.5 s", "**0.80**", "0.62 to 1.00"]
    assert rows["the same, as a whole: with the workers' start"][2] == "**0.77**"  # 102 / (2 * 66.5)
    assert rows["decoding alone, by processes of its own"][2] == "**1.00**"
    assert "CPU seconds of one worker over those of 2: 0.80" in text


def test_what_is_beside_the_videos_is_timed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table scale/overhead -->\nold\n<!-- /table scale/overhead -->\nafter\n")
    text = script("overhead", "--videos", 4, 8, "--save", tmp_path / "o.json", "--into", page)
    record = json.loads((tmp_path / "o.json").read_text())
    assert [(run["videos"], run["cells"]) for run in record["runs"]] == [(4, 20), (8, 40)]
    assert all(seconds > 0 for run in record["runs"] for seconds in (*run["wall_s"].values(), *run["cpu_s"].values()))
    assert re.search(r"4 videos \| 8 videos \| ms per cell \| slope", text)
    written = page.read_text()
    assert written.startswith("before\n") and written.endswith("after\n") and "old" not in written
    assert script("overhead", "--from", tmp_path / "o.json").strip() in written


@pytest.mark.slow
def test_two_workers_are_timed_against_one(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "efficiency.json"
    text = script("efficiency", "--root", folder, "--rounds", 1, "--extractors", "pixel_distance", "--save", file)
    record = json.loads(file.read_text())
    assert record["videos"] == 3 and record["extractors"] == ["pixel_distance"]
    for timings in record["timings"].values():
        assert [len(timings[n]) for n in ("1", "2")] == [1, 1]
        assert all(timing["s"] > 0 for n in timings for timing in timings[n])
    assert "3 videos (of the folder videos" in text
    assert script("efficiency", "--from", file).strip() in text


@pytest.mark.slow
def test_an_hour_is_measured(video: Path, tmp_path: Path) -> None:
    """Every extractor of `perf`, and a whole run; the file stays as it is."""
    file, before = tmp_path / "cost.json", video.read_bytes()
    text = script("cost", video, "--rounds", 1, "--no-networks", "--efficiency", 1, "--save", file)
    (measured,) = json.loads(file.read_text())["videos"]
    rows = {row["name"]: row for row in measured["rows"]}
    assert {"decode only", "uniform", "vsumm", "ffmpeg_thumbnail", "all classical, one pass"} <= set(rows)
    assert all(row["wall_s"] > 0 and row["peak_mb"] >= 0 for row in rows.values())
    run = measured["run"]
    assert measured["frames"] == 30 and run["cells"] == len(rows.keys() & set(Extractor.registry.names()))
    assert min(run["disk"].values()) > 0  # also features: the store was on
    assert "64 x 48" in text and video.read_bytes() == before
    assert script("cost", "--from", file, "--efficiency", 1).strip() in text


def test_without_an_efficiency_cost_says_how_to_get_one(cost_record: Path, tmp_path: Path) -> None:
    for name in ("cost", "cost_tables", "efficiency", "record"):
        shutil.copy(SCALE / f"{name}.py", tmp_path)
    found = subprocess.run(
        [sys.executable, str(tmp_path / "cost.py"), "--from", str(cost_record)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert found.returncode == 1 and "run efficiency.py --save, or give --efficiency" in found.stderr
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["cost", "efficiency", "overhead"])
def test_the_tables_in_the_page_are_not_stale(name: str) -> None:
    page = SCALE / "README.md"
    text = page.read_text("utf-8")
    fresh = script(name, "--from", SCALE / f"{name}.json")
    assert replaced(text, f"scale/{name}", fresh, str(page)) == text, (
        f"stale: {name}.py --from {name}.json --into README.md"
    )


def test_results_of_shards_together_are_those_of_one_run(cli, rendered: Path, tmp_path: Path) -> None:
    """What the page says of shards: a run and a folder each, and their results.jsonl one after the other."""
    words = ["run", "dataset=folder", f"dataset.root={rendered}", "extractors=[pixel_distance]", "budget=3"]
    words += ["cache_gb=0"]
    assert cli(*words, f"out={tmp_path}/whole")[0] == 0
    for shard, pattern in enumerate(("cuts*", "[ms]*")):
        assert cli(*words, f"dataset.pattern={pattern}", f"out={tmp_path}/shards/{shard}")[0] == 0
    together = tmp_path / "all.jsonl"
    together.write_bytes(b"".join(f.read_bytes() for f in sorted((tmp_path / "shards").glob("*/results.jsonl"))))
    status, text, _ = cli("results", "diff", together, tmp_path / "whole")
    assert (status, "9 cells against 9, 9 of them in both: no differences" in text) == (0, True), text
