"""Pictures beside what networks leave of them: figures 1 and 2 of Chen et al. 2021."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .drawing import decoded, new_figure, png_bytes, show_picture

_PANEL = 2.9  # inches, width


def reconstructions_png(records: Sequence[Mapping[str, Any]], figure: Mapping[str, Any]) -> bytes | None:
    """Return one row per picture: the input, then the output of every panel's network, with its measures below.

    Parameters
    ----------
    records : sequence of mapping
        Cells of trainings, of which some hold ``pictures``: ``input`` and ``output``, PNG files as base64.
    figure : mapping
        ``panels``: mappings with ``run`` and the ``name`` to be shown.

    Returns
    -------
    bytes or None
        PNG; None when the results hold no pictures.

    Raises
    ------
    UnavailableError
        If matplotlib is not installed.
    UsageError
        If a stored picture is damaged.
    """
    drawn = []
    for panel in figure["panels"]:
        mine = [record for record in records if record.get("label") == panel["run"] and record.get("pictures")]
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


def _measured(metrics: Mapping[str, Any]) -> str:
    """Name the measures of this network, over all validation pictures: output over input for the first two."""
    parts = [("sharpness", "sharpness"), ("saturation", "saturation"), ("psnr", "PSNR")]
    known = [f"{word} {metrics[name]:.2f}" for name, word in parts if isinstance(metrics.get(name), (int, float))]
    return ", ".join(known)
