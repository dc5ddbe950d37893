"""Right colours and levels whatever the coding; grey stays grey: no matrix, range, level or format gives it a hue."""

from __future__ import annotations

import itertools

import av
import cv2
import numpy as np
import pytest
from av.video.format import VideoFormat

import keyframe_bench as kb
from keyframe_bench.features.histograms import HueHistogram
from keyframe_bench.video.decode import VideoReader
from keyframe_bench.video.frame import Frame, rgb_matrix

BT709, BT601, BT2020 = 1, 5, 9  # AVColorSpace
UNSPECIFIED, LIMITED, FULL = 0, 1, 2  # AVColorRange
COLOURS = np.array(
    [
        [255, 255, 255], [230, 220, 20], [30, 200, 210], [40, 180, 60],
        [200, 40, 190], [210, 30, 40], [30, 40, 200], [0, 0, 0],
    ],
    dtype=np.uint8,
)  # fmt: skip
WEIGHTS = {BT601: (0.299, 0.587, 0.114), BT709: (0.2126, 0.7152, 0.0722), BT2020: (0.2627, 0.678, 0.0593)}
BARS = np.broadcast_to(COLOURS[np.arange(128) * 8 // 128], (48, 128, 3))
LEVELS = np.arange(256)
GREY_OF_LIMITED = np.clip(np.rint((LEVELS - 16) * 255 / 219), 0, 255)


def first_frame(path) -> Frame:
    with VideoReader(path) as reader:
        return next(iter(reader))


def off(found, expected) -> float:
    return float(np.abs(found.astype(float) - expected).max())


def off_bars(frame, space=BT601) -> tuple[float, float]:
    """How far colours and luma are off in the middle of each bar, where subsampled chroma is its own."""
    luma = COLOURS @ np.array(WEIGHTS[space])
    return off(frame.full_rgb()[24, 8::16], COLOURS), off(frame.luma(48, 128)[24, 8::16], luma)


# Lossless codecs: only rounding (and what the format itself cannot hold) may differ.
FFV1 = "yuv420p yuv422p yuv444p yuv440p yuv411p yuv410p yuva420p yuv420p10le yuv422p12le yuv444p16le yuva444p10le \
    yuv420p9le bgr0 gbrp10le gbrp16le"
RAW = {
    **dict.fromkeys(("rgb24", "bgr24", "rgba", "argb", "abgr", "bgra", "0rgb", "rgb0", "0bgr", "gbrp"), 0),
    "rgb48le": 1,  # what wrote it makes 255 of 8 bits 65280 of 16, not 65535
    **{"nv12": 3, "nv21": 3, "uyvy422": 3, "vuya": 3, "xyz12le": 12, "rgb565le": 10, "y210le": 3},
}


@pytest.mark.parametrize(("codec", "pix_fmt"), [*(("ffv1", f) for f in FFV1.split()), *(("rawvideo", f) for f in RAW)])
def test_colours_of_lossless_formats(encode, codec, pix_fmt) -> None:
    frame = first_frame(encode("v.mkv" if codec == "ffv1" else "v.nut", [BARS], codec=codec, pix_fmt=pix_fmt))
    assert frame.raw.format.name == pix_fmt
    colour, luma = off_bars(frame)
    assert colour <= (3 if codec == "ffv1" else RAW[pix_fmt]) and (luma <= 2 or codec == "rawvideo")


@pytest.mark.parametrize("color_range", [None, LIMITED, FULL])
@pytest.mark.parametrize("colorspace", [None, BT601, BT709, BT2020])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p10le"])
def test_matrix_and_range_are_those_of_the_file(encode, pix_fmt, colorspace, color_range) -> None:
    path = encode("v.mkv", [BARS], codec="ffv1", pix_fmt=pix_fmt, colorspace=colorspace, color_range=color_range)
    frame = first_frame(path)
    colour, luma = off_bars(frame, colorspace or BT601)
    assert colour <= 3 and luma <= 2
    assert frame.luma(48, 128).min() <= 1 and frame.luma(48, 128).max() >= 254


LOSSY = ["mp4 libx264 yuv420p", "mp4 libx264 yuvj420p", "mp4 libx264 yuv422p10le", "mkv mjpeg yuvj444p",
         "webm libvpx-vp9 yuv420p", "mkv mpeg2video yuv420p"]  # fmt: skip


def test_lossy_codecs_and_palettes(encode) -> None:
    for words in LOSSY:
        suffix, codec, pix_fmt = words.split()
        how = {"crf": "4"} if codec == "libx264" else {"b": "8M"}
        full = FULL if "j" in pix_fmt else None
        path = encode(f"v.{suffix}", [BARS] * 3, codec=codec, pix_fmt=pix_fmt, options=how, color_range=full)
        assert off_bars(first_frame(path))[0] <= 8, words
    ramp = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[None, :, None], 48, axis=0).repeat(3, axis=2)
    frame = first_frame(encode("v.mov", [ramp], codec="qtrle", pix_fmt="gray"))
    assert frame.raw.format.name == "pal8"
    assert off(frame.full_rgb(), ramp) <= 1 and off(frame.luma(48, 128), ramp[..., 0]) <= 1


def test_rgb_matrix_is_that_of_the_recommendations() -> None:
    """ITU-R BT.601-7 and BT.709-6, table 3: R = Y + 1.402 Cr and B = Y + 1.8556 Cb in normalised signals."""
    assert rgb_matrix(BT601, full_range=True)[0].round(4).tolist() == [1, 0, 1.402, -179.456]
    assert rgb_matrix(BT709, full_range=True)[2, 1] == pytest.approx(1.8556)
    for space in WEIGHTS:
        limited = rgb_matrix(space, full_range=False)
        assert limited @ [16, 128, 128, 1] == pytest.approx([0, 0, 0])
        assert limited @ [235, 128, 128, 1] == pytest.approx([255, 255, 255])


# ---- every level of grey ------------------------------------------------------------------------


def coded(pix_fmt, *samples, space=2, span=UNSPECIFIED) -> Frame:
    """Return a frame whose planes hold these samples [H, W], or one row of them on every line."""
    height, width = (16, samples[0].shape[-1]) if samples[0].ndim == 1 else samples[0].shape
    raw = av.VideoFrame(width, height, pix_fmt)
    raw.colorspace, raw.color_range = space, span
    word = np.dtype(np.uint8 if raw.format.components[0].bits == 8 else ">u2" if raw.format.is_big_endian else "<u2")
    for plane, sample in zip(raw.planes, samples, strict=False):
        lines = np.zeros((plane.height, plane.line_size // word.itemsize), dtype=word)
        lines[:, : plane.width] = np.atleast_2d(sample)[: plane.height, : plane.width]
        plane.update(lines.tobytes())
    return Frame(raw, 0, 0.0)


def grey(pix_fmt, **tags) -> Frame:
    """Return all levels from left to right, without colour; of more than 8 bits those that mean the 8-bit levels."""
    layout = VideoFormat(pix_fmt, 16, 16)
    bits, span = layout.components[0].bits, tags.get("span")
    scaled = layout.is_rgb or span == FULL or (pix_fmt.startswith("gray") and span != LIMITED)
    level = np.rint(LEVELS * (2**bits - 1) / 255) if scaled else LEVELS * 2 ** (bits - 8)
    neutral = level if layout.is_rgb else np.full(256, 2 ** (bits - 1))
    return coded(pix_fmt, level, neutral, neutral, level, **tags)


def filled(pix_fmt, words, span=UNSPECIFIED) -> Frame:
    """Return a frame whose planes hold these words on every line."""
    raw = av.VideoFrame(256, 16, pix_fmt)
    raw.color_range = span
    for plane in raw.planes:
        lines = np.zeros((16, plane.line_size), dtype=np.uint8)
        lines[:, : words.nbytes] = np.ascontiguousarray(words).view(np.uint8)
        plane.update(lines.tobytes())
    return Frame(raw, 0, 0.0)


YUV = ("yuv444p", "yuv420p", "yuv411p", "yuv420p10le", "yuv422p12be", "yuv444p16le")
GRAY = ("gray", "gray9le", "gray10le", "gray10be", "gray12le", "gray16le")
PLANAR_RGB = [f"{name}{bits}{end}" for name in ("gbrp", "gbrap") for bits in (10, 12, 14, 16) for end in ("le", "be")]
PACKED_RGB = ("rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "0rgb", "bgr0")


def greys(kind):
    """Yield frames that hold all levels of grey from left to right, and these levels."""
    if kind in (UNSPECIFIED, LIMITED, FULL):
        for name, space in itertools.product(YUV, range(18)):  # AVColorSpace: with a matrix of their own, or as BT.601
            yield grey(name, space=space, span=kind), LEVELS if kind == FULL else GREY_OF_LIMITED
        expected = GREY_OF_LIMITED if kind == LIMITED else LEVELS
        yield from ((grey(name, span=kind), expected) for name in GRAY)
        for name, word in (("ya8", "u1"), ("ya16le", "<u2"), ("ya16be", ">u2")):
            level = LEVELS * (1 if word == "u1" else 256 if kind == LIMITED else 257)
            words = np.stack([level, LEVELS[::-1]], axis=1).astype(word).ravel()  # alpha is not looked at
            yield filled(name, words, kind), expected
    elif kind == "rgb":
        yield from ((grey(name), LEVELS) for name in ("gbrp", "gbrap", "gbrp9le", *PLANAR_RGB))
        picture = np.ascontiguousarray(np.broadcast_to(LEVELS.astype(np.uint8)[:, None], (16, 256, 3)))
        for name in PACKED_RGB:
            yield Frame(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=name), 0, 0.0), LEVELS
    else:
        end, order = kind
        for name, samples in (("rgb48", 3), ("bgr48", 3), ("rgba64", 4), ("bgra64", 4)):
            yield filled(name + end, np.repeat(LEVELS * 257, samples).astype(f"{order}u2")), LEVELS
        for name in ("gbrpf32", "gbrapf32", "grayf32"):
            yield filled(name + end, (LEVELS / 255).astype(f"{order}f4")), LEVELS
        for name, bits in (("rgb444", 4), ("bgr555", 5), ("rgb555", 5), ("x2rgb10", 10)):
            most = 2**bits - 1
            levels = np.rint(LEVELS * most / 255).astype(np.int64)
            words = (levels | levels << bits | levels << 2 * bits).astype(f"{order}u{4 if bits == 10 else 2}")
            yield filled(name + end, words), np.rint(levels * 255 / most)


@pytest.mark.parametrize("kind", [UNSPECIFIED, LIMITED, FULL, "rgb", ("le", "<"), ("be", ">")])
def test_grey_stays_grey_in_every_format(kind) -> None:
    for frame, expected in greys(kind):
        luma, picture, name = frame.luma(16, 256), frame.full_rgb(), frame.raw.format.name
        assert np.array_equal(luma, np.broadcast_to(expected, luma.shape)), name
        assert np.array_equal(picture, np.repeat(luma[..., None], 3, axis=2)), name
        assert np.array_equal(frame.rgb(5, 100), np.repeat(frame.luma(5, 100)[..., None], 3, axis=2)), name


@pytest.mark.parametrize(("name", "start"), [("rgb565le", 11), ("bgr565be", 0)])
def test_fields_of_a_word_keep_their_colours(name, start) -> None:
    levels = LEVELS % 32
    found = filled(name, (levels << start).astype("<u2" if name.endswith("le") else ">u2")).full_rgb()
    assert np.array_equal(found[0, :, 0], np.rint(levels * 255 / 31)) and not found[..., 1:].any()


# ---- exact --------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", [LIMITED, FULL])
@pytest.mark.parametrize("space", [1, 4, 5, 7, 9])
def test_colours_are_within_a_level_of_the_exact_product(space, span) -> None:
    steps = np.append(LEVELS[::5], [16, 127, 128, 129, 235, 254])
    y, cb, cr = (axis.reshape(len(steps), -1) for axis in np.meshgrid(steps, steps, steps, indexing="ij"))
    exact = np.stack([y, cb, cr, np.ones_like(y)], axis=-1) @ rgb_matrix(space, span == FULL).T
    found = coded("yuv444p", y, cb, cr, space=space, span=span).full_rgb()
    assert np.abs(found - np.clip(np.rint(exact), 0, 255)).max() <= 1


def test_large_pictures_are_converted_as_small_ones() -> None:
    """Large images are converted in parts: no part may be left out or shifted."""
    y, cb, cr = np.random.default_rng(0).integers(0, 256, (3, 301, 1000))
    whole = coded("yuv444p", y, cb, cr).full_rgb()
    for top in range(0, 301, 43):
        part = slice(top, top + 43)
        assert np.array_equal(whole[part], coded("yuv444p", y[part], cb[part], cr[part]).full_rgb())


@pytest.mark.parametrize(
    ("pix_fmt", "span"), [("yuv444p10le", LIMITED), ("yuv444p10le", FULL), ("gbrp12be", 0), ("yuv420p16le", LIMITED)]
)
def test_deep_planes_are_rounded(pix_fmt, span) -> None:
    bits, is_rgb = VideoFormat(pix_fmt, 16, 16).components[0].bits, pix_fmt.startswith("gbr")
    samples = np.random.default_rng(1).integers(0, 2**bits, (3, 16, 64))
    scale = 255 / (2**bits - 1) if is_rgb or span == FULL else 2.0 ** (8 - bits)
    for index, plane in enumerate(coded(pix_fmt, *samples, span=span).planes()):
        middle = 128 - scale * 2 ** (bits - 1) if index and not is_rgb else 0
        deep = samples[(2, 0, 1)[index] if is_rgb else index, : plane.shape[0], : plane.shape[1]]
        assert np.abs(plane - np.clip(deep * scale + middle, 0, 255)).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("space", [BT601, BT709, BT2020])
def test_black_and_white_films_have_no_hue(encode, space) -> None:
    ramp = np.arange(0, 256, 2, dtype=np.uint8)
    films = [np.repeat(np.roll(ramp, 31 * i)[None, :, None], 48, 0).repeat(3, 2) for i in range(4)]
    path = encode("v.mp4", films, colorspace=space, color_range=LIMITED)
    with VideoReader(path) as reader:
        assert HueHistogram().compute(list(reader))[:, 0].tolist() == [1.0] * 4
    assert all((image == image[..., :1]).all() for image in kb.extract(path, "uniform", budget=2).pictures())


@pytest.mark.data
def test_chaplin_is_black_and_white(data_root) -> None:
    with VideoReader(data_root / "videos" / "edited" / "chaplin.mp4") as reader:
        assert all(HueHistogram().compute([frame])[0, 0] == 1.0 for frame in reader)


@pytest.mark.data
def test_neutral_colours_of_a_real_film_are_grey_and_the_others_exact(data_root) -> None:
    feature = HueHistogram()
    with VideoReader(data_root / "videos" / "edited" / "fades.mp4") as reader:
        for frame in reader:
            planes = [cv2.resize(p, (80, 60), interpolation=cv2.INTER_AREA).astype(float) for p in frame.planes()]
            exact = np.stack([*planes, np.ones((60, 80))], axis=-1) @ rgb_matrix(int(frame.raw.colorspace), False).T
            neutral, found = (planes[1] == 128) & (planes[2] == 128), frame.rgb(60, 80)
            assert np.ptp(found[neutral], axis=1).max(initial=0) == 0
            assert off(found, np.clip(np.rint(exact), 0, 255)) <= 1
            assert feature.compute([frame])[0, 0] >= neutral.mean() - 1e-6
