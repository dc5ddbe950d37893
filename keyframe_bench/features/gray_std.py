"""Contrast of a frame, which tells fades and blank frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView, Height, Width
from ..core.registry import register


@register("gray_std")
class GrayStd(Feature):
    """Population standard deviation of the grey picture.

    Parameters
    ----------
    height, width : int
        Size of the grey picture in pixels.
    """

    summary = "float32 [], standard deviation of grey levels, 0 to 127.5 in units of 0-255"

    def __init__(self, height: Height = 60, width: Width = 80) -> None:
        self.height, self.width = height, width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B]."""
        pictures = np.stack([frame.luma(self.height, self.width) for frame in frames])
        deviation: NDArray[np.float64] = pictures.reshape(len(frames), -1).std(axis=1)
        return deviation.astype(np.float32)
