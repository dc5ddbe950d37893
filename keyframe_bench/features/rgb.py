"""Small colour pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.params import Range
from ..core.registry import register


@register("rgb")
class Rgb(Feature):
    """The upright colour picture, resized without keeping its aspect ratio.

    What `Reconstruction` is to a network, this is without one: at a network's input size, its very input.

    Parameters
    ----------
    height, width : int
        Size in pixels; by default the input of ``ae_final`` (Chen et al. 2021).
    """

    summary = "uint8 [height, width, 3], red, green, blue, 0 to 255"

    def __init__(
        self, height: Annotated[int, Range(1, 4320)] = 96, width: Annotated[int, Range(1, 7680)] = 192
    ) -> None:
        self.height = height
        self.width = width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return uint8 [B, height, width, 3]."""
        return np.stack([frame.rgb(self.height, self.width) for frame in frames])
