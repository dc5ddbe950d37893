"""Reading picture files of any kind as RGB of one size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.files import printable

Image = NDArray[np.uint8]
Resize = Literal["stretch", "letterbox", "crop"]

EXTENSIONS = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".gif", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm"),
    ]
)
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


class UnreadableError(Exception):
    """A file is no picture, or half of one; the message says why."""


def find_images(root: Path) -> dict[str, Path]:
    """Return the picture files below ``root`` by relative path with forward slashes, sorted.

    Hidden files and folders are skipped; linked folders are not entered.

    Raises
    ------
    UsageError
        If a folder cannot be read: skipping it silently would shrink the data.
    """

    def refuse(error: OSError) -> None:
        reason = error.strerror or str(error)
        raise UsageError(f"folder {str(error.filename)!r} cannot be read: {reason}; change that or move it away")

    found = {}
    for folder, below, names in os.walk(root, onerror=refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() in EXTENSIONS and not name.startswith("."):
                found[printable(path.relative_to(root).as_posix())] = path
    return dict(sorted(found.items()))


def read_rgb(path: Path) -> Image:
    """Return the picture of a file, uint8 [height, width, 3], RGB, upright as its EXIF orientation says.

    Grey becomes three equal channels; CMYK is converted as OpenCV does; 16 bits become 8; what is transparent shows
    white; of several pictures in a file the first is taken.

    Raises
    ------
    UnreadableError
        If the file is no picture, cannot be read, or ends early.
    """
    import cv2

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    if not data:
        raise UnreadableError("the file is empty")
    # A decoder shows what there is of a file that was cut off, and grey for the rest. Coded data cannot hold the two
    # bytes of a marker, so that an end that stands after the last start is the picture's own, not that of a preview.
    if data.startswith(b"\xff\xd8") and data.rfind(_END_OF_IMAGE) < data.rfind(_START_OF_SCAN):
        raise UnreadableError("it ends early")
    if data.startswith(b"\x89PNG") and b"IEND" not in data[-64:]:
        raise UnreadableError("it ends early")
    coded = np.frombuffer(data, dtype=np.uint8)
    try:
        picture = None if data.startswith(b"\xff\xd8") else cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)
        if picture is not None and picture.ndim == 3 and picture.shape[2] == 4:
            return _on_white(picture)
        if picture is not None and picture.dtype not in (np.uint8, np.uint16):
            raise UnreadableError(f"its samples are {picture.dtype}, not of 8 or 16 bits")
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)  # turns by EXIF, 16 bits to 8, grey to colour
    except cv2.error as error:  # more pixels than OpenCV takes
        raise UnreadableError(str(error.err or error).strip()) from error
    if picture is None:
        raise UnreadableError("it is no picture that OpenCV can decode")
    return cast(Image, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))


def _on_white(picture: NDArray[Any]) -> Image:
    """Return BGRA as RGB before white, uint8."""
    import cv2

    full = float(np.iinfo(picture.dtype).max)
    alpha = picture[..., 3:].astype(np.float32) / full
    colour = picture[..., 2::-1].astype(np.float32) * (255 / full)
    return cast(Image, cv2.convertScaleAbs(colour * alpha + 255 * (1 - alpha)))


def fit(picture: Image, height: int, width: int, resize: Resize) -> Image:
    """Return ``picture`` [h, w, 3] at another size.

    ``stretch`` changes the shape of things, ``letterbox`` leaves black bars, ``crop`` cuts off what is too much.
    An axis that shrinks is averaged over what a pixel covers, as video frames are; one that grows is interpolated.
    """
    high, wide = picture.shape[:2]
    if resize == "crop":
        scale = min(high / height, wide / width)
        keep_high, keep_wide = max(1, round(height * scale)), max(1, round(width * scale))
        top, left = (high - keep_high) // 2, (wide - keep_wide) // 2
        return _resized(picture[top : top + keep_high, left : left + keep_wide], height, width)
    if resize == "letterbox":
        scale = min(height / high, width / wide)
        inner = _resized(picture, max(1, round(high * scale)), max(1, round(wide * scale)))
        framed = np.zeros((height, width, 3), dtype=np.uint8)
        top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
        framed[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return framed
    return _resized(picture, height, width)


def _resized(picture: Image, height: int, width: int) -> Image:
    import cv2

    smaller = min(picture.shape[0], height), min(picture.shape[1], width)
    if smaller != picture.shape[:2]:  # cv2 averages only where no axis grows
        picture = cast(Image, cv2.resize(picture, smaller[::-1], interpolation=cv2.INTER_AREA))
    if smaller != (height, width):
        picture = cast(Image, cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR))
    return np.ascontiguousarray(picture)
