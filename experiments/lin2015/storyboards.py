"""Storyboards of videos by an annotator and by several methods: figures 9 and 10 of Lin et al. 2015."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keyframe_bench.bench.cell_records import build_extractor
from keyframe_bench.bench.record_table import VideoTable
from keyframe_bench.core.annotation import Annotation
from keyframe_bench.core.cells import FORMAT, HUMAN, Cell
from keyframe_bench.core.clip import KeyFrames
from keyframe_bench.core.errors import UsageError
from keyframe_bench.core.files import digest
from keyframe_bench.core.grammar import Budget
from keyframe_bench.core.registry import register
from keyframe_bench.datasets.base import VideoItem
from keyframe_bench.extractors.asked import Asked
from keyframe_bench.metrics.base import Metric
from keyframe_bench.report.drawing import decoded, encoded_frames, new_figure, png_bytes, show_picture
from keyframe_bench.selection.spacing import evenly_spaced
from keyframe_bench.tables import schema
from keyframe_bench.tables.figure import Figure
from keyframe_bench.tables.format import clock
from keyframe_bench.video.onepass import Pass, read_pass

_METRICS = [Metric.registry.build(name) for name in ("cus", "redundancy_gray")]
_EVERY = "every"
_SHOWN = 10  # key frames in a row
_WIDTH = 160


@register("lin2015/storyboards")
class Storyboards(Figure):
    """What one annotator chose of a video, and what the methods of the run choose, as rows of images.

    Every method gives as many key frames as the annotators of the video chose on average: k is not what is compared.
    ``videos`` says how many of the videos that are scored are drawn, evenly taken from all.
    """

    columns = {name: column for metric in _METRICS for name, column in metric.columns.items()}  # noqa: RUF012 - never changed
    options = ("videos",)

    def check(self, settings: Mapping[str, Any], at: str) -> None:
        """Check the number of videos."""
        schema.positive(settings.get("videos", 1), f"{at}: videos")

    def cells(self, table: VideoTable, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a cell for the annotator and for every method, of each of the videos."""
        scored = [item for item in table.items if item.id in table.planned]
        table.items = [scored[i] for i in evenly_spaced(len(scored), settings.get("videos", 1))]
        yield from table.each(lambda item: _storyboard(item, table.planned[item.id]))

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:  # noqa: ARG002 - interface
        """Return the rows as one image; small files hold nothing to draw."""
        shown = [cell for cell in cells if cell.get("pictures")]
        return _drawn(shown) if shown else None


def _storyboard(item: VideoItem, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return the cells of one video: the annotator with the most usual number of key frames, then each method once."""
    if item.annotation is None or not item.annotation.choosers:
        raise UsageError(f"{item.id!r} has no annotators' key frames to compare with; choose another data set")
    first = {cell.extractor: cell for cell in reversed(cells) if cell.extractor != HUMAN and not cell.untrained}
    order = [name for name in dict.fromkeys(cell.extractor for cell in cells) if name in first]
    sizes = [len(user) for user in item.annotation.choosers]
    budget = Budget.parse(max(1, round(np.mean(sizes))))
    asked = {name: Asked(build_extractor(first[name]), budget, first[name].run_sampling) for name in order}
    requests: dict[str, list[Any]] = {_EVERY: [feature for metric in _METRICS for feature in metric.needs]}
    for one in asked.values():
        for sampling, features in one.requests.items():
            requests.setdefault(sampling, []).extend(features)
    read = read_pass(item.path, requests, name=item.id)
    annotation = item.annotation.aligned(read.times, item.id)
    usual = int(np.argmin(np.abs(np.array(sizes) - np.mean(sizes))))
    user = annotation.choosers[usual]
    others = annotation.without_user(annotation.users.index(user))
    assert user.frames is not None and user.times is not None  # aligned
    about = {"extractor": HUMAN, "label": user.name, "budget": "free", "sampling": _EVERY, "dataset": cells[0].dataset}
    rows = [_cell(item, read, KeyFrames(user.frames, user.times), others, about)]
    for name, one in asked.items():
        found, _ = one.answer(read, first[name].seed)
        kept = ("extractor", "params", "version", "dataset", "checkpoint", "training", "split", "fold", "training_seed")
        told = {field: value for field in kept if (value := getattr(first[name], field)) is not None}
        about = {**told, "label": one.extractor.label, "budget": str(budget), "sampling": one.sampling}
        rows.append(_cell(item, read, found, annotation, about))
    return rows


def _cell(item: VideoItem, read: Pass, found: KeyFrames, known: Annotation, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of one row: its numbers, and its images as base64."""
    values: dict[str, float | None] = {}
    for metric in _METRICS:
        clip = read.clip(_EVERY, metric.needs)
        applies = metric.applies(known)
        values |= metric.compute(found, clip, known) if applies else dict.fromkeys(metric.columns)
    shown = found.frames[evenly_spaced(len(found), min(_SHOWN, len(found)))]
    pictures = encoded_frames(item.path, shown.tolist(), read, _WIDTH)
    record = {
        **{"params": {}, "version": 1, "seed": 0, **about},
        "format": FORMAT,
        "status": "ok",
        "video": item.id,
        "video_sha256": read.info.sha256,
        "n_frames": read.info.n_frames,
        "k": len(found),
        "keyframes": {"frames": found.frames.tolist(), "times": found.times.tolist()},
        "metrics": values,
        "pictures": pictures,
        "shown": [round(float(time - read.times[0]), 2) for time in read.times[shown]],
    }
    identity = [about["extractor"], record["params"], item.id, read.info.sha256, found.frames.tolist()]
    return {**record, "key": digest(identity)}


def _drawn(cells: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a row of images for every cell, in order, with a gap before each new video."""
    images = [[decoded(text) for text in cell["pictures"]] for cell in cells]
    height, width = images[0][0].shape[:2]
    columns = max(len(row) for row in images)
    page = new_figure(height=0.3 + len(cells) * (1.35 * height / width + 0.25), width=1.6 + 1.35 * columns)
    axes = page.subplots(len(cells), columns, squeeze=False)
    for row, cell, pictures in zip(axes, cells, images, strict=True):
        for place, panel in enumerate(row):
            panel.axis("off")
            if place < len(pictures):
                show_picture(panel, pictures[place])
                panel.set_title(clock(cell["shown"][place]), fontsize=7, pad=2)
        name = f"annotator {cell['label']}" if cell["extractor"] == HUMAN else cell["extractor"]
        more = f"\n{len(pictures)} of {cell['k']} shown" if cell["k"] > len(pictures) else ""
        label = f"{cell['video']}\n{name}{more}"
        row[0].text(-0.08, 0.5, label, transform=row[0].transAxes, ha="right", va="center", fontsize=8)
    return png_bytes(page)
