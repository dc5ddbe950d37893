"""Change from the frame before, by grey histogram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView, Height, Width
from ..core.params import Range
from ..core.registry import register


@register("histogram_difference")
class HistogramDifference(Feature):
    """L1 distance of the grey histogram to that of the previous sampled frame.

    Parameters
    ----------
    bins : int
        Bins over the grey levels 0 to 255.
    height, width : int
        Size of the grey picture in pixels.
    """

    stateful = True
    summary = "float32 [], L1 distance of normalised grey histograms, 0 to 2; 0 (undefined) for the first frame"

    def __init__(self, bins: Annotated[int, Range(2, 256)] = 256, height: Height = 120, width: Width = 160) -> None:
        self.bins, self.height, self.width = bins, height, width
        self._last: NDArray[np.float64] | None = None

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B]; the last histogram is kept for the next batch."""
        import cv2

        pictures = [frame.luma(self.height, self.width) for frame in frames]
        # The upper end of OpenCV's range is exclusive: 256, so that white is counted.
        counts = np.stack([cv2.calcHist([p], [0], None, [self.bins], [0, 256]).reshape(-1) for p in pictures])
        rows = counts.astype(np.float64) / (self.height * self.width)
        before = rows[:1] if self._last is None else self._last
        self._last = rows[-1:]
        change: NDArray[np.float64] = np.abs(rows - np.concatenate([before, rows[:-1]])).sum(axis=1)
        return change.astype(np.float32)
