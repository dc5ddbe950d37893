"""A decoded frame as lazy views over the decoder's planes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# Formats read plane by plane, exactly as libavfilter sees them.
_PLANAR_YUV = frozenset(f"yuv{j}{sub}p" for j in ("", "j") for sub in ("420", "422", "444", "440", "411")) | {
    "yuv410p",
    "yuva420p",
    "yuva422p",
    "yuva444p",
}
_PACKED_RGB = {"rgb24": (0, 1, 2), "bgr24": (2, 1, 0), "rgba": (0, 1, 2), "bgra": (2, 1, 0), "rgb0": (0, 1, 2)}
_PACKED_RGB |= {"bgr0": (2, 1, 0), "argb": (1, 2, 3), "abgr": (3, 2, 1), "0rgb": (1, 2, 3), "0bgr": (3, 2, 1)}

# Kr, Kb of the matrix coefficients, by AVColorSpace number; unspecified is read as BT.601, as FFmpeg and OpenCV do.
_COEFFICIENTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593), 7: (0.212, 0.087), 4: (0.30, 0.11)}
_BT601 = (0.299, 0.114)
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG

_PICTURE_TYPES = {1: "I", 2: "P", 3: "B", 4: "S", 5: "SI", 6: "SP", 7: "BI"}  # AVPictureType

# Grey level 0-255 of a limited-range luma sample (16 black, 235 white).
FULL_RANGE_OF_LIMITED: Image = np.clip(np.rint((np.arange(256) - 16.0) * 255 / 219), 0, 255).astype(np.uint8)


class Ledger:
    """Who asked for which conversion and what each took, so that a cost can be told as if a feature had run alone."""

    def __init__(self) -> None:
        self.active = ""
        self.seconds: dict[tuple[Any, ...], float] = {}
        self.users: dict[str, set[tuple[Any, ...]]] = {}
        self.nested = 0.0  # conversion seconds spent inside the compute() that is running

    def note(self, what: tuple[Any, ...], seconds: float) -> None:
        """Add ``seconds`` of conversion ``what``, just made for the active feature."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds
        self.nested += seconds

    def conversions_of(self, user: str) -> float:
        """Return the seconds of every conversion that feature ``user`` asked for, shared or not."""
        return sum(self.seconds.get(what, 0.0) for what in self.users.get(user, ()))


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
    ledger : Ledger, optional
        Shared by all frames of a pass.

    Notes
    -----
    All views are upright (the container's display matrix is applied) except `planes`. Sizes are pixels as coded: a
    non-square pixel shape is not undone.
    """

    __slots__ = ("_cache", "_ledger", "_native", "key_frame", "ordinal", "picture_type", "raw", "time", "turns")

    def __init__(self, raw: VideoFrame, ordinal: int, time: float, ledger: Ledger | None = None) -> None:
        self.raw = raw
        self.ordinal = ordinal
        self.time = time
        self.turns = quarter_turns(raw.rotation)
        self.key_frame = bool(raw.key_frame)
        self.picture_type = _PICTURE_TYPES.get(int(raw.pict_type), "?")
        self._cache: dict[tuple[Any, ...], Any] = {}
        self._ledger = ledger
        self._native: VideoFrame | None = None

    @property
    def height(self) -> int:
        """Upright height in pixels."""
        return int(self.raw.width if self.turns % 2 else self.raw.height)

    @property
    def width(self) -> int:
        """Upright width in pixels."""
        return int(self.raw.height if self.turns % 2 else self.raw.width)

    def luma(self, height: int, width: int) -> Image:
        """Return the upright grey picture, uint8 [height, width], 0 black to 255 white whatever the coded range.

        Area-averaged, so that a small picture is the mean of what it covers.
        """
        return cast(Image, self._shared(("luma", height, width), lambda: self._luma(height, width)))

    def rgb(self, height: int, width: int) -> Image:
        """Return the upright picture, uint8 [height, width, 3], RGB, by the coded matrix and range."""
        return cast(Image, self._shared(("rgb", height, width), lambda: self._rgb(height, width)))

    def planes(self) -> list[Image]:
        """Return the 8-bit planes as coded: Y, U, V at native size, grey alone, or R, G, B (no copy, not upright).

        Formats of more than 8 bits are first reduced to the 8-bit format of the same layout.
        """
        return cast("list[Image]", self._shared(("planes",), self._planes))

    def full_rgb(self) -> Image:
        """Return the upright picture at full resolution, uint8 [height, width, 3], RGB."""
        return self._rgb(self.height, self.width)

    def _shared(self, what: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        ledger = self._ledger
        if ledger is not None:
            ledger.users.setdefault(ledger.active, set()).add(what)
        found = self._cache.get(what)
        if found is None:
            start = time.perf_counter()
            found = self._cache[what] = make()
            if ledger is not None:
                ledger.note(what, time.perf_counter() - start)
        return found

    def _coded_size(self, height: int, width: int) -> tuple[int, int]:
        """Size (width, height) for cv2.resize before the picture is turned upright."""
        return (height, width) if self.turns % 2 else (width, height)

    def _upright(self, picture: NDArray[Any]) -> Image:
        if self.turns:
            picture = np.ascontiguousarray(np.rot90(picture, self.turns))
        picture.flags.writeable = False  # shared by every feature that asks
        return picture

    def _luma(self, height: int, width: int) -> Image:
        first = self._planes()
        if self._is_rgb:
            return cast(Image, cv2.cvtColor(self.rgb(height, width), cv2.COLOR_RGB2GRAY))
        small = _resize(first[0], self._coded_size(height, width))
        return self._upright(small if self._full_range else cv2.LUT(small, FULL_RANGE_OF_LIMITED))

    def _rgb(self, height: int, width: int) -> Image:
        size = self._coded_size(height, width)
        planes = [_resize(plane, size) for plane in self._planes()]
        if len(planes) == 1:
            grey = planes[0] if self._full_range else cv2.LUT(planes[0], FULL_RANGE_OF_LIMITED)
            return self._upright(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))
        merged = cv2.merge(planes)
        if not self._is_rgb:
            merged = cv2.transform(merged, rgb_matrix(int(self._eight_bit().colorspace), self._full_range))
        return self._upright(merged)

    def _eight_bit(self) -> VideoFrame:
        if self._native is None:
            name = eight_bit_format(self.raw)
            self._native = self.raw if name == self.raw.format.name else self.raw.reformat(format=name)
        return self._native

    @property
    def _is_rgb(self) -> bool:
        return self._eight_bit().format.name in _PACKED_RGB

    @property
    def _full_range(self) -> bool:
        native = self._eight_bit()
        return int(native.color_range) == _FULL_RANGE or native.format.name.startswith("yuvj")

    def _planes(self) -> list[Image]:
        native = self._eight_bit()
        name = native.format.name
        if name in _PACKED_RGB:
            plane = native.planes[0]
            step = len(native.format.components) if name in ("rgb24", "bgr24") else 4
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
                : native.height, : native.width * step
            ]
            packed = rows.reshape(native.height, native.width, step)
            return [np.ascontiguousarray(packed[..., c]) for c in _PACKED_RGB[name]]
        return [
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
            for plane in list(native.planes)[:3]
        ]


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


def rgb_matrix(colorspace: int, full_range: bool) -> NDArray[np.float64]:
    """Return the 3x4 matrix that takes 8-bit (Y, Cb, Cr, 1) to RGB in 0-255 (ITU-R BT.601, 709, 2020).

    Parameters
    ----------
    colorspace : int
        AVColorSpace number of the frame; unspecified (2) means BT.601.
    full_range : bool
        True when black is 0, False when it is 16.
    """
    kr, kb = _COEFFICIENTS.get(colorspace, _BT601)
    kg = 1 - kr - kb
    luma, chroma, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    red, blue = 2 * (1 - kr) * chroma, 2 * (1 - kb) * chroma
    matrix = np.array(
        [
            [luma, 0, red, 0],
            [luma, -2 * (1 - kb) * kb / kg * chroma, -2 * (1 - kr) * kr / kg * chroma, 0],
            [luma, blue, 0, 0],
        ]
    )
    matrix[:, 3] = -matrix[:, 0] * black - matrix[:, 1:3].sum(axis=1) * 128
    return matrix


def quarter_turns(rotation: float) -> int:
    """Return how often the coded picture must be turned by 90 degrees counter-clockwise to stand upright (0 to 3)."""
    return round(rotation / 90) % 4


def _resize(plane: Image, size: tuple[int, int]) -> Image:
    if (plane.shape[1], plane.shape[0]) == size:
        return np.ascontiguousarray(plane)
    # Chroma is enlarged linearly, anything else is averaged over the area it covers.
    grows = plane.shape[1] < size[0]
    return cast(Image, cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR if grows else cv2.INTER_AREA))
