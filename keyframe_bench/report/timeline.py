"""Where things lie on a time axis: percentages and SVG paths, no metric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..tables.format import clock

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MARKS, _POINTS = 8, 600
MAX_ON_AXIS = 12  # more thumbnails than this are too small side by side


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

    Least squares under "each box begins where the one before ends or later" is isotonic regression.

    Parameters
    ----------
    at : float64 [K]
        Places of the times, increasing, in percent.
    width : float
        K x width must be at most 100.
    """
    from scipy.optimize import isotonic_regression

    if len(at) == 0:
        return at
    steps = np.arange(len(at)) * width
    fitted = np.asarray(isotonic_regression(at - width / 2 - steps).x, dtype=np.float64)
    return np.clip(fitted, 0, max(0.0, 100 - len(at) * width)) + steps


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
