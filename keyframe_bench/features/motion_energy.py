"""How much moves within a window of frames."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Height, Width
from ..core.params import Range
from ..core.registry import register
from .pixel_difference import PixelDifference


@register("motion_energy")
class MotionEnergy(PixelDifference):
    """Mean absolute difference of neighbouring sampled frames within a window, over pixels and pairs of neighbours.

    A cut inside the window counts as motion. Differences depend on the time between sampled frames: compare them at one
    sampling.

    Parameters
    ----------
    height, width : int
        Size at which grey pictures are compared, in pixels.
    window : int
        Sampled frames in a window; there is one pair of neighbours less.
    hop : int
        Sampled frames from the start of a window to the start of the next.

    Notes
    -----
    Which frames each row covers, also at the end of a clip, is said by `Feature.windows`.
    """

    summary = "float32 [] per window, mean |I_t - I_t-1| over pixels and pairs, 0 to 255; 0 for a single frame"

    def __init__(
        self,
        height: Height = 60,
        width: Width = 80,
        window: Annotated[int, Range(2, 100_000)] = 16,
        hop: Annotated[int, Range(1, 100_000)] = 16,
    ) -> None:
        super().__init__("gray", height, width)
        self.window, self.hop = window, hop

    def compute_window(self, rows: NDArray[Any]) -> np.float32:
        """Return the mean of changes [n - 1]: the first of ``rows`` is the change from before the window."""
        return np.float32(rows[1:].mean(dtype=np.float64) if len(rows) > 1 else 0)
