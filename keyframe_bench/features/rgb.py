"""Small colour pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView, Height, Width
from ..core.registry import register
from ..video.image_files import fit


@register("rgb")
class Rgb(Feature):
    """The upright colour picture at one size.

    What `Reconstruction` is to a network, this is without one: at a network's input size, its very input.

    Parameters
    ----------
    height, width : int
        Size in pixels; by default the input of ``ae_final`` (Chen et al. 2021).
    resize : {"stretch", "letterbox", "crop"}
        All of the picture with another aspect ratio, all of it between black bars, or its middle.
    """

    summary = "uint8 [height, width, 3], red, green, blue, 0 to 255"

    def __init__(
        self, height: Height = 96, width: Width = 192, resize: Literal["stretch", "letterbox", "crop"] = "stretch"
    ) -> None:
        self.height, self.width, self.resize = height, width, resize

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return uint8 [B, height, width, 3]."""
        if self.resize == "stretch":
            return np.stack([frame.rgb(self.height, self.width) for frame in frames])
        return np.stack([fit(f.rgb(f.height, f.width), self.height, self.width, self.resize) for f in frames])
