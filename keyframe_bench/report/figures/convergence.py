"""Loss against epoch of trainings that begin differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.registry import register
from ...tables.figure import Figure
from ..drawing import COLOURS, new_figure, png_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS = (("train_loss", "training"), ("validation_loss", "validation"))


@register("convergence")
class Convergence(Figure):
    """Training and validation loss against epoch: each seed thin, their geometric mean thick.

    ``panels`` are mappings with ``run`` and the ``name`` to be shown.
    """

    options = ("panels",)

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:
        """Return the image of cells that hold a ``history``; see `Figure.draw`.

        Raises `UnavailableError` if matplotlib is not installed.
        """
        curves = {
            str(panel["name"]): [r["history"] for r in cells if r.get("label") == panel["run"] and r.get("history")]
            for panel in settings["panels"]
        }
        return _drawn(curves) if any(curves.values()) else None


def _drawn(curves: Mapping[str, Sequence[Any]]) -> bytes:
    page = new_figure(height=4.6, width=11.5)
    axes = page.subplots(1, len(_KINDS), sharey=True)
    for panel, (key, title) in zip(axes, _KINDS, strict=True):
        for colour, (name, histories) in zip(COLOURS, curves.items(), strict=False):
            _draw(panel, [_points(history, key) for history in histories], name, colour)
        panel.set_title(f"{title} loss", fontsize=11)
        panel.set_xlabel("epoch (0: before the first step)")
        _plain_ticks(panel)
        panel.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("loss, logarithmic")
    axes[0].legend(frameon=False)
    return png_bytes(page)


def _plain_ticks(axes: Axes) -> None:
    """Whole epochs; losses as decimal numbers, also where less than a power of ten is shown."""
    from matplotlib.ticker import LogFormatter, MaxNLocator

    class Decimal(LogFormatter):  # it decides which ticks have room for a number
        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:.3g}" if super().__call__(x, pos) else ""

    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(Decimal())
    axes.yaxis.set_minor_formatter(Decimal(minor_thresholds=(2, 0.7)))


def _points(history: Sequence[Mapping[str, Any]], key: str) -> dict[int, float]:
    known = (row for row in history if isinstance(row.get(key), (int, float)) and "epoch" in row)
    return {int(row["epoch"]): float(row[key]) for row in known if row[key] > 0}


def _draw(axes: Axes, curves: Sequence[Mapping[int, float]], name: str, colour: str) -> None:
    for curve in curves:
        axes.plot(list(curve), list(curve.values()), color=colour, alpha=0.35, linewidth=0.9)
    common = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    if common:
        middle = [float(np.exp(np.mean([np.log(curve[epoch]) for curve in curves]))) for epoch in common]
        many = f" (mean of {len(curves)} seeds)" if len(curves) > 1 else ""
        axes.plot(common, middle, color=colour, linewidth=2.2, label=f"{name}{many}")
