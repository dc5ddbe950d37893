"""Small images of the chosen frames, for the report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..core.errors import KeyframeBenchError
from ..core.files import make_folder, remove_leftovers, write_together
from ..video.fetch import fetch_frames
from ..video.frame import Frame
from ..video.frame_folder import VideoPath
from ..video.image_files import Image, encode_image, fit_width
from ..video.onepass import Pass

WIDTH = 160


def write_thumbnails(path: VideoPath, ordinals: Iterable[int], read: Pass, folder: Path) -> None:
    """Write ``<ordinal>.jpg`` (160 pixels wide, upright) for each frame that has none yet.

    This is the run's second, short pass: it decodes only what leads to the wanted frames.
    """
    missing = [n for n in ordinals if not (folder / f"{n}.jpg").exists()]
    if not missing:
        return
    remove_leftovers(make_folder(folder))
    try:
        pictures = fetch_frames(path, missing, read)
        files = {folder / f"{frame.ordinal}.jpg": encode_image(thumbnail(frame), ".jpg") for frame in pictures}
    except KeyframeBenchError:
        return  # the numbers stand; the report draws an empty box
    write_together(files)


def thumbnail(frame: Frame) -> Image:
    """Return the frame as uint8 [height, 160, 3], RGB."""
    height, width = fit_width(frame.height, frame.width, WIDTH)
    return frame.rgb(height, width)
