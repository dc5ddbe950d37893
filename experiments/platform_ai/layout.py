"""Images of a video laid out in the plane, alike ones near each other, with or without their time (A21)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

TIME_SHARE = 0.25
"""Share of the variance that time gets when it is added as a feature."""

_NEIGHBOURS = 5


def with_time(rows: ArrayLike, times: ArrayLike, share: float = TIME_SHARE) -> NDArray[np.float64]:
    """Return the rows with one column more: progress in the video, weighted to ``share`` of the total variance.

    The article appends a number from 0 to 1; beside many dimensions of a feature that is nothing, hence the weight. It
    makes sense for the frames of one video only.

    Parameters
    ----------
    rows : float [N, D]
        A feature of each frame.
    times : float [N]
        Seconds.
    share : float
        Between 0 and 1, exclusive.

    Returns
    -------
    float64 [N, D + 1]
    """
    points = scaled(rows)
    clock = np.asarray(times, dtype=np.float64)
    deviation = float(clock.std())
    if deviation == 0:
        return np.concatenate([points, np.zeros((len(points), 1))], axis=1)
    variance = float(points.var(axis=0).sum()) or 1.0
    column = (clock - clock.mean()) / deviation * np.sqrt(variance * share / (1 - share))
    return np.concatenate([points, column[:, None]], axis=1)


def scaled(rows: ArrayLike) -> NDArray[np.float64]:
    """Return rows [N, D] centred, and divided by one number so that their mean squared length is 1."""
    points = np.asarray(rows, dtype=np.float64)
    points = points.reshape(len(points), -1)
    points = points - points.mean(axis=0)
    length = float(np.sqrt(np.square(points).sum(axis=1).mean()))
    scaled: NDArray[np.float64] = points / length if length > 0 else points
    return scaled


def time_order(layout: ArrayLike, times: ArrayLike) -> float:
    """Return how far a layout is ordered by time: |Spearman's rho| of time and place along its first principal axis.

    Returns
    -------
    float
        0 (no order) to 1; 0 where all places or all times are equal.
    """
    from scipy.stats import spearmanr

    points = np.asarray(layout, dtype=np.float64)
    points = points - points.mean(axis=0)
    place, clock = points @ np.linalg.svd(points, full_matrices=False)[2][0], np.asarray(times, dtype=np.float64)
    if np.ptp(place) == 0 or np.ptp(clock) == 0:
        return 0.0
    return abs(float(spearmanr(place, clock).statistic))


def time_gradient(layout: ArrayLike, times: ArrayLike) -> float:
    """Return the multiple correlation of time with the two coordinates of a layout: order by time in any direction.

    Returns
    -------
    float
        0 to 1; 0 where all times or all places are equal.
    """
    points = np.asarray(layout, dtype=np.float64)
    points = points - points.mean(axis=0)
    clock = np.asarray(times, dtype=np.float64)
    clock = clock - clock.mean()
    total = float(clock @ clock)
    if total == 0:
        return 0.0
    fitted = points @ np.linalg.lstsq(points, clock, rcond=None)[0]
    return float(np.sqrt(min(1.0, float(fitted @ fitted) / total)))


def neighbours_kept(rows: ArrayLike, layout: ArrayLike) -> float:
    """Return the trustworthiness of a layout (5 neighbours): 1 when neighbours in the plane are neighbours in the rows.

    Fewer neighbours are asked for where there are fewer than 11 rows; 1 for fewer than 4.
    """
    points = scaled(rows)
    n = len(points)
    if n < 4:
        return 1.0
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(points, np.asarray(layout), n_neighbors=min(_NEIGHBOURS, (n - 1) // 2)))
