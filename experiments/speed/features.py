"""What every feature and every conversion costs alone: processor time per frame, and as a share of decoding.

Some batches of frames are decoded and kept; each round times the decoder once and every feature and conversion once
on fresh views of them, so that other load on the machine meets all. Milliseconds are the lowest of all rounds, shares
are taken within a round and their medians printed. FFmpeg's own filters are run through PyAV while decoding, and the
decoder's time is taken off::

    python experiments/speed/features.py VIDEO --repeats 9
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import av
import cv2

from keyframe_bench.core.feature import Feature
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.extractors.ffmpeg_scene import FfmpegScene
from keyframe_bench.features.change import PixelDifference
from keyframe_bench.metrics.base import Metric
from keyframe_bench.video.cost_meter import CostMeter
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.feature_pass import BATCH_FRAMES
from keyframe_bench.video.frame import Frame

NETWORKS = {"embedding"}
VIEWS = ("luma", "rgb", "planes")
FILTERS = {"thumbnail": "n=100", "select": rf"gt(scene\,{FfmpegScene().threshold})"}
Batches = list[list[Frame]]


def decode(path: Path, limit: int, name: str = "") -> int:
    """Decode up to ``limit`` frames with PyAV's threads, and put them through FFmpeg's filter ``name`` if given."""
    count = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        graph = av.filter.Graph() if name else None
        if graph is not None:
            graph.link_nodes(graph.add_buffer(template=stream), graph.add(name, FILTERS[name]), graph.add("buffersink"))
            graph.configure()
        for frame in islice(container.decode(stream), limit):
            count += 1
            if graph is not None:
                graph.vpush(frame)
                try:
                    graph.vpull()
                except (av.error.BlockingIOError, av.error.EOFError):
                    continue
    return count


def read_batches(path: Path, limit: int, batches: int) -> Batches:
    """Return batches of consecutive frames, equally far apart among the first ``limit``."""
    step = max(1, limit // batches)
    kept: Batches = []
    with VideoReader(path) as reader:
        for frame in islice(reader, limit):
            if frame.ordinal % step == 0 and len(kept) < batches:
                kept.append([])
            if len(kept[-1]) < BATCH_FRAMES:
                kept[-1].append(frame)
    return kept


def features() -> list[Feature]:
    """Return what extractors without a network and metrics need of images."""
    named = [*Extractor.registry.names(), *Metric.registry.names()]
    built = [(Extractor if name in Extractor.registry.names() else Metric).registry.build(name) for name in named]
    needs: dict[str, Feature] = {f.key: f for thing in built for f in thing.needs}
    needs[PixelDifference().key] = PixelDifference()
    return [f for _, f in sorted(needs.items()) if f.source == "frames" and f.name not in NETWORKS]


def fresh(batch: list[Frame], meter: CostMeter | None = None) -> list[Frame]:
    """Return new views of the same decoded pictures: nothing is converted yet."""
    return [Frame(frame.raw, frame.ordinal, frame.time, meter, mirrored=frame.mirrored) for frame in batch]


def compute(feature: Feature, batches: Batches) -> None:
    """Compute a feature, with the conversions it asks for."""
    feature = feature.fresh()
    for batch in batches:
        feature.compute(batch)


def convert(view: str, size: tuple[int, ...], batches: Batches) -> None:
    """Make one conversion of every frame."""
    for batch in batches:
        for frame in batch:
            getattr(frame, view)(*size)


def spent(run: Callable[[], object]) -> float:
    """Return the seconds of processor time, of all threads, that ``run`` takes."""
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Print milliseconds per frame and the share of decoding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=500, help="how many frames the decoder is timed on")
    parser.add_argument("--batches", type=int, default=4, help=f"batches of {BATCH_FRAMES} frames that are kept")
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    batches = read_batches(given.video, given.frames, given.batches)
    wanted, meter = features(), CostMeter()
    known = [fresh(batch, meter) for batch in batches]
    for feature in wanted:  # imports, and which conversions are asked for
        feature.prepare()
        compute(feature, known)
    asked = sorted((what for what in meter.made if what[0] in VIEWS), key=str)
    cases: dict[str, Callable[[Batches], None]] = {feature.key: partial(compute, feature) for feature in wanted}
    cases |= {f"  {view}{size or ''}": partial(convert, view, tuple(size)) for view, *size in asked}
    n = sum(len(batch) for batch in batches)
    seconds: dict[str, list[float]] = {name: [] for name in ("decoding", *FILTERS, *cases)}
    for _ in range(given.repeats):
        for name in ("decoding", *FILTERS):
            start = time.process_time()
            count = decode(given.video, given.frames, "" if name == "decoding" else name)
            seconds[name].append((time.process_time() - start) / count)
        for name, run in cases.items():
            views = [fresh(batch) for batch in batches]
            seconds[name].append(spent(partial(run, views)) / n)
    plain = seconds["decoding"]
    picture = batches[0][0].raw
    print(f"{given.video.name}: {picture.width} x {picture.height}, {n} frames kept, {given.repeats} rounds")
    versions = ", ".join(f"{name} {version(name)}" for name in ("av", "numpy"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}, OpenCV {cv2.__version__}")
    print(f"{'processor time of':52} {'ms/frame':>9} {'x decoding':>11}")
    for name, found in seconds.items():
        share = statistics.median(mine / base for mine, base in zip(found, plain, strict=True))
        label, own = name, min(found)
        if name in FILTERS:
            label, own, share = f"FFmpeg's filter {name}", own - min(plain), share - 1
        print(f"{label:52} {1000 * own:>9.3f} {share:>11.3f}")


if __name__ == "__main__":
    main()
