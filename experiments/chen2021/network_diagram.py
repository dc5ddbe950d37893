"""An auto-encoder as a row of boxes, drawn from its layer table: figure 3 of Chen et al. 2021."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyframe_bench.models.networks import ConvolutionalNetwork as Network
from keyframe_bench.report.drawing import new_figure, png_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TALL = 3.0  # of the largest image, in the drawing's units
_SHRINK = 0.62  # heights are drawn as a power of pixels: 12 rows would be a line beside 192
_SLANT = 0.30  # of an image's width, to the right and up
_GAP = 0.95
_LOOKS = {
    "picture": ("#f3efe4", "#8c7f5c"),
    "encoder": ("#c9dbee", "#1f4e79"),
    "code": ("#f6c89a", "#b0560f"),
    "decoder": ("#cfe6d2", "#2a7a44"),
}


@dataclass(frozen=True)
class _Box:
    """What lies between two layers: channels and pixels, and the layer that makes it."""

    look: str
    channels: int
    height: int
    width: int
    made_by: str = ""


def network_diagram_png(network: Network) -> bytes:
    """Return the drawing of ``network`` as PNG: every map between its layers, with sizes, from input to output.

    Raises
    ------
    UnavailableError
        If matplotlib is not installed.
    """
    boxes = _boxes(network)
    tallest, widest = max(box.height for box in boxes), max(box.width for box in boxes)
    places, x = [], 0.0
    for box in boxes:
        places.append(x)
        x += _thickness(box) + _slant(box, widest) + _GAP
    length = x - _GAP
    page = new_figure(height=4.4, width=15.0)
    axes = page.add_subplot()
    for box, left in zip(boxes, places, strict=True):
        _draw_box(axes, box, left, tallest, widest)
    for (box, left), (following, right) in zip(
        zip(boxes, places, strict=True), zip(boxes[1:], places[1:], strict=True), strict=False
    ):
        start = left + _thickness(box) + 0.5 * _slant(box, widest) + 0.1
        axes.annotate(
            "", xy=(right - 0.08, 0), xytext=(start, 0), arrowprops={"arrowstyle": "-|>", "color": "#555555", "lw": 1.1}
        )
        axes.text(right - 0.14, 0.12, following.made_by, fontsize=7.5, color="#333333", ha="right", va="bottom")
    n = len(network.layers)
    after_code = places[n] + _thickness(boxes[n]) + _slant(boxes[n], widest)
    for name, first, last, colour in (
        (f"encoder, {n} layers", places[1], after_code, _LOOKS["encoder"][1]),
        (f"decoder, {n} layers", places[n + 1], length, _LOOKS["decoder"][1]),
    ):
        axes.plot([first, last], [-2.75, -2.75], color=colour, linewidth=2.2)
        axes.text((first + last) / 2, -2.88, name, color=colour, ha="center", va="top", fontsize=11)
    channels, height, width = network.code_shape
    ratio = f"input {3 * network.input_height * network.input_width:,} numbers, code {channels * height * width:,}"
    counts = f"{network.total_params:,} parameters, {network.total_macs / 1e9:.2f} GMAC an image"
    axes.set_title(f"{network.name}: {ratio}; {counts}", fontsize=12)
    axes.set_xlim(-0.3, length + 0.3)
    axes.set_ylim(-3.35, 2.9)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return png_bytes(page)


def _boxes(network: Network) -> list[_Box]:
    layers = network.layers
    found = [_Box("picture", 3, network.input_height, network.input_width)]
    for i, layer in enumerate(layers, start=1):
        look = "code" if i == len(layers) else "encoder"
        found.append(_Box(look, layer.outputs, layer.height, layer.width, _operation(layer.kernel, layer.stride)))
    sizes: Sequence[_Box] = found[:-1][::-1]
    for layer, box in zip(reversed(layers), sizes, strict=True):
        made_by = _operation(layer.kernel, layer.stride, up=network.up)
        found.append(
            _Box("picture" if box.look == "picture" else "decoder", box.channels, box.height, box.width, made_by)
        )
    return found


def _operation(kernel: int, stride: int, up: str = "") -> str:
    if stride == 1:
        return f"conv\n{kernel}×{kernel}"
    if up == "nearest_conv":
        return "×2, conv\n3×3"
    return f"{'tconv' if up else 'conv'}\n{kernel}×{kernel} /{stride}"


def _tall(box: _Box, tallest: int) -> float:
    return _TALL * float((box.height / tallest) ** _SHRINK)


def _thickness(box: _Box) -> float:
    return 0.12 + 0.085 * math.log2(box.channels)


def _slant(box: _Box, widest: int) -> float:
    return _SLANT * _TALL * float((box.width / widest) ** _SHRINK)


def _draw_box(axes: Axes, box: _Box, left: float, tallest: int, widest: int) -> None:
    """Draw a cuboid: its thickness stands for channels, its height and its slanted depth for the image's sides."""
    from matplotlib.patches import Polygon

    face, edge = _LOOKS[box.look]
    high, thick, slant = _tall(box, tallest), _thickness(box), _slant(box, widest)
    low, top, right = -high / 2 - slant / 4, high / 2 - slant / 4, left + thick
    rise = slant * 0.55
    front = [(left, low), (right, low), (right, top), (left, top)]
    lid = [(left, top), (right, top), (right + slant, top + rise), (left + slant, top + rise)]
    side = [(right, low), (right + slant, low + rise), (right + slant, top + rise), (right, top)]
    for corners, alpha in ((front, 1.0), (lid, 0.75), (side, 0.55)):
        axes.add_patch(Polygon(corners, closed=True, facecolor=face, edgecolor=edge, linewidth=1.0, alpha=alpha))
        axes.add_patch(Polygon(corners, closed=True, fill=False, edgecolor=edge, linewidth=1.0))
    text = f"{box.height}×{box.width}\n×{box.channels}"
    name = {"picture": "input" if not box.made_by else "output", "code": "code"}.get(box.look, "")
    axes.text(left + thick / 2 + slant / 4, low - 0.12, text, ha="center", va="top", fontsize=8.5, color=edge)
    if name:
        axes.text(
            left + (thick + slant) / 2, top + rise + 0.1, name, ha="center", va="bottom", fontsize=10.5, color=edge
        )
