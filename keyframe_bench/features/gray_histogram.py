"""Histogram of grey levels, of which entropies are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.params import Range
from ..core.registry import register

_Side = Annotated[int, Range(1, 4096)]  # OpenCV counts in float32, exact up to 2^24


@register("gray_histogram")
class GrayHistogram(Feature):
    """How many pixels of the grey picture have each level.

    Parameters
    ----------
    bins : int
        Bins over the grey levels 0 to 255.
    height, width : int
        Size of the grey picture in pixels; at most 2^24 pixels in all.
    """

    summary = "int32 [bins], counts of grey levels, sum height * width"

    def __init__(self, bins: Annotated[int, Range(2, 256)] = 256, height: _Side = 120, width: _Side = 160) -> None:
        self.bins, self.height, self.width = bins, height, width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return int32 [B, bins]."""
        import cv2

        pictures = [frame.luma(self.height, self.width) for frame in frames]
        # OpenCV counts in float32, exact up to 2^24. The upper end of its range is exclusive: 256, for white.
        counts = np.stack([cv2.calcHist([p], [0], None, [self.bins], [0, 256]).reshape(-1) for p in pictures])
        return counts.astype(np.int32)
