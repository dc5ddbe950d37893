"""Change from the frame before, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView, Height, Width
from ..core.registry import register


@register("pixel_difference")
class PixelDifference(Feature):
    """Mean absolute difference to the previous sampled frame.

    The article sums over the pixels; the mean is the same up to a constant and does not depend on the size.

    Parameters
    ----------
    color : {"gray", "rgb"}
        Compare grey levels, or the mean over R, G and B.
    height, width : int
        Size at which pictures are compared, in pixels.
    """

    stateful = True
    summary = "float32 [], mean |I_t - I_t-1| over pixels, 0 to 255; 0 (undefined) for the first frame"

    def __init__(self, color: Literal["gray", "rgb"] = "gray", height: Height = 60, width: Width = 80) -> None:
        self.color, self.height, self.width = color, height, width
        self._last: NDArray[np.uint8] | None = None

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B]; the last picture is kept for the next batch."""
        import cv2

        views = [f.luma if self.color == "gray" else f.rgb for f in frames]
        rows = np.stack([view(self.height, self.width) for view in views]).reshape(len(frames), -1)
        before = rows[:1] if self._last is None else self._last
        self._last = rows[-1:].copy()
        change: NDArray[np.float64] = cv2.absdiff(rows, np.concatenate([before, rows[:-1]])).mean(axis=1)
        return change.astype(np.float32)
