"""Small images, their contrast, and what tells images apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.feature import Feature, FrameView, Height, Width
from ..core.registry import Range, register
from ..video.image_files import encode_image, fit

_QUALITIES = (92, 84, 76, 64, 50, 35, 20, 10, 1)  # of JPEG, until an image is small enough


@register("gray")
class Gray(Feature):
    """The upright grey image, resized without keeping its aspect ratio.

    Parameters
    ----------
    height, width : int
        Size in pixels.
    """

    summary = "uint8 [height, width], grey levels, 0 black to 255 white"

    def __init__(self, height: Height = 60, width: Width = 80) -> None:
        self.height, self.width = height, width

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return uint8 [B, height, width]."""
        return np.stack([frame.luma(self.height, self.width) for frame in frames])


@register("gray_std")
class GrayStd(Gray):
    """Population standard deviation of the grey image.

    Parameters
    ----------
    height, width : int
        Size in pixels, as of `Gray`.
    """

    summary = "float32 [], standard deviation of grey levels, 0 to 127.5 in units of 0-255"

    def compute(self, frames: Sequence[FrameView]) -> NDArray[Any]:
        """Return float32 [B]."""
        images = super().compute(frames).reshape(len(frames), -1)
        return np.asarray(images.std(axis=1), dtype=np.float32)


@register("rgb")
class Rgb(Feature):
    """The upright colour image at one size.

    What `Reconstruction` is to a network, this is without one: at a network's input size, its very input.

    Parameters
    ----------
    height, width : int
        Size in pixels; by default the input of ``ae_final`` (Chen et al. 2021).
    resize : {"stretch", "letterbox", "crop"}
        All of the image with another aspect ratio, all of it between black bars, or its middle.
    short_side : int
        Pixels of the shorter side of the whole image with its own aspect ratio, that of the video's first frame; 0:
        the size is ``height`` and ``width``.
    """

    summary = "uint8 [height, width, 3], red, green, blue, 0 to 255"

    def __init__(
        self,
        height: Height = 96,
        width: Width = 192,
        resize: Literal["stretch", "letterbox", "crop"] = "stretch",
        short_side: Annotated[int, Range(0, 4320)] = 0,
    ) -> None:
        self.height, self.width, self.resize, self.short_side = height, width, resize, short_side
        self._size: tuple[int, int] | None = None

    @property
    def key_params(self) -> Mapping[str, Any]:
        """The parameters that have a meaning."""
        without = ("height", "width", "resize") if self.short_side else ("short_side",)
        return {name: value for name, value in self.params.items() if name not in without}

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return uint8 [B, height, width, 3]."""
        if self.short_side:
            high, wide = frames[0].height, frames[0].width
            scale = self.short_side / min(high, wide)
            self._size = self._size or (round(high * scale), round(wide * scale))
            return np.stack([frame.rgb(*self._size) for frame in frames])
        if self.resize == "stretch":
            return np.stack([frame.rgb(self.height, self.width) for frame in frames])
        return np.stack([fit(f.rgb(f.height, f.width), self.height, self.width, self.resize) for f in frames])


@register("rgb_jpeg")
class RgbJpeg(Feature):
    """The whole upright image with its own aspect ratio as a JPEG file in an eighth of the bytes: for large trainings.

    Parameters
    ----------
    short_side : int
        As of `Rgb`.
    """

    opaque = True
    summary = "uint8 [height * width * 3 / 8], a JPEG file, and zeros after it"

    def __init__(self, short_side: Annotated[int, Range(64, 4320)] = 252) -> None:
        self.short_side = short_side

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return uint8 [B, height * width * 3 / 8]."""
        if not hasattr(self, "_images"):
            self._images = Rgb(short_side=self.short_side)  # of one video: it remembers the size
        images = self._images.compute(frames)
        rows = np.zeros((len(images), images[0].size // 8), np.uint8)
        for row, image in zip(rows, images, strict=True):
            data = next(data for quality in _QUALITIES if len(data := encode_image(image, ".jpg", quality)) <= len(row))
            row[: len(data)] = np.frombuffer(data, np.uint8)
        return rows

    @staticmethod
    def images(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the images, uint8 [n, height, width, 3], of rows [n, ...]."""
        import cv2

        read: Any = [cv2.imdecode(row, cv2.IMREAD_COLOR) for row in rows]  # [h, w, 3] each, blue first
        return np.stack(read)[..., ::-1]


@register("picture_id")
class PictureId(Feature):
    """The SHA-256 of the upright image at its own size: equal where all decoded pixels are.

    Copies of a photograph are found by it, whatever their files are, so that none is in training and in validation.
    """

    opaque = True
    summary = "uint8 [32]: SHA-256 of the pixels"

    def compute(self, frames: Sequence[FrameView]) -> NDArray[np.uint8]:
        """Return uint8 [B, 32]."""
        return np.stack([self._hashed(frame) for frame in frames])

    @staticmethod
    def _hashed(frame: FrameView) -> NDArray[np.uint8]:
        picture = frame.rgb(frame.height, frame.width)
        return np.frombuffer(hashlib.sha256(f"{picture.shape}".encode() + picture.tobytes()).digest(), dtype=np.uint8)
