"""What features cost on top of plain decoding: each extractor alone, all in one pass, all with the metrics' features.

Every round times every case once, so that other load on the machine meets all of them; a ratio is taken within a
round, and medians over rounds are printed::

    python experiments/speed/one_pass.py VIDEO --repeats 5
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import av
import cv2

from keyframe_bench.core.feature import Feature, opens_file
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.features.pixel_difference import PixelDifference
from keyframe_bench.metrics.base import Metric
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.onepass import read_pass

NETWORKS = {"embedding_kmeans"}
Requests = dict[str, list[Feature]]


def bare_loop(path: Path) -> int:
    """Decode with PyAV as its documentation shows, threads on."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream))


def reader_loop(path: Path) -> int:
    """Decode as the one pass does, and look at no picture."""
    with VideoReader(path) as reader:
        return sum(1 for _ in reader)


def requests_of(names: list[str], sampling: str, *, metrics: bool) -> Requests:
    """Return what a run with these extractors asks of the one pass (as `keyframe_bench.bench.run` does)."""
    wanted: Requests = defaultdict(list)
    for name in names:
        extractor = Extractor.registry.build(name)
        wanted[extractor.sampling or sampling] += extractor.needs
    if metrics:
        wanted["every"] += [f for name in Metric.registry.names() for f in Metric.registry.build(name).needs]
        wanted[sampling].append(PixelDifference())
    return dict(wanted)


def cases_of(path: Path, sampling: str) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name; the first is what ratios refer to."""
    names = [name for name in Extractor.registry.names() if name not in NETWORKS]
    names = [name for name in names if not opens_file(Extractor.registry.build(name).needs)]  # peers decode themselves

    def one_pass(wanted: Requests) -> Callable[[], object]:
        return lambda: read_pass(path, wanted, sha256="not needed here")

    cases: dict[str, Callable[[], object]] = {"PyAV loop": lambda: bare_loop(path)}
    cases["VideoReader loop"] = lambda: reader_loop(path)
    for name in names:
        wanted = requests_of([name], sampling, metrics=False)
        cases[f"{name} ({', '.join(wanted)})"] = one_pass(wanted)
    cases["all extractors, one pass"] = one_pass(requests_of(names, sampling, metrics=False))
    cases["all extractors and metrics, one pass"] = one_pass(requests_of(names, sampling, metrics=True))
    return cases


def main() -> None:
    """Print milliseconds per frame and the ratio to plain decoding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sampling", default="2fps")
    given = parser.parse_args()
    frames = reader_loop(given.video)  # also warms the file cache
    cases = cases_of(given.video, given.sampling)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(given.repeats):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    plain = next(iter(seconds.values()))
    print(f"{given.video.name}: {frames} frames, sampling {given.sampling}, medians of {given.repeats} rounds")
    versions = ", ".join(f"{name} {version(name)}" for name in ("av", "numpy"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}, OpenCV {cv2.__version__}")
    print(f"{'case (its samplings)':48} {'ms/frame':>9} {'x decode':>9} {'lowest':>7} {'highest':>8}")
    for name, spent in seconds.items():
        ratios = [mine / base for mine, base in zip(spent, plain, strict=True)]
        middle = f"{1000 * statistics.median(spent) / frames:>9.3f} {statistics.median(ratios):>9.2f}"
        print(f"{name:48} {middle} {min(ratios):>7.2f} {max(ratios):>8.2f}")


if __name__ == "__main__":
    main()
