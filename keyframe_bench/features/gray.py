"""Small grey pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.params import Range
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

    def __init__(self, height: Annotated[int, Range(1, 4320)] = 60, width: Annotated[int, Range(1, 7680)] = 80) -> None:
        self.height = height
        self.width = width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return uint8 [B, height, width]."""
        return np.stack([frame.luma(self.height, self.width) for frame in frames])
