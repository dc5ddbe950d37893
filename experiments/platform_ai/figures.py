"""Data of the article's images of one video: its change, segments, key frames, and layouts of its frames (D17)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keyframe_bench.bench.record_table import VideoTable
from keyframe_bench.core.cells import FORMAT
from keyframe_bench.core.clip import Clip, KeyFrames
from keyframe_bench.core.files import digest
from keyframe_bench.core.registry import register
from keyframe_bench.datasets.base import VideoItem
from keyframe_bench.extractors.asked import Asked
from keyframe_bench.extractors.base import Extractor
from keyframe_bench.features.change import PixelDifference
from keyframe_bench.metrics.base import Column
from keyframe_bench.metrics.distances import GRAY
from keyframe_bench.report.drawing import (
    encoded_frames,
    neighbours_kept,
    scaled,
    time_gradient,
    time_order,
    tsne_layout,
    with_time,
)
from keyframe_bench.tables.figure import Figure
from keyframe_bench.video.onepass import read_pass

from . import labelling
from .change_graph_picture import change_graph_png

__all__ = ["ChangeGraph", "change_graph", "labelling"]

_PICTURE_WIDTH = 64


@register("platform_ai/change_graph")
class ChangeGraph(Figure):
    """Change over time, segments, and layouts of the frames with and without time; the first video is drawn."""

    columns = {  # noqa: RUF012 - never changed
        "time_order": Column("higher", "1", "|Spearman's rho| of time and place along the layout's first axis"),
        "time_gradient": Column("higher", "1", "multiple correlation of time with the layout's coordinates"),
        "neighbours_kept": Column("higher", "1", "trustworthiness of the layout, 5 neighbours"),
    }

    def cells(self, table: VideoTable, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """Yield two cells a seed of every video."""
        spec = table.spec
        yield from table.each(lambda item: change_graph(item, spec.dataset.name, spec.sampling, spec.seeds))

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:  # noqa: ARG002
        """Return the image; small files hold nothing to draw."""
        drawable = [cell for cell in cells if cell.get("layout") or cell.get("figure")]
        return change_graph_png(drawable) if drawable else None


def change_graph(item: VideoItem, dataset: str, sampling: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Return one record per layout (with and without time, every seed) of a video.

    Each is a cell of ``results.jsonl`` with the extractor ``pixel_distance`` at a free budget, its key frames, and the
    metrics of the layout; the first carries under ``figure`` what the images are drawn from.

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
    asked, features = Asked.of(method, "free", sampling), (*method.needs, GRAY)
    read = read_pass(item.path, {sampling: features}, name=item.id)
    clip = read.clip(sampling, features)
    found, _ = asked.answer(read, 0)
    rows = clip[GRAY].astype(np.float64).reshape(len(clip), -1)
    records = []
    for time in (False, True):
        points = with_time(rows, clip.times) if time else rows
        for seed in seeds:
            layout = tsne_layout(scaled(points), seed)
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
    pictures = encoded_frames(item.path, clip.ordinals.tolist(), read, _PICTURE_WIDTH)
    records[0]["figure"] = _figure(clip, method, found) | {"pictures": pictures}
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
