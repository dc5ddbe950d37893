"""Change from the frame before: of pixels, of histograms, within windows, and as FFmpeg scores it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView, Height, Width
from ..core.registry import Range, register
from .histograms import GrayHistogram


@register("pixel_difference")
class PixelDifference(Feature):
    """Mean absolute difference to the previous sampled frame.

    The article sums over the pixels; the mean is the same up to a constant and does not depend on the size.

    Parameters
    ----------
    color : {"gray", "rgb"}
        Compare grey levels, or the mean over R, G and B.
    height, width : int
        Size at which images are compared, in pixels.
    """

    stateful = True
    summary = "float32 [], mean |I_t - I_t-1| over pixels, 0 to 255; 0 (undefined) for the first frame"

    def __init__(self, color: Literal["gray", "rgb"] = "gray", height: Height = 60, width: Width = 80) -> None:
        self.color, self.height, self.width = color, height, width
        self._last: NDArray[np.uint8] | None = None

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B]; the last image is kept for the next batch."""
        import cv2

        views = [f.luma if self.color == "gray" else f.rgb for f in frames]
        rows = np.stack([view(self.height, self.width) for view in views]).reshape(len(frames), -1)
        before = rows[:1] if self._last is None else self._last
        self._last = rows[-1:].copy()
        change: NDArray[np.float64] = cv2.absdiff(rows, np.concatenate([before, rows[:-1]])).mean(axis=1)
        return change.astype(np.float32)


@register("histogram_difference")
class HistogramDifference(GrayHistogram):
    """L1 distance of the grey histogram to that of the previous sampled frame.

    Parameters
    ----------
    bins : int
        Bins over the grey levels 0 to 255.
    height, width : int
        Size of the grey image in pixels.
    """

    stateful = True
    summary = "float32 [], L1 distance of normalised grey histograms, 0 to 2; 0 (undefined) for the first frame"

    def __init__(self, bins: Annotated[int, Range(2, 256)] = 256, height: Height = 120, width: Width = 160) -> None:
        self.bins, self.height, self.width = bins, height, width
        self._last: NDArray[np.float64] | None = None

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B]; the last histogram is kept for the next batch."""
        rows = super().compute(frames) / (self.height * self.width)
        before = rows[:1] if self._last is None else self._last
        self._last = rows[-1:]
        change: NDArray[np.float64] = np.abs(rows - np.concatenate([before, rows[:-1]])).sum(axis=1)
        return change.astype(np.float32)


@register("motion_energy")
class MotionEnergy(PixelDifference):
    """Mean absolute difference of neighbouring sampled frames within a window, over pixels and pairs of neighbours.

    A cut inside the window counts as motion. Differences depend on the time between sampled frames: compare them at one
    sampling.

    Parameters
    ----------
    height, width : int
        Size at which grey images are compared, in pixels.
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


@register("scene_score")
class SceneScore(Feature):
    """Change from the frame before, as far as it differs from the change before that: FFmpeg's scene score.

    With m_t the mean absolute difference of the native-size 8-bit images t and t-1 (luma as coded of YUV, R, G and B
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
        """Return float32 [B]; the last image and its change are kept for the next batch."""
        scores = np.zeros(len(frames), dtype=np.float32)
        for row, frame in enumerate(frames):
            planes = frame.planes()
            if not getattr(frame, "is_rgb", False):
                planes = planes[:1]
            if [p.shape for p in planes] == [p.shape for p in self._last]:
                change = _mean_difference(planes, self._last)
                scores[row] = min(change, abs(change - self._last_change), 100.0) / 100
                self._last_change = change
            self._last = planes  # no copy: the decoder leaves an image alone while it is referred to
        return scores


def _mean_difference(planes: Sequence[NDArray[np.uint8]], before: Sequence[NDArray[np.uint8]]) -> float:
    import cv2

    total = sum(cv2.norm(a, b, cv2.NORM_L1) for a, b in zip(planes, before, strict=True))
    return float(total) / sum(plane.size for plane in planes)
