"""Joint histogram of red, green and blue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.params import Range
from ..core.registry import register

_Side = Annotated[int, Range(1, 4096)]  # OpenCV counts in float32, exact up to 2^24


@register("color_histogram")
class ColorHistogram(Feature):
    """Share of the pixels in each cell of the RGB cube.

    Parameters
    ----------
    levels : int
        Equal parts of each of the three axes, hence ``levels ** 3`` cells.
    height, width : int
        Size in pixels of the picture it is computed on, resized without keeping its aspect ratio.
    """

    summary = "float32 [levels ** 3], shares of the pixels by colour, red slowest, sum 1"

    def __init__(self, levels: Annotated[int, Range(2, 16)] = 6, height: _Side = 60, width: _Side = 80) -> None:
        self.levels, self.height, self.width = levels, height, width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B, levels ** 3]."""
        import cv2

        pictures = [frame.rgb(self.height, self.width) for frame in frames]
        # The upper ends of OpenCV's ranges are exclusive: 256, so that white is counted.
        cells, ends = [self.levels] * 3, [0, 256] * 3
        counts = np.stack([cv2.calcHist([p], [0, 1, 2], None, cells, ends).reshape(-1) for p in pictures])
        return np.asarray(counts / np.float32(self.height * self.width), dtype=np.float32)
