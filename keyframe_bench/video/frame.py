"""A decoded frame as lazy views over the decoder's planes."""

from __future__ import annotations

import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np
from av import VideoFormat, VideoFrame
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

from .cost_meter import CostMeter
from .image_files import Image, resized

# Formats read plane by plane, exactly as libavfilter sees them.
_PLANAR_YUV = frozenset(f"yuv{j}{sub}p" for j in ("", "j") for sub in ("420", "422", "444", "440", "411")) | {
    "yuv410p",
    "yuva420p",
    "yuva422p",
    "yuva444p",
}
_PACKED_RGB = {"rgb24": (0, 1, 2), "bgr24": (2, 1, 0), "rgba": (0, 1, 2), "bgra": (2, 1, 0), "rgb0": (0, 1, 2)}
_PACKED_RGB |= {"bgr0": (2, 1, 0), "argb": (1, 2, 3), "abgr": (3, 2, 1), "0rgb": (1, 2, 3), "0bgr": (3, 2, 1)}

# Planes of 16-bit words (ya: grey beside alpha) or floats, which libswscale would truncate or dither.
_DEEP_PLANAR = re.compile(r"(?:(?:yuva?4(?:20|22|40|44)p|gbra?p|gray|ya)(9|10|12|14|16)|(?:gbra?p|gray)f32)([lb]e)")

# Packed RGB: of 16 bits a sample, which libswscale takes apart without loss, and in fields of a word, which it does not
# round; their widths in bits, from the highest on.
_DEEP_PACKED = re.compile(r"(?:rgba?|bgra?)(?:48|64)[lb]e")
_PACKED_FIELDS = re.compile(r"(?:x2)?(rgb|bgr)(565|555|444|10)([lb]e)")
_FIELDS = {"565": (5, 6, 5), "555": (5, 5, 5), "444": (4, 4, 4), "10": (10, 10, 10)}

# Kr, Kb of the matrix coefficients, by AVColorSpace number; unspecified is read as BT.601, as FFmpeg and OpenCV do.
_COEFFICIENTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593), 7: (0.212, 0.087), 4: (0.30, 0.11)}
_BT601 = (0.299, 0.114)
_LIMITED_RANGE, _FULL_RANGE = 1, 2  # AVCOL_RANGE_MPEG, AVCOL_RANGE_JPEG

_BAND = 1 << 15  # pixels converted at a time, so that what lies between stays in the processor's cache

_PICTURE_TYPES = {1: "I", 2: "P", 3: "B", 4: "S", 5: "SI", 6: "SP", 7: "BI"}  # AVPictureType

# Grey level 0-255 of a limited-range luma sample (16 black, 235 white).
FULL_RANGE_OF_LIMITED: Image = np.clip(np.rint((np.arange(256) - 16.0) * 255 / 219), 0, 255).astype(np.uint8)


class Frame:
    """One decoded frame.

    Parameters
    ----------
    raw : av.VideoFrame
        The decoder's frame; its planes are not copied.
    ordinal : int
        0-based position in the decoder's output.
    time : float
        PTS in seconds.
    meter : CostMeter, optional
        Shared by all frames of a pass.
    mirrored : bool
        What `is_mirrored` says of the video.

    Attributes
    ----------
    key_frame, picture_type : bool, str
        What the decoder says; "?" for a type that has no letter.
    turns : int
        Quarter turns, counter-clockwise, that make the image upright.
    layout : str
        FFmpeg's name of the 8-bit pixel format of `planes`.

    Notes
    -----
    All views are upright (the container's display matrix is applied) except `planes`. Sizes are pixels as coded: a
    non-square pixel shape is not undone.
    """

    __slots__ = (
        "__weakref__", "_cache", "_meter",
        "key_frame", "layout", "mirrored", "ordinal", "picture_type", "raw", "time", "turns",
    )  # fmt: skip

    def __init__(
        self, raw: VideoFrame, ordinal: int, time: float, meter: CostMeter | None = None, *, mirrored: bool = False
    ) -> None:
        self.raw = raw
        self.ordinal = ordinal
        self.time = time
        # The angle FFmpeg states is that of the matrix's first row, which mirroring turns around.
        self.turns = quarter_turns(raw.rotation + 180 * mirrored)
        self.mirrored = mirrored
        self.key_frame = bool(raw.key_frame)
        self.picture_type = _PICTURE_TYPES.get(int(raw.pict_type), "?")
        self._cache: dict[tuple[Any, ...], Any] = {}
        self._meter = meter
        self.layout = eight_bit_format(raw)

    @property
    def height(self) -> int:
        """Upright height in pixels."""
        return int(self.raw.width if self.turns % 2 else self.raw.height)

    @property
    def width(self) -> int:
        """Upright width in pixels."""
        return int(self.raw.height if self.turns % 2 else self.raw.width)

    @property
    def held_bytes(self) -> int:
        """Memory the decoded picture occupies, with its 8-bit copy where one is needed."""
        coded = sum(plane.buffer_size for plane in self.raw.planes)
        return coded if self.layout == self.raw.format.name else 2 * coded

    def luma(self, height: int, width: int) -> Image:
        """Return the upright grey image, uint8 [height, width], 0 black to 255 white whatever the coded range.

        Area-averaged, so that a small image is the mean of what it covers.
        """
        return cast(Image, self._shared(("luma", height, width), lambda: self._luma(height, width)))

    def rgb(self, height: int, width: int) -> Image:
        """Return the upright image, uint8 [height, width, 3], RGB, by the coded matrix and range."""
        return cast(Image, self._shared(("rgb", height, width), lambda: self._rgb(height, width)))

    def planes(self) -> list[Image]:
        """Return the 8-bit planes as coded: Y, U, V at native size, grey alone, or R, G, B (no copy, not upright).

        Formats of more than 8 bits are first reduced to the 8-bit format of the same layout.
        """
        return cast("list[Image]", self._shared(("planes",), self._planes))

    @property
    def is_rgb(self) -> bool:
        """Whether `planes` are R, G, B and not Y, U, V."""
        return self.layout in _PACKED_RGB

    def full_rgb(self) -> Image:
        """Return the upright image at full resolution, uint8 [height, width, 3], RGB."""
        return self._rgb(self.height, self.width)

    def _shared(self, what: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        meter = self._meter
        if meter is not None:
            meter.ask(what)
        found = self._cache.get(what)
        if found is None:
            found = self._cache[what] = make() if meter is None else meter.make(what, make)
        return found

    def _plane(self, index: int, height: int, width: int) -> Image:
        """Return one plane, resized to upright ``height`` and ``width`` but not turned."""
        size = (width, height) if self.turns % 2 else (height, width)
        plane = self.planes()[index]
        if plane.shape == size:
            return plane
        return cast(Image, self._shared(("plane", index, height, width), lambda: resized(plane, *size)))

    def _upright(self, picture: NDArray[Any]) -> Image:
        if self.turns or self.mirrored:
            picture = np.rot90(picture[:, ::-1] if self.mirrored else picture, self.turns)
        picture = np.ascontiguousarray(picture)
        picture.flags.writeable = False  # shared by every feature that asks
        return picture

    def _luma(self, height: int, width: int) -> Image:
        if self.is_rgb:
            grey = cv2.cvtColor(self.rgb(height, width), cv2.COLOR_RGB2GRAY)
            grey.flags.writeable = False
            return cast(Image, grey)
        return self._upright(self._full(self._plane(0, height, width)))

    def _rgb(self, height: int, width: int) -> Image:
        planes = [self._plane(index, height, width) for index in range(len(self.planes()))]
        if len(planes) == 1:
            return self._upright(cv2.cvtColor(self._full(planes[0]), cv2.COLOR_GRAY2RGB))
        if self.is_rgb:
            return self._upright(cv2.merge(planes))
        return self._upright(_to_rgb(planes, rgb_matrix(int(self.raw.colorspace), self.full_range)))

    def _full(self, luma: Image) -> Image:
        return luma if self.full_range else cast(Image, cv2.LUT(luma, FULL_RANGE_OF_LIMITED))

    @property
    def full_range(self) -> bool:
        """Whether black is 0 and not 16."""
        name, tag = self.layout, int(self.raw.color_range)
        # Grey formats of image codecs are full range when nothing is said, video is limited (FFmpeg's convention).
        return tag == _FULL_RANGE or name.startswith("yuvj") or (name == "gray" and tag != _LIMITED_RANGE)

    def _planes(self) -> list[Image]:
        raw = self.raw
        if _DEEP_PACKED.fullmatch(raw.format.name):
            raw = raw.reformat(format="gbrp16le")
        if deep := _DEEP_PLANAR.fullmatch(raw.format.name):
            planes = self._reduced(raw, int(deep[1] or 0), "<" if deep[2] == "le" else ">")
        elif fields := _PACKED_FIELDS.fullmatch(raw.format.name):
            planes = _field_planes(raw, *fields.groups())
        else:
            native = raw if raw.format.name == self.layout else raw.reformat(format=self.layout)
            planes = self._rgb_planes(native) if self.is_rgb else _native_planes(native)
        for plane in planes:
            plane.flags.writeable = False  # the decoder predicts the next images from it
        return planes

    def _rgb_planes(self, native: VideoFrame) -> list[Image]:
        """Return R, G, B of a packed format of 8 bits."""
        packed, step = _rows(native.planes[0], native.height), 3 if self.layout in ("rgb24", "bgr24") else 4
        pixels = packed[:, : native.width * step].reshape(native.height, native.width, step)
        return [np.ascontiguousarray(pixels[..., c]) for c in _PACKED_RGB[self.layout]]

    def _reduced(self, raw: VideoFrame, bits: int, order: str) -> list[Image]:
        """Return the planes as 8-bit ones, rounded: limited range is shifted, full range scaled (ITU-T H.273).

        ``bits`` are those of a sample, 0 for floats from 0 to 1, and ``order`` ("<" or ">") that of their bytes.
        """
        scale = 255 / max(2**bits - 1, 1) if self.is_rgb or self.full_range or not bits else 2.0 ** (8 - bits)
        middle = 128 - scale * 2 ** (bits - 1)  # what keeps chroma of grey at 128
        step = 2 if raw.format.name.startswith("ya") else 1
        reduced = []
        for index, plane in enumerate(raw.planes[:3]):
            words = _rows(plane, plane.height).view(f"{order}u2" if bits else f"{order}f4")
            deep = words[:, : plane.width * step : step]
            shift = middle if index and not self.is_rgb else 0.0
            samples = deep.astype(np.uint16, copy=False) if bits else np.clip(deep, 0, 1).astype(np.float32, copy=False)
            reduced.append(cast(Image, cv2.convertScaleAbs(samples, alpha=scale, beta=shift)))
        return [reduced[index] for index in (2, 0, 1)] if self.is_rgb else reduced  # stored as G, B, R


def _field_planes(raw: VideoFrame, order: str, kind: str, endian: str) -> list[Image]:
    """Return R, G, B of a format whose samples are fields of one word, rounded to 8 bits."""
    size = 4 if kind == "10" else 2
    words = _rows(raw.planes[0], raw.height)[:, : raw.width * size].view(f"{'<' if endian == 'le' else '>'}u{size}")
    planes, shift = [], sum(_FIELDS[kind])
    for bits in _FIELDS[kind]:
        shift, full = shift - bits, (1 << bits) - 1
        planes.append(cast(Image, cv2.convertScaleAbs((words >> shift & full).astype(np.uint16), alpha=255 / full)))
    return planes[::-1] if order == "bgr" else planes


def _native_planes(native: VideoFrame) -> list[Image]:
    return [_rows(plane, plane.height)[:, : plane.width] for plane in native.planes[:3]]


def _rows(plane: Any, height: int) -> Image:
    """Return the lines of a plane with their padding, top line first, uint8 [height, line_size]."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(height, abs(plane.line_size))
    return lines if plane.line_size > 0 else lines[::-1]  # stored bottom-up, as in uncompressed AVI


def eight_bit_format(frame: VideoFrame) -> str:
    """Return the pixel format in which ``frame`` is read: its own where the planes are 8-bit, else the nearest such."""
    name = frame.format.name
    if name in _PLANAR_YUV or name in _PACKED_RGB or name == "gray":
        return str(name)
    components = frame.format.components
    if len(components) <= 2 and not frame.format.is_rgb and not name.startswith(("pal", "rgb", "bgr")):
        return "gray"
    if frame.format.is_rgb or name.startswith("pal"):
        return "rgb24"
    chroma = (frame.format.chroma_width(64), frame.format.chroma_height(64))
    return {(32, 32): "yuv420p", (32, 64): "yuv422p", (64, 64): "yuv444p", (64, 32): "yuv440p"}.get(chroma, "yuv420p")


def has_known_matrix(frame: VideoFrame) -> bool:
    """Say whether `rgb_matrix` knows the coded colour matrix (for RGB, grey and untagged frames none is needed)."""
    tag = int(frame.colorspace)
    return tag in _COEFFICIENTS or tag in (0, 2, 3, 5, 6) or eight_bit_format(frame) in {"gray", *_PACKED_RGB}


@lru_cache
def rgb_matrix(colorspace: int, full_range: bool) -> NDArray[np.float64]:
    """Return the 3x4 matrix that takes 8-bit (Y, Cb, Cr, 1) to RGB in 0-255 (ITU-R BT.601, 709, 2020).

    ``colorspace`` is the frame's AVColorSpace number; unspecified (2) means BT.601. In full range black is 0, else 16.
    """
    kr, kb = _COEFFICIENTS.get(colorspace, _BT601)
    kg = 1 - kr - kb
    luma, chroma, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    red, blue = 2 * (1 - kr) * chroma, 2 * (1 - kb) * chroma
    green_cb, green_cr = -2 * (1 - kb) * kb / kg * chroma, -2 * (1 - kr) * kr / kg * chroma
    matrix = np.array([[luma, 0, red, 0], [luma, green_cb, green_cr, 0], [luma, blue, 0, 0]])
    matrix[:, 3] = -matrix[:, 0] * black - matrix[:, 1:3].sum(axis=1) * 128
    matrix.flags.writeable = False
    return matrix


def _to_rgb(planes: list[Image], matrix: NDArray[np.float64]) -> Image:
    """Return Y, Cb, Cr as RGB, within one level of the rounded product with ``matrix`` and without colour where grey.

    `cv2.transform` rounds the coefficients of bytes to 1/1024, so that grey becomes coloured; `cv2.addWeighted`
    computes in floating point.
    """
    (luma, _, red, red_0), (_, green_cb, green_cr, green_0), (_, blue, _, blue_0) = matrix.tolist()
    middle = 128 * (green_cb + green_cr)
    height, width = planes[0].shape
    picture: Image = np.empty((height, width, 3), dtype=np.uint8)
    lines = max(1, _BAND // width)
    for top in range(0, height, lines):
        y, cb, cr = (plane[top : top + lines] for plane in planes)
        y_16, cb_16, cr_16 = (part.astype(np.uint16) for part in (y, cb, cr))
        # Green has three terms: the two of chroma are added in steps of 1/128 level, 256 levels above what they are.
        chroma = cv2.addWeighted(cb_16, 128 * green_cb, cr_16, 128 * green_cr, 128 * (256 - middle))
        green = cv2.addWeighted(y_16, luma, chroma, 1 / 128, green_0 + middle - 256)
        r, b = cv2.addWeighted(y, luma, cr, red, red_0), cv2.addWeighted(y, luma, cb, blue, blue_0)
        cv2.merge([r, cv2.convertScaleAbs(green), b], picture[top : top + lines])
    return picture


def quarter_turns(rotation: float) -> int:
    """Return how often the coded picture must be turned by 90 degrees counter-clockwise to stand upright (0 to 3)."""
    return round(rotation / 90) % 4


def display_matrix(raw: VideoFrame) -> tuple[int, ...] | None:
    """Return the nine numbers of the display matrix, None without one.

    Ask it of one frame of a video, not of all: PyAV's side data and frame hold each other, so that the frame's memory
    stays until Python collects cycles.
    """
    attached: Any = raw.side_data  # typed as if its keys were text
    matrix = attached.get(SideDataType.DISPLAYMATRIX)
    return None if matrix is None else struct.unpack_from("=9i", bytes(matrix))


def is_mirrored(raw: VideoFrame) -> bool:
    """Say whether the display matrix of a video (see there) swaps left and right, by turning or before it."""
    a, b, _, c, d, *_ = display_matrix(raw) or (1, 0, 0, 0, 1)
    return a * d < b * c


def checksum(frame: Frame) -> int:
    """Return the CRC-32 of every third line of all planes as coded, added up in words of eight bytes.

    They are added up along the lines and across them, so that what moves to the side is told as well. Decoders work on
    blocks of four lines or more, of the frame or of one field: no block is missed. It is cheap enough for every frame.
    """
    raw, value = frame.raw, 0
    for plane, width in zip(raw.planes, _visible_bytes(raw.format.name, raw.width, raw.height), strict=False):
        lines, whole = _rows(plane, plane.height)[::3], width - width % 8
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
    layout = VideoFormat(pixel_format, width, height)
    lengths: Counter[int] = Counter()
    for part in layout.components:
        lengths[part.plane] += part.width * -(-part.bits // 8)
    if len(lengths) == 1:  # its samples may share bytes, or have some between them
        return [-(-width * layout.padded_bits_per_pixel // 8)]
    return [lengths[plane] for plane in sorted(lengths)]
