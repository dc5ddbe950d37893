"""Clips made from images in memory: the contract checks and the tests of extractors need no video file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.annotation import Annotation
from ..core.clip import Clip, VideoInfo, read_only
from ..core.errors import UsageError
from ..core.feature import Feature, FeatureRows

_GOP = 12  # an I-frame every 12 frames, as a small encoder would place them
_FPS = 25.0


class ArrayFrame:
    """One image in memory, seen as a decoded frame (`keyframe_bench.core.feature.FrameView`).

    Parameters
    ----------
    image : uint8 [H, W, 3]
        Upright image, RGB.
    ordinal : int
        0-based place in decode order.
    time : float
        PTS in seconds.
    picture_type : str
        "I", "P" or "B".
    """

    def __init__(self, image: NDArray[np.uint8], ordinal: int = 0, time: float = 0.0, picture_type: str = "I") -> None:
        self.ordinal = ordinal
        self.time = time
        self.height, self.width = image.shape[:2]
        self.picture_type = picture_type
        self.key_frame = picture_type == "I"
        self._image = image
        self._views: dict[tuple[str, int, int], NDArray[np.uint8]] = {}

    def luma(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return the grey image, uint8 [height, width], 0 black to 255 white (BT.601 weights)."""
        return self._view("luma", height, width)

    def rgb(self, height: int, width: int) -> NDArray[np.uint8]:
        """Return the image resized to uint8 [height, width, 3], RGB."""
        return self._view("rgb", height, width)

    def planes(self) -> list[NDArray[np.uint8]]:
        """Return Y [H, W], U and V [ceil(H/2), ceil(W/2)] as a decoder gives them: BT.601, limited range, 4:2:0."""
        import cv2

        bottom, right = self.height % 2, self.width % 2  # 4:2:0 needs even sizes: repeat the last row or column
        even = cv2.copyMakeBorder(self._image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        height, width = even.shape[:2]
        coded = np.asarray(cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8).reshape(-1)
        chroma = coded[height * width :].reshape(2, height // 2, width // 2)
        return [coded[: height * width].reshape(height, width)[: self.height, : self.width], chroma[0], chroma[1]]

    def _view(self, kind: str, height: int, width: int) -> NDArray[np.uint8]:
        import cv2

        key = (kind, height, width)
        if key not in self._views:
            picture: Any = cv2.cvtColor(self._image, cv2.COLOR_RGB2GRAY) if kind == "luma" else self._image
            if picture.shape[:2] != (height, width):
                picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            view = picture.view()
            view.flags.writeable = False  # shared by every feature that asks
            self._views[key] = view
        return self._views[key]


def clip_from_images(
    images: NDArray[np.uint8] | Sequence[NDArray[np.uint8]],
    needs: Iterable[Feature],
    times: ArrayLike | None = None,
    annotation: Annotation | None = None,
    *,
    ordinals: ArrayLike | None = None,
    name: str = "images",
) -> Clip:
    """Return the clip that a video of these images would give.

    Parameters
    ----------
    images : uint8 [N, H, W, 3]
        Upright images, RGB, N >= 1.
    needs : iterable of Feature
        Features to compute, usually ``extractor.needs``.
    times : float [N], optional
        PTS in seconds, increasing; 25 frames per second from 0 by default.
    annotation : Annotation, optional
        Put into the clip; where every frame is given its times and ordinals are completed.
    ordinals : int [N], optional
        Decoder ordinals, increasing, when the images are a sample of the frames; 0 to N-1 by default.
    name : str
        Name of the video, for messages.

    Returns
    -------
    Clip
        With read-only columns.

    Raises
    ------
    UsageError
        If the images are not uint8 RGB, times or ordinals do not fit them, or a feature is the file itself.

    Examples
    --------
    >>> import numpy as np
    >>> clip = clip_from_images(np.zeros((3, 48, 64, 3), dtype=np.uint8), needs=())
    >>> clip.pick([2, 0]).frames.tolist()
    [0, 2]
    """
    pictures = [np.asarray(image) for image in images]
    if not pictures or any(p.dtype != np.uint8 or p.ndim != 3 or p.shape[2] != 3 for p in pictures):
        raise UsageError("images must be at least one uint8 RGB image, array [N, H, W, 3]")
    n = len(pictures)
    where = np.arange(n, dtype=np.int64) if ordinals is None else _increasing(ordinals, np.int64, n, "ordinals")
    seconds = where / _FPS if times is None else _increasing(times, np.float64, n, "times")
    frames = [
        ArrayFrame(picture, int(ordinal), float(second), "I" if ordinal % _GOP == 0 else "P")
        for picture, ordinal, second in zip(pictures, where, seconds, strict=True)
    ]
    columns, spans = {}, {}
    for feature in needs:
        columns[feature.key] = np.concatenate(list(FeatureRows(feature).of(frames, last=True)))
        if feature.window is not None:
            spans[feature.key] = feature.windows(n)
    read_only([*columns.values(), where, seconds])
    n_frames, span_s = int(where[-1]) + 1, float(seconds[-1] - seconds[0])
    step_s = span_s / int(where[-1] - where[0]) if n > 1 else 1 / _FPS
    video = VideoInfo(name, n_frames, float(seconds[0]), span_s + step_s, frames[0].width, frames[0].height)
    if annotation is not None and n_frames == n:
        annotation = annotation.aligned(seconds, name)
    return Clip(video, where, seconds, columns, annotation, spans)


def _increasing(values: ArrayLike, dtype: Any, n: int, what: str) -> NDArray[Any]:
    array = np.array(values, dtype=dtype)
    if array.shape != (n,) or np.any(np.diff(array) <= 0) or (what == "ordinals" and array[0] < 0):
        raise UsageError(f"{what} must be {n} increasing numbers, one per image")
    return array
