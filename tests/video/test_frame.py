"""Views of decoded frames: right colours and levels whatever the coding, upright, made once."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from keyframe_bench.video.cost_meter import CostMeter
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.frame import Frame, rgb_matrix

Encode = Callable[..., Path]

BT709, BT601, BT2020 = 1, 5, 9  # AVColorSpace
LIMITED, FULL = 1, 2  # AVColorRange
COLOURS = np.array(
    [
        [255, 255, 255], [230, 220, 20], [30, 200, 210], [40, 180, 60],
        [200, 40, 190], [210, 30, 40], [30, 40, 200], [0, 0, 0],
    ],
    dtype=np.uint8,
)  # fmt: skip
WEIGHTS = {BT601: (0.299, 0.587, 0.114), BT709: (0.2126, 0.7152, 0.0722), BT2020: (0.2627, 0.678, 0.0593)}


def bars(height: int = 48, width: int = 128) -> np.ndarray:
    """Eight vertical colour bars, RGB."""
    return np.broadcast_to(COLOURS[np.arange(width) * 8 // width], (height, width, 3))


def middles(picture: np.ndarray) -> np.ndarray:
    """Colours in the middle of each bar, where subsampled chroma is its own."""
    height, width = picture.shape[:2]
    return picture[height // 2, width // 16 :: width // 8].astype(float)


def first_frame(path: Path) -> Frame:
    with VideoReader(path) as reader:
        return next(iter(reader))


def off(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found.astype(float) - expected.astype(float)).max())


# Lossless codecs: only rounding (and what the format itself cannot hold) may differ.
EIGHT_BIT = ["yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuva420p"]
DEEP = ["yuv420p10le", "yuv422p12le", "yuv444p16le", "yuva444p10le", "yuv420p9le"]


@pytest.mark.parametrize("pix_fmt", [*EIGHT_BIT, *DEEP, "bgr0", "gbrp10le", "gbrp16le"])
def test_colours_of_ffv1_formats(encode: Encode, pix_fmt: str) -> None:
    frame = first_frame(encode("v.mkv", [bars()], codec="ffv1", pix_fmt=pix_fmt))
    assert frame.raw.format.name == pix_fmt
    assert off(middles(frame.full_rgb()), COLOURS) <= 3
    assert off(middles(frame.luma(48, 128)[..., None]), COLOURS @ np.array(WEIGHTS[BT601])[:, None]) <= 2


@pytest.mark.parametrize(
    ("pix_fmt", "tolerance"),
    [(f, 0) for f in ("rgb24", "bgr24", "rgba", "argb", "abgr", "bgra", "0rgb", "rgb0", "0bgr", "gbrp")]
    + [("rgb48le", 1)]  # what wrote it makes 255 of 8 bits 65280 of 16, not 65535
    + [("nv12", 3), ("nv21", 3), ("uyvy422", 3), ("vuya", 3), ("xyz12le", 12), ("rgb565le", 10), ("y210le", 3)],
)
def test_colours_of_raw_formats(encode: Encode, pix_fmt: str, tolerance: int) -> None:
    frame = first_frame(encode("v.nut", [bars()], codec="rawvideo", pix_fmt=pix_fmt))
    assert frame.raw.format.name == pix_fmt
    assert off(middles(frame.full_rgb()), COLOURS) <= tolerance


def test_palette(encode: Encode) -> None:
    grey = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[None, :, None], 48, axis=0).repeat(3, axis=2)
    frame = first_frame(encode("v.mov", [grey], codec="qtrle", pix_fmt="gray"))
    assert frame.raw.format.name == "pal8"
    assert off(frame.full_rgb(), grey) <= 1
    assert off(frame.luma(48, 128), grey[..., 0]) <= 1


@pytest.mark.parametrize("color_range", [None, LIMITED, FULL])
@pytest.mark.parametrize("colorspace", [None, BT601, BT709, BT2020])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le"])
def test_matrix_and_range_are_those_of_the_file(
    encode: Encode, pix_fmt: str, colorspace: int | None, color_range: int | None
) -> None:
    path = encode("v.mkv", [bars()], codec="ffv1", pix_fmt=pix_fmt, colorspace=colorspace, color_range=color_range)
    frame = first_frame(path)
    assert off(middles(frame.full_rgb()), COLOURS) <= 3
    luma = COLOURS @ np.array(WEIGHTS[colorspace or BT601])
    assert off(middles(frame.luma(48, 128)[..., None])[:, 0], luma) <= 2
    assert frame.luma(48, 128).min() <= 1 and frame.luma(48, 128).max() >= 254


def test_lossy_codecs(encode: Encode) -> None:
    for name, codec, pix_fmt in (
        ("a.mp4", "libx264", "yuv420p"), ("b.mp4", "libx264", "yuvj420p"), ("c.mkv", "mjpeg", "yuvj444p"),
        ("d.webm", "libvpx-vp9", "yuv420p"), ("e.mp4", "libx264", "yuv422p10le"), ("f.mkv", "mpeg2video", "yuv420p"),
    ):  # fmt: skip
        quality = {"crf": "4"} if codec == "libx264" else {"b": "8M"}
        wide = 2 if "j" in pix_fmt else None
        frame = first_frame(encode(name, [bars()] * 3, codec=codec, pix_fmt=pix_fmt, color_range=wide, options=quality))
        assert off(middles(frame.full_rgb()), COLOURS) <= 8, name


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "gray16le", "ya8"])
def test_grey_without_a_tag_is_full_range(encode: Encode, pix_fmt: str) -> None:
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (4, 256, 3))
    frame = first_frame(encode("v.mkv", [ramp], codec="ffv1", pix_fmt=pix_fmt, color_range=None))
    assert off(frame.luma(4, 256), ramp[..., 0]) == 0
    assert off(frame.rgb(4, 256), ramp) == 0


def test_grey_tagged_limited_is_stretched() -> None:
    raw = av.VideoFrame.from_ndarray(np.array([[16, 126, 235, 0, 255]], dtype=np.uint8), format="gray")
    raw.color_range = LIMITED
    assert Frame(raw, 0, 0.0).luma(1, 5).tolist() == [[0, 128, 255, 0, 255]]


def test_rgb_matrix_is_that_of_the_recommendations() -> None:
    """ITU-R BT.601-7 and BT.709-6, table 3: R = Y + 1.402 Cr and B = Y + 1.8556 Cb in normalised signals."""
    full = rgb_matrix(BT601, full_range=True)
    assert full[0].round(4).tolist() == [1, 0, 1.402, -179.456]
    assert rgb_matrix(BT709, full_range=True)[2, 1] == pytest.approx(1.8556)
    for space in (BT601, BT709, BT2020):
        limited = rgb_matrix(space, full_range=False)
        assert limited @ [16, 128, 128, 1] == pytest.approx([0, 0, 0])
        assert limited @ [235, 128, 128, 1] == pytest.approx([255, 255, 255])


# ---- sizes --------------------------------------------------------------------------------------


ODD = [(1, 1), (1, 7), (3, 1), (5, 3), (49, 65)]


def read_as_written(frame: Frame, size: tuple[int, int]) -> None:
    """Assert that a frame of one colour, (200, 100, 50), is that colour at every size asked for."""
    colour = np.array((200, 100, 50))
    assert (frame.height, frame.width) == size
    for made in (frame.full_rgb(), *(frame.rgb(*other) for other in ((1, 1), (60, 80), (3, 200), (200, 3)))):
        assert off(made, np.broadcast_to(colour, made.shape)) <= 3
    for other in ((1, 1), (60, 80), (3, 200), (200, 3)):
        assert frame.rgb(*other).shape == (*other, 3)
        assert off(frame.luma(*other), np.full(other, WEIGHTS[BT601] @ colour)) <= 2


@pytest.mark.parametrize("size", ODD)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "bgr0"])
def test_odd_and_tiny_pictures(encode: Encode, pix_fmt: str, size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), (200, 100, 50), dtype=np.uint8)
    read_as_written(first_frame(encode("v.nut", [picture], codec="rawvideo", pix_fmt=pix_fmt)), size)


@pytest.mark.parametrize("size", [(2, 2), (6, 4), (50, 64), (1, 1), (5, 3), (49, 65)])
def test_tiny_ten_bit_pictures(size: tuple[int, int]) -> None:
    # The samples are set by hand: writing 10-bit chroma, libswscale now and then mixes in what lies beyond the picture.
    matrix = rgb_matrix(BT601, full_range=False)
    ycbcr = np.linalg.solve(matrix[:, :3], np.array((200, 100, 50)) - matrix[:, 3])
    raw = av.VideoFrame(size[1], size[0], "yuv420p10le")
    for plane, sample in zip(raw.planes, (4 * ycbcr).round().astype(np.uint16), strict=True):
        plane.update(np.full(plane.buffer_size // 2, sample).tobytes())
    read_as_written(Frame(raw, 0, 0.0), size)


def test_a_small_picture_is_the_mean_of_what_it_covers(encode: Encode) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 60, 1), dtype=np.uint8).repeat(3, axis=2)
    frame = first_frame(encode("v.mkv", [noise], codec="ffv1", pix_fmt="gray"))
    coded = frame.raw.to_ndarray().astype(float)
    for height, width in ((6, 5), (4, 4), (1, 1), (48, 6), (8, 60)):
        blocks = coded.reshape(height, 48 // height, width, 60 // width).mean(axis=(1, 3))
        assert off(frame.luma(height, width), blocks) <= 0.5 + 1e-9
    # sizes that do not divide: the weights are areas, as in OpenCV's own area interpolation
    assert off(frame.luma(7, 11), cv2.resize(coded, (11, 7), interpolation=cv2.INTER_AREA)) <= 0.51


def test_growing_one_way_and_shrinking_the_other_still_averages(encode: Encode) -> None:
    stripes = np.zeros((64, 4, 3), dtype=np.uint8)
    stripes[::2] = 255
    frame = first_frame(encode("v.mkv", [stripes], codec="ffv1", pix_fmt="gray"))
    assert np.unique(frame.luma(8, 40)).tolist() == [128]


# ---- orientation --------------------------------------------------------------------------------

CORNERS = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 250]]], dtype=np.uint8)


def corner_picture() -> np.ndarray:
    """Red, green above blue, white; 40 x 64."""
    return CORNERS.repeat(20, axis=0).repeat(32, axis=1)


def corners(picture: np.ndarray) -> np.ndarray:
    return picture[8 :: picture.shape[0] - 17, 8 :: picture.shape[1] - 17]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270, -90])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
def test_pictures_are_upright(encode: Encode, rotation: int, pix_fmt: str) -> None:
    path = encode("v.mp4", [corner_picture()], pix_fmt=pix_fmt, rotation=rotation, options={"crf": "2"})
    frame = first_frame(path)
    upright = np.rot90(CORNERS, rotation // 90)
    assert (frame.height, frame.width) == ((64, 40) if rotation % 180 else (40, 64))
    assert off(corners(frame.full_rgb()), upright) <= 12
    assert off(frame.rgb(2, 2), upright) <= 30
    grey = frame.luma(2, 2)
    assert grey[np.all(upright == 250, axis=2)] > 220
    assert frame.luma(30, 20).shape == (30, 20)
    assert frame.planes()[0].shape == (40, 64)  # as coded
    with VideoReader(path) as reader:
        assert len(list(reader)) == 1
    assert reader.health.rotation == rotation % 360
    assert reader.health.problems == []


ONE = 1 << 16


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((-ONE, 0, 0, ONE), CORNERS[:, ::-1]),
        ((ONE, 0, 0, -ONE), CORNERS[::-1]),
        ((0, ONE, ONE, 0), CORNERS.transpose(1, 0, 2)),
        ((0, -ONE, -ONE, 0), CORNERS[::-1, ::-1].transpose(1, 0, 2)),
    ],
    ids=["left-right", "up-down", "transposed", "antitransposed"],
)
def test_mirrored_pictures(encode: Encode, matrix: tuple[int, int, int, int], upright: np.ndarray) -> None:
    """The display matrix of ISO/IEC 14496-12, 8.3.2: x' = a x + c y, y' = b x + d y."""
    path = encode("v.mp4", [corner_picture()] * 2, pix_fmt="yuv444p", rotation=90, options={"crf": "2"})
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44
    a, b, c, d = matrix
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    with VideoReader(path) as reader:
        for frame in reader:
            assert off(corners(frame.full_rgb()), upright) <= 12
    assert any("mirror" in note for note in reader.health.notes)


def test_slanted_rotation_is_told(encode: Encode) -> None:
    with VideoReader(encode("v.mp4", [corner_picture()], rotation=30)) as reader:
        assert [(f.height, f.width) for f in reader] == [(40, 64)]
    assert any("rounded to 0" in note for note in reader.health.notes)


def test_pictures_stored_bottom_up(encode: Encode) -> None:
    """Uncompressed AVI: the first stored line is the lowest."""
    path = encode("v.avi", [corner_picture()], codec="rawvideo", pix_fmt="bgr24", mux={"flipped_raw_rgb": "1"})
    frame = first_frame(path)
    assert frame.raw.planes[0].line_size < 0
    assert off(frame.full_rgb(), corner_picture()[::-1]) == 0
    assert off(frame.planes()[0], corner_picture()[::-1, :, 0]) == 0


# ---- planes and sharing -------------------------------------------------------------------------


def test_planes_are_the_decoders_own(encode: Encode, pictures: Callable[..., list[np.ndarray]]) -> None:
    frame = first_frame(encode("v.mkv", pictures(1), codec="ffv1", pix_fmt="yuv420p"))
    y, u, v = frame.planes()
    flat = frame.raw.to_ndarray()
    assert np.array_equal(y, flat[:48]) and np.array_equal(u.ravel(), flat[48:60].ravel())
    assert np.array_equal(v.ravel(), flat[60:].ravel())


def test_deep_planes_are_reduced_to_eight_bits(encode: Encode, pictures: Callable[..., list[np.ndarray]]) -> None:
    frame = first_frame(encode("v.mkv", pictures(1), codec="ffv1", pix_fmt="yuv420p10le"))
    deep = frame.raw.to_ndarray()[:48].astype(float)
    assert off(frame.planes()[0], deep / 4) <= 1


def test_what_features_share_cannot_be_written_to(encode: Encode, pictures: Callable[..., list[np.ndarray]]) -> None:
    for pix_fmt in ("yuv420p", "bgr0", "gray", "yuv420p10le"):
        frame = first_frame(encode("v.mkv", pictures(1), codec="ffv1", pix_fmt=pix_fmt))
        views = [frame.luma(6, 8), frame.luma(48, 64), frame.rgb(6, 8), frame.rgb(48, 64), *frame.planes()]
        for view in views:
            with pytest.raises(ValueError, match="read-only"):
                view[...] = 0


def test_a_conversion_is_made_once_a_frame(encode: Encode, pictures: Callable[..., list[np.ndarray]]) -> None:
    meter = CostMeter()
    with VideoReader(encode("v.mp4", pictures(5)), meter) as reader:
        for frame in reader:
            assert frame.luma(6, 8) is frame.luma(6, 8)
            assert frame.rgb(6, 8) is frame.rgb(6, 8)
            assert frame.luma(8, 6) is not frame.luma(6, 8)
            frame.planes()
    assert set(meter.made.values()) == {5}
    assert meter.made[("plane", 0, 6, 8)] == 5  # luma and rgb of one size resize the luma plane once


def test_a_view_outlives_the_reader(encode: Encode, pictures: Callable[..., list[np.ndarray]]) -> None:
    with VideoReader(encode("v.mp4", pictures(9))) as reader:
        kept = [frame.planes()[0] for frame in reader]
    before: list[Any] = [plane.copy() for plane in kept]
    del reader
    assert all(np.array_equal(a, b) for a, b in zip(kept, before, strict=True))
