"""Image files: finding them, reading any kind as RGB of one size, encoding key frames."""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ..core.errors import KeyframeBenchError, UsageError, os_reason
from ..core.files import printable

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageFile import ImageFile

Image = NDArray[np.uint8]
Resize = Literal["stretch", "letterbox", "crop"]

_SUFFIXES = ".jpg .jpeg .jpe .jfif .png .bmp .dib .webp .gif .tif .tiff .ppm .pgm .pbm .pnm"
EXTENSIONS = frozenset(_SUFFIXES.split())

_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "GIF", "TIFF", "PPM")  # others may start programs, as EPS Ghostscript
_BITS, _MEANING, _PLANES = 258, 262, 284  # TIFF tags: bits of each sample, 0 where white is 0, 2 where planes are apart


class UnreadableError(Exception):
    """A file is not an image, or only part of one; the message says why."""


def is_image_name(name: str) -> bool:
    """Say whether a file of this name is taken for an image: it ends in one of `EXTENSIONS` and is not hidden."""
    return Path(name).suffix.lower() in EXTENSIONS and not name.startswith(".")


def find_images(root: Path) -> dict[str, Path]:
    """Return the image files below ``root`` by relative path with forward slashes, sorted.

    Hidden files and folders are skipped; linked folders are not entered. Raises `UsageError` if a folder cannot be
    read: skipping it silently would shrink the data.
    """

    def refuse(error: OSError) -> None:
        reason = os_reason(error)
        raise UsageError(f"folder {str(error.filename)!r} cannot be read: {reason}; change that or move it away")

    found = {}
    for folder, below, names in os.walk(root, onerror=refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if is_image_name(name):
                found[printable(path.relative_to(root).as_posix())] = path
    return dict(sorted(found.items()))


def read_rgb(path: Path) -> Image:
    """Return the image of a file, uint8 [height, width, 3], RGB, upright as its EXIF orientation says.

    Whatever Pillow reads: grey, palettes, CMYK and CIELAB become RGB, samples of up to 16 bits become 8, what is
    transparent shows white; of several images in a file the first is taken. Raises `UnreadableError` if the file is not
    an image, cannot be read, ends early, has more pixels than Pillow takes, or has signed or 32-bit samples;
    `MemoryError`.
    """
    import PIL
    from PIL import Image as Pillow

    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading from a pipe may never end
            raise UnreadableError("it is not a regular file")
        data = path.read_bytes()
        if not data:
            raise UnreadableError("the file is empty")
        # From memory: TIFF files that it maps by name, Pillow 13 turns wrongly.
        with Pillow.open(io.BytesIO(data), formats=_FORMATS) as file:
            return np.array(_upright_rgb(file))
    except (UnreadableError, MemoryError):
        raise
    except PIL.UnidentifiedImageError as error:
        raise UnreadableError("it is not an image, or of an unsupported format") from error
    except OSError as error:
        raise UnreadableError(os_reason(error)) from error
    except Exception as error:  # what Pillow's decoders raise over damaged files is not limited to anything
        raise UnreadableError(f"it is damaged ({error or type(error).__name__})") from error


def _upright_rgb(file: ImageFile) -> PillowImage:
    from PIL import Image as Pillow
    from PIL import ImageOps

    coded, key = str(file.tile[0][3]) if file.tile else "", file.info.get("transparency")
    tags = dict(getattr(file, "tag_v2", {}))  # of a TIFF file
    file.load()
    if file.mode == "F" or (file.mode == "I" and file.format != "PPM"):
        raise UnreadableError("its samples are not whole numbers of 8 or 16 bits without a sign")
    if tags.get(_PLANES) == 2 and max(tags[_BITS]) > 8:  # Pillow takes the bytes of such planes for samples
        raise UnreadableError("its samples have more than 8 bits and lie in planes")
    if coded in ("L;2", "L;4") and isinstance(key, int):  # a PNG's samples are stretched to 8 bits, the key is not
        file.info["transparency"] = key * {"L;2": 85, "L;4": 17}[coded]
    elif coded == "RGB;16B" and isinstance(key, tuple):
        file.info["transparency"] = tuple(level >> 8 for level in key)
    picture: PillowImage = ImageOps.exif_transpose(file)
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255; those of a PGM are already stretched
        samples = np.asarray(picture).astype(np.int64)
        levels = np.rint(samples * 255 / (2 ** tags.get(_BITS, (16,))[0] - 1)).astype(np.uint8)
        picture = Pillow.fromarray(255 - levels if tags.get(_MEANING) == 0 else levels)
        if isinstance(key, int):
            picture.putalpha(Pillow.fromarray((samples != key).astype(np.uint8) * 255))
    if picture.mode == "La":  # grey that is multiplied by its opacity, for which Pillow knows one way only
        picture = picture.convert("LA")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Pillow.alpha_composite(Pillow.new("RGBA", picture.size, "white"), picture).convert("RGB")


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow from warning of odd tags in files that are well, and of large ones, inside the ``with`` block."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def fit(picture: Image, height: int, width: int, resize: Resize) -> Image:
    """Return ``picture`` [h, w, 3] at another size.

    ``stretch`` changes the shape of things, ``letterbox`` leaves black bars, ``crop`` cuts off what is too much.
    An axis that shrinks is averaged over what a pixel covers, as video frames are; one that grows is interpolated.
    """
    high, wide = picture.shape[:2]
    if resize == "crop":
        scale = min(high / height, wide / width)
        part = resized(_central(picture, round(height * scale), round(width * scale)), height, width)
        return np.ascontiguousarray(part)
    if resize == "letterbox":
        scale = min(height / high, width / wide)
        inner = resized(picture, max(1, round(high * scale)), max(1, round(wide * scale)))
        framed = np.zeros((height, width, 3), dtype=np.uint8)
        _central(framed, *inner.shape[:2])[:] = inner
        return framed
    return resized(picture, height, width)


def _central(picture: Image, height: int, width: int) -> Image:
    """Return a view of the middle of ``picture``, at least one pixel of it."""
    height, width = max(1, height), max(1, width)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def resized(picture: Image, height: int, width: int) -> Image:
    """Average over the covered area along an axis that shrinks, interpolate linearly along one that grows."""
    import cv2

    smaller = min(picture.shape[0], height), min(picture.shape[1], width)
    if smaller != picture.shape[:2]:  # cv2 averages only where no axis grows
        picture = cast(Image, cv2.resize(picture, smaller[::-1], interpolation=cv2.INTER_AREA))
    if smaller != (height, width):
        picture = cast(Image, cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR))
    return picture


def encode_image(picture: Image, suffix: str, quality: int = 92) -> bytes:
    """Return ``picture`` (uint8 [H, W, 3], RGB) as the bytes of a ``.jpg`` (``quality``: 0 to 100) or ``.png`` file.

    Raises `KeyframeBenchError` if the image cannot be stored in that format (a JPEG side is at most 65500 pixels).
    """
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    done, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise KeyframeBenchError(f"a {suffix} file cannot hold {picture.shape[1]} x {picture.shape[0]} pixels")
    return bytes(data.tobytes())


def fit_width(height: int, width: int, wanted: int) -> tuple[int, int]:
    """Return (height, width) with the given width and the same shape, each at least 1.

    >>> fit_width(480, 640, 160)
    (120, 160)
    >>> fit_width(1, 4000, 160)
    (1, 160)
    """
    return max(1, round(height * wanted / width)), wanted
