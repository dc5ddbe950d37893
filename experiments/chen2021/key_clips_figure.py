"""Key frames of a fixed camera, and the clips around them on a time line: figure 4 (key frames) of Chen et al. 2021."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keyframe_bench.report.drawing import COLOURS, decoded, new_figure, png_bytes, show_picture
from keyframe_bench.tables.format import clock, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 6
_WIDTH = 14.0  # inches
_CLIP, _EVENT = "#9fd0aa", "#d1691c"


def key_clips_png(records: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Return a montage of key frames, the distance to the latest key frame over time, clips and what happened.

    Parameters
    ----------
    records : sequence of mapping
        Cells of trainings, of which one holds a ``timeline`` (and ``pictures``).

    Returns
    -------
    bytes or None
        PNG; None when the results hold no time line.

    Raises
    ------
    UnavailableError
        If matplotlib is not installed.
    UsageError
        If a stored image is damaged.
    """
    record = next((r for r in records if r.get("timeline")), None)
    if record is None:
        return None
    line = record["timeline"]
    shown = record.get("pictures") or {}
    pictures = [decoded(text) for text in shown.get("keyframes", [])]
    rows = -(-len(pictures) // _COLUMNS)
    high = _WIDTH / _COLUMNS * pictures[0].shape[0] / pictures[0].shape[1] + 0.25 if pictures else 0.0
    page = new_figure(height=rows * high + 3.6, width=_WIDTH)
    grid = page.add_gridspec(rows + 2, _COLUMNS, height_ratios=[*[high] * rows, 2.3, 0.75])
    for i, (picture, time) in enumerate(zip(pictures, shown.get("times", []), strict=True)):
        axes = page.add_subplot(grid[i // _COLUMNS, i % _COLUMNS])
        show_picture(axes, picture)
        axes.set_title(clock(time), fontsize=9, pad=2)
    graph = page.add_subplot(grid[rows, :])
    _draw_distance(graph, line)
    some = f", {len(pictures)} of them above" if 0 < len(pictures) < len(line["keyframes"]) else ""
    counts = f"{_count(line['keyframes'], 'key frame')}{some}, {_count(line['clips'], 'clip')}"
    source = one_line(record.get("source", ""))  # small files have none
    graph.set_title(f"{source}: {counts}" if source else counts, fontsize=11)
    _draw_bands(page.add_subplot(grid[rows + 1, :], sharex=graph), line)
    return png_bytes(page)


def _draw_distance(axes: Axes, line: Mapping[str, Any]) -> None:
    times, distances = np.asarray(line["times"]), np.asarray(line["distances"])
    for start, end in line["clips"]:
        axes.axvspan(start, end, color=_CLIP, alpha=0.45, linewidth=0)
    axes.plot(times, distances, color=COLOURS[0], linewidth=0.9, label="distance to the latest key frame")
    threshold = float(line["threshold"])
    axes.axhline(threshold, color="#b23a48", linewidth=1.4, label=f"threshold {threshold:.3g}")
    axes.set_xlim(0, line["duration_s"])
    axes.set_ylim(0, max(float(distances.max(initial=0.0)), threshold) * 1.15)
    axes.set_ylabel("distance")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=2, fontsize=9)  # beside the title
    axes.tick_params(labelbottom=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_bands(axes: Axes, line: Mapping[str, Any]) -> None:
    """Draw key frames as ticks, saved clips and what moved as bands."""
    bands = [("key frames", None), ("saved clips", line["clips"])]
    bands += [(str(line.get("events_are") or "events"), line["events"])] if line.get("events") else []
    for row, (_, spans) in enumerate(bands):
        if spans is None:
            axes.vlines(line["keyframes"], row - 0.36, row + 0.36, color=COLOURS[0], linewidth=0.8)
        else:
            widths = [(start, end - start) for start, end in spans]
            axes.broken_barh(widths, (row - 0.36, 0.72), facecolors=_CLIP if row == 1 else _EVENT)
    axes.set_yticks(range(len(bands)), [name for name, _ in bands])
    axes.set_ylim(len(bands) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda x, _: clock(x))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _count(things: Sequence[Any], word: str) -> str:
    return f"{len(things)} {word}{'s' if len(things) != 1 else ''}"
