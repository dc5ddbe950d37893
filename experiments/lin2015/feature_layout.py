"""The learned feature space of a video laid out in the plane beside the pretrained one: figure 8 of Lin et al. 2015."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.bench.cell_records import build_extractor
from keyframe_bench.bench.record_table import VideoTable, row_of
from keyframe_bench.core.cells import Cell
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.registry import register
from keyframe_bench.datasets.base import VideoItem
from keyframe_bench.metrics.base import Column
from keyframe_bench.report.drawing import decoded, encoded_frames, new_figure, png_bytes, tsne_layout
from keyframe_bench.tables.figure import Figure
from keyframe_bench.video.onepass import read_pass

METHOD = "deep_metric"
NEIGHBOURS = 5
_WIDTH = 48


@register("lin2015/feature_layout")
class FeatureLayout(Figure):
    """Frames of a video laid out by t-SNE of learned features, and of those of the network before it was trained.

    The numbers are of the features themselves, not of the layout. The first video is drawn.
    """

    columns = {  # noqa: RUF012 - never changed
        "silhouette": Column("higher", "1", "how near frames of a shot are, against those of the nearest other shot"),
        "purity": Column("higher", "1", f"share of a frame's {NEIGHBOURS} nearest frames that show the same shot"),
    }

    def cells(self, table: VideoTable, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:  # noqa: ARG002 - interface
        """Yield two cells for each training seed of each video."""
        table.items = [item for item in table.items if item.id in table.planned]
        drawn = table.items[0].id if table.items else ""
        yield from table.each(lambda item: _layouts(item, table.planned[item.id], drawn=item.id == drawn))

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:  # noqa: ARG002 - interface
        """Return both layouts; small files hold nothing to draw."""
        shown = [cell for cell in cells if cell.get("layout")]
        return _drawn(shown) if shown else None


def _layouts(item: VideoItem, cells: Sequence[Cell], *, drawn: bool) -> list[dict[str, Any]]:
    """Return the records of one video: learned and untrained features, for each training seed."""
    from keyframe_bench.models.metric_network import load_network, pretrained

    if item.annotation is None or item.annotation.shots is None:
        raise UsageError(f"{item.id!r} has no shots to compare with; choose another data set")
    records: list[dict[str, Any]] = []
    mine = [cell for cell in cells if cell.extractor == METHOD and not cell.untrained]
    methods: list[Any] = [build_extractor(cell) for cell in mine]
    read = read_pass(item.path, {cell.sampling: method.needs for cell, method in zip(mine, methods, strict=True)})
    shots = item.annotation.aligned(read.times, item.id).shots
    assert shots is not None
    for number, (cell, method) in enumerate(zip(mine, methods, strict=True)):
        clip = read.clip(cell.sampling, method.needs)
        rows, labels = clip[method.needs[0]], np.searchsorted(shots[:, 0], clip.ordinals, side="right")
        spaces = {"learned": load_network(cell.path), "before training": pretrained(method.trained_options().params)}
        for name, network in spaces.items():
            points = network.embedded(rows)
            record = _record(item, cell, name, points, labels)
            if drawn and number == 0:
                record |= {"layout": tsne_layout(points, cell.seed).round(2).tolist(), "labels": labels.tolist()}
                record |= {"pictures": encoded_frames(item.path, clip.ordinals.tolist(), read, _WIDTH)}
            records.append(record)
    return records


def _record(
    item: VideoItem, cell: Cell, name: str, points: NDArray[np.float32], labels: NDArray[np.int64]
) -> dict[str, Any]:
    from keyframe_bench.extractors.deep_metric.learning import purities

    metrics = {"silhouette": silhouette(points, labels), "purity": float(purities(points, labels).mean())}
    return row_of(cell, item, name, {"features": name}, n_sampled=len(points), metrics=metrics)


def silhouette(points: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the mean silhouette of rows [N, D] by label, -1 to 1; 0 where there is one label, or one for each row."""
    from sklearn.metrics import silhouette_score

    n_labels = len(np.unique(labels))
    return float(silhouette_score(points, labels)) if 1 < n_labels < len(labels) else 0.0


def _drawn(cells: Sequence[Mapping[str, Any]]) -> bytes:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    page = new_figure(height=7.0, width=7.0 * len(cells))
    for panel, cell in zip(page.subplots(1, len(cells), squeeze=False)[0], cells, strict=True):
        points = np.asarray(cell["layout"])
        for point, text in zip(points, cell["pictures"], strict=True):
            image = OffsetImage(decoded(text), zoom=0.5)
            panel.add_artist(AnnotationBbox(image, (float(point[0]), float(point[1])), frameon=False, pad=0.0))
        panel.scatter(points[:, 0], points[:, 1], c=cell["labels"], cmap="tab20", s=14, zorder=5, linewidths=0)
        numbers = ", ".join(f"{name} {value:.2f}" for name, value in cell["metrics"].items())
        panel.set_title(f"{cell['video']}: {cell['label']} features\n{numbers}; colour of the dots: shot", fontsize=10)
        panel.margins(0.1)
        panel.set_xticks([])
        panel.set_yticks([])
    return png_bytes(page)
