"""Histogram of hue: the frame descriptor of VSUMM and of the CUS evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView, Height, Width
from ..core.params import Range
from ..core.registry import register

_EDGE = 1e-4  # see hue_histogram


def hue_histogram(rgb: NDArray[np.uint8], bins: int = 16) -> NDArray[np.float32]:
    """Return the hue histogram of every picture.

    The hue is that of the hexcone HSV model on the full circle, not OpenCV's 8-bit hue of two degrees a step; a pixel
    falls into bin ``floor(bins * hue / 360)``, and grey pixels, which have no hue, into bin 0 (A6).

    Parameters
    ----------
    rgb : uint8 [B, height, width, 3]
        At least one picture, in RGB order.
    bins : int
        1 to 360.

    Returns
    -------
    float32 [B, bins]
        Shares of the pixels; every row sums to 1.

    Examples
    --------
    >>> import numpy as np
    >>> red_cyan_gray_gray = np.array([[[[255, 0, 0], [0, 255, 255], [9, 9, 9], [7, 7, 7]]]], dtype=np.uint8)
    >>> hue_histogram(red_cyan_gray_gray, bins=4).tolist()
    [[0.75, 0.0, 0.25, 0.0]]
    """
    import cv2

    count, height, width, _ = rgb.shape
    pixels = height * width
    # One conversion for the whole batch. Levels stay 0 to 255: scaled to 0 to 1, OpenCV's guard against division by
    # zero would shift hues.
    hue = cv2.cvtColor(rgb.reshape(count * height, width, 3).astype(np.float32), cv2.COLOR_RGB2HSV)[..., 0]
    # bins * hue / 360 of 8-bit colours is a multiple of 1 / (6 * d), d <= 255: on a border or at least 6.5e-4 from it,
    # so that the offset puts what rounding left just below a border where it belongs, and nothing else.
    index = (hue * np.float32(bins / 360) + np.float32(_EDGE)).astype(np.intp).reshape(count, pixels)
    index += bins * np.arange(count)[:, None]
    counts = np.bincount(index.ravel(), minlength=count * bins).reshape(count, bins)
    return np.asarray(counts / pixels, dtype=np.float32)


@register("hue_histogram")
class HueHistogram(Feature):
    """Hue histogram of the picture, resized without keeping its aspect ratio.

    Parameters
    ----------
    bins : int
        Equal parts of the hue circle.
    height, width : int
        Size in pixels of the picture it is computed on.
    """

    summary = "float32 [bins], shares of the pixels by hue, sum 1; grey pixels are in bin 0"

    def __init__(self, bins: Annotated[int, Range(1, 360)] = 16, height: Height = 60, width: Width = 80) -> None:
        self.bins, self.height, self.width = bins, height, width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B, bins]."""
        return hue_histogram(np.stack([frame.rgb(self.height, self.width) for frame in frames]), self.bins)
