"""A number that tells a decoded picture from another, cheap enough to be had of every frame."""

from __future__ import annotations

import zlib
from collections import Counter
from functools import lru_cache

import av
import numpy as np

from .frame import Frame, _rows

# Decoders work on blocks of four lines or more, of the frame or of one field: there is no block that this steps over.
_STEP = 3


def checksum(frame: Frame) -> int:
    """Return the CRC-32 of every third line of all planes as coded, added up in words of eight bytes.

    They are added up along the lines and across them, so that what moves to the side is told as well.
    """
    raw, value = frame.raw, 0
    for plane, width in zip(raw.planes, _visible_bytes(raw.format.name, raw.width, raw.height), strict=False):
        lines, whole = _rows(plane, plane.height)[::_STEP], width - width % 8
        words = lines[:, :whole].view(np.uint64)
        value = zlib.crc32(words.sum(axis=0), zlib.crc32(words.sum(axis=1), value))
        if whole < width:
            value = zlib.crc32(lines[:, whole:width].tobytes(), value)
    if raw.format.name == "pal8":
        value = zlib.crc32(memoryview(raw.planes[1]), value)  # some containers give it with the first packet only
    return value


@lru_cache(maxsize=16)
def _visible_bytes(pixel_format: str, width: int, height: int) -> list[int]:
    """Return how long the lines of each plane are without padding, which holds anything; a palette is no plane."""
    layout = av.VideoFormat(pixel_format, width, height)
    lengths: Counter[int] = Counter()
    for part in layout.components:
        lengths[part.plane] += part.width * -(-part.bits // 8)
    if len(lengths) == 1:  # its samples may share bytes, or have some between them
        return [-(-width * layout.padded_bits_per_pixel // 8)]
    return [lengths[plane] for plane in sorted(lengths)]
