"""What judging one summary costs: every metric alone, and all of them together as a run's cell has them.

Every timing is of key frames that no metric has seen before, as in a sweep over thresholds; what is computed once a
video (see `keyframe_bench.metrics.distances`) is timed apart, as the first cell's extra. Without a video, noisy
images are made up::

    python experiments/speed/metrics.py VIDEO --ground-truth FILE.mat
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.core.annotation import Annotation, UserSummary
from keyframe_bench.core.clip import Clip, KeyFrames, VideoInfo
from keyframe_bench.metrics.base import Metric
from keyframe_bench.metrics.distances import GRAY, HUE
from keyframe_bench.video.onepass import read_pass

LIMIT_MS = 5.0
FPS = 30.0
SHOT = 150  # frames of the made-up shots
UNIT = 60  # frames that a made-up annotator scores alike, from 1 to 5
SWEEP = 100


def made_up_clip(n: int, rng: np.random.Generator) -> Clip:
    """Return a clip of shots of noisy images."""
    scenes = rng.integers(0, 256, (n // SHOT + 1, GRAY.height, GRAY.width))
    noise = rng.normal(0, 12, (n, GRAY.height, GRAY.width))
    gray = np.clip(scenes[np.arange(n) // SHOT] + noise, 0, 255).astype(np.uint8)
    hue = rng.dirichlet(np.full(HUE.bins, 0.3), n).astype(np.float32)
    times = np.arange(n) / FPS
    info = VideoInfo("made up", n_frames=n, duration_s=n / FPS, width=GRAY.width, height=GRAY.height)
    return Clip(info, np.arange(n), times, {GRAY.key: gray, HUE.key: hue})


def read_clip(path: Path) -> Clip:
    """Return every frame of a video with what the metrics need."""
    needs = tuple(dict.fromkeys(f for name in Metric.registry.names() for f in Metric.registry.build(name).needs))
    return read_pass(path, {"every": list(needs)}, sha256="not needed here").clip("every", needs)


def annotators(path: Path | None, n: int, n_users: int, rng: np.random.Generator) -> Annotation:
    """Return ``n_users`` users: those of a SumMe file (the middle of each chosen segment), then made-up ones."""
    chosen: list[NDArray[np.int64]] = []
    if path is not None:
        from scipy.io import loadmat

        for score in loadmat(path)["user_score"].T[:n_users, :n]:
            borders = np.flatnonzero(np.diff(score, prepend=0, append=0))
            chosen.append(np.array([(a + b) // 2 for a, b in pairwise(borders) if score[a] > 0], dtype=np.int64))
    while len(chosen) < n_users:
        chosen.append(np.sort(rng.choice(n, min(n, 15), replace=False)))
    starts = np.arange(0, n, SHOT)
    shots = np.stack([starts, np.append(starts[1:], n)], axis=1)
    scores = rng.integers(1, 6, (len(chosen), n // UNIT + 1)).astype(np.float32)[:, np.arange(n) // UNIT]
    users = (UserSummary(str(i), f, importance=s) for i, (f, s) in enumerate(zip(chosen, scores, strict=True)))
    return Annotation(tuple(users), shots)


def judge(metrics: list[Metric], clip: Clip, annotation: Annotation, frames: NDArray[np.int64]) -> float:
    """Return the milliseconds that ``metrics`` take for the key frames ``frames``."""
    summary = KeyFrames(frames, clip.times[frames])
    start = time.perf_counter()
    for metric in metrics:
        metric.compute(summary, clip, annotation)
    return 1000 * (time.perf_counter() - start)


def timed(metrics: list[Metric], clip: Clip, annotation: Annotation, k: int, rng: np.random.Generator) -> float:
    """Return the milliseconds that ``metrics`` take for ``k`` new random key frames."""
    return judge(metrics, clip, annotation, np.sort(rng.choice(len(clip), min(k, len(clip)), replace=False)))


def sweep(metrics: list[Metric], clip: Clip, annotation: Annotation, rng: np.random.Generator) -> list[float]:
    """Return the milliseconds of each cell when a threshold on random scores leaves 1, 2, ... `SWEEP` key frames."""
    clip = Clip(clip.video, clip.ordinals, clip.times, clip.columns)
    best = rng.permutation(len(clip))
    return [judge(metrics, clip, annotation, np.sort(best[:k])) for k in range(1, SWEEP + 1)]


def main() -> None:
    """Print milliseconds per metric, of all together, and of the first cell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--ground-truth", type=Path, help="SumMe .mat file of the video")
    parser.add_argument("--frames", type=int, default=3000, help="length of the made-up video")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("-k", type=int, default=15, help="key frames of the summary")
    parser.add_argument("--repeats", type=int, default=30)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    clip = made_up_clip(given.frames, rng) if given.video is None else read_clip(given.video)
    annotation = annotators(given.ground_truth, len(clip), given.users, rng).aligned(clip.times, clip.video.name)
    built = {name: Metric.registry.build(name) for name in Metric.registry.names()}
    every = list(built.values())
    for metric in every:  # imports, and the pages of the columns
        metric.compute(KeyFrames(clip.ordinals[:1], clip.times[:1]), clip, annotation)
    clip = Clip(clip.video, clip.ordinals, clip.times, clip.columns)  # nothing is known of a new clip
    first = timed(every, clip, annotation, given.k, rng)
    alone: dict[str, list[float]] = {name: [] for name in built}
    together: list[float] = []
    for _ in range(given.repeats):
        for name, metric in built.items():
            alone[name].append(timed([metric], clip, annotation, given.k, rng))
        together.append(timed(every, clip, annotation, given.k, rng))
    print(f"{clip.video.name}: {len(clip)} frames, {given.users} users with {sum(map(len, annotation.users))} key")
    print(f"frames, {given.k} key frames, medians of {given.repeats}; {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}, NumPy {version('numpy')}, SciPy {version('scipy')}")
    for name, spent in alone.items():
        middle = statistics.median(spent)
        print(f"{name:24} {middle:7.2f} ms {'  over ' + f'{LIMIT_MS:g} ms' if middle > LIMIT_MS else ''}".rstrip())
    print(f"{'all of one cell':24} {statistics.median(together):7.2f} ms")
    print(f"{'all of the first cell':24} {first:7.2f} ms")
    cells = sweep(every, clip, annotation, rng)
    print(f"{'a sweep of ' + str(SWEEP) + ' cells':24} {sum(cells):7.0f} ms, {sum(cells) / SWEEP:.2f} ms a cell")


if __name__ == "__main__":
    main()
