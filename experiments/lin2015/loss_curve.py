"""The training loss by iteration with its trend: figure 7 of Lin et al. 2015."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.core.registry import register
from keyframe_bench.report.drawing import COLOURS, new_figure, png_bytes
from keyframe_bench.tables.figure import Figure

_SMOOTH = 0.05  # share of all iterations that a point of the trend averages


@register("lin2015/loss_curve")
class LossCurve(Figure):
    """Logarithm of the training loss by iteration, and a moving average of it; a panel a run, the first seed."""

    options = ("panels",)

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:
        """Return the image of cells that hold ``step_losses``; see `Figure.draw`."""
        found = {}
        for cell in cells:
            if cell.get("step_losses"):
                found.setdefault(cell["label"], cell)
        panels = [(panel["name"], found[panel["run"]]) for panel in settings["panels"] if panel["run"] in found]
        return _drawn(panels) if panels else None


def trend(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the moving average of values [N] over a twentieth of them; at the ends over what there is."""
    half = max(1, round(len(values) * _SMOOTH / 2))
    total = np.concatenate([[0.0], np.cumsum(values)])
    low, high = np.arange(len(values)) - half, np.arange(len(values)) + half + 1
    low, high = np.maximum(low, 0), np.minimum(high, len(values))
    return np.asarray((total[high] - total[low]) / (high - low))


def _drawn(panels: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
    page = new_figure(height=3.6, width=5.2 * len(panels))
    for panel, (name, cell) in zip(page.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        losses = np.log(np.maximum(cell["step_losses"], 1e-12))
        epochs = int(cell["history"][-1]["epoch"])
        at = (np.arange(len(losses)) + 0.5) * epochs / len(losses)
        panel.plot(at, losses, color=COLOURS[0], linewidth=0.7, label="loss")
        panel.plot(at, trend(losses), color=COLOURS[1], linewidth=2, label="smoothed trend")
        panel.set_title(name, fontsize=11)
        panel.set_xlabel("epoch")
        panel.set_ylabel("log of the training loss")
        panel.grid(visible=True, color="#dddddd", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False)
    return png_bytes(page)
