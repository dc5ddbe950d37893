"""The article's images of one video: change with its mean, segments and middles, layouts of the frames (D17)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.core.errors import UnavailableError, UsageError
from keyframe_bench.report.drawing import decoded
from keyframe_bench.tables.format import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GREEN, _LINE = "#2a9d3a", "#1f4e79"
_INCHES = (15.0, 12.5)
_DPI = 100


def change_graph_png(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the image of the first video of ``records`` as PNG.

    Parameters
    ----------
    records : sequence of mapping
        Cells as `figures.change_graph` wrote them.

    Raises
    ------
    UnavailableError
        If matplotlib is not installed.
    UsageError
        If the results hold no figure.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnavailableError("figures of tables need matplotlib: pip install 'keyframe_bench[figures]'") from error
    first = next((record for record in records if record.get("figure")), None)
    if first is None:
        raise UsageError(
            "these results hold no change graph; make them with keyframe-bench table platform_ai/change_graph"
        )
    mine = [r for r in records if r["video"] == first["video"] and r.get("layout")]
    layouts = {bool(r["params"]["time"]): r for r in mine}
    data = first["figure"]
    pictures = [decoded(text) for text in data["pictures"]]
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(4, 3, height_ratios=(2.2, 1.0, 4.0, 0.12))
    name = str(first["video"])
    _draw_change(figure.add_subplot(grid[0, :]), data, len(first["keyframes"]["frames"]), name)
    _draw_segments(figure.add_subplot(grid[1, :]), data, pictures)
    panels = (
        (False, False, "without time"),
        (False, True, "without time, frames connected"),
        (True, True, "with time"),
    )
    for column, (time, lines, title) in enumerate(panels):
        record = layouts.get(time)
        if record is not None:
            _draw_layout(figure.add_subplot(grid[2, column]), record, data, pictures, lines=lines, title=title)
    _draw_colours(figure, figure.add_subplot(grid[3, :]), data)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    """Return the drawing with 256 colours, a third of the bytes."""
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(256).save(small, format="png", optimize=True)
    return small.getvalue()


def _draw_change(axes: Axes, data: Mapping[str, Any], n_keyframes: int, name: str) -> None:
    times, change = np.asarray(data["times"]), np.asarray(data["change"])
    axes.fill_between(times, change, color=_LINE, alpha=0.15, linewidth=0)
    axes.plot(times, change, color=_LINE, linewidth=1.2, label="change from the frame before")
    axes.axhline(data["threshold"], color=_GREEN, linewidth=1.8, label="mean, the threshold")
    axes.set_xlim(times[0], times[-1])
    axes.set_ylim(bottom=0)
    axes.set_ylabel("mean |difference|, grey levels")
    axes.set_title(f"{name}: {len(times)} sampled frames, {n_keyframes} key frames of pixel_distance", fontsize=11)
    axes.legend(loc="upper right", frameon=False)
    axes.xaxis.set_major_formatter(lambda x, _: clock(x))


def _draw_segments(axes: Axes, data: Mapping[str, Any], pictures: Sequence[NDArray[np.uint8]]) -> None:
    """Segments as bands; above them the middle frames of the longest ones that fit side by side."""
    times = np.asarray(data["times"])
    index_of = {ordinal: i for i, ordinal in enumerate(data["ordinals"])}
    spans = [(index_of[a], index_of.get(b, len(times))) for a, b in data["segments"]]
    ends = np.append(times, 2 * times[-1] - times[-2] if len(times) > 1 else times[-1] + 1)
    for i, (a, b) in enumerate(spans):
        axes.axvspan(ends[a], ends[b], 0, 0.16, color=("#8fb8de", "#d9e6f2")[i % 2], linewidth=0)
    axes.set_xlim(times[0], times[-1])
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_xlabel("segments, and the middle frames of the longest ones")
    axes.xaxis.set_major_formatter(lambda x, _: clock(x))
    width = (times[-1] - times[0]) / 17
    taken: list[float] = []
    for a, b in sorted(spans, key=lambda s: s[0] - s[1]):
        middle = (a + b - 1) // 2
        place = float(np.clip(times[middle], times[0] + width / 2, times[-1] - width / 2))
        if all(abs(place - other) > width for other in taken):
            taken.append(place)
            _put(axes, pictures[middle], (place, 0.6), zoom=0.95)


def _draw_layout(
    axes: Axes,
    record: Mapping[str, Any],
    data: Mapping[str, Any],
    pictures: Sequence[NDArray[np.uint8]],
    *,
    lines: bool,
    title: str,
) -> None:
    points = np.asarray(record["layout"])
    if lines:
        axes.plot(points[:, 0], points[:, 1], color="#888888", linewidth=0.6, zorder=1)
    for point, picture in zip(points, pictures, strict=True):
        _put(axes, picture, (float(point[0]), float(point[1])), zoom=0.42)
    axes.scatter(points[:, 0], points[:, 1], c=data["times"], cmap="viridis", s=16, zorder=5, linewidths=0)
    axes.set_title(f"{title}\ntime in any direction {record['metrics']['time_gradient']:.2f}", fontsize=10)
    axes.margins(0.1)
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_colours(figure: Figure, axes: Axes, data: Mapping[str, Any]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(data["times"][0], data["times"][-1]), "viridis")
    bar = figure.colorbar(scale, cax=axes, orientation="horizontal")
    bar.set_label("t-SNE of 18 x 32 grey images; colour of the dots: time")
    bar.ax.xaxis.set_major_formatter(lambda x, _: clock(x))


def _put(axes: Axes, picture: NDArray[np.uint8], at: tuple[float, float], zoom: float) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    axes.add_artist(AnnotationBbox(OffsetImage(picture, zoom=zoom), at, frameon=False, pad=0.0))
