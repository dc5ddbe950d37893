"""Views of decoded frames: any size, upright, made once, shared and never written to."""

from __future__ import annotations

import gc
import struct

import av
import cv2
import numpy as np
import pytest

from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.frame import Frame, checksum, rgb_matrix


def first_frame(path) -> Frame:
    with VideoReader(path) as reader:
        return next(iter(reader))


def off(found, expected) -> float:
    return float(np.abs(found.astype(float) - expected).max())


# ---- sizes --------------------------------------------------------------------------------------


def read_as_written(frame, size) -> None:
    """Assert that a frame of one colour, (200, 100, 50), is that colour at every size asked for."""
    colour, others = np.array((200, 100, 50)), ((1, 1), (60, 80), (3, 200), (200, 3))
    assert (frame.height, frame.width) == size
    for made in (frame.full_rgb(), *(frame.rgb(*other) for other in others)):
        assert off(made, colour) <= 3
    for other in others:
        assert frame.rgb(*other).shape == (*other, 3) and frame.luma(*other).shape == other
        assert off(frame.luma(*other), np.array((0.299, 0.587, 0.114)) @ colour) <= 2


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 1), (5, 3), (49, 65)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "bgr0", "yuv420p10le"])
def test_odd_and_tiny_pictures(encode, pix_fmt, size) -> None:
    if pix_fmt != "yuv420p10le":
        picture = np.full((*size, 3), (200, 100, 50), dtype=np.uint8)
        read_as_written(first_frame(encode("v.nut", [picture], codec="rawvideo", pix_fmt=pix_fmt)), size)
        return
    # Set by hand: writing 10-bit chroma, libswscale now and then mixes in what lies beyond the image.
    matrix = rgb_matrix(5, full_range=False)
    ycbcr = np.linalg.solve(matrix[:, :3], np.array((200, 100, 50)) - matrix[:, 3])
    raw = av.VideoFrame(size[1], size[0], pix_fmt)
    for plane, sample in zip(raw.planes, (4 * ycbcr).round().astype(np.uint16), strict=True):
        plane.update(np.full(plane.buffer_size // 2, sample).tobytes())
    read_as_written(Frame(raw, 0, 0.0), size)


def test_a_small_picture_is_the_mean_of_what_it_covers(encode) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 60, 1), dtype=np.uint8).repeat(3, axis=2)
    frame = first_frame(encode("v.mkv", [noise], codec="ffv1", pix_fmt="gray"))
    drawn = frame.raw.to_ndarray().astype(float)
    for height, width in ((6, 5), (4, 4), (1, 1), (48, 6), (8, 60)):
        blocks = drawn.reshape(height, 48 // height, width, 60 // width).mean(axis=(1, 3))
        assert off(frame.luma(height, width), blocks) <= 0.5 + 1e-9
    stripes = np.zeros((64, 4, 3), dtype=np.uint8)
    stripes[::2] = 255  # growing one way and shrinking the other still averages
    grown = first_frame(encode("w.mkv", [stripes], codec="ffv1", pix_fmt="gray")).luma(8, 40)
    assert np.unique(grown).tolist() == [128]
    # sizes that do not divide: the weights are areas, as in OpenCV's own area interpolation
    assert off(frame.luma(7, 11), cv2.resize(drawn, (11, 7), interpolation=cv2.INTER_AREA)) <= 0.51


# ---- orientation --------------------------------------------------------------------------------

CORNERS = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 250]]], dtype=np.uint8)
PICTURE = CORNERS.repeat(20, axis=0).repeat(32, axis=1)  # red, green above blue, white; 40 x 64
ONE = 1 << 16


def corners(picture):
    return picture[8 :: picture.shape[0] - 17, 8 :: picture.shape[1] - 17]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270, -90])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
def test_pictures_are_upright(encode, rotation, pix_fmt) -> None:
    with VideoReader(encode("v.mp4", [PICTURE], pix_fmt=pix_fmt, rotation=rotation, options={"crf": "2"})) as reader:
        (frame,) = reader
    upright = np.rot90(CORNERS, rotation // 90)
    assert (frame.height, frame.width) == ((64, 40) if rotation % 180 else (40, 64))
    assert off(corners(frame.full_rgb()), upright) <= 12 and off(frame.rgb(2, 2), upright) <= 30
    assert frame.luma(2, 2)[np.all(upright == 250, axis=2)] > 220
    assert frame.luma(30, 20).shape == (30, 20) and frame.planes()[0].shape == (40, 64)  # planes are as coded
    assert reader.health.rotation == rotation % 360 and reader.health.problems == []


MIRRORED = {
    "left-right": ((-ONE, 0, 0, ONE), CORNERS[:, ::-1]),
    "up-down": ((ONE, 0, 0, -ONE), CORNERS[::-1]),
    "transposed": ((0, ONE, ONE, 0), CORNERS.transpose(1, 0, 2)),
    "antitransposed": ((0, -ONE, -ONE, 0), CORNERS[::-1, ::-1].transpose(1, 0, 2)),
}


@pytest.mark.parametrize("how", MIRRORED)
def test_mirrored_pictures(encode, how) -> None:
    """The display matrix of ISO/IEC 14496-12, 8.3.2: x' = a x + c y, y' = b x + d y."""
    path = encode("v.mp4", [PICTURE] * 2, pix_fmt="yuv444p", rotation=90, options={"crf": "2"})
    (a, b, c, d), upright = MIRRORED[how]
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    with VideoReader(path) as reader:
        assert all(off(corners(frame.full_rgb()), upright) <= 12 for frame in reader)
    assert any("mirror" in note for note in reader.health.notes)


def test_slanted_rotation_is_told(encode) -> None:
    with VideoReader(encode("v.mp4", [PICTURE], rotation=30)) as reader:
        assert [(f.height, f.width) for f in reader] == [(40, 64)]
    assert any("rounded to 0" in note for note in reader.health.notes)


def test_pictures_stored_bottom_up(encode) -> None:
    """Uncompressed AVI: the first stored line is the lowest."""
    how = {"codec": "rawvideo", "pix_fmt": "bgr24", "mux": {"flipped_raw_rgb": "1"}}
    frame = first_frame(encode("v.avi", [PICTURE], **how))
    assert frame.raw.planes[0].line_size < 0
    assert off(frame.full_rgb(), PICTURE[::-1]) == off(frame.planes()[0], PICTURE[::-1, :, 0]) == 0


# ---- planes and sharing -------------------------------------------------------------------------


def test_planes_are_the_decoders_own_and_views_cannot_be_written_to(encode, pictures) -> None:
    for pix_fmt in ("yuv420p", "bgr0", "gray", "yuv420p10le"):
        frame = first_frame(encode("v.mkv", pictures(1), codec="ffv1", pix_fmt=pix_fmt))  # views outlive the reader
        if pix_fmt == "yuv420p":
            stored = [plane.ravel() for plane in frame.planes()]
            assert np.array_equal(np.concatenate(stored), frame.raw.to_ndarray().ravel())
        for view in (frame.luma(6, 8), frame.luma(48, 64), frame.rgb(6, 8), frame.rgb(48, 64), *frame.planes()):
            with pytest.raises(ValueError, match="read-only"):
                view[...] = 0


def test_views_are_shared_and_outlive_the_reader(encode, pictures) -> None:
    path = encode("v.mp4", pictures(9))
    with VideoReader(path) as reader:
        kept = [(plane, plane.copy()) for plane in (frame.planes()[0] for frame in reader)]
    del reader
    frame = first_frame(path)  # a second decoder takes what the first one has freed
    assert len(kept) == 9 and all(np.array_equal(plane, before) for plane, before in kept)
    assert frame.luma(6, 8) is frame.luma(6, 8) is not frame.luma(8, 6) and frame.rgb(6, 8) is frame.rgb(6, 8)


def test_decoded_pictures_are_freed_as_soon_as_they_are_dropped(encode, pictures) -> None:
    """Without waiting for Python to collect cycles: that would be hundreds of images later."""
    path, alive = encode("v.mp4", pictures(60)), []
    gc.collect()
    gc.disable()
    try:
        with VideoReader(path) as reader:
            for frame in reader:
                frame.luma(6, 8), frame.rgb(6, 8), frame.planes()
                if frame.ordinal % 20 == 19:
                    alive.append(sum(isinstance(o, av.VideoFrame) for o in gc.get_objects()))
    finally:
        gc.enable()
    assert max(alive) <= 10  # the last ones come together, when the decoder is emptied


def test_checksums_tell_where_a_box_stands() -> None:
    found = set()
    for left in (16, 17, 24, 80):
        picture = np.full((64, 128, 3), 40, np.uint8)
        picture[20:36, left : left + 16] = (250, 30, 60)
        found.add(checksum(Frame(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv444p"), 0, 0.0)))
    assert len(found) == 4
