"""Contact sheets of key frames: to look at, and thumbnails for a page to cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..tables.format import clock
from ..video.image_files import encode_image

_PAPER, _INK, _BLANK = (250, 250, 249), (40, 38, 36), (228, 226, 223)
_SHEET_SIDE, _SHEET_QUALITY = 2048, 82


@dataclass
class Sheets:
    """Thumbnails in cells of large images: a browser decodes and draws those faster than thousands of small ones.

    ``height`` and ``width`` of a cell in pixels; ``pages`` are JPEG files, complete after `close`; ``n`` were added.
    """

    height: int
    width: int
    pages: list[bytes] = field(default_factory=list)
    n: int = 0
    _sheet: NDArray[np.uint8] | None = None

    @property
    def across(self) -> int:
        """Cells in a row."""
        return _SHEET_SIDE // self.width

    @property
    def per_page(self) -> int:
        """Cells of a sheet."""
        return self.across * (_SHEET_SIDE // self.height)

    def add(self, thumb: NDArray[np.uint8]) -> None:
        """Put an image, uint8 [h, w, 3], RGB, no larger than a cell, in the next cell, in its upper left corner."""
        row, column = divmod(self.n % self.per_page, self.across)
        if self._sheet is None:
            self._sheet = np.zeros((self.per_page // self.across * self.height, _SHEET_SIDE, 3), np.uint8)
        top, left = row * self.height, column * self.width
        self._sheet[top : top + thumb.shape[0], left : left + thumb.shape[1]] = thumb
        self.n += 1
        if self.n % self.per_page == 0:
            self.close()

    def close(self) -> None:
        """Finish the last sheet, which is only as high as it must be."""
        if self._sheet is not None:
            rows = -(-((self.n - 1) % self.per_page + 1) // self.across)
            self.pages.append(encode_image(self._sheet[: rows * self.height], ".jpg", _SHEET_QUALITY))
            self._sheet = None


def storyboard(
    images: Sequence[NDArray[np.uint8]], times: Sequence[float], *, height: int = 180, width: int = 1280, gap: int = 8
) -> NDArray[np.uint8]:
    """Return the images in reading order, the same height each, with their times below.

    Parameters
    ----------
    images : sequence of uint8 [H, W, 3]
        RGB; sizes may differ.
    times : sequence of float
        Presentation time of each image in seconds.
    height : int
        Of every thumbnail, in pixels; wide images are made smaller so that they fit the sheet.
    width : int
        Of the sheet, in pixels; rows wrap there. A sheet with one short row is narrower.
    gap : int
        Pixels between thumbnails.

    Returns
    -------
    uint8 [H', W', 3]
        RGB. Without images, a blank strip of one row.

    Raises
    ------
    ValueError
        If there is not one time per image, or an image is not RGB.
    """
    if len(images) != len(times):
        raise ValueError(f"{len(images)} images but {len(times)} times")
    for image in images:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"an image is {image.dtype} {image.shape}, not uint8 [H, W, 3]")
    label = max(18, height // 9)
    thumbs = [fitted(image, height, width - 2 * gap) for image in images]
    rows: list[list[int]] = [[]]
    x = gap
    for i, thumb in enumerate(thumbs):
        if rows[-1] and x + thumb.shape[1] + gap > width:
            rows.append([])
            x = gap
        rows[-1].append(i)
        x += thumb.shape[1] + gap
    widths = [gap + sum(thumbs[i].shape[1] + gap for i in row) for row in rows]
    sheet = np.full((gap + len(rows) * (height + label + gap), max(*widths, 2 * gap + 1), 3), _PAPER, np.uint8)
    for line, row in enumerate(rows):
        x, y = gap, gap + line * (height + label + gap)
        for i in row:
            h, w = thumbs[i].shape[:2]
            sheet[y : y + height, x : x + w] = _BLANK  # frame of an image that is not as high as the row
            top = y + (height - h) // 2
            sheet[top : top + h, x : x + w] = thumbs[i]
            _write(sheet[y + height : y + height + label, x : x + w], clock(float(times[i])))
            x += w + gap
    return sheet


def fitted(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return an image as large as this size holds, in its shape."""
    import cv2

    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)


def _write(strip: NDArray[np.uint8], text: str) -> None:
    import cv2

    height, width = strip.shape[:2]
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, height / 40
    (w, h), _ = cv2.getTextSize(text, font, scale, 1)
    if w > width:  # a narrow image: smaller letters rather than letters in the next column
        scale *= width / w
        (w, h), _ = cv2.getTextSize(text, font, scale, 1)
    place = ((width - w) // 2, (height + h) // 2)
    cv2.putText(strip, text, place, font, scale, _INK, 1, cv2.LINE_AA)
