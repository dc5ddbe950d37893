"""Places for labels in a plot, apart from one another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .timeline import place

LABEL_HEIGHT, CHAR_WIDTH, DOT = 19.0, 10.5, 6.0  # of the larger type that narrow screens use
_RADII, _TURNS = (15.0, 22.0, 30.0, 40.0, 52.0, 66.0), 16

Boxes = NDArray[np.float64]


def place_labels(
    points: NDArray[np.float64], texts: Sequence[str], taken: Boxes, area: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """Return the centre of each label: near its point, clear of all points, of labels placed before and of ``taken``.

    Greedy, the most crowded points first; of 96 places around the point the one that covers least, then the nearest.

    Parameters
    ----------
    points : float64 [N, 2]
        x and y.
    texts : sequence of str
    taken : float64 [M, 4]
        Left, top, right and bottom of what else must not be covered.
    area : tuple
        Left, top, right and bottom end of the plot.

    Returns
    -------
    float64 [N, 2]
    """
    if len(points) == 0:
        return np.zeros((0, 2))
    angles = -math.pi / 2 + np.arange(_TURNS) * 2 * math.pi / _TURNS  # straight above first
    around = np.concatenate([r * np.column_stack([np.cos(angles), np.sin(angles)]) for r in _RADII])
    distance = np.repeat(_RADII, _TURNS)
    dots = np.column_stack([points - DOT, points + DOT])
    gaps = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    boxes = taken.reshape(-1, 4)
    centres = np.zeros_like(points)
    for i in np.argsort(-(gaps < 40).sum(axis=1), kind="stable"):
        wide = len(texts[i]) * CHAR_WIDTH
        places = points[i] + around
        found = _boxes(places, np.full(len(places), wide))
        covered = _overlap(found, np.concatenate([dots, boxes])).sum(axis=1)
        left, top, right, bottom = area
        outside = np.maximum(np.array([left, top]) - found[:, :2], 0).sum(axis=1)
        outside += np.maximum(found[:, 2:] - np.array([right, bottom]), 0).sum(axis=1)
        best = int(np.argmin(covered * 10 + outside * 100 + distance))
        centres[i] = places[best]
        boxes = np.concatenate([boxes, found[best : best + 1]])
    return centres


def spread(ends: NDArray[np.float64], x: float, top: float, bottom: float) -> NDArray[np.float64]:
    """Return label centres beside the ends of lines: in their order from top to bottom, apart, in columns if need be.

    Parameters
    ----------
    ends : float64 [N, 2]
    x : float
        Of the first column; more columns follow to the right.
    top, bottom : float
        Ends of the axis.
    """
    span = bottom - top
    columns = max(1, math.ceil(len(ends) * LABEL_HEIGHT / span))
    order = np.argsort(ends[:, 1], kind="stable")
    centres = np.zeros_like(ends)
    wide = 100 * LABEL_HEIGHT / span
    for column in range(columns):
        chosen = order[column::columns]
        lefts = place((ends[chosen, 1] - top) / span * 100, wide)
        centres[chosen, 1] = top + (lefts + wide / 2) / 100 * span
        centres[chosen, 0] = x + column * 2.3 * CHAR_WIDTH
    return centres


def _boxes(centres: NDArray[np.float64], wide: NDArray[np.float64]) -> Boxes:
    half = np.column_stack([wide / 2, np.full(len(wide), LABEL_HEIGHT / 2)])
    return np.column_stack([centres - half, centres + half]).reshape(-1, 4)


def _overlap(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Area that each box of ``a`` shares with each box of ``b``."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    covered: NDArray[np.float64] = np.maximum(sides, 0).prod(axis=2)
    return covered
