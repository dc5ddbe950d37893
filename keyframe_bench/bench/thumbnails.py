"""Small pictures of the chosen frames, for the report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..core.errors import KeyframeBenchError, OutputError
from ..core.files import make_folder, remove_leftovers, write_atomic
from ..video.frame import Frame, Image
from ..video.images import encode_image, fit_width
from ..video.onepass import Pass
from ..video.pictures import fetch_pictures

WIDTH = 160


def write_thumbnails(path: Path, ordinals: Iterable[int], read: Pass, folder: Path) -> None:
    """Write ``<ordinal>.jpg`` (160 pixels wide, upright) for each frame that has none yet.

    This is the run's second, short pass: it decodes only what leads to the wanted frames.
    """
    missing = [n for n in ordinals if not (folder / f"{n}.jpg").exists()]
    if not missing:
        return
    remove_leftovers(make_folder(folder))
    try:
        for frame in fetch_pictures(path, missing, read):
            write_atomic(folder / f"{frame.ordinal}.jpg", encode_image(thumbnail(frame), ".jpg"))
    except OutputError:
        raise
    except KeyframeBenchError:
        return  # the numbers stand; the report draws an empty box


def thumbnail(frame: Frame) -> Image:
    """Return the frame as uint8 [height, 160, 3], RGB."""
    height, width = fit_width(frame.height, frame.width, WIDTH)
    return frame.rgb(height, width)
