"""Histograms of grey levels, of colours and of the coded values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView, Height, Width
from ..core.registry import Range, register

_EXACT = 1 << 24  # OpenCV counts in float32, exact up to here
_Side = Annotated[int, Range(1, 4096)]  # so that images are no larger
_EDGE = 1e-4  # see hue_histogram
# Pairs of values. Alone a third as many are worth it, but beside a decoder, which drives the table (256 KB) out of the
# core's cache, 480 x 360 pixels are slower so.
_WORTH = 100_000


def _counts(
    planes: list[NDArray[np.uint8]], *bins: int, table: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return how many pixels have each combination of levels, float32 [*bins]."""
    import cv2

    # The upper ends of OpenCV's ranges are exclusive: 256, so that white is counted.
    counts = cv2.calcHist(planes, [*range(len(bins))], None, bins, [0, 256] * len(bins), table)
    return np.asarray(counts, np.float32).reshape(bins)  # of one axis OpenCV 4 makes a column


@register("gray_histogram")
class GrayHistogram(Feature):
    """How many pixels of the grey image have each level.

    Parameters
    ----------
    bins : int
        Bins over the grey levels 0 to 255.
    height, width : int
        Size of the grey image in pixels; at most 2^24 pixels in all.
    """

    summary = "int32 [bins], counts of grey levels, sum height * width"

    def __init__(self, bins: Annotated[int, Range(2, 256)] = 256, height: _Side = 120, width: _Side = 160) -> None:
        self.bins, self.height, self.width = bins, height, width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return int32 [B, bins]."""
        images = [frame.luma(self.height, self.width) for frame in frames]
        return np.stack([_counts([image], self.bins) for image in images]).astype(np.int32)


@register("color_histogram")
class ColorHistogram(Feature):
    """Share of the pixels in each cell of the RGB cube.

    Parameters
    ----------
    levels : int
        Equal parts of each of the three axes, hence ``levels ** 3`` cells.
    height, width : int
        Size in pixels of the image it is computed on, resized without keeping its aspect ratio.
    """

    summary = "float32 [levels ** 3], shares of the pixels by colour, red slowest, sum 1"

    def __init__(self, levels: Annotated[int, Range(2, 16)] = 6, height: _Side = 60, width: _Side = 80) -> None:
        self.levels, self.height, self.width = levels, height, width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B, levels ** 3]."""
        images = [frame.rgb(self.height, self.width) for frame in frames]
        counts = np.stack([_counts([image], *[self.levels] * 3).reshape(-1) for image in images])
        return np.asarray(counts / np.float32(self.height * self.width), dtype=np.float32)


def hue_histogram(rgb: NDArray[np.uint8], bins: int = 16) -> NDArray[np.float32]:
    """Return the hue histogram of every image.

    The hue is that of the hexcone HSV model on the full circle, not OpenCV's 8-bit hue of two degrees a step; a pixel
    falls into bin ``floor(bins * hue / 360)``, and grey pixels, which have no hue, into bin 0.

    Parameters
    ----------
    rgb : uint8 [B, height, width, 3]
        At least one image, in RGB order.
    bins : int
        1 to 360.

    Returns
    -------
    float32 [B, bins]
        Shares of the pixels; every row sums to 1.

    Examples
    --------
    >>> import numpy as np
    >>> red_cyan_gray_gray = np.array([[[[255, 0, 0], [0, 255, 255], [9, 9, 9], [7, 7, 7]]]], dtype=np.uint8)
    >>> hue_histogram(red_cyan_gray_gray, bins=4).tolist()
    [[0.75, 0.0, 0.25, 0.0]]
    """
    import cv2

    count, height, width, _ = rgb.shape
    pixels = height * width
    # One conversion for the whole batch. Levels stay 0 to 255: scaled to 0 to 1, OpenCV's guard against division by
    # zero would shift hues.
    hue = cv2.cvtColor(rgb.reshape(count * height, width, 3).astype(np.float32), cv2.COLOR_RGB2HSV)[..., 0]
    # bins * hue / 360 of 8-bit colours is a multiple of 1 / (6 * d), d <= 255: on a border or at least 6.5e-4 from it,
    # so that the offset puts what rounding left just below a border where it belongs, and nothing else.
    index = (hue * np.float32(bins / 360) + np.float32(_EDGE)).astype(np.intp).reshape(count, pixels)
    index += bins * np.arange(count)[:, None]
    counts = np.bincount(index.ravel(), minlength=count * bins).reshape(count, bins)
    return np.asarray(counts / pixels, dtype=np.float32)


@register("hue_histogram")
class HueHistogram(Feature):
    """Hue histogram of the image, resized without keeping its aspect ratio.

    Parameters
    ----------
    bins : int
        Equal parts of the hue circle.
    height, width : int
        Size in pixels of the image it is computed on.
    """

    summary = "float32 [bins], shares of the pixels by hue, sum 1; grey pixels are in bin 0"

    def __init__(self, bins: Annotated[int, Range(1, 360)] = 16, height: Height = 60, width: Width = 80) -> None:
        self.bins, self.height, self.width = bins, height, width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B, bins]."""
        return hue_histogram(np.stack([frame.rgb(self.height, self.width) for frame in frames]), self.bins)


@register("plane_histogram")
class PlaneHistogram(Feature):
    """256 counts of each of the three coded components, at their native size.

    Planar YUV gives Y, U, V (so chroma weighs less where it is subsampled), packed RGB gives R, G, B, grey fills the
    first 256 counts only. Nothing is converted, scaled or turned.
    """

    summary = "int32 [768]: counts of Y, U, V (or R, G, B) values 0-255 at native plane size"

    def __init__(self) -> None:
        self._table: NDArray[np.float32] | None = None  # kept: new memory would cost as much as a third of the counting

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.int32]:
        """Return int32 [B, 768]."""
        counts = np.zeros((len(frames), 3, 256), dtype=np.int32)
        for row, frame in zip(counts, frames, strict=True):
            planes = frame.planes()
            if len(planes) == 3 and planes[1].shape == planes[2].shape and _WORTH <= planes[1].size <= _EXACT:
                row[0] = self._of_plane(planes[0])
                row[1:] = self._of_pair(planes[1], planes[2])
            else:
                row[: len(planes)] = [self._of_plane(plane) for plane in planes]
        return counts.reshape(len(frames), -1)

    def _of_pair(self, one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the counts of two planes of one size, int32 [2, 256], from those of their pairs of values.

        That is half as many additions, and most of an addition's time is waiting for the one before it to the same
        count, which neighbours often share.
        """
        if self._table is None:
            self._table = np.zeros((256, 256), dtype=np.float32)
        pairs = _counts([one, other], 256, 256, table=self._table)
        return np.stack([pairs.sum(axis=axis).astype(np.int32) for axis in (1, 0)])  # exact, as the counts are

    def _of_plane(self, plane: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the counts of one plane, int32 [256]; of a large one those of its two halves together."""
        half = plane.shape[0] // 2
        if half and 2 * _WORTH <= plane.size <= _EXACT:
            pair = self._of_pair(plane[:half], plane[half : 2 * half])
            return np.asarray(pair.sum(axis=0) + self._of_plane(plane[2 * half :]), dtype=np.int32)
        rows = max(1, _EXACT // plane.shape[1])
        total = np.zeros(256, dtype=np.int32)
        for top in range(0, len(plane), rows):
            total += _counts([plane[top : top + rows]], 256).astype(np.int32)
        return total
