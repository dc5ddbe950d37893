"""How long the two slowest selections take: differential evolution, and spectral clustering of ever more frames.

A video of 200 s with shots is rendered (or one is given) and decoded once; the selection alone is timed, each case
``--repeats`` times, and the median printed. Differential evolution gets 3 minutes of it at 2 fps; spectral gets evenly
taken frames of all, and the slope of a line through log(lowest seconds) against log(N) says how it grows (1 is linear;
the lowest, because other load on the machine only adds)::

    python experiments/speed/selection.py
    python experiments/speed/selection.py VIDEO --frames 500 1000 2000 4000
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from keyframe_bench.core.clip import Clip
from keyframe_bench.core.seeding import rng_for
from keyframe_bench.extractors.base import Extractor, run_extractor
from keyframe_bench.extractors.differential_evolution import DifferentialEvolution
from keyframe_bench.extractors.spectral import Spectral
from keyframe_bench.rendering.films import render_video
from keyframe_bench.video.onepass import read_pass

EVOLUTION_S, EVOLUTION_SAMPLING = 180.0, "2fps"


def evenly(clip: Clip, n: int) -> Clip:
    """Return the clip of ``n`` frames of ``clip``, evenly taken."""
    at = np.linspace(0, len(clip) - 1, n).round().astype(np.int64)
    columns = {key: rows[at] for key, rows in clip.columns.items()}
    return replace(clip, ordinals=clip.ordinals[at], times=clip.times[at], columns=columns)


def seconds_of(extractor: Extractor, clip: Clip, k: int | None, repeats: int) -> list[float]:
    """Return the seconds of ``repeats`` selections with different seeds, after one that is not timed."""
    run_extractor(extractor, clip, k, rng=rng_for(0))
    return [run_extractor(extractor, clip, k, rng=rng_for(seed)).cost["select_s"] for seed in range(repeats)]


def report(case: str, n: int, seconds: list[float]) -> float:
    """Print a row and return the lowest."""
    print(f"{case:52} {n:>6} {statistics.median(seconds):>8.3f} {min(seconds):>8.3f} {max(seconds):>8.3f}", flush=True)
    return min(seconds)


def measure(video: Path, sizes: list[int], budget: int, repeats: int) -> None:
    """Print the table for one video."""
    evolutions = {f: DifferentialEvolution(fitness=f) for f in ("ssim", "entropy")}
    spectral = Spectral()
    wanted = {EVOLUTION_SAMPLING: [f for e in evolutions.values() for f in e.needs], "every": list(spectral.needs)}
    done = read_pass(video, wanted, sha256="not needed here")
    sampled = done.clip(EVOLUTION_SAMPLING, wanted[EVOLUTION_SAMPLING])
    sampled = sampled.prefix(int(np.searchsorted(sampled.times, sampled.times[0] + EVOLUTION_S - 1e-6)))
    every = done.clip("every", wanted["every"])
    print(f"{'selection':52} {'frames':>6} {'median s':>8} {'lowest':>8} {'highest':>8}")
    for fitness, extractor in evolutions.items():
        for k in (budget, None):
            case = f"differential_evolution fitness={fitness} budget={k or 'free'}"
            report(case, len(sampled), seconds_of(extractor, sampled, k, repeats))
    for k in (budget, None):
        lowest = {}
        for n in sorted({min(size, len(every)) for size in sizes}):
            case = f"spectral budget={k or 'free'}"
            lowest[n] = report(case, n, seconds_of(spectral, evenly(every, n), k, repeats))
        if len(lowest) > 1:
            slope = np.polyfit(np.log(list(lowest)), np.log(list(lowest.values())), 1)[0]
            print(f"spectral budget={k or 'free'}: seconds grow with N to the power {slope:.2f}")


def main() -> None:
    """Render unless a video is given, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--frames", type=int, nargs="+", default=[500, 1000, 2000, 3500, 5000])
    parser.add_argument("--budget", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    if given.video is not None:
        measure(given.video, given.frames, given.budget, given.repeats)
        return
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "cuts.mp4"
        render_video(video, "cuts", seed=0, height=120, width=160, fps=25, duration_s=200)
        measure(video, given.frames, given.budget, given.repeats)


if __name__ == "__main__":
    main()
