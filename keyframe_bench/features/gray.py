"""Small grey pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView, Height, Width
from ..core.registry import register


@register("gray")
class Gray(Feature):
    """The upright grey picture, resized without keeping its aspect ratio.

    Parameters
    ----------
    height, width : int
        Size in pixels.
    """

    summary = "uint8 [height, width], grey levels, 0 black to 255 white"

    def __init__(self, height: Height = 60, width: Width = 80) -> None:
        self.height, self.width = height, width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return uint8 [B, height, width]."""
        return np.stack([frame.luma(self.height, self.width) for frame in frames])
