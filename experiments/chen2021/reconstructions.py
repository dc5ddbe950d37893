"""Images beside what networks leave of them: figures 1 and 2 of Chen et al. 2021."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keyframe_bench.core.checkpoint import Checkpoint
from keyframe_bench.core.registry import register
from keyframe_bench.extractors.autoencoder.evaluation import reconstructions
from keyframe_bench.report.drawing import decoded, encoded, new_figure, png_bytes, show_picture
from keyframe_bench.tables import schema
from keyframe_bench.tables.figure import Figure
from keyframe_bench.training.clips import Clips

_PANEL = 2.9  # inches, width
_SHOWN = 3  # images


@register("chen2021/reconstructions")
class Reconstructions(Figure):
    """One row per image: the input, then the output of every panel's network, with its measures below.

    ``panels`` are mappings with ``run`` and the ``name`` to be shown; ``data`` names the data set, ``number`` says how
    many images.
    """

    options = ("panels", "data", "number")

    def check(self, settings: Mapping[str, Any], at: str) -> None:
        """Check the number of images."""
        if "number" in settings:
            schema.positive(settings["number"], f"{at}: number")

    def stored(self, checkpoint: Checkpoint, clips: Clips, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return held-out images, evenly spaced, and what the network leaves of them: PNG files as base64."""
        inputs, outputs = reconstructions(checkpoint, clips, int(settings.get("number", _SHOWN)))
        return {"pictures": {"input": _encoded(inputs), "output": _encoded(outputs)}}

    def draw(self, cells: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> bytes | None:
        """Return the image of cells that hold ``pictures``; see `Figure.draw`.

        Raises
        ------
        UnavailableError
            If matplotlib is not installed.
        UsageError
            If a stored image is damaged.
        """
        drawn = []
        for panel in settings["panels"]:
            mine = [record for record in cells if record.get("label") == panel["run"] and record.get("pictures")]
            if mine:
                drawn.append((str(panel["name"]), mine[0]))
        if not drawn:
            return None
        inputs = [decoded(text) for text in drawn[0][1]["pictures"]["input"]]
        shape = inputs[0].shape
        high = _PANEL * shape[0] / shape[1]
        page = new_figure(height=0.75 + len(inputs) * (high + 0.05), width=_PANEL * (1 + len(drawn)))
        axes = page.subplots(len(inputs), 1 + len(drawn), squeeze=False)
        axes[0][0].set_title("input", fontsize=11)
        for row, picture in enumerate(inputs):
            show_picture(axes[row][0], picture)
        for column, (name, record) in enumerate(drawn, start=1):
            axes[0][column].set_title(name, fontsize=11)
            axes[-1][column].set_xlabel(_measured(record.get("metrics") or {}), fontsize=8.5)
            for row, text in enumerate(record["pictures"]["output"]):
                show_picture(axes[row][column], decoded(text))
        return png_bytes(page)


def _encoded(pictures: NDArray[np.uint8]) -> list[str]:
    return [encoded(np.ascontiguousarray(one), ".png") for one in pictures]


def _measured(metrics: Mapping[str, Any]) -> str:
    """Name the measures of this network, over all validation images: output over input for the first two."""
    parts = [("sharpness", "sharpness"), ("saturation", "saturation"), ("psnr", "PSNR")]
    known = [f"{word} {metrics[name]:.2f}" for name, word in parts if isinstance(metrics.get(name), (int, float))]
    return ", ".join(known)
