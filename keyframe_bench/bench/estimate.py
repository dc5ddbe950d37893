"""Rough time and disk of cells that are still missing, for ``--dry-run``."""

from __future__ import annotations

import time

from ..core.errors import KeyframeBenchError
from ..video.onepass import read_pass
from .plan import VideoJob
from .run import requests_of

PROBE_FRAMES = 60
# Selection, metrics and the second pass for thumbnails, on top of decoding and features.
OVERHEAD = 1.5
CELL_BYTES = 4_000
THUMBNAIL_BYTES = 6_000
THUMBNAILS_PER_CELL = 6  # several methods choose the same frame


def estimate_seconds(jobs: list[VideoJob]) -> float:
    """Return estimated seconds on one worker: each video's first frames, with every feature, times its length."""
    total = 0.0
    for number, job in enumerate(jobs):
        try:
            requests = requests_of(job.cells)
            if number == 0:  # loading libraries and networks is paid once, not per frame
                read_pass(job.item.path, requests, sha256=job.sha256, limit=PROBE_FRAMES)
            start = time.perf_counter()
            probe = read_pass(job.item.path, requests, sha256=job.sha256, limit=PROBE_FRAMES)
            per_frame = (time.perf_counter() - start) / probe.info.n_frames
        except KeyframeBenchError:
            continue  # it will be skipped
        declared = probe.health.declared_frames or round((probe.health.declared_duration_s or 0) * probe.info.fps)
        total += per_frame * max(declared, probe.info.n_frames) * OVERHEAD
    return total


def estimate_disk_mb(jobs: list[VideoJob]) -> float:
    """Return estimated megabytes of cells and thumbnails."""
    n_cells = sum(len(job.cells) for job in jobs)
    return n_cells * (CELL_BYTES + THUMBNAILS_PER_CELL * THUMBNAIL_BYTES) / 1e6
