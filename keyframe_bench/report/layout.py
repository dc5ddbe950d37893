"""Where things lie on a page: times on an axis, boxes beside one another, labels in a plot; no metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..tables.format import clock

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MARKS, _POINTS = 8, 600
MAX_ON_AXIS = 12  # more thumbnails than this are too small side by side
LABEL_HEIGHT, CHAR_WIDTH, DOT = 19.0, 10.5, 6.0  # of the larger type that narrow screens use
_RADII, _TURNS = (15.0, 22.0, 30.0, 40.0, 52.0, 66.0), 16

Boxes = NDArray[np.float64]


def percent(times: Sequence[float] | NDArray[np.float64], start: float, duration: float) -> NDArray[np.float64]:
    """Return the place of each time on the axis, 0 to 100, float64 [N]."""
    return np.clip((np.asarray(times, dtype=np.float64) - start) / duration * 100, 0, 100)


def axis(start: float, duration: float) -> list[tuple[float, str]]:
    """Return round times as (percent, text), at most about eight of them."""
    step = next((s for s in _STEPS if duration / s <= _MARKS), _STEPS[-1] * np.ceil(duration / _MARKS / _STEPS[-1]))
    first = np.ceil(start / step - 1e-9) * step
    values = np.arange(first, start + duration * 0.985, step)
    tail = "" if step < 1 else ".0"
    texts = [clock(float(v)).removesuffix(tail) for v in values]
    return list(zip(percent(values, start, duration).tolist(), texts, strict=True))


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


def curve(at: NDArray[np.float64], values: NDArray[np.float64], top: float) -> str:
    """Return an SVG path for a 1000 x 100 view box; of more values the highest of each of 600 bins stays."""
    if len(at) == 0 or top <= 0:
        return ""
    if len(at) > _POINTS:
        edges = np.linspace(0, len(at), _POINTS + 1).astype(int)[:-1]
        where = [int(a + np.argmax(part)) for a, part in zip(edges, np.split(values, edges[1:]), strict=True)]
        at, values = at[where], values[where]
    xs, ys = at * 10, 100 - np.clip(values / top, 0, 1) * 96
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))


def place_labels(
    points: NDArray[np.float64], texts: Sequence[str], taken: Boxes, area: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """Return the centre of each label: near its point, clear of all points, of labels placed before and of ``taken``.

    Greedy, the most crowded points first; of 96 places around the point the one that covers least, then the nearest.
    ``points`` (float64 [N, 2]); ``taken`` (float64 [M, 4]): left, top, right and bottom of what else must not be
    covered; ``area``: left, top, right and bottom end of the plot.
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


def stacked(ends: NDArray[np.float64], x: float, top: float, bottom: float) -> NDArray[np.float64]:
    """Return label centres beside the ``ends`` of lines, float64 [N, 2]: in their order from top to bottom, apart.

    Where one column, centred at ``x``, has no room for them, more follow to the right.
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
