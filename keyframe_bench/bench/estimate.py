"""Rough time and disk of cells that are still missing, for ``--dry-run``."""

from __future__ import annotations

import itertools
import time

from ..core.errors import VideoError
from ..video.decode import VideoReader
from .plan import VideoJob

PROBE_FRAMES = 60
# Features, selection, metrics and the second pass cost about as much again as decoding (see experiments/speed).
OVERHEAD = 2.5
CELL_BYTES = 4_000
THUMBNAIL_BYTES = 6_000
THUMBNAILS_PER_CELL = 6  # several methods choose the same frame


def estimate_seconds(jobs: list[VideoJob]) -> float:
    """Return estimated seconds on one worker: decoding speed of each video's first frames times its declared length."""
    total = 0.0
    for job in jobs:
        try:
            with VideoReader(job.item.path) as reader:
                start = time.perf_counter()
                seen = sum(1 for _ in itertools.islice(reader, PROBE_FRAMES))
                per_frame = (time.perf_counter() - start) / max(1, seen)
                declared = reader.health.declared_frames
                if declared is None:
                    declared = round((reader.health.declared_duration_s or 0) / reader.frame_s)
                total += per_frame * max(declared, seen) * OVERHEAD
        except VideoError:
            continue  # it will be skipped
    return total


def estimate_disk_mb(jobs: list[VideoJob]) -> float:
    """Return estimated megabytes of cells and thumbnails."""
    n_cells = sum(len(job.cells) for job in jobs)
    return n_cells * (CELL_BYTES + THUMBNAILS_PER_CELL * THUMBNAIL_BYTES) / 1e6
