"""Picture files of key frames."""

from __future__ import annotations

import cv2

from ..core.errors import KeyframeBenchError
from .frame import Image


def encode_image(picture: Image, suffix: str) -> bytes:
    """Return ``picture`` (uint8 [H, W, 3], RGB) as the bytes of a ``.jpg`` or ``.png`` file.

    Raises
    ------
    KeyframeBenchError
        If the picture cannot be stored in that format (a JPEG side is at most 65500 pixels).
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if suffix == ".jpg" else []
    done, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise KeyframeBenchError(
            f"a picture of {picture.shape[1]} x {picture.shape[0]} pixels cannot be a {suffix} file"
        )
    return bytes(data.tobytes())


def fit_width(height: int, width: int, wanted: int) -> tuple[int, int]:
    """Return (height, width) with the given width and the same shape, each at least 1.

    >>> fit_width(480, 640, 160)
    (120, 160)
    """
    return max(1, round(height * wanted / width)), wanted
