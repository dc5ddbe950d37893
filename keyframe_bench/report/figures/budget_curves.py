"""Quality against the number of key frames: a line for every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.registry import register
from ...tables.build import comparison
from ...tables.figure import Figure
from ...tables.load import cells_frame
from ...tables.schema import require, text
from ..drawing import COLOURS, new_figure, png_bytes

_REFERENCES = {"uniform": "-", "random": ":", "oracle": "-."}
"""Drawn in black."""


@register("budget_curves")
class BudgetCurvesFigure(Figure):
    """The means of a ``metric`` over videos against K, as asked for; the methods of the largest areas in colours.

    ``bound`` is a metric that says what K key frames can reach at most.
    """

    options = ("metric", "bound")

    def check(self, settings: Mapping[str, Any], at: str) -> None:
        """Raise `UsageError` unless there are names of metrics; see `Figure.check`."""
        require(settings, ["metric"], at)
        for name in filter(settings.__contains__, self.options):
            text(settings[name], f"{at}: {name}")

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:
        """Return the image of cells at two or more budgets that are numbers; see `Figure.draw`.

        Raises `UnavailableError` if matplotlib is not installed.
        """
        metric, bound = settings["metric"], settings.get("bound", "")
        frame, curves = cells_frame({str(cell["key"]): cell for cell in cells}), dict[str, dict[int, float]]()
        for row in comparison(frame, {metric: {}, bound: {}}).rows:
            if row.budget.isdecimal() and metric in row.values:
                curves.setdefault(row.label, {})[int(row.budget)] = row.values[metric].mean
                if row.extractor == "uniform" and bound in row.values:
                    curves.setdefault(bound, {})[int(row.budget)] = row.values[bound].mean
        ks = sorted({k for curve in curves.values() for k in curve})
        return _drawn(curves, ks, metric, bound) if len(ks) > 1 else None


def _drawn(curves: Mapping[str, Mapping[int, float]], ks: Sequence[int], metric: str, bound: str) -> bytes:
    full = {name: curve for name, curve in curves.items() if len(curve) == len(ks)}
    methods = [name for name in full if name not in (bound, *_REFERENCES)]
    methods.sort(key=lambda name: -np.trapezoid([full[name][k] for k in ks], np.log2(ks)))
    page = new_figure(height=5.2, width=9.5)
    axes = page.subplots()
    for name in methods[len(COLOURS) :]:
        axes.plot(ks, [full[name][k] for k in ks], color="#c4c4c4", linewidth=0.9)
    for name, colour in zip(methods, COLOURS, strict=False):
        axes.plot(ks, [full[name][k] for k in ks], color=colour, linewidth=1.8, marker="o", markersize=3.5, label=name)
    for name, line in {**_REFERENCES, bound: "--"}.items():
        if name in full:
            axes.plot(ks, [full[name][k] for k in ks], color="black", linestyle=line, linewidth=1.2, label=name)
    axes.set_xscale("log", base=2)
    axes.set_xticks(ks, map(str, ks))
    axes.set_xlabel("key frames asked for, K (logarithmic)")
    axes.set_ylabel(f"{metric}, mean over videos")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    others = "others in grey" if len(methods) > len(COLOURS) else None
    page.legend(loc="outside right upper", frameon=False, title=others)
    return png_bytes(page)
