"""Data of the article's pictures of one video: its change, segments, key frames, and layouts of its frames (D17)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.cells import FORMAT
from ..core.clip import Clip
from ..core.errors import UsageError, VideoError
from ..core.files import canonical_json, digest, write_atomic
from ..core.keyframes import KeyFrames
from ..core.seeding import rng_for
from ..datasets.base import VideoItem
from ..extractors.base import Extractor, run_extractor
from ..features.pixel_difference import PixelDifference
from ..metrics.base import Column
from ..metrics.distances import GRAY
from ..selection.layout import neighbours_kept, time_gradient, time_order, tsne_layout, with_time
from ..video.frame_folder import VideoPath
from ..video.images import encode_image, fit_width
from ..video.onepass import read_pass
from ..video.pictures import fetch_pictures
from .provenance import ended_record, started_record
from .spec import RunSpec

_PICTURE_WIDTH = 64


def change_graph(item: VideoItem, dataset: str, sampling: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Return one record per layout (with and without time, every seed) of a video.

    Each is a cell of ``results.jsonl`` with the extractor ``pixel_distance`` at a free budget, its key frames, and the
    metrics of the layout; the first carries under ``figure`` what the pictures are drawn from.

    Parameters
    ----------
    item : VideoItem
    dataset, sampling : str
    seeds : sequence of int
        Of t-SNE.

    Raises
    ------
    VideoError
        If the file gives no frames.
    """
    method = Extractor.registry.build("pixel_distance")
    features = (*method.needs, GRAY)
    read = read_pass(item.path, {sampling: features}, name=item.id)
    clip = read.clip(sampling, features)
    found = run_extractor(method, clip, None, rng=rng_for(0, read.info.sha256, method.name, 0))
    rows = clip[GRAY].astype(np.float64).reshape(len(clip), -1)
    records = []
    for time in (False, True):
        points = with_time(rows, clip.times) if time else rows
        for seed in seeds:
            layout = tsne_layout(points, seed)
            record = {
                "format": FORMAT,
                "status": "ok",
                "extractor": method.name,
                "params": {"time": time},
                "dataset": dataset,
                "video": item.id,
                "video_sha256": read.info.sha256,
                "budget": "free",
                "sampling": sampling,
                "run_sampling": sampling,
                "seed": seed,
                "reference": method.reference,
                "n_sampled": len(clip),
                "n_frames": read.info.n_frames,
                "keyframes": {"frames": found.frames.tolist(), "times": found.times.tolist()},
                "metrics": {
                    "time_order": time_order(layout, clip.times),
                    "time_gradient": time_gradient(layout, clip.times),
                    "neighbours_kept": neighbours_kept(rows, layout),
                },
                "layout": np.round(layout, 2).tolist() if seed == seeds[0] else None,
            }
            records.append({**record, "key": digest([item.id, read.info.sha256, time, seed, sampling])})
    records[0]["figure"] = _figure(clip, method, found) | {"pictures": _pictures(item.path, clip, read)}
    return records


def _figure(clip: Clip, method: Extractor, found: KeyFrames) -> dict[str, Any]:
    assert found.segments is not None and found.thresholds is not None  # pixel_distance gives both
    return {
        "times": np.round(clip.times, 3).tolist(),
        "change": np.round(clip[PixelDifference()].astype(float), 3).tolist(),
        "threshold": float(found.thresholds[-1]),
        "ordinals": clip.ordinals.tolist(),
        "segments": found.segments.tolist(),
        "rule": method.budget_rule,
    }


def _pictures(path: VideoPath, clip: Clip, read: Any) -> list[str]:
    """Return a small JPEG of every sampled frame, base64."""
    frames: Iterable[Any] = fetch_pictures(path, clip.ordinals.tolist(), read)
    small = (frame.rgb(*fit_width(frame.height, frame.width, _PICTURE_WIDTH)) for frame in frames)
    return [base64.b64encode(encode_image(picture, ".jpg")).decode("ascii") for picture in small]


def run_change_graph(spec: RunSpec, *, command: str = "", facts: Mapping[str, Any] | None = None) -> Path:
    """Write ``results.jsonl`` and ``run.json`` with the records of the data set's videos into ``spec.out``.

    Returns
    -------
    Path
        The folder.
    """
    start, items = started_record(command), spec.dataset.videos()[: spec.limit]
    records: list[dict[str, Any]] = []
    skipped = []
    for item in items:
        try:
            records += change_graph(item, spec.dataset.name, spec.sampling, spec.seeds)
        except VideoError as error:
            if spec.on_error == "raise":
                raise
            skipped.append({"video": item.id, "reason": error.reason})
    if not records:
        raise UsageError(f"none of the {len(items)} videos of data set {spec.dataset.name!r} can be read")
    columns = {
        "time_order": Column("higher", "1", "|Spearman's rho| of time and place along the layout's first axis"),
        "time_gradient": Column("higher", "1", "multiple correlation of time with the layout's coordinates"),
        "neighbours_kept": Column("higher", "1", "trustworthiness of the layout, 5 neighbours"),
    }
    run = {
        **start,
        **ended_record(),
        **(facts or {}),
        "dataset": spec.dataset.name,
        "n_videos": len(items),
        "skipped": skipped,
        "columns": {name: {"metric": "layout", **vars(column)} for name, column in columns.items()},
    }
    write_atomic(spec.out / "results.jsonl", "".join(canonical_json(r) + "\n" for r in records))
    write_atomic(spec.out / "run.json", json.dumps(run, indent=1))
    return spec.out
