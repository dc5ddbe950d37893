"""What a run costs beside the videos: planning, looking for finished cells, collecting, tables and report.

A small video is copied as often as ``--videos`` says, each copy with bytes of its own. One is computed; its cells,
record, choices and thumbnails are written for all others under their own keys, as a run would. Every serial step is
timed::

    python experiments/scale/overhead.py --save experiments/scale/overhead.json --into experiments/scale/README.md
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from record import Record, at_least_one, finish, markdown_table, measured_on, one_sentence, parser_of, unique_copies

from keyframe_bench.bench.execute import run_benchmark
from keyframe_bench.bench.plan import Plan, StoredCells, cell_path, make_plan, record_path
from keyframe_bench.bench.results import collect_results
from keyframe_bench.bench.spec import RunSpec
from keyframe_bench.core.cells import choices_path, read_choices, thumbnails_folder
from keyframe_bench.core.files import canonical_json, sha256_of_file
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.rendering.films import render_video
from keyframe_bench.report.outputs import write_outputs

EXTRACTORS = ("uniform", "random", "pixel_distance", "histogram_distance", "coded_frames")
HASHED_MB = 256
STEPS = {
    "plan": "`make_plan`: list, hash, name the cells",
    "missing": "`Plan.missing`: read every finished cell",
    "collect": "`collect_results`: `results.jsonl`",
    "outputs": "`write_outputs`: tables and report",
    "again": "the same command again: nothing to compute",
}


def spec_of(root: Path, out: Path, limit: int | None = None) -> RunSpec:
    """Return the run that is planned."""
    dataset = Dataset.registry.build("folder", {"root": str(root)})
    return RunSpec(dataset, out, EXTRACTORS, ["4"], "2fps", (0,), "raise", limit=limit)


def write_cells(plan: Plan, out: Path) -> int:
    """Write what a run keeps of every video after the first, which was computed; return bytes per cell."""
    first, *others = plan.jobs
    templates = {c.extractor: json.loads(cell_path(out, c.key).read_text("utf-8")) for c in first.cells}
    record = record_path(out, first.cells[0])
    about, told = json.loads(record.read_text("utf-8")), read_choices(record)
    chosen = {c.extractor: told["choices"].get(c.key) for c in first.cells}
    size = 0
    for job in others:
        for cell in job.cells:
            text = canonical_json(templates[cell.extractor] | cell.to_json())
            size = len(text)
            cell_path(out, cell.key).write_text(text, "utf-8")
        own = about | {"video": job.item.id, "sha256": job.sha256}
        record = record_path(out, job.cells[0])
        record.write_text(canonical_json(own), "utf-8")
        mine = {c.key: chosen[c.extractor] for c in job.cells if chosen[c.extractor]}
        choices_path(record).write_text(canonical_json(told | {"choices": mine}), "utf-8")
        shutil.copytree(thumbnails_folder(out, first.sha256), thumbnails_folder(out, job.sha256))
    return size


class Clock:
    """Wall and CPU seconds of every step that was timed, by name."""

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = {}
        self.cpu_s: dict[str, float] = {}

    def time(self, step: str, work: Callable[[], Any]) -> Any:
        """Do ``work`` as ``step``, and return its result."""
        cpu, start = time.process_time(), time.perf_counter()
        result = work()
        self.wall_s[step], self.cpu_s[step] = time.perf_counter() - start, time.process_time() - cpu
        return result


def measure_one(source: Path, n_videos: int, *, outputs: bool) -> Record:
    """Return the seconds of every step for so many videos."""
    with tempfile.TemporaryDirectory() as name:
        root, out = Path(name) / "videos", Path(name) / "out"
        unique_copies([source], root, n_videos)
        run_benchmark(spec_of(root, out, limit=1))
        spec = spec_of(root, out)
        clock = Clock()
        plan = clock.time("plan", lambda: make_plan(spec))
        size = write_cells(plan, out)
        missing = clock.time("missing", lambda: plan.missing(StoredCells(out)))
        assert not missing, "the cells written are not those planned"
        records = clock.time("collect", lambda: collect_results(StoredCells(out), plan.scope()))
        assert len(records) == len(plan.cells), "not every cell was collected"
        clock.time("again", lambda: run_benchmark(spec))
        if outputs:
            clock.time("outputs", lambda: write_outputs(out))
        megabytes = {
            place: sum(file.stat().st_size for file in found) / 1e6
            for place in ("results.jsonl", "report.html", "report/*.js")
            if (found := list(out.glob(place)))
        }
        return {"videos": n_videos, "cells": len(plan.cells), "cell_bytes": size, "mb": megabytes, **vars(clock)}


def hash_speed() -> float:
    """Return megabytes a second of `sha256_of_file` on a file that the system holds in memory, best of 3."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "file"
        file.write_bytes(bytes(HASHED_MB * 10**6))
        clock = Clock()
        for turn in "123":
            clock.time(turn, lambda: sha256_of_file(file))
        return HASHED_MB / min(clock.wall_s.values())


def slope(sizes: list[int], seconds: list[float]) -> float:
    """Return the slope of a line through log(seconds) against log(size): 1 is linear, 2 quadratic; NaN for one size."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]) if len(set(sizes)) > 1 else math.nan


def measure(given: argparse.Namespace) -> Record:
    """Return the record."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "tiny.mp4"
        render_video(source, "cuts", seed=0, height=48, width=64, fps=10, duration_s=3)
        runs = []
        for n in given.videos:
            runs.append(measure_one(source, n, outputs=n <= given.report_at_most))
            print(json.dumps(runs[-1]), flush=True)
    return {"extractors": list(EXTRACTORS), "runs": runs, "hash_mb_s": hash_speed()}


def render(record: Record) -> str:
    """Return the table: seconds by number of videos, milliseconds per cell of the largest, and the slope."""
    runs = record["runs"]
    head = ["step", *(f"{run['videos']} videos" for run in runs), "ms per cell", "slope"]
    rows = []
    for step, about in STEPS.items():
        have = [run for run in runs if step in run["wall_s"]]
        if have:
            cells = [f"{run['wall_s'][step]:.2f} s" if run in have else "" for run in runs]
            grows = slope([run["cells"] for run in have], [run["cpu_s"][step] for run in have])
            per_cell = 1000 * have[-1]["wall_s"][step] / have[-1]["cells"]
            rows.append([about, *cells, f"{per_cell:.2f}", "" if math.isnan(grows) else f"{grows:.2f}"])
    last = runs[-1]
    sizes = ", ".join(f"`{file}` {size:.1f} MB" for file, size in last["mb"].items())
    speed = record["hash_mb_s"]
    facts = (
        f"Wall seconds; milliseconds per cell at {last['videos']} videos; the slope is of log(CPU seconds) against "
        f"log(cells). {len(record['extractors'])} cells a video, {last['cell_bytes']} bytes each; at {last['videos']} "
        f"videos of 3 s {sizes}. Planning hashes every file, here small ones; {speed:.0f} MB/s from memory on one "
        f"core, {1e6 / speed / 60:.0f} minutes per TB where the disk keeps up."
    )
    return "\n\n".join([markdown_table(head, rows), facts, measured_on(record)])


def main() -> None:
    """Measure unless a record is given; print the table."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "--videos", type=at_least_one, nargs="+", default=[250, 500, 1000, 2000], help="numbers of videos"
    )
    parser.add_argument("--report-at-most", type=int, default=2000, help="no tables and report for more videos")
    given = parser.parse_args()
    finish(given, "overhead", lambda: measure(given), render)


if __name__ == "__main__":
    one_sentence(main)()
