"""What the figures of tables share: a canvas without a window, PNG bytes, stored images."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
COLOURS = ("#1f4e79", "#d1691c", "#2a8a4a", "#8a3d8f", "#7a6a1f", "#b23a48")
"""Of lines: told apart also when red and green look alike, dark enough on white."""


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
