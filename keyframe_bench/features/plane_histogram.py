"""Counts of the raw component values of a frame, as FFmpeg's thumbnail filter takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.registry import register

_EXACT = 1 << 24  # OpenCV counts in float32, exact up to here


@register("plane_histogram")
class PlaneHistogram(Feature):
    """256 counts of each of the three coded components, at their native size.

    Planar YUV gives Y, U, V (so chroma weighs less where it is subsampled), packed RGB gives R, G, B, grey fills the
    first 256 counts only. Nothing is converted, scaled or turned.
    """

    summary = "int32 [768]: counts of Y, U, V (or R, G, B) values 0-255 at native plane size"

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.int32]:
        """Return int32 [B, 768]."""
        counts = np.zeros((len(frames), 3, 256), dtype=np.int32)
        for row, frame in zip(counts, frames, strict=True):
            for c, plane in enumerate(frame.planes()):
                row[c] = _counts(plane)
        return counts.reshape(len(frames), -1)


def _counts(plane: NDArray[np.uint8]) -> NDArray[np.int32]:
    import cv2

    rows = max(1, _EXACT // plane.shape[1])
    total = np.zeros(256, dtype=np.int32)
    for top in range(0, plane.shape[0], rows):
        total += cv2.calcHist([plane[top : top + rows]], [0], None, [256], [0, 256]).ravel().astype(np.int32)
    return total
