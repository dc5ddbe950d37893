"""What a trained auto-encoder leaves of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.feature import FrameView
from ..core.registry import register
from .autoencoder_code import AutoencoderFeature


@register("reconstruction")
class Reconstruction(AutoencoderFeature):
    """The picture that the decoder of a trained network makes of the code, of the size of the network's input.

    Parameters
    ----------
    checkpoint, precision
        As for `AutoencoderCode`.

    Notes
    -----
    Source: Chen et al. 2021, section 3.2. Levels are rounded to 8 bits, a quarter of the floats' size: pictures are
    kept for the whole video.
    """

    summary = "uint8 [H, W, 3], red, green, blue, 0 to 255: the decoded code, 96 x 192 pixels for ae_final"

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return uint8 [B, H, W, 3]."""
        return self.network().reconstructions(self.pictures(frames))
