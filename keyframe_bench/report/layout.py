"""Where things lie on a page: boxes beside one another, labels in a plot; no metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_ON_AXIS = 12  # more thumbnails than this are too small side by side
LABEL_HEIGHT, CHAR_WIDTH, DOT = 15.0, 6.7, 6.0
_RADII, _TURNS = (12.0, 17.0, 24.0, 33.0, 45.0, 60.0, 80.0, 105.0), 16

Boxes = NDArray[np.float64]


def place(at: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Return the left edges of boxes of ``width`` percent: in order, apart, and as near to their times as that allows.

    Least squares under "each box begins where the one before ends or later" is isotonic regression. The places of the
    times ``at``, float64 [K], are increasing percentages; K x width must be at most 100.
    """
    steps = np.arange(len(at)) * width
    lefts: NDArray[np.float64] = at - width / 2 - steps
    blocks: list[tuple[float, int]] = []  # mean and size; not SciPy's, whose import takes longer than all of a report
    for left in lefts.tolist():
        size = 1
        while blocks and blocks[-1][0] >= left:
            mean, n = blocks.pop()
            left, size = (n * mean + size * left) / (n + size), n + size  # noqa: PLW2901
        blocks.append((left, size))
    lefts = np.concatenate([np.full(size, mean) for mean, size in blocks])
    return np.clip(lefts, 0, max(0.0, 100 - len(at) * width)) + steps


def place_labels(
    points: NDArray[np.float64], texts: Sequence[str], taken: Boxes, area: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """Return the centre of each label: near its point, clear of all points, of labels placed before and of ``taken``.

    Greedy, the most crowded points first; of 128 places around the point the one that covers least, then the nearest.
    ``points`` (float64 [N, 2]); ``taken`` (float64 [M, 4]): left, top, right and bottom of what else must not be
    covered; ``area``: left, top, right and bottom end of the plot.
    """
    if len(points) == 0:
        return np.zeros((0, 2))
    angles = -math.pi / 2 + np.arange(_TURNS) * 2 * math.pi / _TURNS  # straight above first
    around = np.concatenate([r * np.column_stack([np.cos(angles), np.sin(angles)]) for r in _RADII])
    aside = np.tile(np.clip(2 * np.cos(angles), -1, 1), len(_RADII))  # a label beside its point begins or ends there
    distance = np.repeat(_RADII, _TURNS)
    dots = np.column_stack([points - DOT, points + DOT])
    gaps = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    boxes = taken.reshape(-1, 4)
    centres = np.zeros_like(points)
    for i in np.argsort(-(gaps < 40).sum(axis=1), kind="stable"):
        wide = len(texts[i]) * CHAR_WIDTH
        places = points[i] + around
        places[:, 0] += aside * wide / 2
        found = _boxes(places, np.full(len(places), wide))
        covered = _overlap(found, np.concatenate([dots, boxes])).sum(axis=1)
        left, top, right, bottom = area
        outside = np.maximum(np.array([left, top]) - found[:, :2], 0).sum(axis=1)
        outside += np.maximum(found[:, 2:] - np.array([right, bottom]), 0).sum(axis=1)
        best = int(np.argmin(covered * 10 + outside * 100 + distance))
        centres[i] = places[best]
        boxes = np.concatenate([boxes, found[best : best + 1]])
    return centres


def stacked(ends: NDArray[np.float64], top: float, bottom: float) -> NDArray[np.float64]:
    """Return the heights of labels beside the ``ends`` of lines, float64 [N]: in order, apart where there is room."""
    span = bottom - top
    order = np.argsort(ends, kind="stable")
    wide = 100 * min(LABEL_HEIGHT / span, 1 / max(1, len(ends)))
    heights = np.zeros(len(ends))
    heights[order] = top + (place((ends[order] - top) / span * 100, wide) + wide / 2) / 100 * span
    return heights


def _boxes(centres: NDArray[np.float64], wide: NDArray[np.float64]) -> Boxes:
    half = np.column_stack([wide / 2, np.full(len(wide), LABEL_HEIGHT / 2)])
    return np.column_stack([centres - half, centres + half]).reshape(-1, 4)


def _overlap(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Area that each box of ``a`` shares with each box of ``b``."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    covered: NDArray[np.float64] = np.maximum(sides, 0).prod(axis=2)
    return covered
