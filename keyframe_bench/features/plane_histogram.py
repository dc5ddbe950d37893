"""Counts of the raw component values of a frame, as FFmpeg's thumbnail filter takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView
from ..core.registry import register

_EXACT = 1 << 24  # OpenCV counts in float32, exact up to here
# Pairs of values. Alone a third as many are worth it, but beside a decoder, which drives the table (256 KB) out of the
# core's cache, 480 x 360 pixels are slower so.
_WORTH = 100_000


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
        if self._table is None:
            self._table = np.zeros((256, 256), dtype=np.float32)
        counts = np.zeros((len(frames), 3, 256), dtype=np.int32)
        for row, frame in zip(counts, frames, strict=True):
            planes = frame.planes()
            row[: len(planes)] = _counts_of_each(planes, self._table)
        return counts.reshape(len(frames), -1)


def _counts_of_each(planes: Sequence[NDArray[np.uint8]], table: NDArray[np.float32]) -> list[NDArray[np.int32]]:
    if len(planes) == 3 and planes[1].shape == planes[2].shape and _WORTH <= planes[1].size <= _EXACT:
        return [_halves(planes[0], table), *_together(planes[1], planes[2], table)]
    return [_halves(plane, table) for plane in planes]


def _halves(plane: NDArray[np.uint8], table: NDArray[np.float32]) -> NDArray[np.int32]:
    half = plane.shape[0] // 2
    if half and 2 * _WORTH <= plane.size <= _EXACT:
        upper, lower = _together(plane[:half], plane[half : 2 * half], table)
        return upper + lower + _counts(plane[2 * half :])
    return _counts(plane)


def _together(
    one: NDArray[np.uint8], other: NDArray[np.uint8], table: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the counts of two planes of one size from those of their pairs of values: half as many additions.

    Most of an addition's time is waiting for the one before it to the same count, which neighbours often share.
    """
    import cv2

    pairs = cv2.calcHist([one, other], [0, 1], None, [256, 256], [0, 256, 0, 256], table)
    sums = (cv2.reduce(pairs, axis, cv2.REDUCE_SUM) for axis in (1, 0))  # exact, as the counts are
    first, second = (found.ravel().astype(np.int32) for found in sums)
    return first, second


def _counts(plane: NDArray[np.uint8]) -> NDArray[np.int32]:
    import cv2

    rows = max(1, _EXACT // plane.shape[1])
    total = np.zeros(256, dtype=np.int32)
    for top in range(0, plane.shape[0], rows):
        total += cv2.calcHist([plane[top : top + rows]], [0], None, [256], [0, 256]).ravel().astype(np.int32)
    return total
