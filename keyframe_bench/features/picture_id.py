"""What tells pictures apart: a hash of all their pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.registry import register


@register("picture_id")
class PictureId(Feature):
    """The SHA-256 of the upright picture at its own size: equal where all decoded pixels are.

    Copies of a photograph are found by it, whatever their files are, so that none is in training and in validation.
    """

    summary = "uint8 [32]: SHA-256 of the pixels"

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return uint8 [B, 32]."""
        return np.stack([self._hashed(frame) for frame in frames])

    @staticmethod
    def _hashed(frame: FrameView) -> NDArray[np.uint8]:
        picture = frame.rgb(frame.height, frame.width)
        return np.frombuffer(hashlib.sha256(f"{picture.shape}".encode() + picture.tobytes()).digest(), dtype=np.uint8)
