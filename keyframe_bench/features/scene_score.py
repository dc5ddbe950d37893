"""How sudden the change from the frame before is: the scene score of FFmpeg's filter ``select``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.registry import register


@register("scene_score")
class SceneScore(Feature):
    """Change from the frame before, as far as it differs from the change before that: FFmpeg's scene score (A13b).

    With m_t the mean absolute difference of the native-size 8-bit pictures t and t-1 (luma as coded of YUV, R, G and B
    of RGB; m_0 = 0), the score is min(m_t, |m_t - m_(t-1)|) / 100, at most 1. Steady motion scores low, a cut high.

    Notes
    -----
    Source: FFmpeg, libavfilter, filter ``select``, variable ``scene``. Equal to it up to float32 for every 8-bit format
    without an alpha plane (the filter counts alpha as a component). Formats of more than 8 bits are reduced to 8 bits
    first, which the filter does not for 10-bit YUV: scores then differ by some thousandths at most.
    """

    stateful = True
    summary = "float32 [], FFmpeg's scene score, 0 to 1; 0 for the first frame"

    def __init__(self) -> None:
        self._last: list[NDArray[np.uint8]] = []
        self._last_change = 0.0

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B]; the last picture and its change are kept for the next batch."""
        scores = np.zeros(len(frames), dtype=np.float32)
        for row, frame in enumerate(frames):
            planes = frame.planes()
            if not getattr(frame, "is_rgb", False):
                planes = planes[:1]
            if [p.shape for p in planes] == [p.shape for p in self._last]:
                change = _mean_difference(planes, self._last)
                scores[row] = min(change, abs(change - self._last_change), 100.0) / 100
                self._last_change = change
            self._last = planes  # no copy: the decoder leaves a picture alone while it is referred to
        return scores


def _mean_difference(planes: Sequence[NDArray[np.uint8]], before: Sequence[NDArray[np.uint8]]) -> float:
    import cv2

    total = sum(cv2.norm(a, b, cv2.NORM_L1) for a, b in zip(planes, before, strict=True))
    return float(total) / sum(plane.size for plane in planes)
