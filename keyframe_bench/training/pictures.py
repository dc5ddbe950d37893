"""Pictures of a training: its numbers over the epochs, and what was reconstructed beside what it was made of.

They are drawn with Pillow: Matplotlib takes a second, as long as many a training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.clip import quantiles_of, quantiles_told
from ..video.image_files import fit_width, resized
from .session import EpochRow, best_row

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Images = NDArray[np.uint8]
Points = Sequence[tuple[float, float]]

_PAPER, _INK, _SOFT, _RULE = (255, 255, 255), (40, 38, 36), (118, 113, 108), (215, 212, 208)
_COLOURS = ((31, 78, 121), (209, 105, 28))
_LOSSES = {"train_loss": "training loss", "validation_loss": "validation loss"}
_PARTS = {"train": "training", "validation": "validation"}
_UNSHOWN = ("epoch", "seconds")
_WIDTH, _HEIGHT, _ACROSS = 400, 260, 3  # of a panel in pixels; panels in a row
_SHARP = 2  # times as large as they become: lines have no edges then
_LOGARITHMIC = 10  # times the lowest number that the highest must be
_COLUMNS, _THUMB, _GAP, _MARGIN, _LINE, _LEAST, _AMPLIFIED = 6, 176, 6, 116, 22, 640, 4


def curves(history: Sequence[EpochRow]) -> Images | None:
    """Return a panel for the losses and one for each other number of a history, uint8 [H, W, 3]; None for a single row.

    Dots mark the best epoch; an axis is logarithmic where numbers span a factor of ten, and says so.
    """
    names = dict.fromkeys(name for row in history for name in row if name not in _UNSHOWN)
    known = {
        name: [
            (row.get("epoch", i), row[name]) for i, row in enumerate(history) if math.isfinite(row.get(name, np.nan))
        ]
        for name in names
    }
    known = {name: points for name, points in known.items() if len(points) > 1}
    losses = {told: known.pop(name) for name, told in _LOSSES.items() if name in known}
    panels = [losses] * bool(losses) + [{name: points} for name, points in known.items()]
    if not panels:
        return None
    from PIL import Image, ImageDraw

    across, down = min(len(panels), _ACROSS), -(-len(panels) // _ACROSS)
    page = Image.new("RGB", (across * _WIDTH * _SHARP, down * _HEIGHT * _SHARP), _PAPER)
    draw, best = ImageDraw.Draw(page), best_row(history)
    for number, panel in enumerate(panels):
        row, column = divmod(number, _ACROSS)
        _panel(draw, column * _WIDTH, row * _HEIGHT, panel, None if best is None else best.get("epoch"))
    return resized(np.array(page), down * _HEIGHT, across * _WIDTH)


def _panel(draw: ImageDraw, x: float, y: float, series: Mapping[str, Points], best: float | None) -> None:
    """Draw the curves of a panel whose upper left corner is at ``x``, ``y``."""
    left, right, top, bottom, title = x + 66, x + _WIDTH - 20, y + 38, y + _HEIGHT - 36, x + 14
    first, last, low, high = _extent(series)
    logarithmic = low > 0 and high > _LOGARITHMIC * low
    levels = (low, high) if not logarithmic else (math.log(low), math.log(high))
    for level, value in ((top, high), (bottom, low)):
        draw.line([(left * _SHARP, level * _SHARP), (right * _SHARP, level * _SHARP)], _RULE, _SHARP)
        _write(draw, left - 8, level, f"{value:.3g}", "rm", _SOFT)
    axis = {left: (f"{first:g}", "lm"), right: (f"{last:g}", "rm"), (left + right) / 2: ("epoch", "mm")}
    for place, (text, anchor) in axis.items():
        _write(
            draw, place, bottom + 17, text + " (logarithmic upwards)" * (text == "epoch" and logarithmic), anchor, _SOFT
        )
    for number, (colour, (name, points)) in enumerate(zip(_COLOURS, series.items(), strict=False)):
        title = 16 + _write(draw, title, y + 16, name, "lm", colour)
        xs, ys = np.array(points).T
        xs = np.interp(xs, (first, last), (left, right))
        ys = np.interp(np.log(ys) if logarithmic else ys, levels, (bottom, top))
        draw.line([(a * _SHARP, b * _SHARP) for a, b in zip(xs, ys, strict=True)], colour, 2 * _SHARP, joint="curve")
        for (epoch, value), a, b in zip(points, xs, ys, strict=True):
            if epoch == best:
                draw.circle((a * _SHARP, b * _SHARP), 4 * _SHARP, colour)
                at = top + 14 + 20 * number  # of the upper right corner, which falling curves leave empty
                _write(draw, right - 4, at, f"epoch {epoch:g}: {value:.4g}", "rm", colour)


def _extent(series: Mapping[str, Points]) -> tuple[float, float, float, float]:
    """Return the first and the last epoch, and the lowest and the highest number; a flat curve lies in the middle."""
    xs, ys = np.array([point for points in series.values() for point in points]).T
    pad = 0.0 if np.ptp(ys) else abs(ys[0]) / 2 or 1.0
    return float(xs.min()), float(xs.max()), float(ys.min() - pad), float(ys.max() + pad)


def _write(draw: ImageDraw, x: float, y: float, text: str, anchor: str, colour: tuple[int, int, int]) -> float:
    """Write a line, and return where it ends."""
    from PIL import ImageFont

    font = ImageFont.load_default(13 * _SHARP)
    place = x * _SHARP, y * _SHARP
    draw.text(place, text, colour, font, anchor)
    return float(draw.textbbox(place, text, font, anchor)[2]) / _SHARP


def errors(inputs: Images, outputs: Images) -> NDArray[np.float64]:
    """Return the mean absolute difference of each image and its reconstruction, float64 [N], in levels of 255."""
    found: NDArray[np.float64] = np.abs(inputs.astype(np.int16) - outputs).reshape(len(inputs), -1).mean(axis=1)
    return found


def strip(part: str, inputs: Images, outputs: Images, found: Mapping[str, Sequence[float]]) -> Images:
    """Return images over their reconstructions over the differences, from the lowest error to the highest.

    Parameters
    ----------
    part : str
        "validation" or "train": which frames these are.
    inputs, outputs : uint8 [N, H, W, 3]
    found : mapping
        Part to the `errors` of its frames: written above the images, they say which error is large.
    """
    from PIL import Image, ImageDraw

    mine = errors(inputs, outputs)
    chosen = np.argsort(mine, kind="stable")[
        np.linspace(0, len(mine) - 1, min(_COLUMNS, len(mine))).round().astype(int)
    ]
    inputs, outputs = inputs[chosen], outputs[chosen]
    difference = np.minimum(np.abs(inputs.astype(np.int16) - outputs) * _AMPLIFIED, 255).astype(np.uint8)
    rows = {"input": inputs, "reconstruction": outputs, f"difference x {_AMPLIFIED}": difference}
    height, width = fit_width(inputs.shape[1], inputs.shape[2], _THUMB)
    top, bottom = _LINE * (len(found) + 1) + _GAP, len(rows) * (height + _GAP)
    high, wide = top + bottom + _LINE, max(_MARGIN + len(chosen) * (width + _GAP), _LEAST)
    page = Image.new("RGB", (wide * _SHARP, high * _SHARP), _PAPER)
    draw = ImageDraw.Draw(page)
    about = f"{_PARTS[part]} frames and their errors: mean absolute difference, in levels of 255"
    for line, text in enumerate([about, *(errors_told(*one) for one in found.items())]):
        _write(draw, _GAP, _LINE * (line + 0.5), text, "lm", _SOFT if line else _INK)
    for row, (name, images) in enumerate(rows.items()):
        y = top + row * (height + _GAP)
        _write(draw, _GAP, y + height / 2, name, "lm", _INK)
        for column, image in enumerate(images):
            thumb = Image.fromarray(resized(image, height * _SHARP, width * _SHARP))
            page.paste(thumb, ((_MARGIN + column * (width + _GAP)) * _SHARP, y * _SHARP))
    _write(draw, _GAP, top + bottom + _LINE / 2 - _GAP / 2, "error", "lm", _INK)
    for column, which in enumerate(chosen):
        x = _MARGIN + column * (width + _GAP) + width / 2
        _write(draw, x, top + bottom + _LINE / 2 - _GAP / 2, f"{mine[which]:.3g}", "mm", _INK)
    return resized(np.array(page), high, wide)


def errors_told(part: str, values: Sequence[float]) -> str:
    """Return in words which errors of a part are large.

    >>> errors_told("train", [1.0, 2.0, 4.0])
    'errors of 3 training frames: half below 2, 90 % below 3.6, 99 % below 3.96, highest 4'
    """
    return f"errors of {len(values)} {_PARTS[part]} frames: {quantiles_told(quantiles_of(np.asarray(values)))}"
