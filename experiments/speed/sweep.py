"""One job that sweeps 100 thresholds over one decode, against one threshold: wall clock, as a ratio within this run.

python experiments/speed/sweep.py VIDEO [--settings 100] [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from keyframe_bench.bench.execute import run_benchmark
from keyframe_bench.bench.spec import RunSpec
from keyframe_bench.comparison import _VideoFiles
from keyframe_bench.tables.load import load_results


def measure(video: Path, settings: int, folder: Path) -> tuple[float, float]:
    """Return seconds of a run with so many thresholds, and how many of them the selections of pixel_distance took."""
    factors = np.linspace(0.2, 3.0, settings).round(4).tolist() if settings > 1 else [1.0]
    spec = RunSpec(
        dataset=_VideoFiles([video]),
        out=folder,
        extractors=["pixel_distance"],
        budgets=["free"],
        sampling="2fps",
        seeds=[0],
        on_error="raise",
        grid={"pixel_distance": {"factor": factors}},
    )
    start = time.perf_counter()
    run_benchmark(spec)
    seconds = time.perf_counter() - start
    cells = load_results(folder)
    return seconds, float(cells.loc[cells["extractor"] == "pixel_distance", "cost.select_s"].sum())


def main() -> None:
    """Measure, interleaved, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--settings", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measure(options.video, 1, Path(scratch) / "warm")
        one, many, chosen = [], [], []
        for repeat in range(options.repeats):
            one.append(measure(options.video, 1, Path(scratch) / f"one{repeat}")[0])
            seconds, selection = measure(options.video, options.settings, Path(scratch) / f"many{repeat}")
            many.append(seconds)
            chosen.append(selection)
    a, b, c = (statistics.median(values) for values in (one, many, chosen))
    print(f"one threshold      {a:7.2f} s")
    print(f"{options.settings} thresholds     {b:7.2f} s, of which selection {c:.2f} s")
    print(f"ratio without selection {(b - c) / a:.2f} (aim: at most 1.2)")


if __name__ == "__main__":
    main()
