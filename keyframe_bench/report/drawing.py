"""What the figures of tables share: a canvas without a window, PNG bytes, stored images, layouts in the plane."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
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

DPI = 110
COLOURS = ("#1f4e79", "#d1691c", "#2a8a4a", "#8a3d8f", "#7a6a1f", "#b23a48")
"""Of lines: told apart also when red and green look alike, dark enough on white."""
_COMPONENTS = 50


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


def tsne_layout(rows: ArrayLike, seed: int) -> NDArray[np.float64]:
    """Return t-SNE of rows: at most 50 principal components first, perplexity min(30, (N - 1) / 3).

    Parameters
    ----------
    rows : float [N, D]
    seed : int
        Of t-SNE. Layouts of different seeds or rows cannot be laid over each other.

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
        found = TSNE(2, perplexity=perplexity, init="random", random_state=seed).fit_transform(points)
    return np.asarray(found, dtype=np.float64)
