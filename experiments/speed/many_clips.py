"""What a run costs beside its videos: 200 clips of two seconds, three methods, every metric, tables and report.

Processor seconds of a run over all clips, less those of the one pass alone with the same features (decoding
included), by clip; then the wall seconds of the same command once more, with nothing left to compute, on about as many
cells as are asked for::

    python experiments/speed/many_clips.py [--clips 200] [--cells 2000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keyframe_bench.bench.execute import run_benchmark
from keyframe_bench.bench.plan import make_plan
from keyframe_bench.bench.run import requests_of
from keyframe_bench.bench.spec import RunSpec
from keyframe_bench.datasets.base import Dataset
from keyframe_bench.rendering.films import render_video
from keyframe_bench.report.outputs import write_outputs
from keyframe_bench.video.onepass import read_pass

METHODS = ["uniform", "pixel_distance", "vsumm"]


def write_clips(folder: Path, n: int) -> None:
    """Fill ``folder`` with copies of one rendered clip, each with bytes of its own that no player reads."""
    folder.mkdir()
    render_video(folder / "0000.mp4", "cuts", seed=0, height=240, width=320, fps=25, duration_s=2)
    first = (folder / "0000.mp4").read_bytes()
    for i in range(1, n):
        (folder / f"{i:04}.mp4").write_bytes(first + struct.pack(">I4sQ", 16, b"free", i))


def spec_of(root: Path, out: Path) -> RunSpec:
    """Return the run over every clip."""
    dataset = Dataset.registry.build("folder", {"root": str(root)})
    return RunSpec(dataset, out, METHODS, ["4"], "2fps", (0,), "raise")


def round_of(root: Path, out: Path) -> tuple[float, float]:
    """Return processor seconds a clip of the run and of the passes alone."""
    jobs = make_plan(spec_of(root, out)).jobs
    start = time.process_time()
    for job in jobs:
        read_pass(job.item.path, requests_of(job.cells), name=job.item.id, sha256=job.sha256)
    passes = time.process_time() - start
    start = time.process_time()
    run_benchmark(spec_of(root, out))
    write_outputs(out)
    return (time.process_time() - start) / len(jobs), passes / len(jobs)


def nothing_to_do(root: Path, out: Path, n_cells: int, rounds: int) -> tuple[int, list[float], list[float]]:
    """Return the cells of a finished run, and wall and processor seconds of the same command again, by round."""
    budgets = list(range(1, 1 + max(1, round(n_cells / len(METHODS) / len(list(root.iterdir()))))))
    words = [
        "run",
        "dataset=folder",
        f"dataset.root={root}",
        f"extractors={METHODS}",
        f"budget={budgets}",
        f"out={out}",
    ]
    command = [sys.executable, "-m", "keyframe_bench", *(word.replace(" ", "") for word in words)]
    subprocess.run(command, check=True, capture_output=True)
    wall, processor = [], []
    for _ in range(rounds):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.perf_counter() - start)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return len(list((out / "cells").glob("*.json"))), wall, processor


def main() -> None:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_clips(folder / "clips", given.clips)
        write_clips(folder / "warm", 2)
        round_of(folder / "warm", folder / "warmed")
        found = [round_of(folder / "clips", folder / f"out{i}") for i in range(given.rounds)]
        beyond = statistics.median(run - alone for run, alone in found)
        alone = statistics.median(alone for _, alone in found)
        print(f"the pass alone         {1000 * alone:6.1f} ms of processor time a clip")
        print(f"the run beyond it      {1000 * beyond:6.1f} ms of processor time a clip (aim: at most 50)")
        n, wall, processor = nothing_to_do(folder / "clips", folder / "again", given.cells, given.rounds)
        print(
            f"nothing to do, {n} cells: {statistics.median(wall):.2f} s, processor "
            f"{statistics.median(processor):.2f} s (aim: under 3 s)"
        )


if __name__ == "__main__":
    main()
