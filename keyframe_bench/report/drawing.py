"""What the figures of tables share: a canvas without a window, PNG bytes, stored images, layouts in the plane."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UnavailableError, UsageError
from ..video.fetch import fetch_frames
from ..video.image_files import encode_image, fit_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..video.frame_folder import VideoPath
    from ..video.onepass import Pass

Told = Callable[[float, str], None]
"""Is told a share that is done, 0 to 1, and in words what it is of."""
DPI = 110
COLOURS = ("#1f4e79", "#d1691c", "#2a8a4a", "#8a3d8f", "#7a6a1f", "#b23a48")
"""Of lines: told apart also when red and green look alike, dark enough on white."""
_COMPONENTS, _NEIGHBOURS = 50, 5
_MOST_COMPARED = 3000  # frames whose neighbours are compared: each with each
_RANKED = 0.6  # how far places on a map are ranks
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75)
"""Shares of the variance that time gets in the layouts of a map."""
TIME_SHARE = 0.25
"""Share of the variance that time gets when it is added to the rows of a layout as a feature."""


def new_figure(height: float, width: float) -> Figure:
    """Return an empty figure of this size in inches; `UnavailableError` if matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnavailableError("figures of tables need matplotlib: pip install 'keyframe_bench[figures]'") from error
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """Return the drawing as PNG, in all its colours."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return drawn.getvalue()


def encoded(picture: NDArray[np.uint8], suffix: Literal[".jpg", ".png"] = ".jpg") -> str:
    """Return an image, uint8 [H, W, 3], RGB, as an image file in base64, for the results of a figure."""
    return base64.b64encode(encode_image(picture, suffix)).decode("ascii")


def encoded_frames(path: VideoPath, ordinals: Iterable[int], read: Pass, width: int) -> list[str]:
    """Return frames of a video, in order and ``width`` pixels wide, as JPEG files in base64."""
    frames = fetch_frames(path, ordinals, read)
    return [encoded(frame.rgb(*fit_width(frame.height, frame.width, width))) for frame in frames]


def decoded(text: str) -> NDArray[np.uint8]:
    """Return uint8 [H, W, 3], RGB, of an image file stored as base64; `UsageError` if it is none."""
    import cv2

    found = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
    if found is None:
        raise UsageError("an image in these results is damaged; run the same command again without --from")
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def show_picture(axes: Axes, picture: NDArray[np.uint8]) -> None:
    """Draw an image without ticks."""
    axes.imshow(picture, interpolation="lanczos")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def tsne_layout(rows: ArrayLike, seed: int, start: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return t-SNE of rows: at most 50 principal components first, perplexity min(30, (N - 1) / 3).

    Parameters
    ----------
    rows : float [N, D]
    seed : int
        Of t-SNE. Layouts of different seeds or rows cannot be laid over each other.
    start : float64 [N, 2], optional
        A layout to begin from, of similar rows, which this one then resembles; default: random.

    Returns
    -------
    float64 [N, 2]
        On a line for fewer than 5 rows, of which t-SNE makes nothing.
    """
    points = np.asarray(rows)
    n = len(points)
    if n < 5:
        return np.stack([np.arange(n, dtype=np.float64), np.zeros(n)], axis=1)
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

    with threadpool_limits(limits=1):  # sums of several threads come in any order
        if min(points.shape) > _COMPONENTS:
            points = PCA(_COMPONENTS, random_state=seed).fit_transform(points)
        perplexity = min(30.0, (n - 1) / 3)
        # As small as random ones: t-SNE would keep what lies far apart where it is.
        init = "random" if start is None else (1e-4 * start / (start.std() or 1)).astype(np.float32)
        found = TSNE(2, perplexity=perplexity, init=init, random_state=seed).fit_transform(points)
    return np.asarray(found, dtype=np.float64)


def with_time(
    rows: ArrayLike, times: ArrayLike, share: float = TIME_SHARE, videos: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the rows, `scaled`, with a column more for each video: time, weighted to ``share`` of the total variance.

    The platform.ai article appends a number from 0 to 1; beside many dimensions of a feature that is nothing, hence the
    weight. One column for several videos would draw frames together that are shown at the same time of different films;
    with a column each, time sets the frames of each video apart, and no two videos nearer to each other.

    Parameters
    ----------
    rows : float [N, D]
        A feature of each frame.
    times : float [N]
        In any unit; of several videos, progress in each (0 to 1).
    share : float
        From 0 to below 1.
    videos : int [N], optional
        Which video each row is of, numbered from 0; default: all are of one.

    Returns
    -------
    float64 [N, D + number of videos]
    """
    points, clock = scaled(rows), np.asarray(times, dtype=np.float64)
    whose = np.zeros(len(points), dtype=np.int64) if videos is None else np.asarray(videos)
    columns = np.where(whose[:, None] == np.arange(whose.max(initial=0) + 1), clock[:, None], 0.0)
    for video, column in enumerate(columns.T):
        column[whose == video] -= clock[whose == video].mean() if (whose == video).any() else 0
    deviation = float(np.sqrt(columns.var(axis=0).sum()))
    if deviation == 0:
        return np.concatenate([points, np.zeros_like(columns)], axis=1)
    variance = float(points.var(axis=0).sum()) or 1.0
    return np.concatenate([points, columns / deviation * np.sqrt(variance * share / (1 - share))], axis=1)


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


@dataclass(frozen=True, eq=False)
class Layout:
    """Where every key frame lies; the numbers are of ``points``, as they are shown.

    Attributes
    ----------
    share : float
        Of the variance, that time has as a feature.
    points : float64 [N, 2]
        The principal axes of t-SNE, each drawn out where frames crowd; time runs to the right where it runs along the
        first.
    order, gradient : float or None
        `time_order` along the first axis, from left to right, and `time_gradient`, within a video; means over the
        videos with at least 3 key frames; None if there are none.
    kept : float
        `neighbours_kept` of the feature without time; of more than 3,000 key frames, as
        many evenly spaced ones are compared.
    """

    share: float
    points: NDArray[np.float64]
    order: float | None
    gradient: float | None
    kept: float


def timed_layouts(
    rows: NDArray[np.float64],
    progress: NDArray[np.float64],
    whose: NDArray[np.int64],
    seed: int,
    tell: Told = lambda *_: None,
) -> list[Layout]:
    """Return a layout for each of `SHARES`, each begun from the one before; a single one for fewer than 5 rows.

    Parameters
    ----------
    rows : float64 [N, D]
        A feature of each frame.
    progress : float64 [N]
        In its video, 0 to 1.
    whose : int64 [N]
        The video of each frame, numbered from 0.
    seed : int
        Of t-SNE.
    tell : callable
        Called before each layout.
    """
    found: list[Layout] = []
    points, compared = None, np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_COMPARED)).astype(int))
    shares = SHARES if len(rows) >= 5 else SHARES[:1]
    for share in shares:
        tell(len(found) / len(shares), f"{len(found)} of {len(shares)} layouts of {len(rows)} key frames done")
        points = tsne_layout(with_time(rows, progress, share, whose) if len(rows) else rows, seed, points)
        shown = _spread(points, progress)
        order = _within(time_order, shown[:, :1], progress, whose)  # from left to right, in every video
        gradient = _within(time_gradient, shown, progress, whose)
        kept = neighbours_kept(rows[compared], shown[compared]) if len(rows) else 1.0
        found.append(Layout(share, shown, order, gradient, kept))
    return found


def _spread(points: NDArray[np.float64], progress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a layout so that its first principal axis lies across, and time, if anywhere, runs to the right.

    t-SNE crowds what is alike, and thumbnails would hide one another: on each axis a place is averaged with its rank,
    which keeps the order. The first axis stays the longer one.
    """
    if len(points) < 2:
        return np.zeros_like(points)
    from scipy.stats import rankdata

    centred = points - points.mean(axis=0)
    turned = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    turned = turned * np.where((progress - progress.mean()) @ turned < 0, -1, 1)
    width = np.abs(turned).max(axis=0)
    ranks = (2 * rankdata(turned, axis=0) - 1) / len(points) - 1
    spread = _RANKED * ranks + (1 - _RANKED) * turned / np.where(width > 0, width, 1)
    return np.asarray(np.where(width > 0, spread, 0) * (1.6, 1.0))


def _within(
    measure: Callable[[ArrayLike, ArrayLike], float],
    points: NDArray[np.float64],
    times: NDArray[np.float64],
    whose: NDArray[np.int64],
) -> float | None:
    parts = [whose == video for video in np.unique(whose) if (whose == video).sum() >= 3]
    return float(np.mean([measure(points[part], times[part]) for part in parts])) if parts else None
